"""Samples of train: every image is forwarded once, and the rows are those of a benchmark but for rounding."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from frostmark.benchmark.result import Result
from frostmark.benchmark.run import run_benchmark
from frostmark.benchmark.sampled import MIN_IMAGES, Plan, SharedSource, TrainSamples
from frostmark.benchmark.subject import Given
from frostmark.config.compose import compose
from frostmark.config.schema import Config
from frostmark.config.words import conf_dir
from frostmark.data.given import GivenImages
from frostmark.errors import ConfigError
from support.runs import TINY

WORDS = (*TINY, "dataset.train=300", "metrics=[linear]", "tracking=none", "reducer=none", "uncertainty.permutations=0")


def config(root: Path, *words: str) -> Config:
    made = compose(conf_dir(), [*WORDS, "layer=last_conv", *words])
    made.paths.root = str(root)
    return made


def samples(root: Path, *words: str, given: Given | None = None) -> TrainSamples:
    return TrainSamples(config(root, *words), given or Given(), lambda _: None)


def benchmark(root: Path) -> Result:
    folder = root / "run"
    folder.mkdir(parents=True)
    result = run_benchmark(config(root), folder)
    assert result is not None
    return result


def assert_alike(rows: NDArray[np.float32], others: NDArray[np.float32]) -> None:
    """Equal but for what another size of a batch changes in the last digits (docs/performance.md)."""
    np.testing.assert_allclose(rows, others, rtol=0, atol=1e-5 * float(np.abs(others).max()))


def test_a_sample_forwards_only_its_new_images_and_the_same_command_none(tmp_path: Path) -> None:
    first = samples(tmp_path)
    plan = Plan.of(first.subject)
    assert plan.sizes == [75, 150, 300]
    assert plan.sizes[0] >= MIN_IMAGES
    seen, found = [], []
    for number in range(3):
        found.append(first.look(plan, number))
        seen.append(first.cost.forwarded)
    assert seen == [75, 150, 300]
    again = samples(tmp_path)
    for number, before in enumerate(found):
        assert before is not None
        kept = again.look(plan, number)
        assert kept is not None
        assert all(np.array_equal(one, other) for one, other in zip(kept, before, strict=True))
    assert again.cost.forwarded == 0


def test_hits_are_those_of_the_metric_on_all_images(tmp_path: Path) -> None:
    """Other folds are drawn: as many hits to within what folds change."""
    of = samples(tmp_path)
    plan = Plan.of(of.subject)
    last = of.look(plan, 2)
    assert last is not None
    result = benchmark(tmp_path)
    assert last[0].mean() == pytest.approx(result.values["train/linear/accuracy"], abs=0.03)


def test_what_a_race_completes_is_what_a_benchmark_stores(tmp_path: Path) -> None:
    of = samples(tmp_path / "race")
    plan = Plan.of(of.subject)
    of.look(plan, 0)
    of.complete(plan)
    assert of.cost.forwarded == 300
    race, plain = benchmark(tmp_path / "race"), benchmark(tmp_path / "plain")
    assert race.values["cost/images_forwarded"] == 61  # those of test
    assert_alike(race.rows["train"], plain.rows["train"])
    assert race.values["test/linear/accuracy"] == pytest.approx(plain.values["test/linear/accuracy"], abs=1 / 61)
    # The pieces went: nothing is kept twice.
    assert len(list((tmp_path / "race" / "mlruns" / "features").glob("*/manifest.json"))) == 2


def test_rows_that_a_benchmark_stored_are_not_forwarded_again(tmp_path: Path) -> None:
    benchmark(tmp_path)
    of = samples(tmp_path)
    plan = Plan.of(of.subject)
    assert of.look(plan, 0) is not None
    of.complete(plan)
    assert of.cost.forwarded == 0


@pytest.mark.parametrize("decide", ["knn", "linear"])
def test_groups_are_sampled_whole_and_balanced_accuracy_can_decide(tmp_path: Path, decide: str) -> None:
    rng = np.random.default_rng(0)
    labels = (np.arange(300) % 5 == 0).astype(np.int64)
    images = rng.integers(0, 256, (300, 16, 16), dtype=np.uint8)
    patients = np.arange(300) // 10
    groups = {"train": patients.tolist(), "test": (1000 + patients[:60]).tolist()}
    source = GivenImages("mine", (images, labels), (images[:60], labels[:60]), ("a", "b"), groups=groups)
    of = samples(tmp_path, f"decide={decide}", given=Given(source=SharedSource(source)))
    plan = Plan.of(of.subject)
    assert plan.rule.balanced
    assert plan.decider.startswith("balanced ")
    for number, size in enumerate(plan.sizes):
        kept = plan.groups_of(number)
        assert kept is not None
        assert size % 10 == 0
        assert len(np.unique(kept)) == size // 10
        weighed = plan.labels_of(number)
        assert weighed is not None
        assert len(weighed) == size
    found = of.look(plan, 0)
    assert found is not None
    assert len(found[0]) == len(found[1]) == plan.sizes[0]


def test_a_sample_of_one_group_leaves_nothing_out(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (80, 16, 16), dtype=np.uint8)
    labels = np.arange(80) % 2
    groups = {"train": [1] * 80, "test": [2] * 80}
    source = GivenImages("mine", (images, labels), (images, labels), ("a", "b"), groups=groups)
    of = samples(tmp_path, given=Given(source=source))
    for _ in range(2):  # found, and kept
        assert of.look(Plan.of(of.subject), 0) is None


def test_a_shared_source_is_read_once(tmp_path: Path) -> None:
    shared = SharedSource(samples(tmp_path).subject.source)
    assert shared.split("train") is shared.split("train")
    assert (shared.name, len(shared.classes())) == ("synthetic", 4)
    assert len(shared.split("train")) == 300


def test_rows_too_large_to_be_kept_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="too large to be kept"):
        _ = samples(tmp_path, "features.max_bytes=1000").subject


def test_image_files_race_as_they_are_benchmarked(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for split, count in (("train", 40), ("test", 10)):
        for label, name in enumerate(("cat", "dog")):
            (tmp_path / "pets" / split / name).mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 128, (20 + number % 5, 24, 3), dtype=np.uint8) + 100 * label
                image = Image.fromarray(pixels.astype(np.uint8))
                image.save(tmp_path / "pets" / split / name / f"p{number // 4}_{number}.png")
    own = ("dataset=folder", f"dataset.root={tmp_path / 'pets'}", "dataset.group='/(p[0-9]+)_'")
    small = [word for word in WORDS if not word.startswith("dataset")]

    def made(root: Path) -> Config:
        config = compose(conf_dir(), [*small, "layer=last_conv", *own])
        config.paths.root = str(root)
        return config

    of = TrainSamples(made(tmp_path / "race"), Given(), lambda _: None)
    plan = Plan.of(of.subject)
    assert len(plan.pieces) == 1  # 80 images: no half of them is a sample
    assert of.look(plan, 0) is not None
    halves = replace(plan, pieces=[plan.pieces[0][:37], plan.pieces[0][37:]])
    assert of.look(halves, 0) is not None
    of.complete(halves)
    rows = []
    for name in ("race", "plain"):
        (tmp_path / name / "run").mkdir(parents=True)
        result = run_benchmark(made(tmp_path / name), tmp_path / name / "run")
        assert result is not None
        rows.append(result.rows["train"])
    assert_alike(*rows)
