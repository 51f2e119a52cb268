"""Runs whose files are damaged, or made to harm: each is named and left out, and the others are compared."""

from __future__ import annotations

import io
import json
import os
import resource
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from frostmark.comparison.compared import Compared
from frostmark.comparison.named import compare_named
from frostmark.comparison.runs import Run
from frostmark.errors import ConfigError, DataError
from frostmark.tracking.tracker import RunStore
from support.simulated_runs import TAGS

KEY = "test/neighbours/knn_accuracy"
TEST, TRAIN = 40, 60


def a_run(folder: Path, backbone: str, seed: int) -> Path:
    """A folder as a run leaves it, with everything that a comparison reads."""
    rng = np.random.default_rng(seed)
    (folder / "raw").mkdir(parents=True)
    hits = rng.random(TEST) < 0.7
    tags = TAGS | {"train_images": str(TRAIN), "test_images": str(TEST), "backbone": backbone, "reducer": "PCA"}
    found = {
        "schema": 1, "title": backbone, "classes": ["a", "b", "c"], "run_id": None, "tags": tags, "undefined": {},
        "values": {KEY: float(hits.mean()), "train/neighbours/knn_accuracy": 0.5}, "kinds": {},
    }  # fmt: skip
    (folder / "raw" / "metrics.json").write_text(json.dumps(found))
    arrays = {
        f"draws/{KEY}": rng.random(50), "outcomes/test/knn_hits": hits, "labels/test": np.arange(TEST) % 3,
        "labels/train": np.arange(TRAIN) % 3, "groups/test": np.arange(TEST) // 2,
        "files/test": np.array([f"{n}.png" for n in range(TEST)]),
    }  # fmt: skip
    np.savez(folder / "draws.npz", **arrays)
    points = {
        "split": ["train"] * TRAIN + ["test"] * TEST, "index": [*range(TRAIN), *range(TEST)],
        "label": [n % 3 for n in (*range(TRAIN), *range(TEST))],
        "x": rng.random(100), "y": rng.random(100), "neighbours_kept": rng.random(100),
    }  # fmt: skip
    parquet.write_table(pa.table(points), folder / "embedding.parquet")
    pairs = [f"features,test,{i},{j},0.{i}{j}" for i, j in ((0, 1), (0, 2), (1, 2))]
    (folder / "pair_variance.csv").write_text("\n".join(["space,split,class_i,class_j,directional_cdnv", *pairs]))
    return folder


def edited(*path: str, to: object) -> Callable[[Path], None]:
    """Damage to one place of the numbers."""

    def damage(run: Path) -> None:
        found = json.loads((run / "raw" / "metrics.json").read_text())
        place = found
        for name in path[:-1]:
            place = place[name]
        place[path[-1]] = to
        (run / "raw" / "metrics.json").write_text(json.dumps(found))

    return damage


def with_array(name: str, of: np.ndarray) -> Callable[[Path], None]:
    """Damage to one array."""

    def damage(run: Path) -> None:
        with np.load(run / "draws.npz") as arrays:
            kept = dict(arrays)
        np.savez(run / "draws.npz", **{**kept, name: of})

    return damage


def with_column(name: str, cells: object) -> Callable[[Path], None]:
    """Damage to one column of the map; None leaves it out."""

    def damage(run: Path) -> None:
        table = parquet.read_table(run / "embedding.parquet").drop([name])
        table = table if cells is None else table.append_column(name, pa.array(cells))
        parquet.write_table(table, run / "embedding.parquet")

    return damage


def cut(name: str) -> Callable[[Path], None]:
    """A file of which the end is missing."""
    return lambda run: (run / name).write_bytes((run / name).read_bytes()[:-20])


def a_bomb(run: Path) -> None:
    """Two megabytes that unfold to 1.2 GB, which their directory says."""
    with (
        zipfile.ZipFile(run / "draws.npz", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("draws/x.npy", "w") as f,
    ):
        f.write(header_of(1_200_000_000))
        for _ in range(12):
            f.write(bytes(100_000_000))


def a_liar(run: Path) -> None:
    """One that unfolds to 300 MB and says that it has a hundred bytes."""
    a_small_bomb = io.BytesIO()
    with zipfile.ZipFile(a_small_bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("draws/x.npy", header_of(300_000_000) + bytes(300_000_000))
    told = (300_000_000 + len(header_of(300_000_000))).to_bytes(4, "little")
    (run / "draws.npz").write_bytes(a_small_bomb.getvalue().replace(told, (100).to_bytes(4, "little")))


def header_of(count: int) -> bytes:
    """What NumPy writes before ``count`` bytes."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (count,)})
    return header.getvalue()


def promising(run: Path) -> None:
    """An array whose header promises more than a machine has."""
    with zipfile.ZipFile(run / "draws.npz", "w") as archive:
        archive.writestr("draws/x.npy", header_of(10**15) + b"12345678")


def a_pipe(name: str) -> Callable[[Path], None]:
    """A file that nobody ever writes to."""

    def damage(run: Path) -> None:
        (run / name).unlink()
        os.mkfifo(run / name)

    return damage


def sparse(name: str) -> Callable[[Path], None]:
    """A file of 3 GiB that takes no room on the disk."""
    return lambda run: os.truncate(run / name, 3 << 30)


def pairs(text: str) -> Callable[[Path], None]:
    return lambda run: (run / "pair_variance.csv").write_text(text)


def own_range(run: Path) -> None:
    """A run that declares that its accuracy may be anything."""
    kind = {"words": "accuracy", "better": "higher", "across": "networks", "range": [0, 100]}
    edited("kinds", to={KEY.removeprefix("test/"): kind})(run)
    edited("values", KEY, to=7.0)(run)


PAIRS = "space,split,class_i,class_j,directional_cdnv\n"
DAMAGES: dict[str, Callable[[Path], None]] = {
    "no numbers": lambda run: (run / "raw" / "metrics.json").write_bytes(b"\xff\x00"),
    "numbers are a list": lambda run: (run / "raw" / "metrics.json").write_text("[]"),
    "numbers that lead too deep": lambda run: (run / "raw" / "metrics.json").write_text("[" * 100_000),
    "cut numbers": cut("raw/metrics.json"),
    "NaN accuracy": edited("values", KEY, to=float("nan")),
    "infinite accuracy": edited("values", KEY, to=float("inf")),
    "an accuracy that is a text": edited("values", KEY, to="0.9"),
    "values are a list": edited("values", to=[1.0]),
    "null tags": edited("tags", to=None),
    "a tag that is null": edited("tags", "backbone", to=None),
    "a number of images that is none": edited("tags", "test_images", to="many"),
    "null title": edited("title", to=None),
    "no class": edited("classes", to=[]),
    "fewer classes than the map's labels": edited("classes", to=["a", "b"]),
    "undefined is a list": edited("undefined", to=[]),
    "an accuracy of 7": edited("values", KEY, to=7.0),
    "a negative accuracy": edited("values", KEY, to=-0.1),
    "an interval beyond 1": edited("values", f"{KEY}_hi", to=1.5),
    "a p of 5": edited("values", f"{KEY}_p", to=5),
    "a range of its own": own_range,
    "costs below zero": lambda run: (run / "raw" / "exported.json").write_text('{"cost/images_per_second": -1}'),
    "cut arrays": cut("draws.npz"),
    "short outcomes": with_array("outcomes/test/knn_hits", np.ones(7, bool)),
    "long outcomes": with_array("outcomes/test/knn_hits", np.ones(TEST + 1, bool)),
    "outcomes of a split that is none": with_array("outcomes/val/knn_hits", np.ones(TEST, bool)),
    "infinite outcomes": with_array("outcomes/test/silhouette", np.full(TEST, np.inf)),
    "outcomes of two dimensions": with_array("outcomes/test/knn_hits", np.ones((TEST, 2), bool)),
    "hits that are texts": with_array("outcomes/test/knn_hits", np.array(["x"] * TEST)),
    "short labels": with_array("labels/test", np.arange(3)),
    "labels beyond the classes": with_array("labels/test", np.full(TEST, 3)),
    "negative labels": with_array("labels/train", np.full(TRAIN, -1)),
    "groups of fewer images": with_array("groups/test", np.arange(3)),
    "NaN draws": with_array(f"draws/{KEY}", np.full(50, np.nan)),
    "one infinite draw": with_array(f"draws/{KEY}", np.r_[np.full(49, 0.5), np.inf]),
    "no draws": with_array(f"draws/{KEY}", np.empty(0)),
    "draws that are texts": with_array(f"draws/{KEY}", np.array(["x"])),
    "files that are numbers": with_array("files/test", np.arange(TEST)),
    "an archive that unfolds to 1.2 GB": a_bomb,
    "an archive that lies": a_liar,
    "a header that promises": promising,
    "cut map": cut("embedding.parquet"),
    "no parquet": lambda run: (run / "embedding.parquet").write_text("x"),
    "a missing column": with_column("x", None),
    "NaN map": with_column("x", [float("nan")] * 100),
    "a share of neighbours of 3": with_column("neighbours_kept", [3.0] * 100),
    "a map of texts": with_column("y", ["here"] * 100),
    "null labels": with_column("label", [None] * 100),
    "labels of no class": with_column("label", [3] * 100),
    "images that are not there": with_column("index", [*range(99), 4_000]),
    "pairs without a column": pairs("space,split,class_i\nfeatures,test,0\n"),
    "pairs of no class": pairs(f"{PAIRS}features,test,0,9,0.5\n"),
    "infinite pairs": pairs(f"{PAIRS}features,test,0,1,inf\n"),
    "pairs of words": pairs(f"{PAIRS}features,test,a,b,c\n"),
    "numbers through a pipe": a_pipe("raw/metrics.json"),
    "a map through a pipe": a_pipe("embedding.parquet"),
    "arrays of 3 GiB": sparse("draws.npz"),
    "pairs of 3 GiB": sparse("pair_variance.csv"),
}


def none_there() -> RunStore:
    raise AssertionError("folders need no store")


def compared(root: Path, *runs: Path) -> Compared:
    return compare_named([str(run) for run in runs], root / "mlruns", none_there)[0]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_told_and_takes_neither_time_nor_memory(damage: str, tmp_path: Path) -> None:
    bad = a_run(tmp_path / "damaged", "three", 2)
    assert Run.read(bad).backbone == "three"
    DAMAGES[damage](bad)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DataError, match=r"its files are damaged: .") as told:
        Run.read(bad)
    assert str(bad) in told.value.problem
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB


def test_damaged_runs_are_named_and_left_out_and_the_rest_goes_on(tmp_path: Path) -> None:
    good = [a_run(tmp_path / name, name, seed) for seed, name in enumerate(("one", "two"))]
    bad = [a_run(tmp_path / f"damaged {n}", "three", 2) for n in range(len(DAMAGES))]
    for run, damage in zip(bad, DAMAGES.values(), strict=True):
        damage(run)
    (part,) = compared(tmp_path, good[0], *bad, good[1]).parts
    assert {run.backbone for run in part.group.runs} == {"one", "two"}
    left_out = [line for line in part.remarks if line.startswith("left out: ")]
    assert [str(run) in line for run, line in zip(bad, left_out, strict=True)] == [True] * len(bad)
    assert "nan" not in part.verdict.sentence
    with pytest.raises(DataError, match="its files are damaged"):
        compared(tmp_path, bad[0])
    with pytest.raises(ConfigError, match=r"only one run(.|\n)*left out: the run in"):
        compared(tmp_path, bad[0], good[0])


def test_runs_of_which_nothing_is_damaged_stay_in(tmp_path: Path) -> None:
    runs = [a_run(tmp_path / name, name, seed) for seed, name in enumerate(("one", "two", "three"))]
    (part,) = compared(tmp_path, *runs).parts
    assert len(part.group.runs) == 3
    assert part.maps is not None
    assert part.classes is not None


def test_draws_of_other_resamples_and_other_classes_give_no_interval_and_no_claim(tmp_path: Path) -> None:
    """Each run is sound by itself: only together they make no sense."""
    runs = [a_run(tmp_path / name, name, seed) for seed, name in enumerate(("one", "two"))]
    with_array(f"draws/{KEY}", np.random.default_rng(0).random(7))(runs[1])
    edited("classes", to=["a", "b", "d"])(runs[1])
    (part,) = compared(tmp_path, *runs).parts
    assert np.isnan(part.verdict.pairs[0].difference.low)
    assert part.classes is None
