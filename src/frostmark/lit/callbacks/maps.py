"""Makes the maps of both splits once the pass is over, and computes the report's variances in them.

Maps(TSNE(), rows, classes, ledger, title, about, seed=0, fingerprints={"train": "9f0c…", "test": "77ab…"})
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import pytorch_lightning as pl

from frostmark.figures.maps import MapView, draw_maps
from frostmark.lit.callbacks.collect import CollectRows
from frostmark.lit.callbacks.ledger import Ledger
from frostmark.metrics.metric import make_splits
from frostmark.metrics.variance import MapVariance
from frostmark.reducers.reducer import Reducer, why_no_map
from frostmark.stats.moments import Array
from frostmark.stats.sampling import seeded, stratified

ARTIFACTS = ("map.png", "map_train.png", "map_test.png")


class Maps(pl.Callback):
    """Fits the reducer and draws the maps, on rank zero.

    Args:
        reducer: the method.
        rows: the callback that collects the rows.
        classes: names in the order of their labels.
        ledger: where pictures and numbers go.
        title: of the pictures, without the split.
        seed: of the sample shown and of the reducer.
        about: a sentence on what is shown, below the pictures.
        fingerprints: of the images of each split; with the seed they alone decide which images are shown.
    """

    def __init__(
        self,
        reducer: Reducer,
        rows: CollectRows,
        classes: tuple[str, ...],
        ledger: Ledger,
        title: str,
        about: str,
        seed: int,
        fingerprints: Mapping[str, str],
    ) -> None:
        self._reducer = reducer
        self._rows = rows
        self._classes = classes
        self._ledger = ledger
        self._title = title
        self._about = about
        self._seed = seed
        self._fingerprints = dict(fingerprints)

    def on_predict_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        rows, labels = {}, {}
        for split, features in self._rows.feature_sets.items():
            rng = seeded(self._seed, self._fingerprints[split], split)
            chosen = stratified(features.labels, self._reducer.max_points, rng)
            rows[split], labels[split] = features.rows[chosen], features.labels[chosen]
        reason = self._why_none(rows)
        if reason is not None:
            self._ledger.skipped |= dict.fromkeys(ARTIFACTS, reason)
            return
        start = time.perf_counter()
        coordinates = self._embed(rows)
        self._ledger.add_value("cost/map_seconds", time.perf_counter() - start)
        self._draw([MapView(split, coordinates[split], labels[split]) for split in rows])
        self._ledger.add_scores(
            MapVariance()(make_splits(coordinates, labels, self._classes, resamples=0, permutations=0)), space="map"
        )

    def _why_none(self, rows: Mapping[str, Array]) -> str | None:
        fitted = rows if self._reducer.fit_on == "each" else {"train": rows["train"]}
        return next((f"{split}: {why}" for split, r in fitted.items() if (why := why_no_map(r))), None)

    def _embed(self, rows: Mapping[str, Array]) -> dict[str, Array]:
        if self._reducer.fit_on == "each":
            fits = {split: self._reducer.fit(r, self._seed, self._ledger.progress) for split, r in rows.items()}
            return {split: fit.coordinates for split, fit in fits.items()}
        fitted = self._reducer.fit(rows["train"], self._seed, self._ledger.progress)
        assert fitted.transform is not None, "reducers that cannot place new rows refuse fit_on=train"
        return {"train": fitted.coordinates, "test": fitted.transform(rows["test"])}

    def _draw(self, views: list[MapView]) -> None:
        self._ledger.progress("drawing the maps")
        method = type(self._reducer).__name__
        together = self._reducer.fit_on == "train"
        how = (
            f"{method} fitted on train; test images placed into the same map."
            if together
            else f"{method} fitted on each split alone: the two maps share no coordinates."
        )
        note = f"{self._about} {how} {self._reducer.reading}"
        title = f"{self._title} · {method}"
        both = draw_maps(views, self._classes, title, note, shared=together)
        self._ledger.add_figure("map.png", both)
        for view in views:
            figure = draw_maps([view], self._classes, f"{title} · {view.split}", note, shared=False)
            self._ledger.add_figure(f"map_{view.split}.png", figure, image_key=f"map/{view.split}")
