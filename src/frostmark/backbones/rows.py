"""backbone=rows: rows made elsewhere stand in the place of a network, which nobody has.

backbone = RowsBackbone("features.npz", label="my network")
backbone.weights_name                   # 'rows of features.npz'
backbone.untrained()                    # ConfigError: rows made elsewhere have no network

What is in the file, :mod:`frostmark.features.given` reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from torch import nn

from frostmark.backbones.backbone import Preset
from frostmark.backbones.taps import Survey
from frostmark.errors import ConfigError

NO_NETWORK = "rows made elsewhere have no network"
"""Why everything that asks for one has no answer."""


@dataclass(frozen=True)
class RowsBackbone:
    """What is known of a network of which only rows are there.

    Args:
        file: of the rows; None where they were handed over.
        label: what runs call the network; None for what the file says, or its name without the ending.
    """

    file: str | None = None
    label: str | None = None

    @property
    def path(self) -> Path:
        """Where the rows are.

        Raises:
            ConfigError: if no file is named.
        """
        if not self.file:
            fix = "backbone=rows backbone.file=<file .npz, .safetensors or .parquet>"
            raise ConfigError("backbone=rows needs the file of the rows", fix=fix)
        return Path(self.file).expanduser()

    @property
    def name(self) -> str:
        return self.label or (self.path.stem if self.file else "rows")

    @property
    def weights_name(self) -> str:
        return f"rows of {self.path.name}" if self.file else "rows handed over"

    @property
    def architecture_name(self) -> str:
        return "rows"

    @property
    def library(self) -> str:
        return "elsewhere"

    @property
    def family(self) -> str:
        return "rows"

    @property
    def provenance(self) -> Mapping[str, str]:
        return {}

    @property
    def preset(self) -> Preset:
        """Of pictures for a person: no network takes the images."""
        return Preset([PICTURE], [PICTURE], [0.0] * 3, [1.0] * 3)

    def missing_weights(self) -> str | None:
        return None

    def check_layer(self, tap: str) -> None:
        return None

    def survey(self, size: int | None = None) -> Survey:
        _refuse()

    def architecture(self) -> nn.Module:
        _refuse()

    def load(self, seed: int) -> nn.Module:
        _refuse()

    def untrained(self) -> NoReturn:
        _refuse()


PICTURE = 224
"""Edge in pixels of the pictures of named image files."""


def _refuse() -> NoReturn:
    raise ConfigError(NO_NETWORK, fix="leave backbone=rows out, and name a network: backbone=resnet18")
