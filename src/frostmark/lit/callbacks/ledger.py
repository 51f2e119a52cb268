"""Where the callbacks put what they found: on disk first, then with the tracker.

    ledger = Ledger(folder, tracker, progress)
    ledger.add_scores(scores, space="features")
    ledger.add_figure("map.png", figure)

The run's own folder holds every file, so that nothing is lost when the tracker is out of reach.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from frostmark.figures.files import pixels, save, save_vector
from frostmark.metrics.controls import gains, stands_beside
from frostmark.metrics.metric import Scores, Undefined, Value
from frostmark.reducers.reducer import Progress
from frostmark.report.tables import write_csv
from frostmark.stats.moments import Array
from frostmark.tracking.tracker import Tracker

NUMBERS = "metrics.json"
"""Everything that a comparison asks of a run but for arrays."""


@dataclass
class Ledger:
    """The findings of one run as they come in.

    Attributes:
        values: metric key → number.
        undefined: metric key → why it is none.
        tables: artifact name → columns; the first, ``space``, says whether of the features or of the map.
        skipped: artifact → why it was not made.
        chance: metric key → what labels that mean nothing would give.
        draws, outcomes: metric key → bootstrap draws; name → one value an image.
        controls: control → its scores: the same metrics of what the layer must beat.
        tags: what the run is.
        about: further words on it, kept in its folder alone.
        figures: artifact → the picture as it was drawn.
    """

    folder: Path
    tracker: Tracker
    progress: Progress
    values: dict[str, float] = field(default_factory=dict)
    undefined: dict[str, str] = field(default_factory=dict)
    tables: dict[str, dict[str, list[Any]]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    chance: dict[str, float] = field(default_factory=dict)
    draws: dict[str, Array] = field(default_factory=dict)
    outcomes: dict[str, Array] = field(default_factory=dict)
    controls: dict[str, Scores] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, Figure] = field(default_factory=dict)

    def add_tags(self, tags: Mapping[str, str]) -> None:
        """Write down what the run is."""
        self.tags |= tags
        self.tracker.set_tags(tags)

    def add_scores(self, scores: Scores, space: str = "features") -> None:
        """Take in a family's values and tables."""
        for key, value in scores.values.items():
            self._take(key, value)
        self.chance |= scores.chance
        self.draws |= scores.draws
        self.outcomes |= scores.outcomes
        for name, table in scores.tables.items():
            lines = len(next(iter(table.values())))
            mine = self.tables.setdefault(name, {"space": [], **{column: [] for column in table}})
            for column, cells in {"space": [space] * lines, **table}.items():
                mine[column].extend(cells)

    def _take(self, key: str, value: Value) -> None:
        if isinstance(value, Undefined):
            self.undefined[key] = value.reason
        else:
            self.add_value(key, value)

    def add_control(self, control: str, scores: Scores) -> None:
        """Take in what a family found in a control; see :mod:`frostmark.metrics.controls`."""
        mine = self.controls.setdefault(control, Scores({}))
        mine.kinds = {**mine.kinds, **scores.kinds}
        mine.values |= scores.values
        mine.draws |= scores.draws
        for key, value in scores.values.items():
            if stands_beside(key, scores.kinds):
                self._take(f"control/{control}/{key}", value)

    def compare(self) -> None:
        """Set the values beside those of the controls, once all are in."""
        if self.controls:
            self.tables["controls"] = dict(gains(self.values, self.draws, self.controls))

    def add_value(self, key: str, value: float) -> None:
        """Take in one number.

        Raises:
            ArithmeticError: if it is not finite; such a value should have been ``Undefined``, with a reason.
        """
        if not math.isfinite(value):
            raise ArithmeticError(f"metric {key} is {value}: it should have been Undefined, with a reason")
        self.values[key] = value

    def add_figure(self, name: str, figure: Figure, image_key: str | None = None, *, vector: bool = False) -> None:
        """Save a figure as artifact ``name``, and as an image in the tracker's grid under ``image_key``.

        Args:
            vector: whether an SVG of the same stem goes with it, for papers.
        """
        self.figures[name] = figure
        self.tracker.log_file(save(figure, self.folder / name))
        if vector:
            self.tracker.log_file(save_vector(figure, (self.folder / name).with_suffix(".svg")))
        if image_key is not None:
            self.tracker.log_image(image_key, pixels(figure))

    def add_text(self, name: str, text: str) -> None:
        """Save a text as artifact ``name``; whoever reads it finds it whole or not at all."""
        path = self.folder / name
        temporary = path.with_name(f".{name}")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
        self.add_file(path)

    def add_file(self, path: Path) -> None:
        """Take in a file that was written into the folder."""
        self.tracker.log_file(path)

    def close(self) -> None:
        """Write tables and numbers, and hand them to the tracker in one go."""
        self._write_draws()
        for name, table in sorted(self.tables.items()):
            self.tracker.log_file(write_csv(self.folder / f"{name}.csv", table))
        found = {
            **self.about,
            "run_id": self.tracker.run_id,
            "tags": self.tags,
            "values": self.values,
            "undefined": self.undefined,
            "skipped": self.skipped,
            "chance": self.chance,
        }
        self.add_text(NUMBERS, json.dumps(found, indent=1, ensure_ascii=False))
        self.tracker.log_metrics(self.values)
        self.tracker.set_tags({f"undefined.{key}": reason for key, reason in self.undefined.items()})
        self.tracker.set_tags({f"skipped.{name}": reason for name, reason in self.skipped.items()})

    def _write_draws(self) -> None:
        """``draws.npz``: ``draws/<metric key>`` and ``outcomes/<name>``, for differences between runs."""
        arrays = {f"draws/{key}": found for key, found in self.draws.items()}
        arrays |= {f"outcomes/{name}": found for name, found in self.outcomes.items()}
        if arrays:
            path = self.folder / "draws.npz"
            np.savez_compressed(path, allow_pickle=False, **arrays)
            self.tracker.log_file(path)
