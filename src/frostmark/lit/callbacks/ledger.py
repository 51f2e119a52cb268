"""Where the callbacks put what they found: on disk first, then with the tracker.

    ledger = Ledger(folder, tracker, progress)
    ledger.add_scores(scores, space="features")
    ledger.add_figure("map.png", figure)

The run's own folder holds every file, so that nothing is lost when the tracker is out of reach.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from frostmark.figures.files import pixels, save
from frostmark.metrics.metric import Scores, Undefined
from frostmark.reducers.reducer import Progress
from frostmark.report.tables import write_csv
from frostmark.tracking.tracker import Tracker


@dataclass
class Ledger:
    """The findings of one run as they come in.

    Attributes:
        values: metric key → number.
        undefined: metric key → why it is none.
        tables: artifact name → columns; the first, ``space``, says whether of the features or of the map.
        skipped: artifact → why it was not made.
    """

    folder: Path
    tracker: Tracker
    progress: Progress
    values: dict[str, float] = field(default_factory=dict)
    undefined: dict[str, str] = field(default_factory=dict)
    tables: dict[str, dict[str, list[Any]]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    def add_scores(self, scores: Scores, space: str = "features") -> None:
        """Take in a family's values and tables."""
        for key, value in scores.values.items():
            if isinstance(value, Undefined):
                self.undefined[key] = value.reason
            else:
                self.add_value(key, value)
        for name, table in scores.tables.items():
            lines = len(next(iter(table.values())))
            mine = self.tables.setdefault(name, {"space": [], **{column: [] for column in table}})
            for column, cells in {"space": [space] * lines, **table}.items():
                mine[column].extend(cells)

    def add_value(self, key: str, value: float) -> None:
        """Take in one number.

        Raises:
            ArithmeticError: if it is not finite; such a value should have been ``Undefined``, with a reason.
        """
        if not math.isfinite(value):
            raise ArithmeticError(f"metric {key} is {value}: it should have been Undefined, with a reason")
        self.values[key] = value

    def add_figure(self, name: str, figure: Figure, image_key: str | None = None) -> None:
        """Save a figure as artifact ``name``, and as an image in the tracker's grid under ``image_key``."""
        self.tracker.log_file(save(figure, self.folder / name))
        if image_key is not None:
            self.tracker.log_image(image_key, pixels(figure))

    def add_text(self, name: str, text: str) -> None:
        """Save a text as artifact ``name``."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        self.tracker.log_file(path)

    def close(self) -> None:
        """Write tables and numbers, and hand them to the tracker in one go."""
        for name, table in sorted(self.tables.items()):
            self.tracker.log_file(write_csv(self.folder / f"{name}.csv", table))
        found = {"values": self.values, "undefined": self.undefined, "skipped": self.skipped}
        (self.folder / "metrics.json").write_text(json.dumps(found, indent=1, ensure_ascii=False), encoding="utf-8")
        self.tracker.log_metrics(self.values)
        self.tracker.set_tags({f"undefined.{key}": reason for key, reason in self.undefined.items()})
        self.tracker.set_tags({f"skipped.{name}": reason for name, reason in self.skipped.items()})
