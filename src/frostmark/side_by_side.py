"""The comparison: finished benchmarks become a verdict, a page, a picture and two tables.

    compared = compare_runs([Run.read(folder) for folder in folders], into=Path("…"), store=FeatureStore(…))
    compared.groups[0].verdict.sentence, compared.files

Everything is made from what the runs left in their folders; where a part of that is gone (rows pruned, images moved)
the comparison is made without it and says so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from frostmark.aligned import AlignedMaps, pictures
from frostmark.errors import ConfigError, FrostmarkError
from frostmark.report.runs import Group, Run, comparable, differences
from frostmark.report.verdicts import Verdict, judge
from frostmark.stats.moments import Array, Float

if TYPE_CHECKING:
    from frostmark.features.store import FeatureStore
    from frostmark.figures.costs import CostPoint
    from frostmark.figures.depth import Stop
    from frostmark.report.comparison import About
    from frostmark.report.page import Section
    from frostmark.tracking.mlflow import MlflowStore

SIMILAR_MOST = 24
"""Layers in the matrix of their similarity."""

SIMILARITY_IMAGES = 4_000
"""Test images that similarities are computed from, fewer of wide layers."""

_SIMILARITY_BYTES = 1 << 28


@dataclass(frozen=True)
class Judged:
    """One group of runs that may be compared, with what it says."""

    group: Group
    verdict: Verdict
    curves: Mapping[str, Sequence[Stop]]
    remarks: tuple[str, ...]
    files: tuple[Path, ...]
    markdown: str


@dataclass(frozen=True)
class Compared:
    """A comparison: one part for each group of runs, the largest first."""

    parts: tuple[Judged, ...]

    @property
    def files(self) -> list[Path]:
        """Everything that was written."""
        return [path for part in self.parts for path in part.files]

    @property
    def sentence(self) -> str:
        """The verdict on the largest group."""
        return self.parts[0].verdict.sentence

    @property
    def markdown(self) -> str:
        """Every part in words."""
        return "\n\n".join(part.markdown for part in self.parts)


def compare_runs(
    runs: Sequence[Run],
    into: Path,
    store: FeatureStore,
    about: About,
    progress: Callable[[str], None],
) -> Compared:
    """Compare finished benchmarks and write what was found.

    Args:
        runs: two or more of the same images at least; others are set apart in groups of their own.
        into: a folder for ``comparison.html``, ``.png``, ``.csv``, ``.md`` and ``depth.png``; those of further groups
            end in ``_2``, ``_3`` …
        store: where the rows are, for similarities.
        about: what belongs to it beside the numbers.

    Raises:
        ConfigError: if no two of the runs may be compared, naming what they differ in.
    """
    groups = comparable(runs)
    if len(groups[0].runs) < 2:
        raise ConfigError(f"nothing can be compared: {_why_not(groups)}", fix=_FIX)
    into.mkdir(parents=True, exist_ok=True)
    apart = _set_apart(groups)
    parts = []
    for number, group in enumerate((g for g in groups if len(g.runs) > 1), 1):
        progress(f"comparing {len(group.runs)} runs")
        end = "" if number == 1 else f"_{number}"
        work = _Work(group, judge(group), into, end, store, progress, [*about.remarks, *apart])
        parts.append(work.write(about))
    return Compared(tuple(parts))


def compare_links(tracked: MlflowStore | None, runs: Sequence[Run]) -> dict[str, str]:
    """MLflow's own page that sets the runs side by side, if they are tracked."""
    ids = [run.run_id for run in runs if run.run_id]
    return {} if tracked is None or len(ids) < 2 else {"Compare in MLflow": tracked.compare_link(ids)}


def log_comparison(tracked: MlflowStore, run_id: str, compared: Compared) -> None:
    """Keep a comparison with a run: its files, and accuracy by depth as one metric a network, the step being depth.

    The step is the percentage of the network's multiply-accumulates up to the layer, so that networks line up.
    """
    tracked.add_files(run_id, compared.files)
    points = {
        (key, round(100 * stop.depth)): stop.value
        for part in compared.parts[:1]
        for key, stops in zip(depth_keys(list(part.curves)), part.curves.values(), strict=True)
        for stop in sorted(stops, key=lambda stop: stop.depth)
    }
    tracked.add_metrics(run_id, [(key, value, step) for (key, step), value in points.items()])


def depth_keys(networks: Sequence[str]) -> list[str]:
    """``depth/<network>`` for each: what MLflow takes for a metric's name, and one for no two of them."""
    keys: list[str] = []
    for name in networks:
        word = _NOT_IN_KEYS.sub("_", name)[:_KEY_MOST].strip(". ") or "_"
        several = (f"depth/{word}{end}" for end in ("", *(f" {n}" for n in range(2, len(networks) + 2))))
        keys.append(next(key for key in several if key not in keys))
    return keys


_NOT_IN_KEYS = re.compile(r"[^\w.\- ]")
_KEY_MOST = 200
"""Characters; MLflow takes 250, and neither a name that reads as a path upwards."""

_FIX = "name two runs or more of the same images, seed, preprocessing and settings of the metrics"


def _why_not(groups: Sequence[Group]) -> str:
    if len(groups) < 2:
        return f"there is one run alone, {groups[0].runs[0].title}" if groups else "there is no finished run"
    one, other = groups[0].runs[0], groups[1].runs[0]
    return f"{one.title} and {other.title} differ in {'; '.join(differences(one, other))}"


def _set_apart(groups: Sequence[Group]) -> list[str]:
    """What is not compared with the largest group, and why."""
    first = groups[0].runs[0]
    return [
        f"not compared with these: {', '.join(group.titles)} ({'; '.join(differences(first, group.runs[0]))})"
        for group in groups[1:]
    ]


@dataclass
class _Work:
    """One group on its way to its files."""

    group: Group
    verdict: Verdict
    folder: Path
    end: str
    store: FeatureStore
    progress: Callable[[str], None]
    remarks: list[str] = field(default_factory=list)

    def write(self, about: About) -> Judged:
        """Every file of the comparison."""
        from frostmark.report.comparison import all_runs, comparison_markdown
        from frostmark.report.tables import write_csv

        files = [write_csv(self._path("comparison.csv"), all_runs(self.group))]
        files += self._draw_depth()
        maps = self._maps
        files.append(self._draw(maps))
        files.append(self._write_page(about, maps))
        about = replace(about, remarks=self.remarks)
        text = comparison_markdown(self.group, self.verdict, about, self._class_words())
        path = self._path("comparison.md")
        path.write_text(text, encoding="utf-8")
        return Judged(self.group, self.verdict, self.curves, tuple(self.remarks), (*files, path), text)

    def _path(self, name: str) -> Path:
        stem, _, kind = name.partition(".")
        return self.folder / f"{stem}{self.end}.{kind}"

    @property
    def _title(self) -> str:
        return f"{self.group.dataset} · {len(self.group.runs)} layers of {len(set(self.group.names))} networks"

    # ------------------------------------------------------------ depth and cost

    @cached_property
    def curves(self) -> dict[str, list[Stop]]:
        """Network → its layers, with the depth and the accuracy of each."""
        from frostmark.figures.depth import Stop
        from frostmark.report.comparison import depth

        found: dict[str, list[Stop]] = {}
        headline = self.verdict.decides
        for name, layer, run in zip(self.group.names, self.group.layers, self.group.runs, strict=True):
            if headline is not None:
                ends = (run.values.get(f"{headline.key}{end}") for end in ("_lo", "_hi"))
                found.setdefault(name, []).append(Stop(layer, depth(run), run.values[headline.key], *ends))
        return found

    @property
    def _has_depth(self) -> bool:
        return any(len(stops) > 1 for stops in self.curves.values())

    @property
    def _metric(self) -> str:
        return f"{self.verdict.decides.words} (test)" if self.verdict.decides else ""

    def _draw_depth(self) -> list[Path]:
        """``depth.png`` and ``depth.svg``, if layers of one network are among the runs."""
        if not self._has_depth:
            return []
        from frostmark.figures.depth import draw_depth
        from frostmark.figures.files import save, save_vector

        figure = draw_depth(self.curves, self._metric, f"accuracy by depth · {self.group.dataset}")
        return [save(figure, self._path("depth.png")), save_vector(figure, self._path("depth.svg"))]

    @cached_property
    def _costs(self) -> list[CostPoint]:
        from frostmark.figures.costs import CostPoint

        headline = self.verdict.decides
        if headline is None:
            return []
        return [
            CostPoint(
                title,
                name,
                run.values["cost/gmacs"],
                run.values[headline.key],
                run.values.get(f"{headline.key}_lo"),
                run.values.get(f"{headline.key}_hi"),
            )
            for title, name, run in zip(self.group.titles, self.group.names, self.group.runs, strict=True)
            if run.values.get("cost/gmacs", 0) > 0
        ]

    # ------------------------------------------------------------ maps

    @cached_property
    def _maps(self) -> AlignedMaps | None:
        order = [self.group.titles.index(c.name) for c in self.verdict.contenders]
        order += [n for n in range(len(self.group.runs)) if n not in order]
        maps = AlignedMaps.of(self.group, order)
        if maps is not None:
            self.remarks += maps.remarks
        return maps

    def _draw(self, maps: AlignedMaps | None) -> Path:
        """``comparison.png``: verdict, maps of the contenders, depth and cost."""
        from frostmark.figures.comparison import GridMap, draw_comparison
        from frostmark.figures.files import save

        shown = []
        if maps is not None:
            shown = [
                GridMap(m.name, m.coordinates["test"], maps.labels["test"], m.kept["test"], m.badge["test"])
                for m in maps.of_contenders([c.name for c in self.verdict.contenders])
            ]
        figure = draw_comparison(
            shown,
            self.group.runs[0].classes,
            self.curves,
            self._costs,
            self._metric,
            self._title,
            self.verdict.sentence,
        )
        return save(figure, self._path("comparison.png"))

    # ------------------------------------------------------------ page

    def _write_page(self, about: About, maps: AlignedMaps | None) -> Path:
        from frostmark.figures.linked import linked_maps
        from frostmark.report.page import comparison_page

        pieces = None
        if maps is not None:
            self.progress("comparing: the images of the linked maps")
            images = maps.images(self._thumbnails(maps))
            pieces = linked_maps(maps.grid(self.group), images, self.group.runs[0].classes, maps.note)
        sections = list(self._sections(about))
        lines = [self.verdict.sentence, *(f"Missing: {line}" for line in about.missing), *self.remarks]
        path = self._path("comparison.html")
        path.write_text(comparison_page(self._title, lines, sections, pieces), encoding="utf-8")
        return path

    def _sections(self, about: About) -> Iterator[Section]:
        from frostmark.figures.costs import draw_costs
        from frostmark.figures.depth import draw_depth
        from frostmark.report import comparison as words
        from frostmark.report.page import PageTable, Section

        def tables(*grids: words.Grid) -> list[PageTable]:
            return [PageTable(*grid) for grid in grids]

        group, verdict = self.group, self.verdict
        if verdict.contenders:
            text = [f"Compared on {group.setting}.", words.HOW]
            yield Section("Ranking", text, tables(words.ranking(group, verdict)))
            yield Section("Every two", (), tables(words.pairs(verdict)))
        pictures = [self._svg(draw_depth(self.curves, self._metric, "accuracy by depth"))] if self._has_depth else []
        yield Section("Every layer", (), tables(words.layers(group)), pictures)
        if self._costs:
            picture = draw_costs(self._costs, self._metric, "quality against cost")
            yield Section("Quality against cost", (), (), [self._svg(picture)])
        yield from self._class_section()
        yield from self._similarity_section()
        if verdict.agreement:
            yield Section("Do the metrics agree?", [words.AGREEMENT], tables(words.agreements(verdict)))
        run = [f"Typed: {about.command}"] if about.command else []
        yield Section("What was run, exactly", run, tables(*words.provenance(group)))

    def _svg(self, figure: Any) -> str:
        from frostmark.figures.files import save_vector

        drawn = save_vector(figure, self._path(".drawing.svg"))
        text = drawn.read_text(encoding="utf-8")
        drawn.unlink()
        return text

    # ------------------------------------------------------------ classes

    @cached_property
    def _two(self) -> tuple[Run, Run, tuple[str, str]] | None:
        """The best two contenders whose pairs of classes are known."""
        known = [c for c in self.verdict.contenders if c.run.confusability is not None]
        if len(known) < 2 or len(self.group.runs[0].classes) < 3:
            return None
        one, other = known[:2]
        return one.run, other.run, (one.name, other.name)

    def _class_words(self) -> list[str]:
        from frostmark.report.comparison import class_differences

        if self._two is None:
            return []
        one, other, names = self._two
        assert one.confusability is not None
        assert other.confusability is not None
        return class_differences(one.confusability, other.confusability, names, one.classes)

    def _class_section(self) -> Iterator[Section]:
        from frostmark.figures.heat import draw_confusion_difference
        from frostmark.metrics.confusability import similarity_order
        from frostmark.report.page import Section

        if self._two is None:
            return
        one, other, names = self._two
        order = [int(c) for c in similarity_order(one.confusability)]  # type: ignore[arg-type]
        title = "which pairs of classes each separates better"
        matrices = (one.confusability, other.confusability)
        figure = draw_confusion_difference(*matrices, names, one.classes, order, title)  # type: ignore[arg-type]
        yield Section("Which classes", self._class_words(), (), [self._svg(figure)])

    # ------------------------------------------------------------ similarity

    def _similarity_section(self) -> Iterator[Section]:
        from frostmark.figures.heat import draw_similarity
        from frostmark.report.page import Section

        self.progress("comparing: similarity of the layers")
        found = similarities(self.group.runs[:SIMILAR_MOST], self.store)
        title = "How alike the layers are"
        if found is None:
            yield Section(title, ["Their rows are not kept in mlruns/features: run them again to compare them."])
            return
        matrix, images = found
        text = [
            f"Linear CKA by the unbiased HSIC, of {images:,} test images: 1 for rows that differ by rotation and "
            "scale, about 0 for unrelated ones. Empty cells: rows that are not kept in mlruns/features."
        ]
        figure = draw_similarity(matrix, self.group.titles[:SIMILAR_MOST], "how alike the layers are (CKA)")
        yield Section(title, text, (), [self._svg(figure)])

    def _thumbnails(self, maps: AlignedMaps) -> Mapping[str, Array] | None:
        """The images themselves, if they are where they were."""
        for run in self.group.runs:
            try:
                return pictures(run, maps.index)
            except (FrostmarkError, OSError) as problem:
                why = str(problem).splitlines()[0]
        self.remarks.append(f"the linked maps are without images: {why}")
        return None


# ---------------------------------------------------------------- similarity


def similarities(runs: Sequence[Run], store: FeatureStore) -> tuple[Float, int] | None:
    """(R, R) CKA between the layers, NaN where rows are not kept, and the number of test images it is of.

    None if the rows of fewer than two are there.
    """
    from frostmark.metrics.similarity import cka_matrix
    from frostmark.stats.sampling import seeded, some

    names = [run.tags.get("rows_test", "") for run in runs]
    kept = {name: entry for name in names if name and (entry := store.find(name)) is not None}
    if sum(name in kept for name in names) < 2:
        return None
    count = min(entry.key.count for entry in kept.values())
    widest = max(entry.width for entry in kept.values())
    most = max(min(SIMILARITY_IMAGES, _SIMILARITY_BYTES // (4 * widest)), 4)
    positions = some(count, most, seeded(0, "similarity"))
    rows = {name: entry.rows(positions) for name, entry in kept.items()}
    return cka_matrix([rows.get(name) for name in names]), len(positions)
