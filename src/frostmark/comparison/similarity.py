"""How alike the layers of compared runs are, from the rows that the store keeps.

similarity = similarity_of(group, FeatureStore(Path("mlruns/features")))        # None: the rows are not kept
similarity.matrix, similarity.titles
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from frostmark.comparison.groups import Group
from frostmark.comparison.runs import Run
from frostmark.features.store import FeatureStore
from frostmark.metrics.similarity import cka_matrix
from frostmark.stats.moments import Float
from frostmark.stats.sampling import seeded, some

MAX_LAYERS = 24
"""Layers in the matrix."""

MAX_IMAGES = 4_000
"""Test images that similarities are computed from, fewer of wide layers."""

_MAX_BYTES = 1 << 28


@dataclass(frozen=True, eq=False)
class Similarity:
    """Linear CKA between layers.

    Attributes:
        matrix: (R, R); NaN where rows are not kept.
        titles: R layers.
        images: number of test images that it is of.
    """

    matrix: Float
    titles: tuple[str, ...]
    images: int


def similarity_of(group: Group, store: FeatureStore) -> Similarity | None:
    """Between the first :data:`MAX_LAYERS` runs of a group; None if the rows of fewer than two are kept."""
    known = similarities(group.runs[:MAX_LAYERS], store)
    return None if known is None else Similarity(known[0], group.titles[:MAX_LAYERS], known[1])


def similarities(runs: Sequence[Run], store: FeatureStore) -> tuple[Float, int] | None:
    """(R, R) CKA between the layers, NaN where rows are not kept, and the number of test images it is of.

    None if the rows of fewer than two are there.
    """
    names = [run.tags.get("rows_test", "") for run in runs]
    kept = {name: entry for name in names if name and (entry := store.find(name)) is not None}
    if sum(name in kept for name in names) < 2:
        return None
    count = min(entry.key.count for entry in kept.values())
    widest = max(entry.width for entry in kept.values())
    most = max(min(MAX_IMAGES, _MAX_BYTES // (4 * widest)), 4)
    positions = some(count, most, seeded(0, "similarity"))
    rows = {name: entry.rows(positions) for name, entry in kept.items()}
    return cka_matrix([rows.get(name) for name in names]), len(positions)
