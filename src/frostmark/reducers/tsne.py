"""t-SNE by openTSNE on exact neighbours: test images are placed into the map of the train images.

    fitted = TSNE(perplexity=30).fit(Points.alone(train_rows), seed=0, progress=print)
    fitted.transform(Points.among(test_rows, train_rows))

Distances are those of rows of unit length, so that neighbours are the ones by cosine that everything else looks at.
The seed shakes the start, two principal components, by a hundredth; nothing else is drawn at random.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from frostmark.reducers.pca import shaken_start
from frostmark.reducers.reducer import Coordinates, Fitted, Points, Progress, Reducer
from frostmark.stats.neighbours import Graph, unit_rows

if TYPE_CHECKING:
    from openTSNE import TSNEEmbedding
    from openTSNE.affinity import Affinities
    from openTSNE.nearest_neighbors import KNNIndex
    from scipy.sparse import csr_matrix

    from frostmark.reducers.repulsion import Field

_EARLY_ITERATIONS = 250
_EARLY_EXAGGERATION = 12.0
_REPORT_EVERY = 50

_OMITTED_FACTOR = 4
"""Of the gradient's factor 4 openTSNE makes none; the learning rate makes up for it, once exaggeration is over."""

_ALONE = 2000
"""So few points one thread moves before another has begun, on a busy machine ten times as fast."""

_PLACING_PERPLEXITY = 5.0
"""openTSNE's own choice: a new point belongs where its very nearest neighbours are."""

_PLACING_NEIGHBOURS = 15

_TWIN = 2e-3
"""Rows of unit length that are closer than single-precision cosines can tell (√(2·2⁻²⁰) ≈ 1.4e-3) are the same."""


@dataclass(frozen=True, kw_only=True)
class TSNE(Reducer):
    """t-distributed stochastic neighbour embedding (van der Maaten & Hinton 2008; openTSNE).

    Args:
        perplexity: effective number of neighbours; lowered where there are fewer than three times as many rows.
        n_iter: iterations after the 250 of early exaggeration.
        n_jobs: threads; -1 for all.
    """

    perplexity: float = 30.0
    n_iter: int = 600
    n_jobs: int = -1
    label: ClassVar[str] = "t-SNE"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.perplexity <= 1 or self.n_iter < 1:
            raise ValueError(f"perplexity={self.perplexity} must exceed 1, n_iter={self.n_iter} reach 1")

    def fit(self, points: Points, seed: int, progress: Progress) -> Fitted:
        import openTSNE

        count = len(points.rows)
        told = _Told(progress, f"t-SNE of {count:,} images")
        progress(f"{told.what}: neighbours")
        affinities = self._affinities(points)
        embedding = openTSNE.TSNE(
            negative_gradient_method=_Objective(),
            n_jobs=self.n_jobs if count > _ALONE else 1,
            random_state=seed,
            callbacks=told,
            callbacks_every_iters=_REPORT_EVERY,
        ).prepare_initial(affinities=affinities, initialization=shaken_start(unit_rows(points.rows), seed))
        embedding.optimize(_EARLY_ITERATIONS, exaggeration=_EARLY_EXAGGERATION, inplace=True)
        embedding.optimize(self.n_iter, learning_rate=_OMITTED_FACTOR * count, inplace=True)
        # openTSNE centres a map in place before it places points into it: once here, so that both stay in register.
        embedding -= (embedding.max(0) + embedding.min(0)) / 2
        coordinates = np.array(embedding, dtype=np.float64)

        def transform(new: Points) -> Coordinates:
            told.what, told.with_error = f"t-SNE placing {len(new.rows):,} images", False
            return _place(new.nearest(min(_PLACING_NEIGHBOURS, count)), embedding, coordinates)

        return Fitted(coordinates, transform, float(embedding.kl_divergence))

    def _affinities(self, points: Points) -> Affinities:
        import openTSNE

        others = len(points.rows) - 1
        return openTSNE.affinity.PerplexityBasedNN(
            perplexity=min(self.perplexity, others / 3),
            knn_index=_index(points.nearest(min(others, int(3 * self.perplexity)))),
            n_jobs=self.n_jobs,
        )


class _Told:
    """Passes openTSNE's iterations on as progress; the error of points being placed is no KL divergence."""

    def __init__(self, progress: Progress, what: str) -> None:
        self.what = what
        self.with_error = True
        self._progress = progress

    def __call__(self, iteration: int, error: float, embedding: NDArray[np.float64]) -> bool:
        suffix = f", KL divergence {error:.2f}" if self.with_error else ""
        self._progress(f"{self.what}: iteration {iteration}{suffix}")
        return False  # go on


class _Objective:
    """Error and gradient of a map, as openTSNE asks for them.

    Points being placed (those with a ``reference_embedding``) have a distribution each, over the map alone.
    """

    def __init__(self) -> None:
        self._map: Field | None = None

    def __call__(
        self,
        embedding: NDArray[np.float64],
        P: csr_matrix,  # noqa: N803 - openTSNE's name
        *,
        reference_embedding: NDArray[np.float64] | None = None,
        n_jobs: int = 1,
        should_eval_error: bool = False,
        **others: object,
    ) -> tuple[float, Coordinates]:
        from openTSNE import _tsne
        from openTSNE.tsne import kl_divergence_bh

        from frostmark.reducers.attraction import attraction
        from frostmark.reducers.repulsion import Field, Grid

        points = np.asarray(embedding)
        reference = points if reference_embedding is None else np.asarray(reference_embedding)
        if not Grid.around(reference).pays(len(reference)):
            told = {
                "reference_embedding": reference_embedding,
                "n_jobs": n_jobs,
                "should_eval_error": should_eval_error,
            }
            error, gradient = kl_divergence_bh(embedding, P, **told, **others)
            return float(error), gradient
        if reference_embedding is None:
            force, closeness = Field.of(points).at(points)
            total: NDArray[np.float64] | np.float64 = closeness.sum() - len(points)
            gradient = force / -total
        else:
            self._map = self._map or Field.of(reference)
            force, total = self._map.at(points)
            gradient = force / -total[:, None]
        if not should_eval_error:
            return 0.0, gradient + attraction(P, points, reference)
        weight, error = _tsne.estimate_positive_gradient_nn(
            P.indices, P.indptr, P.data, points, reference, gradient, 1.0,
            num_threads=n_jobs, should_eval_error=True,
        )  # fmt: skip
        return error + weight * np.log(np.mean(total)), gradient


def _place(graph: Graph, embedding: TSNEEmbedding, coordinates: Coordinates) -> Coordinates:
    """Places (M, 2) of points whose neighbours in the map (N, 2) are ``graph`` (M, K)."""
    index = embedding.affinities.knn_index
    index.queried = graph
    k = graph.index.shape[1]
    rows = np.empty((len(graph.index), 0))  # openTSNE counts them; what they are the graph knows
    perplexity = min(_PLACING_PERPLEXITY, k / 3)
    placed = np.array(embedding.transform(rows, perplexity=perplexity, k=k), dtype=np.float64)
    twins = graph.distance[:, 0] < _TWIN
    placed[twins] = coordinates[graph.index[twins, 0]]
    return placed


def _index(graph: Graph) -> KNNIndex:
    """A graph in the shape of the search that openTSNE wants to do."""
    from openTSNE.nearest_neighbors import KNNIndex

    class GraphIndex(KNNIndex):  # type: ignore[misc]
        queried: Graph

        def check_metric(self, metric: str) -> str:
            return metric

        def build(self) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
            return graph.index, graph.distance

        def query(self, query: object, k: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
            return self.queried.first(k).index, self.queried.first(k).distance

    return GraphIndex(graph.index, graph.index.shape[1])
