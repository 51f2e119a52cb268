"""One pass through Lightning in this process: rows, moments and findings, whatever the order and the precision."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from frostmark.backbones.extractor import Extractor, Tap
from frostmark.backbones.load import TorchvisionBackbone
from frostmark.data.digits import Digits
from frostmark.data.preprocess import Resize
from frostmark.errors import ConfigError, DataError
from frostmark.lit.callbacks.collect import CollectRows, StreamMoments
from frostmark.lit.callbacks.ledger import Ledger
from frostmark.lit.callbacks.maps import Maps
from frostmark.lit.callbacks.metrics import Metrics
from frostmark.lit.callbacks.watch import Watch
from frostmark.lit.datamodule import ImageModule
from frostmark.lit.module import FeatureModule
from frostmark.lit.trainer import predict
from frostmark.metrics.metric import Scores, Undefined
from frostmark.metrics.neighbours import Neighbours
from frostmark.metrics.variance import Variance
from frostmark.reducers.pca import PCA
from frostmark.stats.moments import ClassMoments
from frostmark.tracking.memory import MemoryTracker

SPLITS = ("train", "test")
SOURCE = Digits()
IMAGES = {"train": SOURCE.split("train").take(90), "test": SOURCE.split("test").take(61)}
BACKBONE = TorchvisionBackbone("squeezenet1_0", "untrained")
PIPELINE = Resize(32).pipeline(BACKBONE.preset)


def run(callbacks: Sequence[pl.Callback], tap: Tap, precision: str = "32-true", batch_size: int = 16) -> None:
    device = predict(
        FeatureModule(Extractor(BACKBONE.load(0), [tap]), PIPELINE),
        ImageModule(IMAGES, PIPELINE.geometry, batch_size),
        list(callbacks),
        accelerator="cpu",
        devices=1,
        strategy="auto",
        precision=precision,
    )
    assert device == "cpu"


@pytest.fixture(scope="module")
def tap() -> Tap:
    return Tap(BACKBONE.survey(32).resolve("last_conv"), "gap")


def rows_of(tap: Tap, precision: str = "32-true", batch_size: int = 16) -> CollectRows:
    rows = CollectRows("last_conv", SPLITS)
    run([rows], tap, precision, batch_size)
    return rows


def test_rows_are_those_of_the_plain_network_in_the_order_of_the_images(tap: Tap) -> None:
    features = rows_of(tap).feature_sets["test"]
    with torch.inference_mode():
        expected = BACKBONE.load(0).features(PIPELINE(IMAGES["test"].images)).mean((2, 3)).numpy()
    np.testing.assert_allclose(features.rows, expected, rtol=1e-4, atol=1e-5)  # another layout sums in another order
    assert features.index.tolist() == list(range(61))
    assert features.labels.tolist() == IMAGES["test"].labels.tolist()


def test_bf16_gives_float32_rows_near_those_of_fp32(tap: Tap) -> None:
    exact, fast = (rows_of(tap, p).feature_sets["train"].rows for p in ("32-true", "bf16-mixed"))
    assert fast.dtype == np.float32
    assert not np.array_equal(exact, fast)
    assert np.linalg.norm(exact - fast) / np.linalg.norm(exact) < 0.02  # bf16 keeps eight bits


def test_streamed_moments_are_those_of_the_rows(tap: Tap) -> None:
    rows, moments = CollectRows("x", SPLITS), StreamMoments(tap.width, 10, SPLITS)
    run([rows, moments], tap, batch_size=7)
    for split in SPLITS:
        features = rows.feature_sets[split]
        whole = ClassMoments.of(features.rows, features.labels, 10)
        np.testing.assert_allclose(moments.moments[split].mean, whole.mean, rtol=1e-12)
        np.testing.assert_allclose(moments.moments[split].m2, whole.m2, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("order", [1, -1])
def test_the_order_of_the_callbacks_does_not_matter(order: int, tap: Tap, tmp_path: Path) -> None:
    tracker, told = MemoryTracker(), []
    ledger = Ledger(tmp_path, tracker, told.append)
    rows, moments = CollectRows("x", SPLITS), StreamMoments(tap.width, 10, SPLITS)
    classes = SOURCE.classes()
    callbacks = [
        rows,
        moments,
        Watch({s: len(i) for s, i in IMAGES.items()}, told.append),
        Metrics({"variance": Variance(), "neighbours": Neighbours(k=5)}, rows, moments, classes, ledger, "title"),
        Maps(PCA(max_points=40), rows, classes, ledger, "title", "about.", 0, {"train": "a", "test": "b"}),
    ]
    run(callbacks[::order], tap)
    ledger.close()
    assert set(tracker.files) == {
        "map.png", "map_train.png", "map_test.png", "pair_variance.png", "class_variance.csv", "pair_variance.csv",
    }  # fmt: skip
    assert set(tracker.images) == {"map/train", "map/test"}
    assert tracker.metrics == ledger.values
    assert {"test/variance/intra", "test/map/variance_intra", "test/neighbours/knn_accuracy"} <= set(ledger.values)
    assert len(ledger.tables["class_variance"]["space"]) == 40  # two spaces, two splits, ten classes
    assert {"extracting train: 90 of 90 images", "extracting test: 61 of 61 images"} <= {
        t.split(" · ")[0] for t in told
    }


def test_rows_that_are_no_numbers_end_the_pass(tap: Tap) -> None:
    model = BACKBONE.load(0)
    with torch.no_grad():
        model.features[0].weight[0, 0, 0, 0] = float("inf")
    with pytest.raises(DataError, match="not finite"):
        predict(
            FeatureModule(Extractor(model, [tap]), PIPELINE),
            ImageModule(IMAGES, PIPELINE.geometry),
            [CollectRows("x", SPLITS)],
            accelerator="cpu", devices=1, strategy="auto", precision="32-true",
        )  # fmt: skip


def test_a_ledger_keeps_reasons_and_refuses_numbers_that_are_none(tmp_path: Path) -> None:
    tracker = MemoryTracker()
    ledger = Ledger(tmp_path, tracker, print)
    ledger.add_scores(Scores({"test/a/b": 1.0, "test/a/c": Undefined("one class only")}))
    with pytest.raises(ArithmeticError, match="test/a/d"):
        ledger.add_scores(Scores({"test/a/d": float("nan")}))
    ledger.close()
    assert tracker.metrics == {"test/a/b": 1.0}
    assert tracker.tags == {"undefined.test/a/c": "one class only"}


def test_a_negative_number_of_workers_is_refused() -> None:
    with pytest.raises(ConfigError, match="num_workers=-1"):
        ImageModule(IMAGES, PIPELINE.geometry, num_workers=-1)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_device_that_is_not_there_is_refused(tap: Tap) -> None:
    with pytest.raises(ConfigError, match="no trainer for accelerator=gpu"):
        predict(
            FeatureModule(Extractor(BACKBONE.load(0), [tap]), PIPELINE),
            ImageModule(IMAGES, PIPELINE.geometry),
            [],
            accelerator="gpu",
            devices=1,
            strategy="auto",
            precision="32-true",
        )
