"""What a finished benchmark left in its folder, read back.

run = Run.read(Path("mlruns/_hydra/runs/…"))
run.values["test/neighbours/knn_accuracy"], run.draws["test/separability/silhouette"]
run.shown["test"].coordinates, run.confusability
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from frostmark.comparison.files import (
    EXPORTED,
    arrays_in,
    check_range,
    damage_told,
    exported_in,
    numbers_in,
    pairs_in,
    points_in,
)
from frostmark.errors import DataError
from frostmark.metrics.kinds import Kind, kinds_from_dict
from frostmark.metrics.lookup import known_kinds
from frostmark.metrics.metric import CLASSES_AS_SCALARS
from frostmark.results.places import both_places, place
from frostmark.results.record import NUMBERS
from frostmark.stats.moments import Array, Float

FILE = NUMBERS
"""Numbers, tags and classes of a run."""

THUMBNAILS = place("thumbnails.npz")
"""Small pictures of the images that a comparison shows: megabytes, of which one run of several is enough."""

FILES = (*both_places(FILE), *both_places(EXPORTED), "draws.npz", "embedding.parquet", "pair_variance.csv")
"""What a comparison reads of every run."""

WITHOUT_PICTURES = (*both_places(FILE), "draws.npz")
"""What a ranking over data sets reads of every run."""

MAX_MATRIX_CLASSES = CLASSES_AS_SCALARS
"""Classes up to which the matrix of the pairs is read: of more, the CSV does not hold every pair."""


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
        with damage_told(folder):
            numbers = numbers_in(folder)
            values, kinds = numbers["values"] | exported_in(folder), kinds_from_dict(numbers["kinds"]) or known_kinds()
            check_range(values, kinds)
            arrays = arrays_in(folder / "draws.npz", images_of(numbers["tags"]), len(numbers["classes"]))
            run = cls(
                numbers["title"],
                numbers["tags"],
                tuple(numbers["classes"]),
                values,
                numbers["undefined"],
                arrays["draws"],
                arrays["outcomes"],
                run_id or numbers["run_id"],
                folder,
                kinds,
                arrays["groups"],
                arrays["labels"],
                arrays["files"],
            )
            _ = run.shown, run.confusability  # damage in them is told here, where the run can still be left out
        return run

    @property
    def backbone(self) -> str:
        """The network's name."""
        return self.tags.get("backbone", "")

    @property
    def layer(self) -> str:
        """The layer as it was asked for."""
        return self.tags.get("layer", "")

    @cached_property
    def shown(self) -> dict[str, ShownImages]:
        """The images of the map by split; empty of a run without a map."""
        path = None if self.folder is None else self.folder / "embedding.parquet"
        columns = {} if path is None else points_in(path, images_of(self.tags), len(self.classes))
        splits = dict.fromkeys(columns["split"].tolist()) if columns else {}
        return {str(split): _shown(columns, columns["split"] == split) for split in splits}

    @cached_property
    def confusability(self) -> Float | None:
        """(C, C) directional CDNV of the test split, NaN on the diagonal; None where it is not known."""
        if self.folder is None or len(self.classes) > MAX_MATRIX_CLASSES:
            return None
        return pairs_in(self.folder / "pair_variance.csv", len(self.classes))


def read_all(folders: Iterable[tuple[Path, str | None]]) -> tuple[list[Run], list[str]]:
    """The runs in ``folders``, each with its identifier in the tracking store, and a line on each that is damaged."""
    runs: list[Run] = []
    left_out: list[str] = []
    for folder, run_id in folders:
        try:
            runs.append(Run.read(folder, run_id))
        except DataError as problem:
            left_out.append(f"left out: {problem.problem}")
    return runs, left_out


def images_of(tags: Mapping[str, str]) -> dict[str, int]:
    """Split → number of its images."""
    return {split: int(tags[f"{split}_images"]) for split in ("train", "test")}


def _shown(columns: Mapping[str, Array], mine: NDArray[np.bool_]) -> ShownImages:
    return ShownImages(
        columns["index"][mine].astype(np.int64),
        columns["label"][mine].astype(np.int64),
        np.stack([columns["x"][mine], columns["y"][mine]], axis=1).astype(np.float64),
        columns["neighbours_kept"][mine].astype(np.float64),
    )
