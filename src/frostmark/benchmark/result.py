"""What one benchmark leaves behind, as an object: its numbers, maps and figures, and the rows with their images.

result = run_benchmark(config, folder=Path("runs/1"))
result.values["test/linear/accuracy"], result.rows["train"].shape, result.labels["train"]
result.to_pandas()              # one line per image
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frostmark.errors import DataError
from frostmark.features.entry import Entry
from frostmark.metrics.kinds import Kind, split_of
from frostmark.metrics.maps import SplitMap
from frostmark.results.findings import Findings, interval
from frostmark.results.notebook import notebook_html
from frostmark.results.tables import data_frame, metric_lines
from frostmark.stats.moments import Array


@dataclass(frozen=True)
class KeptRows(Mapping[str, NDArray[np.float32]]):
    """Split → its rows (N, D) float32, read from the store whenever they are asked for.

    Attributes:
        entries: where they are, by split.
        why_none: why they are not kept; empty if they are.
    """

    entries: Mapping[str, Entry] = field(default_factory=dict)
    why_none: str = ""

    def __getitem__(self, split: str) -> NDArray[np.float32]:
        """The rows of a split.

        Raises:
            DataError: if they are not in the store, or not any more.
        """
        entry = self.entries[split]
        if self.why_none:
            raise DataError(f"the rows were not kept: {self.why_none}", fix="overrides=['features.max_bytes=…']")
        if not entry.intact():
            told = f"the rows of {split} are not in {entry.folder} any more"
            raise DataError(told, fix="run the benchmark again with the same words")
        return np.concatenate([entry.read(shard) for shard in entry.shards])

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def __repr__(self) -> str:
        shapes = (f"{split}: {entry.key.count:,} × {entry.width:,}" for split, entry in self.entries.items())
        return f"<rows {', '.join(shapes)}{'; not kept' if self.why_none else ''}>"


@dataclass(frozen=True, repr=False)
class Result:
    """What one benchmark leaves behind.

    Attributes:
        title: backbone · layer · data set.
        about: weights and numbers of images, which the title leaves out.
        folder: every file of the run.
        values, undefined: the metrics, and why some have none.
        chance: of some metrics, what labels that mean nothing would give.
        run_id, link: the run in the tracking store, if there is one, and its place in MLflow's pages.
        maps: one per split, with coordinates, labels and how far they may be believed; none if none could be made.
        figures: artifact → the picture as it was drawn, a matplotlib figure.
        kinds: what the metrics are: their words, direction and what they may be compared across.
        remarks: what must be said beside the metrics, such as how few groups the images come in.
        decides: key and kind of the metric that decides; None if the run has none that can.
        classes: names in the order of their labels.
        rows: split → (N, D) float32, the features of every image; read from the store when they are asked for.
        labels: split → (N,) int64.
        files: split → (N,) the name of every image's file; empty where images are not files.
        groups: split → (N,) the group of every image, as a text; empty of independent images.
        outcomes: ``<split>/<name>`` → (N,) one value per image, such as whether it was classified correctly.
        answer: two or three sentences: how good the read-out is, against what, and where it fails.
        findings: what the answer and the tables rest on.
    """

    title: str
    about: str
    folder: Path
    values: Mapping[str, float]
    undefined: Mapping[str, str]
    chance: Mapping[str, float]
    run_id: str | None
    link: str | None
    maps: Sequence[SplitMap] = ()
    figures: Mapping[str, object] = field(default_factory=dict)
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    remarks: Sequence[str] = ()
    decides: tuple[str, Kind] | None = None
    classes: tuple[str, ...] = ()
    rows: Mapping[str, NDArray[np.float32]] = field(default_factory=KeptRows)
    labels: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    files: Mapping[str, Array] = field(default_factory=dict)
    groups: Mapping[str, Array] = field(default_factory=dict)
    outcomes: Mapping[str, Array] = field(default_factory=dict)
    answer: Sequence[str] = ()
    findings: Findings | None = None

    def to_pandas(self, *, features: bool = False) -> Any:
        """One line per image, as a ``pandas.DataFrame``.

        Args:
            features: whether the rows stand in it, too, as columns ``feature_0``, ``feature_1`` …

        Returns:
            columns ``split``, ``index`` (in the split), ``label``, ``class``; ``file`` and ``group`` where they are
            known; one column per outcome (``knn_hits``), and ``x``, ``y`` of the map. A value that an image
            does not have is missing.

        Raises:
            ConfigError: if pandas is not installed.
            DataError: if the rows are wanted and not kept.
        """
        parts = [self._images(split) for split in self.labels]
        names = dict.fromkeys(name for part in parts for name in part)
        counts = [len(labels) for labels in self.labels.values()]
        missing = [np.full(count, np.nan) for count in counts]
        columns = {
            name: np.concatenate([part.get(name, none) for part, none in zip(parts, missing, strict=True)])
            for name in names
        }
        if features:
            rows = np.concatenate([self.rows[split] for split in self.labels])
            columns |= {f"feature_{number}": column for number, column in enumerate(rows.T)}
        return data_frame(columns)

    def _images(self, split: str) -> dict[str, Array]:
        """What is known of every image of a split, by column."""
        labels = self.labels[split]
        known = {"file": self.files.get(split), "group": self.groups.get(split)}
        columns: dict[str, Array] = {
            "split": np.full(len(labels), split),
            "index": np.arange(len(labels)),
            "label": labels,
            "class": np.array(self.classes)[labels],
            **{name: of for name, of in known.items() if of is not None},
        }
        for key, outcome in self.outcomes.items():
            if split_of(key) == split:
                columns[key.partition("/")[2]] = np.asarray(outcome, dtype=np.float64)
        for of in self.maps:
            if of.split == split:
                places = np.full((len(labels), 2), np.nan)
                places[of.images] = of.coordinates
                columns |= {"x": places[:, 0], "y": places[:, 1]}
        return columns

    @property
    def sentence(self) -> str:
        """The metric that decides with its interval; empty of a run without one."""
        if self.decides is None:
            return ""
        key, kind = self.decides
        ends = interval(key, self.values, kind.shown)
        return f"{kind.words} {kind.shown(self.values[key])}" + (f" (95% CI {ends})" if ends else "")

    def __repr__(self) -> str:
        return f"<Result of {self.title}: {self.sentence or f'{len(self.values)} values'}>"

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        controls, lines = metric_lines(self.values, self.undefined, self.chance, self.kinds)
        head = ["metric", "train", "test", "95% CI (test)", "chance", "p", *controls]
        cells = [
            [*(of.name, of.train, of.test, of.interval, of.chance, of.p), *(of.controls[c] for c in controls)]
            for of in lines
        ]
        told = [self.about, *self.answer]
        return notebook_html(self.title, told, (head, cells), self.remarks)
