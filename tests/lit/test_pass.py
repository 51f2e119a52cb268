"""One pass through Lightning in this process: rows, moments and findings, whatever the order and the precision."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from frostmark.analysis.maps import MapMaking
from frostmark.analysis.measure import Measurement
from frostmark.analysis.observed import Observed, Setting
from frostmark.backbones.extractor import Extractor, Tap
from frostmark.backbones.load import TorchvisionBackbone
from frostmark.data.digits import Digits
from frostmark.data.pixels import thumbnails
from frostmark.data.preprocess import Resize
from frostmark.data.synthetic import Synthetic
from frostmark.errors import ConfigError, DataError
from frostmark.features.entry import shards_of
from frostmark.features.key import RowKey
from frostmark.features.memo import Memo
from frostmark.features.store import FeatureStore
from frostmark.lit.callbacks.collect import CollectRows, StreamMoments
from frostmark.lit.callbacks.maps import Maps
from frostmark.lit.callbacks.metrics import Metrics
from frostmark.lit.callbacks.store import StoreFeatures
from frostmark.lit.callbacks.watch import Watch
from frostmark.lit.datamodule import ImageModule, StoredRows
from frostmark.lit.module import FeatureModule, ReplayModule, Rows
from frostmark.lit.probe import SIZES, fastest_batch, precision_errors
from frostmark.lit.trainer import make_trainer, predict
from frostmark.metrics.neighbours import Neighbours
from frostmark.metrics.separability import Separability
from frostmark.metrics.variance import Variance
from frostmark.reducers.pca import PCA
from frostmark.results.record import Record
from frostmark.stats.moments import ClassMoments
from frostmark.stats.projection import PROJECTED_WIDTH, SparseProjection
from frostmark.tracking.memory import MemoryTracker

SPLITS = ("train", "test")
SOURCE = Digits()
IMAGES = {"train": SOURCE.split("train").take(90), "test": SOURCE.split("test").take(61)}
BACKBONE = TorchvisionBackbone("squeezenet1_0", "untrained")
PIPELINE = Resize(32).pipeline(BACKBONE.preset)


COUNTS = {split: len(images) for split, images in IMAGES.items()}
WANTED = {split: shards_of(len(images)) for split, images in IMAGES.items()}


def run(callbacks: Sequence[pl.Callback], tap: Tap, precision: str = "32-true", batch_size: int = 16) -> None:
    images = ImageModule(IMAGES, WANTED, PIPELINE.geometry)
    images.batch_size = batch_size
    trainer = make_trainer(list(callbacks), precision=precision)
    predict(trainer, FeatureModule(Extractor(BACKBONE.load(0), [tap]), PIPELINE), images)
    assert trainer.strategy.root_device.type == "cpu"


@pytest.fixture(scope="module")
def tap() -> Tap:
    return Tap(BACKBONE.survey(32).resolve("last_conv"), "gap")


def rows_of(tap: Tap, precision: str = "32-true", batch_size: int = 16) -> CollectRows:
    rows = CollectRows("last_conv", COUNTS)
    run([rows], tap, precision, batch_size)
    return rows


def test_rows_are_those_of_the_plain_network_in_the_order_of_the_images(tap: Tap) -> None:
    features = rows_of(tap).feature_sets["test"]
    with torch.inference_mode():
        expected = BACKBONE.load(0).features(PIPELINE(IMAGES["test"].images)).mean((2, 3)).numpy()
    np.testing.assert_allclose(features.rows, expected, rtol=1e-4, atol=1e-5)  # another layout sums in another order
    assert features.labels.tolist() == IMAGES["test"].labels.tolist()


def test_bf16_gives_float32_rows_near_those_of_fp32(tap: Tap) -> None:
    exact, fast = (rows_of(tap, p).feature_sets["train"].rows for p in ("32-true", "bf16-mixed"))
    assert fast.dtype == np.float32
    assert not np.array_equal(exact, fast)
    assert np.linalg.norm(exact - fast) / np.linalg.norm(exact) < 0.02  # bf16 keeps eight bits


def test_streamed_moments_are_those_of_the_rows(tap: Tap) -> None:
    rows, moments = CollectRows("x", COUNTS), StreamMoments(tap.width, 10, SPLITS)
    run([rows, moments], tap, batch_size=7)
    for split in SPLITS:
        features = rows.feature_sets[split]
        whole = ClassMoments.of(features.rows, features.labels, 10)
        np.testing.assert_allclose(moments.moments[split].mean, whole.mean, rtol=1e-12)
        np.testing.assert_allclose(moments.moments[split].m2, whole.m2, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("order", [pytest.param(1, marks=pytest.mark.slow), -1])
def test_the_order_of_the_callbacks_does_not_matter(
    order: int, tap: Tap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("frostmark.results.pictures.PAIRS_SHOWN", 2)
    tracker, told = MemoryTracker(), []
    classes = SOURCE.classes()
    record = Record(tmp_path, tracker, told.append, "title", classes, pictures, "about.", vectors=True)
    rows, moments = CollectRows("x", COUNTS), StreamMoments(tap.width, 10, SPLITS)
    families = {"variance": Variance(), "neighbours": Neighbours(k=5), "separability": Separability()}
    setting = Setting(classes, 0, {"train": "a", "test": "b"}, resamples=20, permutations=5)
    observed = Observed(setting, rows, moments)
    metrics = Metrics(Measurement(families, told.append), observed, record)
    maps = Maps(MapMaking(PCA(max_points=40), setting, told.append), observed, record)
    callbacks = [rows, moments, Watch({s: len(i) for s, i in IMAGES.items()}, told.append), metrics, maps]
    run(callbacks[::order], tap)
    record.close()
    assert set(tracker.files) == {
        "map.png", "map_train.png", "map_test.png", "pair_variance.png", "class_variance.csv", "pair_variance.csv",
        "map.html", "embedding.parquet", "confusability.png", "draws.npz", "maps/map.svg", "maps/thumbnails.npz",
        "report/pair_variance.svg", "report/confusability.svg", "report/confusable_pairs.png", "report/shots.png",
        "report/shots.svg", "tables/confusable_pairs.csv", "tables/class_separability.csv", "tables/class_shift.csv",
        "tables/class_recall.csv", "tables/knn_confusion.csv", "tables/label_audit.csv", "tables/shots.csv",
        "raw/metrics.json",
    }  # fmt: skip
    assert set(tracker.images) == {"map/train", "map/test", "confusability", "confusable_pairs"}
    assert record.skipped == {}
    assert {
        key: value for key, value in tracker.metrics.items() if "/" in key
    } == record.values  # the others are short keys
    assert {"test/variance/intra", "test/map/variance_intra", "test/neighbours/knn_accuracy"} <= set(record.values)
    assert len(record.tables["class_variance"]["space"]) == 40  # two spaces, two splits, ten classes
    assert {"extracting train: 90 of 90 images", "extracting test: 61 of 61 images"} <= {
        t.split(" · ")[0] for t in told
    }
    assert [t for t in told if t.startswith("metrics: ")] == [f"metrics: {name}" for name in families]
    assert all(record.values[f"cost/{name}_seconds"] > 0 for name in families)
    # The callbacks keep what came out.
    assert metrics.scores.values["test/variance/intra"] == record.values["test/variance/intra"]
    assert [of.split for of in maps.maps.splits] == list(SPLITS)


def pictures(split: str, positions: Sequence[int], edge: int | None = None) -> np.ndarray:
    return thumbnails(IMAGES[split], positions, edge).numpy()


def test_rows_that_are_no_numbers_end_the_pass(tap: Tap) -> None:
    model = BACKBONE.load(0)
    with torch.no_grad():
        model.features[0].weight[0, 0, 0, 0] = float("inf")
    with pytest.raises(DataError, match="not finite"):
        predict(
            make_trainer([CollectRows("x", COUNTS)]),
            FeatureModule(Extractor(model, [tap]), PIPELINE),
            ImageModule(IMAGES, WANTED, PIPELINE.geometry),
        )


def test_a_negative_number_of_workers_is_refused() -> None:
    with pytest.raises(ConfigError, match="num_workers=-1"):
        ImageModule(IMAGES, WANTED, PIPELINE.geometry, num_workers=-1)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError, match="no trainer for accelerator=gpu"):
        make_trainer([], accelerator="gpu")


def store_rows(folder: Path, taps: list[Tap], wanted: dict[str, list[range]] = WANTED, batch_size: int = 16) -> Any:
    """Entries of every tap after a pass over ``wanted``, by split."""
    store = FeatureStore(folder)
    entries = {s: [store.entry(key_of(s, tap), tap.width) for tap in taps] for s in SPLITS}
    images = ImageModule(IMAGES, wanted, PIPELINE.geometry)
    images.batch_size = batch_size
    module = FeatureModule(Extractor(BACKBONE.load(0), taps), PIPELINE)
    predict(make_trainer([StoreFeatures(entries)]), module, images)
    return entries


def key_of(split: str, tap: Tap) -> RowKey:
    return RowKey("squeezenet", "1", "w", tap.node.name, tap.pool, "p", "f", split, len(IMAGES[split]), "32-true")


def test_rows_that_went_through_the_store_are_bitwise_those_of_the_pass(tap: Tap, tmp_path: Path) -> None:
    direct = rows_of(tap)
    entries = store_rows(tmp_path, [tap])
    replayed = CollectRows("x", COUNTS)
    labels = {split: images.labels for split, images in IMAGES.items()}
    stored = StoredRows({split: of_split[0] for split, of_split in entries.items()}, labels)
    predict(make_trainer([replayed]), ReplayModule(), stored)
    for split in SPLITS:
        np.testing.assert_array_equal(replayed.feature_sets[split].rows, direct.feature_sets[split].rows)
        assert replayed.feature_sets[split].labels.tolist() == IMAGES[split].labels.tolist()


def test_taps_and_pools_of_one_pass_are_those_of_passes_of_their_own(tmp_path: Path) -> None:
    survey = BACKBONE.survey(32)
    taps = [
        Tap(survey.resolve(word), pool) for word in ("stage2", "last_conv", "logits") for pool in ("gap", "max", "gem")
    ]
    together = store_rows(tmp_path / "together", taps)
    for position, tap in enumerate(taps):
        alone = store_rows(tmp_path / f"alone{position}", [tap])
        for split in SPLITS:
            np.testing.assert_array_equal(together[split][position].read(range(len(IMAGES[split]))),
                                          alone[split][0].read(range(len(IMAGES[split]))))  # fmt: skip


def test_a_shard_with_rows_that_are_no_numbers_is_not_stored(tap: Tap, tmp_path: Path) -> None:
    entry = FeatureStore(tmp_path).entry(key_of("test", tap), tap.width)
    storing = StoreFeatures({"test": [entry]})
    rows = torch.zeros(61, tap.width)
    rows[5] = float("nan")
    storing.take(make_trainer([]), Rows(torch.arange(61), torch.zeros(61), [rows]), split=0, batch=0)
    assert storing.bad == {entry.folder.name: [5]}
    assert entry.missing() == [range(61)]


class _Hungry(torch.nn.Module):
    """Runs out of memory with more than ``most`` images."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        if len(images) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return [images.flatten(1)]


def test_a_batch_that_does_not_fit_is_halved_until_it_does() -> None:
    module = FeatureModule(_Hungry(5), lambda images: images)  # type: ignore[arg-type]
    images = torch.arange(32.0).reshape(16, 1, 1, 2)
    (rows,) = module.rows(images)
    assert torch.equal(rows, images.flatten(1))
    assert module.at_once == 4
    module = FeatureModule(_Hungry(0), lambda images: images)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="not enough memory to forward a single image"):
        module.rows(images)


def test_other_errors_of_a_forward_pass_are_not_taken_for_want_of_memory() -> None:
    def broken(images: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match="shapes do not fit"):
        FeatureModule(_Hungry(5), broken).rows(torch.zeros(2, 1, 1, 1))  # type: ignore[arg-type]


def test_the_cpu_running_out_of_memory_is_known_by_its_message() -> None:
    class Greedy(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
            torch.empty(2**60 if len(images) > 2 else 1, dtype=torch.uint8)  # the allocator's own refusal
            return [images.flatten(1)]

    module = FeatureModule(Greedy(), lambda images: images)  # type: ignore[arg-type]
    module.rows(torch.zeros(8, 1, 1, 1))
    assert module.at_once == 2


def test_the_batch_size_is_probed_only_where_it_pays_and_remembered(tap: Tap, tmp_path: Path) -> None:
    memo = Memo(tmp_path / "sizes.json")
    module = FeatureModule(Extractor(BACKBONE.load(0), [tap]), PIPELINE)
    few = ImageModule(IMAGES, WANTED, PIPELINE.geometry)
    assert fastest_batch(make_trainer([]), module, few, memo, "x") == 32
    assert not memo.path.exists()
    many = Synthetic(size=8, train=20_000, test=10).split("train")
    images = ImageModule({"train": many}, {"train": shards_of(len(many))}, PIPELINE.geometry)
    assert fastest_batch(make_trainer([]), module, images, memo, "x") == 32  # float32 on the CPU: no stopwatch
    assert not memo.path.exists()
    trainer = make_trainer([], precision="bf16-mixed")
    chosen = fastest_batch(trainer, module, images, memo, "x")
    assert chosen in SIZES["cpu"]
    (name,) = json.loads(memo.path.read_text())
    other = next(size for size in SIZES["cpu"] if size != chosen)
    memo.put(name, other)  # what an earlier run found holds, whatever a probe would say now
    assert fastest_batch(trainer, module, images, memo, "x") == other


def test_the_error_of_a_precision_is_measured_on_the_rows(tap: Tap) -> None:
    images = ImageModule(IMAGES, WANTED, PIPELINE.geometry)
    module = FeatureModule(Extractor(BACKBONE.load(0), [tap]), PIPELINE)
    assert precision_errors(make_trainer([]), module, images) == [0]
    (measured,) = precision_errors(make_trainer([], precision="bf16-mixed"), module, images)
    exact, fast = (rows_of(tap, p, 32).feature_sets["train"].rows[:32] for p in ("32-true", "bf16-mixed"))
    assert measured == pytest.approx(np.linalg.norm(fast - exact) / np.linalg.norm(exact), rel=1e-3)


def test_wide_rows_that_are_no_numbers_are_named_too() -> None:
    rows = CollectRows("x", {"test": 3}, SparseProjection(5000, seed=0))
    batch = torch.zeros(3, 5000)
    batch[1, 7] = float("inf")
    trainer = make_trainer([])
    rows.take(trainer, Rows(torch.arange(3), torch.zeros(3), [batch]), split=0, batch=0)
    with pytest.raises(DataError, match="1 of 3 rows of layer x, split test, are not finite; first images: 1"):
        rows.on_predict_epoch_end(trainer, None)  # type: ignore[arg-type]


def test_a_process_that_only_keeps_company_adds_nothing(tap: Tap) -> None:
    images = ImageModule(IMAGES, WANTED, PIPELINE.geometry)
    images.repeats = True
    moments = StreamMoments(tap.width, 10, SPLITS)
    predict(make_trainer([moments]), FeatureModule(Extractor(BACKBONE.load(0), [tap]), PIPELINE), images)
    assert {split: int(m.count.sum()) for split, m in moments.moments.items()} == {"train": 0, "test": 0}


def test_wide_rows_are_projected_as_they_come() -> None:
    tap = Tap(BACKBONE.survey(32).resolve("stage2"), "flatten")
    project = SparseProjection(tap.width, seed=3)
    kept, narrow = CollectRows("x", COUNTS), CollectRows("x", COUNTS, project)
    run([kept, narrow], tap)
    expected = project(kept.feature_sets["test"].rows)
    assert expected.shape == (61, PROJECTED_WIDTH)
    np.testing.assert_allclose(narrow.feature_sets["test"].rows, expected, rtol=1e-5, atol=1e-6)
