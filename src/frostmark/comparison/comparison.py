"""What a group of finished benchmarks says side by side, as a value: everything computed, nothing written.

    comparison = compare(group, FeatureStore(Path("mlruns/features")))
    comparison.verdict.sentence, comparison.curves, comparison.similarity
    write(comparison, Path("results"))              # frostmark.comparison.write; a notebook shows it without a file

Everything is made from what the runs left in their folders; where a part of that is gone (rows pruned, no thumbnails)
the comparison is made without it and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from frostmark.comparison.about import About
from frostmark.comparison.cards import card_sentence
from frostmark.comparison.classes import ClassDifferences, class_differences
from frostmark.comparison.deciding import AS_MADE, Asked
from frostmark.comparison.groups import Group
from frostmark.comparison.maps import AlignedMaps
from frostmark.comparison.markdown import comparison_markdown
from frostmark.comparison.similarity import Similarity, similarity_of
from frostmark.comparison.tables import depth, knows_depth, ranking
from frostmark.comparison.verdict import Verdict, judge
from frostmark.features.store import FeatureStore
from frostmark.figures.costs import GMACS, LATENCY, CostPoint
from frostmark.figures.depth import Stop
from frostmark.results.notebook import notebook_html

NOTHING_MORE = About()


LATENCY_KEY = "cost/latency_ms_p50"


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """Runs that may be compared, with what they say.

    Attributes:
        group: the runs.
        verdict: which is better, and whether that is significant.
        about: where the comparison comes from, with all remarks on it.
        curves: network → its layers, with depth and value of the metric that decides; empty without one, and without
            networks whose depth is not known.
        costs: every layer whose cost is known, with its value of the metric that decides.
        maps: laid upon each other, with the images that they show; None if no run has one.
        similarity: CKA between the layers; None if their rows are not kept.
        classes: which pairs of classes each of the best two layers separates better; None where that is not known.
    """

    group: Group
    verdict: Verdict
    about: About
    curves: Mapping[str, tuple[Stop, ...]]
    costs: tuple[CostPoint, ...]
    maps: AlignedMaps | None
    similarity: Similarity | None
    classes: ClassDifferences | None

    @property
    def title(self) -> str:
        """Data set, number of layers and number of networks."""
        return f"{self.group.dataset} · {self.group.counted}"

    @property
    def metric(self) -> str:
        """The metric that decides, for the axes of charts."""
        return f"{self.verdict.decides.words} (test)" if self.verdict.decides else ""

    @property
    def in_percent(self) -> bool:
        """Whether the metric that decides is read in percent."""
        return self.verdict.decides is not None and self.verdict.decides.kind.share

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a reader must know."""
        return tuple(self.about.remarks)

    @property
    def markdown(self) -> str:
        """The comparison in words and tables."""
        sentences = () if self.classes is None else self.classes.sentences
        return comparison_markdown(self.group, self.verdict, self.about, sentences)

    def __repr__(self) -> str:
        return f"<Comparison of {self.title}: {self.verdict.sentence}>"

    def _repr_markdown_(self) -> str:
        """What a notebook shows that takes no HTML."""
        return self.markdown

    def _repr_html_(self) -> str:
        """What a notebook shows: the verdict and the ranking."""
        cards = card_sentence(self.group, self.verdict)
        told = [self.verdict.sentence, *([cards] if cards else [])]
        missing = [f"Missing: {line}" for line in self.about.missing]
        grid = ranking(self.group, self.verdict) if self.verdict.contenders else ([], [])
        return notebook_html(self.title, told, grid, [*missing, *self.remarks])


def compare(
    group: Group,
    store: FeatureStore,
    about: About = NOTHING_MORE,
    progress: Callable[[str], None] = lambda text: None,
    asked: Asked = AS_MADE,
) -> Comparison:
    """Compare runs that may be compared; the same runs give the same comparison.

    Args:
        store: where the rows are, for similarities.
        about: where the comparison comes from.
        progress: is told what is being done.
        asked: what decides, in place of what the runs were made with.
    """
    progress(f"comparing {len(group.runs)} runs")
    verdict = judge(group, asked)
    maps = AlignedMaps.of(group, _best_first(group, verdict))
    remarks = [*about.remarks, *verdict.notes, *(() if maps is None else maps.remarks)]
    progress("comparing: similarity of the layers")
    similarity = similarity_of(group, store)
    return Comparison(
        group,
        verdict,
        replace(about, remarks=remarks),
        _curves(group, verdict),
        _costs(group, verdict),
        maps,
        similarity,
        class_differences(verdict),
    )


def _best_first(group: Group, verdict: Verdict) -> list[int]:
    """Positions of the runs: the contenders by their places, then the others."""
    order = [group.titles.index(c.name) for c in verdict.contenders]
    return order + [n for n in range(len(group.runs)) if n not in order]


def _curves(group: Group, verdict: Verdict) -> dict[str, tuple[Stop, ...]]:
    """Network → its layers in the order of the runs."""
    headline = verdict.decides
    if headline is None:
        return {}
    curves: dict[str, tuple[Stop, ...]] = {}
    for name, layer, run in zip(group.names, group.layers, group.runs, strict=True):
        if not knows_depth(run):
            continue
        ends = (run.values.get(f"{headline.key}{end}") for end in ("_lo", "_hi"))
        curves[name] = (*curves.get(name, ()), Stop(layer, depth(run), run.values[headline.key], *ends))
    return curves


def _costs(group: Group, verdict: Verdict) -> tuple[CostPoint, ...]:
    """By the latency where every run was exported, else by the operations up to the layer."""
    headline = verdict.decides
    if headline is None:
        return ()
    timed = all(run.values.get(LATENCY_KEY, 0) > 0 for run in group.runs)
    key, unit = (LATENCY_KEY, LATENCY) if timed else ("cost/gmacs", GMACS)
    return tuple(
        CostPoint(
            title,
            name,
            run.values[key],
            run.values[headline.key],
            run.values.get(f"{headline.key}_lo"),
            run.values.get(f"{headline.key}_hi"),
            unit,
        )
        for title, name, run in zip(group.titles, group.names, group.runs, strict=True)
        if run.values.get(key, 0) > 0
    )
