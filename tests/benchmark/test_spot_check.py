"""Rows that others stored are held against the network: real entries, sealed again after they were changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load, save

from benchmark.test_extraction import IMAGES, forwarded, run
from frostmark.benchmark.result import Result
from frostmark.benchmark.run import run_benchmark
from frostmark.benchmark.spot_check import differences
from frostmark.benchmark.subject import rows_handed_over
from frostmark.config.compose import compose
from frostmark.errors import DataError
from frostmark.features.entry import MANIFEST
from frostmark.features.files import place_of, shard_number
from frostmark.features.key import canonical, digest_of
from support.environment import REPOSITORY

Rows = np.ndarray[tuple[int, int], np.dtype[np.float32]]
Change = Callable[[Rows], Rows]


def entries(root: Path) -> dict[str, Path]:
    """The folder of each split's entry."""
    manifests = (root / "mlruns" / "features").glob("*/manifest.json")
    return {json.loads(path.read_text())["body"]["key"]["split"]: path.parent for path in manifests}


def written_elsewhere(folder: Path, change: Change | None = None) -> None:
    """Make an entry that of another host, its rows changed, every digest as it must be."""
    body = json.loads((folder / MANIFEST).read_text())["body"]
    body["about"]["host"] = "another-host"
    for number, name in enumerate(body["shards"]) if change is not None else ():
        rows = load((folder / name).read_bytes())["rows"]
        content = save({"rows": np.ascontiguousarray(change(rows), np.float32)}, place_of(folder.name, number))  # type: ignore[misc]
        (folder / name).unlink()
        body["shards"][number] = f"rows-{number:06d}-{digest_of(content)}.safetensors"
        (folder / body["shards"][number]).write_bytes(content)
        assert shard_number(folder / body["shards"][number]) == number
    (folder / MANIFEST).write_bytes(canonical({"body": body, "digest": digest_of(canonical(body))}))


def checked(result: Result) -> float:
    return result.values["cost/images_checked"]


def test_ones_own_rows_are_not_forwarded_again(tmp_path: Path) -> None:
    first, second = run(tmp_path), run(tmp_path)
    assert [forwarded(first), forwarded(second)] == [IMAGES, 0]
    assert [checked(first), checked(second)] == [0, 0]


def test_sound_rows_of_another_host_pass_after_four_images_of_a_split(tmp_path: Path) -> None:
    first = run(tmp_path)
    for folder in entries(tmp_path).values():
        written_elsewhere(folder)
    second = run(tmp_path)
    assert [forwarded(second), checked(second)] == [0, 8]
    assert "cost/images_per_second" in second.undefined  # they are no pass
    assert second.values["test/neighbours/knn_accuracy"] == first.values["test/neighbours/knn_accuracy"]
    assert checked(run(tmp_path, "features.spot_check=0")) == 0


@pytest.mark.parametrize(
    "change",
    [lambda rows: rows[::-1], lambda rows: rows * np.float32(1.002), lambda rows: rows * np.float32(np.nan)],
    ids=["in another order", "larger by 0.2 %", "no numbers"],
)
def test_changed_rows_that_prove_themselves_are_refused(change: Change, tmp_path: Path) -> None:
    run(tmp_path)
    victim = entries(tmp_path)["test"]
    written_elsewhere(victim, change)
    with pytest.raises(
        DataError, match=r"split test, are not what the network puts out.* on another-host wrote"
    ) as told:
        run(tmp_path)
    assert str(victim) in told.value.problem
    assert told.value.fix.startswith(f"rm -r {victim};")
    for path in victim.iterdir():  # as the fix says
        path.unlink()
    victim.rmdir()
    healed = run(tmp_path)
    assert [forwarded(healed), checked(healed)] == [61, 0]


def test_what_rounding_moves_is_allowed_and_more_in_short_precisions(tmp_path: Path) -> None:
    run(tmp_path)
    run(tmp_path, "trainer.precision=bf16-mixed")
    for folder in (tmp_path / "mlruns" / "features").glob("*/manifest.json"):
        short = "bf16" in folder.read_text()
        written_elsewhere(folder.parent, lambda rows, by=1.02 if short else 1.0005: rows * np.float32(by))  # type: ignore[misc]
    assert checked(run(tmp_path)) == checked(run(tmp_path, "trainer.precision=bf16-mixed")) == 8


def test_a_number_checks_every_replay_and_nothing_that_is_new(tmp_path: Path) -> None:
    words = ("features.spot_check=10",)
    assert [checked(run(tmp_path, *words)) for _ in range(2)] == [0, 20]
    assert checked(run(tmp_path, "features.spot_check=1000")) == IMAGES  # no more than there are


def test_rows_of_a_file_are_not_checked(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    given = {f"{split}_labels": rng.integers(0, 3, 40) for split in ("train", "test")}
    given |= {f"fc/{split}": rng.normal(size=(40, 8)).astype(np.float32) for split in ("train", "test")}
    words = ["backbone=rows", "layer=node", "layer.node=fc", "tracking=none", "reducer=none", "metrics=[variance]"]
    config = compose(REPOSITORY / "conf", [*words, f"paths.root={tmp_path}", "features.spot_check=4"])
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        result = run_benchmark(config, tmp_path / name, given=rows_handed_over(given, "mine"))
        assert result is not None
        assert "cost/images_checked" in result.undefined


def test_differences_are_relative_to_the_row_of_the_network() -> None:
    again = np.array([[3.0, 4.0], [0.0, 0.0], [1.0, 0.0]], np.float32)
    stored = np.array([[3.0, 4.5], [0.0, 0.0], [1.0, 0.25]], np.float32)
    assert differences(stored, again).tolist() == [0.1, 0.0, 0.25]
