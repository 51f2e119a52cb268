"""Every metric of Frostmark against a tuned linear probe, on rows of real networks.

settings = Settings(data=Path("../shared/data"), weights=Path("../shared/weights"), root=Path("/tmp/validity"))
rows = probed_rows(settings)            # one benchmark per network through the public API; rows from the store
probe_markdown(rows, settings)          # the part of docs/validity.md that follows from them
"""

from __future__ import annotations

import hashlib
import json
import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegressionCV
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from frostmark.analysis.measure import Measurement, joined
from frostmark.analysis.observed import Setting
from frostmark.api import benchmark  # `frostmark.benchmark` is also the name of a room
from frostmark.comparison.runs import Run
from frostmark.config.build import build
from frostmark.config.compose import compose
from frostmark.config.words import conf_dir
from frostmark.data.fingerprint import fingerprint
from frostmark.data.pixels import pixel_rows
from frostmark.data.source import SPLITS, ImageSet, Limits, SplitName, limited
from frostmark.data.torchvision_sets import TorchvisionSet
from frostmark.features.store import FeatureStore
from frostmark.metrics.metric import Metric
from validity.orders import Cell, measured, shown
from validity.own import metrics_of
from validity.page import table

Rows = NDArray[np.float32]

PENALTIES = np.logspace(-5, 1, 7)
"""C of the probe; the best by five folds of the training rows is taken."""

MAX_ITERATIONS = 5_000

SQUEEZENET, EFFICIENTNET = "squeezenet1_0", "tf_efficientnet_lite0"
_FILES = {SQUEEZENET: "squeezenet1_0-imagenet.pth", EFFICIENTNET: "tf_efficientnet_lite0-imagenet.safetensors"}
_WORDS = {SQUEEZENET: [f"backbone={SQUEEZENET}"], EFFICIENTNET: ["backbone=timm", f"backbone.name={EFFICIENTNET}"]}
_LAYERS = {  # penultimate is left out: of both networks it is the last stage
    SQUEEZENET: ["stage1", "stage2", "stage3", "stage4", "logits"],
    EFFICIENTNET: ["stage1", "stage2", "stage3", "stage4", "stage5", "logits"],
}

SHOWN = {
    "test/neighbours/knn_accuracy": "k-NN",
    "test/linear/accuracy": "linear",
    "test/separability/eta_squared": "η²",
    "test/separability/cdnv": "CDNV",
    "test/separability/silhouette": "silhouette",
}
"""Metrics that stand beside the probe in the table of the rows, as far as the runs have them."""


_BY_DEPTH = {
    "test/neighbours/knn_accuracy": "k-NN",
    "test/separability/eta_squared": "η²",
    "test/separability/fisher_ratio": "Fisher ratio",
    "test/separability/calinski_harabasz": "Caliński–Harabasz",
    "test/separability/cdnv": "CDNV (less is more)",
}


@dataclass(frozen=True)
class Settings:
    """What is benchmarked.

    Attributes:
        data: folder that holds FashionMNIST/raw.
        weights: folder that holds the weights of both networks.
        root: folder that holds mlruns/, where rows and probes are kept.
        train, test: number of images.
        more: overrides of the benchmark.
    """

    data: Path
    weights: Path
    root: Path
    train: int = 2000
    test: int = 1000
    more: Sequence[str] = ()


@dataclass(frozen=True)
class Probed:
    """A layer, its metrics and its probe.

    Attributes:
        run: as a comparison reads it.
        title: network and layer.
        trained: whether its network was trained.
        probe: accuracy of the tuned linear probe on the test images.
    """

    run: Run
    title: str
    trained: bool
    probe: float

    @property
    def width(self) -> float:
        """Number of features."""
        return float(self.run.tags["features"])


def probed_rows(settings: Settings) -> list[Probed]:
    """All layers of both networks, trained and untrained, and the pixels."""
    networks = [(network, trained) for network in _FILES for trained in (True, False)]
    runs = [(network, trained, run) for network, trained in networks for run in _runs(settings, network, trained)]
    rows = []
    for network, trained, run in runs:
        title = f"{network}{'' if trained else ' untrained'} · {run.layer}"
        rows.append(Probed(run, title, trained, _probe(settings, title, *_stored(settings, run))))
    return [*rows, _pixels(settings, runs[0][2])]


def _runs(settings: Settings, network: str, trained: bool) -> list[Run]:
    """One benchmark per layer."""
    weights = settings.weights / _FILES[network] if trained else "untrained"
    words = [
        *_WORDS[network][1:], f"backbone.weights={weights}", f"dataset.root={settings.data}", "dataset.download=false",
        f"dataset.limit.train={settings.train}", f"dataset.limit.test={settings.test}", "reducer=none", *settings.more,
    ]  # fmt: skip
    backbone = _WORDS[network][0].partition("=")[2]
    layers = _LAYERS[network]
    results = benchmark(backbone, "fashion_mnist", layers, overrides=words, root=settings.root, tracking="none")
    return [Run.read(result.folder) for result in results]


def _pixels(settings: Settings, run: Run) -> Probed:
    """The pixels as a row of their own, with every metric, also those that a control of other width does not show."""
    rows = {split: of_split.numpy() for split, of_split in pixel_rows(_images(settings)).items()}
    values = _measured(settings, rows)
    tags = {**run.tags, "features": str(rows["test"].shape[1]), "backbone": "pixels", "layer": "pixels"}
    control = replace(run, values=values, tags=tags, undefined={}, draws={}, outcomes={})
    return Probed(control, "pixels", False, _probe(settings, "pixels", rows["train"], rows["test"]))


def _measured(settings: Settings, rows: Mapping[str, Rows]) -> dict[str, float]:
    """The metrics of rows that no network gave."""
    config = compose(conf_dir(), ["dataset=fashion_mnist", *settings.more])
    families = {name: build(node, f"metrics.{name}", Metric) for name, node in config.metrics.items()}
    images = _images(settings)
    setting = Setting(
        tuple(map(str, range(10))),
        config.seed,
        {split: fingerprint(of) for split, of in images.items()},
        config.uncertainty.resamples,
        config.uncertainty.permutations,
    )
    splits = setting.splits(rows, {split: of.labels.numpy() for split, of in images.items()})
    scores = joined(Measurement(families, lambda told: print(f"pixels: {told}", file=sys.stderr)).scores(splits))
    return {key: value for key, value in scores.values.items() if isinstance(value, float)}


@cache
def _split(data: Path, split: SplitName, count: int) -> ImageSet:
    source = TorchvisionSet("FashionMNIST", root=str(data), download=False)
    return limited(source.split(split), split, Limits(**{split: count}))


def _images(settings: Settings) -> dict[str, ImageSet]:
    counts = {"train": settings.train, "test": settings.test}
    return {split: _split(settings.data, split, counts[split]) for split in SPLITS}


def _stored(settings: Settings, run: Run) -> tuple[Rows, Rows]:
    """Train and test rows of a run, out of the store."""
    store = FeatureStore(settings.root / "mlruns" / "features")
    rows = []
    for split in ("train", "test"):
        entry = store.find(run.tags[f"rows_{split}"])
        assert entry is not None, "the benchmark has just read it"
        rows.append(entry.rows(np.arange(entry.key.count)))
    return rows[0], rows[1]


def _probe(settings: Settings, title: str, train: Rows, test: Rows) -> float:
    """The accuracy of the tuned probe, kept by what the rows are: wide ones take minutes."""
    kept = settings.root / "mlruns" / "probes.json"
    known = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else {}
    name = hashlib.blake2b(train.tobytes() + test.tobytes(), digest_size=8).hexdigest()
    if name not in known:
        labels = {split: images.labels.numpy() for split, images in _images(settings).items()}
        known[name] = tuned_probe(train, labels["train"], test, labels["test"])
        print(f"probe of {title}: {known[name]:.1%}", file=sys.stderr)
        kept.write_text(json.dumps(known), encoding="utf-8")
    return float(known[name])


def tuned_probe(train: Rows, labels: NDArray[np.int64], test: Rows, truth: NDArray[np.int64]) -> float:
    """Test accuracy of a multinomial logistic regression, rows standardised by train, C by five folds of train."""
    scaler = StandardScaler().fit(train.astype(np.float64))
    probe = LogisticRegressionCV(Cs=PENALTIES, cv=5, max_iter=MAX_ITERATIONS, scoring="accuracy")
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # scikit-learn's, of attributes that are not read here
        probe.fit(scaler.transform(train.astype(np.float64)), labels)
        return float((probe.predict(scaler.transform(test.astype(np.float64))) == truth).mean())


# ---------------------------------------------------------------- the page


def probe_markdown(rows: Sequence[Probed], settings: Settings) -> str:
    """Every metric's τ with the probe, and the rows that it is of."""
    trained = [row for row in rows if row.trained]
    of = [f"all {len(rows)} rows", f"{len(trained)} of trained networks"]
    head = ["metric", *(f"{split}: {rows_of}" for split in ("test", "train") for rows_of in of)]
    images = f"the first {settings.train:,} train and {settings.test:,} test images"
    return "\n\n".join(
        [
            f"FashionMNIST, {images}, resized to 224 pixels; Kendall's τ of each metric with the probe.",
            table(head, _tau_lines(rows)),
            "What the τ are of; the probe is the accuracy on test:",
            table(*_row_lines(rows)),
        ]
    )


def depth_markdown(rows: Sequence[Probed]) -> str:
    """The trained networks by depth: the probe beside what separability says."""
    keys = [*_BY_DEPTH]
    head = ["network · layer", "probe", *_BY_DEPTH.values()]
    lines = [
        [row.title, f"{row.probe:.3f}", *(_value(row.run.values, key) for key in keys)] for row in rows if row.trained
    ]
    return table(head, lines)


def _tau_lines(rows: Sequence[Probed]) -> list[list[str]]:
    trained = [row for row in rows if row.trained]
    columns = [_taus(of, split) for split in ("test", "train") for of in (rows, trained)]
    names = dict.fromkeys(name for column in columns for name in column)
    ordered = sorted(names, key=lambda name: -columns[0].get(name, (-2.0, 0))[0])
    counts = (len(rows), len(trained)) * 2
    return [[name, *map(_tau, (column.get(name) for column in columns), counts)] for name in ordered]


def _taus(rows: Sequence[Probed], split: str) -> dict[str, tuple[float, int]]:
    """Words of a metric → τ with the probe, and the number of rows that it is of."""
    scores = metrics_of([row.run for row in rows], split)
    probe, width = (np.array([getattr(row, name) for row in rows]) for name in ("probe", "width"))
    cell = Cell("", scores, probe, width)
    orders = {name: measured(cell, name) for name in scores}
    return {
        name: (order.tau, int(np.isfinite(scores[name]).sum()))
        for name, order in orders.items()
        if order is not None and order.tau is not None
    }


def _tau(known: tuple[float, int] | None, rows: int) -> str:
    if known is None:
        return "–"
    tau, count = known
    return shown(tau) + ("" if count == rows else f" ({count} rows)")


def _row_lines(rows: Sequence[Probed]) -> tuple[list[str], list[list[str]]]:
    keys = [key for key in SHOWN if any(key in row.run.values for row in rows)]
    head = ["network · layer", "features", "probe", *(SHOWN[key] for key in keys)]
    return head, [
        [row.title, f"{row.width:,.0f}", f"{row.probe:.3f}", *(_value(row.run.values, key) for key in keys)]
        for row in rows
    ]


def _value(values: Mapping[str, float], key: str) -> str:
    return "–" if key not in values else f"{values[key]:.3f}".replace("-", "−")
