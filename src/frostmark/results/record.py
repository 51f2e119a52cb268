"""What one run leaves behind: on disk first, then with the tracker.

    record = Record(folder, tracker, progress, title, classes, thumbnails, about)
    record.add_metrics(scores, splits)      # numbers, tables, and the pictures that go with them
    record.add_maps(maps)
    record.close()

The run's own folder holds every file, so that nothing is lost when the tracker is out of reach.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from matplotlib.figure import Figure

from frostmark.figures.files import pixels, save_pixels, save_vector
from frostmark.metrics.controls import beside, gains
from frostmark.metrics.deciding import USUAL, Rule, short_metrics, why_other
from frostmark.metrics.kinds import Kind, kinds_to_dict
from frostmark.metrics.maps import MapSet, map_scores, map_variances
from frostmark.metrics.metric import Scores, Splits, Undefined, Value
from frostmark.results.findings import Findings
from frostmark.results.maps import ARTIFACTS, map_page, map_pictures, map_points, shown_thumbnails
from frostmark.results.names import with_files
from frostmark.results.pair_tables import table_files
from frostmark.results.pictures import NO_IMAGES, Picture, Thumbnails, metric_pictures
from frostmark.results.places import place, room_for
from frostmark.results.tables import write_arrays, write_parquet, write_text
from frostmark.stats.moments import Array
from frostmark.tracking.tracker import Tracker

NUMBERS = "metrics.json"
"""Everything that a comparison asks of a run but for arrays; metrics.schema.json beside this file is its schema."""

SCHEMA = 1
"""Version of that file: a reader of one version reads the version before, and refuses a later one."""


@dataclass
class Record:
    """What a run found, as it comes in.

    Args:
        folder: of the run's files.
        tracker: the run in the tracking store.
        progress: told what is being written.
        title: backbone · layer · data set.
        classes: names in the order of their labels.
        thumbnails: the images themselves; None where they are not known.
        about: a sentence on what is shown, below the pictures.

    Attributes:
        kinds: of the metrics: what they are, so that whoever reads the run need not know its families.
        values: metric key → number.
        undefined: metric key → why it is none.
        tables: artifact name → columns; the first, ``space``, says whether of the features or of the map.
        skipped: artifact → why it was not made.
        chance: metric key → what labels that mean nothing would give.
        draws, outcomes: metric key → bootstrap draws; name → one value per image.
        controls: control → its scores, as far as they compare: the same metrics of what the layer must beat.
        tags: what the run is.
        groups: by split, the group of every image as a number; empty if the images are taken to be independent.
        labels, files: by split, the class of every image, and the name of its file where it has one.
        remarks: what must be said beside the metrics.
        rule: which metric decides.
        vectors: whether pictures that are fit for papers are saved as SVG, too.
        figures: artifact → the picture as it was drawn.
    """

    folder: Path
    tracker: Tracker
    progress: Callable[[str], None]
    title: str
    classes: tuple[str, ...]
    thumbnails: Thumbnails | None
    about: str = ""
    kinds: dict[str, Kind] = field(default_factory=dict)
    values: dict[str, float] = field(default_factory=dict)
    undefined: dict[str, str] = field(default_factory=dict)
    tables: dict[str, dict[str, list[object]]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    chance: dict[str, float] = field(default_factory=dict)
    draws: dict[str, Array] = field(default_factory=dict)
    outcomes: dict[str, Array] = field(default_factory=dict)
    controls: dict[str, Scores] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    groups: dict[str, Array] = field(default_factory=dict)
    labels: dict[str, Array] = field(default_factory=dict)
    files: dict[str, Array] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    rule: Rule = USUAL
    vectors: bool = False
    figures: dict[str, Figure] = field(default_factory=dict)

    @property
    def findings(self) -> Findings:
        """What the summary tells of."""
        of_values = (self.values, self.undefined, self.tables, self.skipped, self.chance)
        return Findings(*of_values, self.kinds, self.remarks, self.rule)

    def add_metrics(self, scores: Scores, splits: Splits) -> None:
        """Take in what a family says of ``splits``, and draw what its tables allow."""
        self.add_scores(scores)
        for picture in metric_pictures(scores, splits, self.title, self.thumbnails):
            self.add_picture(picture)

    def add_maps(self, maps: MapSet) -> None:
        """Take in the maps, with their pictures, their page and their points; or why there are none."""
        if maps.why_none:
            self.skipped |= dict.fromkeys(ARTIFACTS, maps.why_none)
            return
        self.progress("drawing the maps")
        for picture in map_pictures(maps, self.classes, self.title, self.about):
            self.add_picture(picture)
        self.add_text("map.html", map_page(maps, self.classes, self.title, self.about, self.thumbnails, self.files))
        points = with_files(map_points(maps, self.classes), self.files)
        self._log(write_parquet(self._at("embedding.parquet"), points))
        if self.thumbnails is None:
            self.skipped[place("thumbnails.npz")] = NO_IMAGES
        else:
            self._keep("thumbnails.npz", shown_thumbnails(maps, self.thumbnails, len(self.classes)))
        self.add_scores(map_scores(maps))
        self.add_scores(map_variances(maps, self.classes), space="map")

    def add_tags(self, tags: Mapping[str, str]) -> None:
        """Write down what the run is."""
        self.tags |= tags
        self.tracker.set_tags(tags)

    def add_scores(self, scores: Scores, space: str = "features") -> None:
        """Take in a family's values and tables."""
        for key, value in scores.values.items():
            self._take(key, value)
        self.kinds |= scores.kinds
        self.chance |= scores.chance
        self.draws |= scores.draws
        self.outcomes |= scores.outcomes
        for name, of in scores.tables.items():
            table = with_files(of, self.files)
            lines = len(next(iter(table.values())))
            mine = self.tables.setdefault(name, {"space": [], **{column: [] for column in table}})
            mine["space"].extend([space] * lines)
            for column, cells in table.items():
                mine[column].extend(cells)

    def _take(self, key: str, value: Value) -> None:
        if isinstance(value, Undefined):
            self.undefined[key] = value.reason
        else:
            self.add_value(key, value)

    def add_control(self, control: str, scores: Scores, widths: tuple[int, int]) -> None:
        """Take in what stands beside the layer of a control's scores: :func:`~frostmark.metrics.controls.beside`."""
        shown = beside(scores, widths)
        self.controls.setdefault(control, Scores({})).take(shown)
        for key, value in shown.values.items():
            self._take(f"control/{control}/{key}", value)

    def compare(self) -> None:
        """Set the values beside those of the controls, once all are in."""
        if self.controls:
            table = gains(self.values, self.draws, self.controls)
            self.tables["controls"] = {name: [*column] for name, column in table.items()}

    @property
    def decides(self) -> tuple[str, Kind] | None:
        """Key and kind of the metric that decides; None without one."""
        return next(((f"test/{name}", kind) for name, kind in self.findings.ranked), None)

    def decide(self) -> None:
        """Say so if another metric decides than was asked for, once all values are in."""
        self.remarks += [told for told in [why_other(self.rule, self.findings.ranked)] if told]

    def add_value(self, key: str, value: float) -> None:
        """Take in one number.

        Raises:
            ArithmeticError: if it is not finite; such a value should have been ``Undefined``, with a reason.
        """
        if not math.isfinite(value):
            raise ArithmeticError(f"metric {key} is {value}: it should have been Undefined, with a reason")
        self.values[key] = value

    def add_picture(self, picture: Picture) -> None:
        """Save a picture, and hand it to the tracker; or take down why there is none."""
        if picture.figure is None:
            self.skipped[place(picture.name)] = picture.why_none
            return
        self.figures[picture.name] = picture.figure
        drawn = pixels(picture.figure)
        self._log(save_pixels(drawn, self._at(picture.name), picture.figure.dpi))
        if picture.vector and self.vectors:
            self._log(save_vector(picture.figure, self._at(f"{Path(picture.name).stem}.svg")))
        if picture.image_key:
            self.tracker.log_image(picture.image_key, drawn)

    def add_text(self, name: str, text: str) -> None:
        """Save a text as artifact ``name``; whoever reads it finds it whole or not at all."""
        self._log(write_text(self._at(name), text))

    def close(self) -> None:
        """Write tables and numbers, and hand them to the tracker in one go."""
        self._write_draws()
        for name, table in sorted(self.tables.items()):
            for path in table_files(self.folder, name, table, len(self.classes)):
                self._log(path)
        self.add_text(NUMBERS, _numbers(self))
        # The short keys first: MLflow lists metrics as they came, and draws the first of them when it compares runs.
        self.tracker.log_metrics(short_metrics(self.values, self.kinds, self.rule) | self.values)
        self.tracker.set_tags({f"undefined.{key}": reason for key, reason in self.undefined.items()})
        self.tracker.set_tags({f"skipped.{name}": reason for name, reason in self.skipped.items()})

    def _write_draws(self) -> None:
        """``draws.npz``, for differences between runs: ``draws/<metric key>``, ``outcomes/<name>``, ``labels/<split>``.

        Where they are known, ``groups/<split>`` and ``files/<split>``, too."""
        kinds = ("draws", "outcomes", "labels", "groups", "files")
        arrays = {f"{kind}/{key}": of for kind in kinds for key, of in getattr(self, kind).items()}
        if arrays:
            self._keep("draws.npz", arrays)

    def _keep(self, name: str, arrays: Mapping[str, Array]) -> None:
        """Save arrays as artifact ``name``, whole or not at all."""
        self._log(write_arrays(self._at(name), arrays))

    def _at(self, name: str) -> Path:
        """Where the file ``name`` goes."""
        return room_for(self.folder, name)

    def _log(self, path: Path) -> None:
        """Hand a file to the tracker, for the same place in the run."""
        self.tracker.log_file(path, "" if path.parent == self.folder else path.parent.name)


def _numbers(record: Record) -> str:
    """Everything that a comparison asks of the run but for arrays, as JSON."""
    numbers = {
        "schema": SCHEMA,
        "title": record.title,
        "classes": record.classes,
        "run_id": record.tracker.run_id,
        "tags": record.tags,
        "values": record.values,
        "undefined": record.undefined,
        "skipped": record.skipped,
        "chance": record.chance,
        "kinds": kinds_to_dict(record.kinds),
    }
    return json.dumps(numbers, indent=1, ensure_ascii=False)
