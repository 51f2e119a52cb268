"""What a finished benchmark left in its folder, read back.

run = Run.read(Path("mlruns/_hydra/runs/…"))
run.values["test/neighbours/knn_accuracy"], run.draws["test/separability/silhouette"]
run.shown()["test"].coordinates, run.confusability
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from frostmark.errors import DataError
from frostmark.metrics.kinds import Kind, kinds_from_dict
from frostmark.metrics.lookup import known_kinds
from frostmark.results.record import NUMBERS, SCHEMA
from frostmark.stats.moments import Array, Float

FILE = NUMBERS
"""Numbers, tags and classes of a run."""

THUMBNAILS = "maps/thumbnails.npz"
"""Small pictures of the images that a comparison shows: megabytes, of which one run of several is enough."""

FILES = (FILE, "draws.npz", "embedding.parquet", "pair_variance.csv")
"""What a comparison reads of every run."""

WITHOUT_PICTURES = (FILE, "draws.npz")
"""What a ranking over data sets reads of every run."""

MAX_MATRIX_CLASSES = 60
"""Classes up to which the matrix of the pairs is read: their table grows with the square."""


@dataclass(frozen=True)
class ShownImages:
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

    def shows_those_of(self, other: ShownImages) -> bool:
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
        kinds: what the metrics are, by ``<family>/<name>``; those of this version where the run did not write any.
        draws, outcomes: metric key → (B,) bootstrap draws; name → (N,) one value an image.
        groups: split → (N,) the group of every image; empty if the images are taken to be independent.
        labels, files: split → (N,) the class of every image, and the name of its file; empty of runs that did not write
            them, and of images that are not files.
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
    kinds: Mapping[str, Kind] = field(default_factory=known_kinds)
    groups: Mapping[str, Array] = field(default_factory=dict)
    labels: Mapping[str, Array] = field(default_factory=dict)
    files: Mapping[str, Array] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path, run_id: str | None = None) -> Run:
        """The run whose files are in ``folder``.

        Raises:
            DataError: if they are missing, damaged, or of an earlier version that did not say what it compared.
        """
        try:
            record = json.loads((folder / FILE).read_text(encoding="utf-8"))
            _refuse_later(folder, record.get("schema", 0))
            arrays = _arrays(folder / "draws.npz")
            return cls(
                record["title"],
                record["tags"],
                tuple(record["classes"]),
                record["values"],
                record["undefined"],
                arrays["draws"],
                arrays["outcomes"],
                run_id or record["run_id"],
                folder,
                kinds_from_dict(record.get("kinds")) or known_kinds(),
                arrays["groups"],
                arrays["labels"],
                arrays["files"],
            )
        except (OSError, ValueError, KeyError, TypeError, RecursionError, BadZipFile) as problem:
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

    def shown(self) -> dict[str, ShownImages]:
        """The images of the map by split; empty of a run without a map."""
        path = None if self.folder is None else self.folder / "embedding.parquet"
        if path is None or not path.is_file():
            return {}
        from pyarrow import parquet

        table = parquet.read_table(path)
        columns: dict[str, Array] = {
            name: table.column(name).to_numpy() for name in ("split", "index", "label", "x", "y", "neighbours_kept")
        }
        splits = dict.fromkeys(columns["split"].tolist())
        return {str(split): _shown(columns, columns["split"] == split) for split in splits}

    @cached_property
    def confusability(self) -> Float | None:
        """(C, C) directional CDNV of the test split, NaN on the diagonal; None where it is not known."""
        path = None if self.folder is None else self.folder / "pair_variance.csv"
        classes = len(self.classes)
        if path is None or not path.is_file() or classes > MAX_MATRIX_CLASSES:
            return None
        matrix = np.full((classes, classes), np.nan)
        with path.open(newline="", encoding="utf-8") as file:
            for line in csv.DictReader(file):
                if (line["space"], line["split"]) == ("features", "test") and line["directional_cdnv"]:
                    i, j = int(line["class_i"]), int(line["class_j"])
                    matrix[i, j] = matrix[j, i] = float(line["directional_cdnv"])
        return matrix


def _refuse_later(folder: Path, schema: object) -> None:
    """Runs of before there was a schema have none: they are read as they are."""
    if not isinstance(schema, int) or schema > SCHEMA:
        raise DataError(
            f"the run in {folder} is of a later version of Frostmark: its {FILE} has schema {schema}, not {SCHEMA}",
            fix="pip install --upgrade frostmark",
        )


def _arrays(path: Path) -> dict[str, dict[str, Array]]:
    """What ``draws.npz`` holds, by the first word of each name; nothing where a run has no such file."""
    kinds: dict[str, dict[str, Array]] = {"draws": {}, "outcomes": {}, "groups": {}, "labels": {}, "files": {}}
    if path.is_file():
        with np.load(path, allow_pickle=False) as arrays:
            for name in arrays.files:
                kind, _, key = name.partition("/")
                kinds[kind][key] = arrays[name]
    return kinds


def _shown(columns: Mapping[str, Array], mine: NDArray[np.bool_]) -> ShownImages:
    return ShownImages(
        columns["index"][mine].astype(np.int64),
        columns["label"][mine].astype(np.int64),
        np.stack([columns["x"][mine], columns["y"][mine]], axis=1).astype(np.float64),
        columns["neighbours_kept"][mine].astype(np.float64),
    )
