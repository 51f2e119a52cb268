"""The schema of a configuration: every key, its kind and its default.

config = Config(backbone=…, preprocess=…, dataset=…)
config.trainer.precision, config.mlruns

Groups with a ``_target_`` (backbone, preprocess, dataset, reducer, metrics) take the arguments of that class as keys:
its signature is their schema.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import MISSING

from frostmark.errors import ConfigError

AUTO = "auto"
"""The batch size that a probe chooses; the store that the disk has room for; the spot check of what others wrote."""

MAX_HELD = 8 * 2**30
"""Bytes of rows that are held in memory as they are, where ``features.max_bytes`` names no number."""

CONTROLS = ("untrained", "pixels")
"""What a layer can be compared with."""

DECIDING = ("linear", "knn")
"""Families whose accuracy can decide."""

BALANCED = ("auto", "true", "false")
"""Whether balanced accuracy decides; auto: where the largest train class is over three times the smallest."""

POOLS = ("gap", "max", "gem", "flatten", "cls", "mean", "cls_mean")
"""Pools of maps and of tokens."""

NORMS = ("final", "none")
"""Whether the tokens of a block are brought through the network's final norm."""

OUTPUTS = ("short", "full")
"""How much of a run the terminal shows."""

PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")


@dataclass
class Paths:
    """``root`` holds ``mlruns/``."""

    root: str = "."


@dataclass
class Layer:
    """What is read: a tap, or an exact node, and the pool that makes rows of it.

    ``pool`` is the one that suits the layer unless it is named; ``norm`` is for the blocks of transformers.
    """

    tap: str | None = None
    node: str | None = None
    pool: str | None = None
    norm: str = "final"

    @property
    def word(self) -> str:
        """The name of the tap or of the node."""
        return self.node or self.tap or ""


@dataclass
class TrainerChoice:
    """Where and how the forward pass runs."""

    accelerator: str = "auto"
    devices: Any = 1
    strategy: str = "auto"
    precision: str = "32-true"
    compile: bool = False
    batch_size: Any = "auto"
    num_workers: int | None = None


@dataclass
class Features:
    """The store: rows of a layer that take more bytes than ``max_bytes``, both splits together, are not kept.

    auto: rows that fit the disk of the store are kept, see :mod:`frostmark.benchmark.room`.
    ``spot_check`` is the number of images per split that are forwarded again where stored rows are read; auto: 4 where
    the rows were not written by this user on this host.
    """

    max_bytes: Any = AUTO
    spot_check: Any = AUTO

    @property
    def held_bytes(self) -> int:
        """Bytes up to which rows are held in memory unprojected, and small pictures of the images are kept.

        It does not depend on the disk: it decides numbers.
        """
        return MAX_HELD if self.max_bytes == AUTO else int(self.max_bytes)


@dataclass
class Figures:
    """Pictures are PNG; ``svg``: those that are fit for papers as SVG, too."""

    svg: bool = False


@dataclass
class Tracking:
    """Where runs are kept: ``local``, ``server`` or ``none``; ``machine``: with how busy the machine was."""

    kind: str = "local"
    uri: str | None = None
    experiment: str = "frostmark"
    machine: bool = False


@dataclass
class Uncertainty:
    """How many bootstrap resamples and label permutations; 0 for none."""

    resamples: int = 1000
    permutations: int = 100


@dataclass
class NeighbourSearch:
    """Train images up to which all of them ask each other for neighbours on the CPU; of more, a sample of them asks."""

    exact_up_to: int = 200_000


@dataclass
class Decide:
    """Which metric decides between networks: of the ``family`` linear or knn; ``balanced``: auto, true or false."""

    family: str = "linear"
    balanced: Any = "auto"


@dataclass
class Config:
    """One benchmark."""

    seed: int = 0
    paths: Paths = field(default_factory=Paths)
    backbone: dict[str, Any] = MISSING
    layer: Layer = field(default_factory=Layer)
    preprocess: dict[str, Any] = MISSING
    dataset: dict[str, Any] = MISSING
    reducer: dict[str, Any] | None = None
    metrics: dict[str, Any] = field(default_factory=dict)
    decide: Decide = field(default_factory=Decide)
    uncertainty: Uncertainty = field(default_factory=Uncertainty)
    neighbours: NeighbourSearch = field(default_factory=NeighbourSearch)
    controls: list[str] = field(default_factory=lambda: ["pixels"])
    trainer: TrainerChoice = field(default_factory=TrainerChoice)
    tracking: Tracking = field(default_factory=Tracking)
    features: Features = field(default_factory=Features)
    figures: Figures = field(default_factory=Figures)
    output: str = "short"

    @property
    def mlruns(self) -> Path:
        """The folder of all run-time state.

        Raises:
            ConfigError: if its name is not text, as the tracking store and every page need it.
        """
        folder = Path(self.paths.root).expanduser().absolute() / "mlruns"
        try:
            str(folder).encode()
        except UnicodeEncodeError as problem:
            raise ConfigError(
                f"paths.root={os.fsencode(folder.parent).decode(errors='backslashreplace')} is not a name in UTF-8",
                fix="rename that folder, or paths.root=<another folder>",
            ) from problem
        return folder
