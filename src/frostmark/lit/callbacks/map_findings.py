"""What the maps are, put down: pictures, the interactive page, the table of the points, and the badge as metrics.

found = MapFindings(ledger, classes, title="resnet18 · last_conv · digits", about="Weights: untrained.", reducer=TSNE())
found(made)
"""

from __future__ import annotations

from collections.abc import Mapping

from frostmark.figures.interactive import InteractiveView, interactive_map
from frostmark.figures.maps import MapView, draw_maps
from frostmark.lit.callbacks.findings import Thumbnails
from frostmark.lit.callbacks.ledger import Ledger
from frostmark.lit.callbacks.maps import Made, Mapped
from frostmark.metrics.cost import COST_KINDS
from frostmark.metrics.map_kinds import MAP_KINDS
from frostmark.metrics.metric import Scores, Undefined, make_splits
from frostmark.metrics.variance import MapVariance
from frostmark.reducers.reducer import Reducer
from frostmark.report.tables import write_parquet

ARTIFACTS = ("map.png", "map_train.png", "map_test.png", "map.html", "embedding.parquet")
FAINT = "The fainter a point, the fewer of the ten images nearest to it in the features are near it in the map."
THUMBNAIL = 64
"""Pixels a side of the images in the page."""

TOO_FEW = "too few images for neighbourhoods"


class MapFindings:
    """Takes in the maps of a run.

    Args:
        ledger: where everything goes.
        classes: names in the order of their labels.
        title: of the pictures, without the split.
        about: a sentence on what is shown, below the pictures.
        reducer: the method that made the maps.
        thumbnails: the images themselves.
    """

    def __init__(
        self,
        ledger: Ledger,
        classes: tuple[str, ...],
        title: str,
        about: str,
        reducer: Reducer,
        thumbnails: Thumbnails,
    ) -> None:
        self._ledger = ledger
        self._classes = classes
        self._thumbnails = thumbnails
        self._title = f"{title} · {type(reducer).__name__}"
        self._together = reducer.fit_on == "train"
        self._note = f"{about} {self._how(type(reducer).__name__)} {reducer.reading}\n{FAINT}"

    def __call__(self, made: Made | str) -> None:
        """Put down the maps, or why there are none."""
        if isinstance(made, str):
            self._ledger.skipped |= dict.fromkeys(ARTIFACTS, made)
            return
        self._ledger.progress("drawing the maps")
        self._draw(made)
        self._write_page(made)
        self._write_points(made)
        self._ledger.add_scores(_scores(made))
        self._ledger.add_scores(self._variances(made.splits), space="map")

    def _how(self, method: str) -> str:
        if self._together:
            return f"{method} fitted on train; test images placed into the same map."
        return f"{method} fitted on each split alone: the two maps share no coordinates."

    def _draw(self, made: Made) -> None:
        views = [_view(of) for of in made.splits]
        both = draw_maps(views, self._classes, self._title, self._note, shared=self._together)
        self._ledger.add_figure("map.png", both, vector=True)
        for view in views:
            figure = draw_maps([view], self._classes, f"{self._title} · {view.split}", self._note, shared=False)
            self._ledger.add_figure(f"map_{view.split}.png", figure, image_key=f"map/{view.split}")

    def _write_page(self, made: Made) -> None:
        """``map.html``: the same points, each with its image."""
        views = [
            InteractiveView(
                of.split,
                of.coordinates,
                of.labels,
                of.images,
                of.neighbours,
                of.neighbours_in,
                None if of.badge is None else of.badge.kept,
                self._thumbnails(of.split, of.images.tolist(), THUMBNAIL),
            )
            for of in made.splits
        ]
        badges = {of.split: of.badge for of in made.splits if of.badge is not None}
        page = interactive_map(
            views,
            self._classes,
            self._title,
            self._note,
            self._together,
            badge="\n".join(f"{split}: {' · '.join(badge.words.splitlines())}" for split, badge in badges.items()),
            warning=" ".join(f"{split}: {badge.warning}" for split, badge in badges.items() if badge.warning),
        )
        self._ledger.add_text("map.html", page)

    def _write_points(self, made: Made) -> None:
        columns: dict[str, list[object]] = {
            name: [] for name in ("split", "index", "label", "class", "x", "y", "neighbours_kept")
        }
        for of in made.splits:
            kept = [None] * len(of.images) if of.badge is None else of.badge.kept.tolist()
            found: Mapping[str, list[object]] = {
                "split": [of.split] * len(of.images),
                "index": of.images.tolist(),
                "label": of.labels.tolist(),
                "class": [self._classes[c] for c in of.labels],
                "x": of.coordinates[:, 0].tolist(),
                "y": of.coordinates[:, 1].tolist(),
                "neighbours_kept": kept,
            }
            for name, cells in found.items():
                columns[name].extend(cells)
        self._ledger.add_file(write_parquet(self._ledger.folder / "embedding.parquet", columns))

    def _variances(self, maps: list[Mapped]) -> Scores:
        coordinates, labels = {of.split: of.coordinates for of in maps}, {of.split: of.labels for of in maps}
        return MapVariance()(make_splits(coordinates, labels, self._classes, resamples=0, permutations=0))


def _view(of: Mapped) -> MapView:
    if of.badge is None:
        return MapView(of.split, of.coordinates, of.labels)
    return MapView(of.split, of.coordinates, of.labels, of.badge.kept, of.badge.words, of.badge.warning)


def _scores(made: Made) -> Scores:
    """The badge of every map as metrics, and what the making took."""
    scores = Scores({**COST_KINDS, **MAP_KINDS})
    for name, seconds in made.seconds.items():
        scores.add(f"cost/{name}_seconds", seconds)
    for of in made.splits:
        family = f"{of.split}/map"
        if of.badge is None:
            scores.add(f"{family}/trustworthiness", Undefined(TOO_FEW))
        else:
            scores.take(of.badge.scores(family))
        if of.stability is not None:
            scores.add(f"{family}/stability", of.stability)
    for split, kl in made.kl_divergence.items():
        scores.add(f"{split}/map/kl_divergence", kl)
    for split, left in made.seed_disparity.items():
        scores.add(f"{split}/map/seed_disparity", left)
    return scores
