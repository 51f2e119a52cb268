"""What a finished benchmark left in its folder, read back; and which benchmarks may be compared with each other.

    run = Run.read(Path("mlruns/_hydra/runs/…"))
    run.values["test/neighbours/knn_accuracy"], run.draws["test/separability/silhouette"]
    for group in comparable(runs):                  # the same images, labels, preprocessing, seed and settings
        group.runs, group.setting

Numbers are compared only within a group: between groups they differ by more than the network.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frostmark.errors import DataError
from frostmark.stats.moments import Array, Float

FILE = "metrics.json"
"""Numbers, tags and classes of a run."""

FILES = (FILE, "draws.npz", "embedding.parquet", "pair_variance.csv", "config.yaml")
"""What a comparison reads of a run."""

SAME = {
    "dataset": "data set",
    "dataset_fingerprint": "images",
    "label_digest": "labels",
    "train_images": "number of train images",
    "test_images": "number of test images",
    "preprocess": "preprocessing",
    "seed": "seed",
    "protocol": "settings of the metrics",
}
"""Tags that runs must share to be compared, and how a person calls them."""

NAMING = ("backbone", "weights", "precision", "reducer")
"""Tags that tell networks apart; of those, a name holds the ones that differ."""

UNTRAINED = "untrained"
"""What the tag ``weights`` says of a network with seeded initial weights."""

MATRIX_MOST = 60
"""Classes up to which the matrix of the pairs is read: their table grows with the square."""


@dataclass(frozen=True)
class Points:
    """The images that a run's map shows, by split.

    Attributes:
        index: (N,) numbers of the images in the split.
        labels: (N,) their classes.
        coordinates: (N, 2).
        kept: (N,) share of each neighbourhood that the map keeps; NaN where it is not known.
    """

    index: NDArray[np.int64]
    labels: NDArray[np.int64]
    coordinates: Float
    kept: Float

    def shows_those_of(self, other: Points) -> bool:
        """Whether both show the same images in the same order."""
        return bool(np.array_equal(self.index, other.index))


@dataclass(frozen=True)
class Run:
    """One finished benchmark.

    Attributes:
        title: backbone · layer · data set.
        tags: what it is.
        classes: names in the order of their labels.
        values, undefined: metric key → number, or why it has none.
        draws, outcomes: metric key → (B,) bootstrap draws; name → (N,) one value an image.
        run_id: in the tracking store, if it is in one.
        folder: where its files are; None for a run that was never written.
    """

    title: str
    tags: Mapping[str, str]
    classes: tuple[str, ...]
    values: Mapping[str, float]
    undefined: Mapping[str, str] = field(default_factory=dict)
    draws: Mapping[str, Array] = field(default_factory=dict)
    outcomes: Mapping[str, Array] = field(default_factory=dict)
    run_id: str | None = None
    folder: Path | None = None

    @classmethod
    def read(cls, folder: Path, run_id: str | None = None) -> Run:
        """The run whose files are in ``folder``.

        Raises:
            DataError: if they are missing, damaged, or of an earlier version that did not say what it compared.
        """
        try:
            found = json.loads((folder / FILE).read_text(encoding="utf-8"))
            draws, outcomes = _arrays(folder / "draws.npz")
            return cls(
                found["title"],
                found["tags"],
                tuple(found["classes"]),
                found["values"],
                found["undefined"],
                draws,
                outcomes,
                run_id or found["run_id"],
                folder,
            )
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as problem:
            raise DataError(
                f"the run in {folder} cannot be compared: {type(problem).__name__} in its files: {problem}",
                fix="run that benchmark again; what is in the store is not extracted anew",
            ) from problem

    @property
    def backbone(self) -> str:
        """The network's name."""
        return self.tags.get("backbone", "")

    @property
    def layer(self) -> str:
        """The layer as it was asked for."""
        return self.tags.get("layer", "")

    def points(self) -> dict[str, Points]:
        """The map by split; empty of a run without one."""
        path = None if self.folder is None else self.folder / "embedding.parquet"
        if path is None or not path.is_file():
            return {}
        from pyarrow import parquet

        table = parquet.read_table(path)
        columns: dict[str, Array] = {
            name: table.column(name).to_numpy() for name in ("split", "index", "label", "x", "y", "neighbours_kept")
        }
        splits = dict.fromkeys(columns["split"].tolist())
        return {str(split): _points(columns, columns["split"] == split) for split in splits}

    @cached_property
    def confusability(self) -> Float | None:
        """(C, C) directional CDNV of the test split, NaN on the diagonal; None where it is not known."""
        path = None if self.folder is None else self.folder / "pair_variance.csv"
        classes = len(self.classes)
        if path is None or not path.is_file() or classes > MATRIX_MOST:
            return None
        matrix = np.full((classes, classes), np.nan)
        with path.open(newline="", encoding="utf-8") as file:
            for line in csv.DictReader(file):
                if (line["space"], line["split"]) == ("features", "test") and line["directional_cdnv"]:
                    i, j = int(line["class_i"]), int(line["class_j"])
                    matrix[i, j] = matrix[j, i] = float(line["directional_cdnv"])
        return matrix


def _arrays(path: Path) -> tuple[dict[str, Array], dict[str, Array]]:
    """Draws and outcomes of ``draws.npz``; none where a run has no such file."""
    found: dict[str, dict[str, Array]] = {"draws": {}, "outcomes": {}}
    if path.is_file():
        with np.load(path, allow_pickle=False) as arrays:
            for name in arrays.files:
                kind, _, key = name.partition("/")
                found[kind][key] = arrays[name]
    return found["draws"], found["outcomes"]


def _points(columns: Mapping[str, Any], mine: NDArray[np.bool_]) -> Points:
    return Points(
        columns["index"][mine].astype(np.int64),
        columns["label"][mine].astype(np.int64),
        np.stack([columns["x"][mine], columns["y"][mine]], axis=1).astype(np.float64),
        columns["neighbours_kept"][mine].astype(np.float64),
    )


@dataclass(frozen=True)
class Group:
    """Runs that may be compared with each other.

    Attributes:
        names: of every run, what sets its network apart, without the layer: ``resnet18``.
        layers: of every run, its layer, with the pool where these differ.
    """

    runs: tuple[Run, ...]
    names: tuple[str, ...]
    layers: tuple[str, ...]

    @property
    def titles(self) -> tuple[str, ...]:
        """Network and layer of every run."""
        return tuple(f"{name} · {layer}" for name, layer in zip(self.names, self.layers, strict=True))

    @property
    def dataset(self) -> str:
        """The data set's name."""
        return self.runs[0].tags.get("dataset", "")

    @property
    def setting(self) -> str:
        """What all runs share, in words."""
        tags = self.runs[0].tags
        return (
            f"{self.dataset}: {int(tags['train_images']):,} train and {int(tags['test_images']):,} test images, "
            f"{tags['preprocess']} to {tags['image_size']} pixels, seed {tags['seed']}"
        )


def comparable(runs: Sequence[Run]) -> list[Group]:
    """The runs in groups whose members may be compared; the largest group first, runs in their order.

    Of several runs of the same node of the same network the last counts, under all the words it was asked for by: the
    last stage of some networks is their ``last_conv``.
    """
    found: dict[tuple[str, ...], dict[tuple[str, ...], list[Run]]] = {}
    for run in runs:
        what = tuple(run.tags.get(tag, "") for tag in (*NAMING, "node", "pool"))
        found.setdefault(tuple(_sameness(run).values()), {}).setdefault(what, []).append(run)
    groups = sorted((list(group.values()) for group in found.values()), key=len, reverse=True)
    return [
        Group(tuple(same[-1] for same in group), _names([same[-1] for same in group]), _layers(group))
        for group in groups
    ]


def differences(one: Run, other: Run) -> list[str]:
    """What keeps two runs from being compared, in words: ``seed: 0 and 1``; empty if nothing does."""
    first, second = _sameness(one), _sameness(other)
    unlike = {tag: (first[tag], second[tag]) for tag in first if first[tag] != second[tag]}
    if "dataset" in unlike:  # then the images differ, too
        unlike = {"dataset": unlike["dataset"]}
    return [f"{SAME[tag]}: {_short(tag, a)} and {_short(tag, b)}" for tag, (a, b) in unlike.items()]


def _short(tag: str, value: str) -> str:
    """A digest by its beginning, everything else whole."""
    return (value[:8] if tag.endswith(("fingerprint", "digest")) else value) or "not known"


def _sameness(run: Run) -> dict[str, str]:
    found = {tag: run.tags.get(tag, "") for tag in SAME}
    if found["preprocess"] != "official":  # there every network has its own size, as published
        found["preprocess"] += f" to {run.tags.get('image_size', '?')} pixels"
    return found


def _names(runs: Sequence[Run]) -> tuple[str, ...]:
    """Of every run the tags that tell its network from the others', the backbone always among them.

    Beside trained networks an untrained one is called so.
    """
    telling = [tag for tag in NAMING if tag == "backbone" or _differ_within_backbone(runs, tag)]
    mixed = "weights" not in telling and len({run.tags.get("weights") == UNTRAINED for run in runs}) > 1
    names = []
    for run in runs:
        words = [run.tags[tag] for tag in telling if run.tags.get(tag)]
        names.append(" ".join([*words, UNTRAINED] if mixed and run.tags.get("weights") == UNTRAINED else words))
    return tuple(names)


def _differ_within_backbone(runs: Sequence[Run], tag: str) -> bool:
    found: dict[str, set[str]] = {}
    for run in runs:
        found.setdefault(run.backbone, set()).add(run.tags.get(tag, ""))
    return any(len(values) > 1 for values in found.values())


def _layers(group: Sequence[Sequence[Run]]) -> tuple[str, ...]:
    """Of every node the words it was asked for by, and its pool where these differ."""
    words = [" = ".join(dict.fromkeys(run.layer for run in same)) for same in group]
    pools = [same[-1].tags.get("pool", "") for same in group]
    return tuple(words) if len(set(pools)) < 2 else tuple(map(" ".join, zip(words, pools, strict=True)))
