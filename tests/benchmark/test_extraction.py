"""One forward pass, never twice, in this process: what is shared, replayed, mended and streamed."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load

from frostmark.benchmark.result import Result
from frostmark.benchmark.run import run_benchmark
from frostmark.config.compose import compose
from frostmark.config.schema import Layer
from support.environment import REPOSITORY
from support.runs import TINY, rows_in

IMAGES = 90 + 61
QUICK = (*(word for word in TINY if not word.startswith("reducer")), "reducer=none", "tracking=none")
_folders = count()


def run(root: Path, *words: str, layers: tuple[Layer, ...] = ()) -> Result:
    folder = root / f"run{next(_folders)}"
    folder.mkdir(parents=True)
    few = () if any(word.startswith("metrics=") for word in words) else ("metrics=[neighbours,variance]",)
    config = compose(REPOSITORY / "conf", [*QUICK, f"paths.root={root}", *few, *words])
    result = run_benchmark(config, folder, layers=layers)
    assert result is not None
    return result


def forwarded(result: Result) -> float:
    return result.values["cost/images_forwarded"]


def numbers(result: Result) -> dict[str, float]:
    return {key: value for key, value in result.values.items() if not key.startswith("cost/")}


ORDERS = [("stage2", "stage1", "last_conv"), pytest.param(("last_conv", "stage2", "stage1"), marks=pytest.mark.slow)]


@pytest.mark.parametrize("order", ORDERS)
def test_whatever_the_order_of_its_layers_a_sweep_forwards_every_image_once(
    order: tuple[str, ...], tmp_path: Path
) -> None:
    # All layers by one pool, one layer by all pools: one pass.
    first, second, third = order
    layers = (Layer(first), Layer(second), Layer(second, pool="max"), Layer(second, pool="gem"), Layer(third))
    results = [run(tmp_path, f"layer={a.tap}", f"layer.pool={a.pool or 'gap'}", layers=layers) for a in layers]
    assert [forwarded(result) for result in results] == [IMAGES] + [0] * 4
    alone = run(tmp_path / "alone", f"layer={second}", "layer.pool=max")
    assert numbers(results[2]) == numbers(alone)
    assert rows_in(tmp_path / "alone").items() <= rows_in(tmp_path).items()


def test_a_layer_that_does_not_exist_or_is_too_large_stops_no_other(tmp_path: Path) -> None:
    layers = (Layer(tap="block3"), Layer(tap="stage1", pool="flatten"), Layer(tap="stage2"))
    width = 2048 * IMAGES
    assert forwarded(run(tmp_path, f"features.max_bytes={2 * width}", layers=layers)) == IMAGES
    assert forwarded(run(tmp_path, "layer=stage2")) == 0
    assert len(list((tmp_path / "mlruns" / "features").glob("*/manifest.json"))) == 4  # two layers of two splits


def test_another_reducer_and_other_metrics_replay(tmp_path: Path) -> None:
    first = run(tmp_path, "metrics=[separability,variance]")
    second = run(tmp_path, "reducer=pca", "metrics=[separability]")
    assert [forwarded(first), forwarded(second)] == [IMAGES, 0]
    assert "the rows were in the store" in second.undefined["cost/images_per_second"]
    shared = numbers(first).keys() & numbers(second).keys()
    assert {"test/separability/fisher_ratio"} <= shared
    assert all(first.values[key] == second.values[key] for key in shared)


def test_other_images_weights_and_settings_are_other_rows(tmp_path: Path) -> None:
    for more in ([], ["seed=1"], ["dataset.train=80"], ["preprocess.size=40"], ["preprocess=official"]):
        assert forwarded(run(tmp_path, *more)) > 0, more
    fast = [run(tmp_path, "trainer.precision=bf16-mixed") for _ in range(2)]
    assert [forwarded(result) for result in fast] == [IMAGES, 0]
    errors = [result.values["cost/precision_error"] for result in fast]
    assert 0 < errors[0] == errors[1] < 0.05  # bf16 keeps eight bits; the second is told from the store


def test_a_batch_size_changes_rows_by_their_rounding_at_most(tmp_path: Path) -> None:
    """Which convolution the library takes may depend on the images of a batch, and on the threads."""
    rows = []
    for size in (16, 64):
        root = tmp_path / str(size)
        run(root, f"trainer.batch_size={size}")
        rows.append([load(content)["rows"] for content in rows_in(root).values()])
    for one, other in zip(*rows, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=5e-6 * np.abs(one).max())


def test_what_is_damaged_is_named_and_forwarded_again(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = ("dataset.train=600",)
    run(tmp_path, *words)
    before = rows_in(tmp_path)
    victim = tmp_path / "mlruns" / "features" / next(name for name in before if "rows-000001" in name)
    content = bytearray(victim.read_bytes())
    content[-1] ^= 1
    victim.write_bytes(content)
    assert forwarded(run(tmp_path, *words)) == 256  # that shard alone
    assert victim.name in capfd.readouterr().err
    assert rows_in(tmp_path) == before


def test_rows_too_large_to_keep_are_streamed_to_the_same_numbers(tmp_path: Path) -> None:
    words = ("layer=stage4", "layer.pool=flatten", "preprocess.size=160")  # 9 × 9 × 512 = 41,472 features
    kept = run(tmp_path / "kept", *words)
    streamed = run(tmp_path / "streamed", *words, "features.max_bytes=1000")
    for result in (kept, streamed):
        assert "random projection of the 41,472 features to 2,048" in result.about
        assert "random projection" in (result.folder / "summary.md").read_text()
        assert result.values["cost/bytes_per_image"] == 4 * 41_472
    assert rows_in(tmp_path / "kept")
    assert not rows_in(tmp_path / "streamed")
    assert numbers(kept) == pytest.approx(numbers(streamed), rel=1e-9)
    assert forwarded(run(tmp_path / "streamed", *words, "features.max_bytes=1000")) == IMAGES
