"""The pictures of a comparison.

save(overview(comparison), Path("comparison.png"))
figure = depth_curves(comparison, "accuracy by depth")          # None unless a network has several layers
"""

from __future__ import annotations

from matplotlib.figure import Figure

from frostmark.comparison.classes import ClassDifferences
from frostmark.comparison.comparison import Comparison
from frostmark.comparison.similarity import Similarity
from frostmark.figures.comparison import GridMap, draw_comparison
from frostmark.figures.costs import draw_costs
from frostmark.figures.depth import draw_depth
from frostmark.figures.heat import draw_confusion_difference, draw_similarity


def overview(comparison: Comparison) -> Figure:
    """``comparison.png``: verdict, maps of the contenders, depth and cost."""
    return draw_comparison(
        _maps_of_contenders(comparison),
        comparison.group.runs[0].classes,
        comparison.curves,
        comparison.costs,
        comparison.metric,
        comparison.title,
        comparison.verdict.sentence,
        comparison.in_percent,
    )


def _maps_of_contenders(comparison: Comparison) -> list[GridMap]:
    maps = comparison.maps
    if maps is None:
        return []
    labels = maps.images.labels["test"]
    return [
        GridMap(m.name, m.coordinates["test"], labels, m.kept["test"], m.badge["test"])
        for m in maps.of_contenders([c.name for c in comparison.verdict.contenders])
    ]


def depth_curves(comparison: Comparison, title: str) -> Figure | None:
    """Accuracy by depth, if several layers of one network are among the runs."""
    if not any(len(stops) > 1 for stops in comparison.curves.values()):
        return None
    return draw_depth(comparison.curves, comparison.metric, title, comparison.in_percent)


def costs(comparison: Comparison) -> Figure | None:
    """Accuracy against multiply-accumulates, if these are known."""
    if not comparison.costs:
        return None
    return draw_costs(comparison.costs, comparison.metric, "quality against cost", comparison.in_percent)


def classes(differences: ClassDifferences) -> Figure:
    """Which of two layers separates which pairs of classes better."""
    return draw_confusion_difference(
        differences.first,
        differences.second,
        differences.names,
        differences.classes,
        differences.order,
        "which pairs of classes each layer separates better",
    )


def similarity(of: Similarity) -> Figure:
    """CKA between the layers."""
    return draw_similarity(of.matrix, of.titles, "how alike the layers are (CKA)")
