"""Copies of train images in the test split, from files and arrays to leaks.csv, the numbers and the summary."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from frostmark.benchmark.leaks import EXACT, GROUP, MIRRORED, NEAR, NOT_KEPT, leak_table, leaks_between
from frostmark.benchmark.run import Result
from frostmark.benchmark.subject import Given
from frostmark.data import decode
from frostmark.data.sketch import Recognised
from support.leaky_images import a_folder, arrays, run


def lines_of(result: Result) -> list[dict[str, str]]:
    with (result.folder / "tables" / "leaks.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("photos")
    a_folder(root / "set")
    return root


@pytest.fixture(scope="module")
def first(photos: Path) -> Result:
    return run(photos / "first", "dataset=folder", f"dataset.root={photos / 'set'}", f"paths.root={photos}")


def test_leaks_csv_names_both_files(first: Result) -> None:
    pairs = {line["test_file"]: (line["train_file"], line["how"]) for line in lines_of(first)}
    assert pairs == {
        "test/dark/00.jpg": ("train/dark/05.jpg", EXACT),
        "test/light/03.jpg": ("train/light/07.jpg", NEAR),
        "test/dark/02.png": ("train/light/09.jpg", NEAR),
    }
    png = next(line for line in lines_of(first) if line["test_file"] == "test/dark/02.png")
    assert float(png["correlation"]) > 0.999  # the same pixels in another file
    assert (png["test_class"], png["train_class"]) == ("dark", "light")


def test_the_number_and_what_decides_without_them_are_told(first: Result) -> None:
    values = first.values
    assert (values["test/leaks/images"], values["test/leaks/share"]) == (3, 3 / 40)
    leaked = np.zeros(40, np.bool_)
    leaked[[int(line["test_image"]) for line in lines_of(first)]] = True
    with np.load(first.folder / "draws.npz") as draws:
        hits = draws["outcomes/test/linear_hits"].astype(bool)
    assert values["test/leaks/accuracy"] == pytest.approx(hits[~leaked].mean())
    told = next(remark for remark in first.remarks if "copies" in remark)
    assert told.startswith("3 test images are copies of train images, 7.5% of 40 (1 exact, 2 near)")
    assert "Without the copies, linear accuracy is" in told
    summary = (first.folder / "summary.md").read_text(encoding="utf-8")
    assert (
        "- 3 test images (7.5%) are copies of train images; tables/leaks.csv lists the copies. Without the copies, lin"
        in summary
    )


def test_a_replay_decodes_nothing(first: Result, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sketches are kept beside the rows, of the one decode of every file."""

    def fail(*_: object) -> None:
        raise AssertionError("a file is decoded once more")

    monkeypatch.setattr(decode, "eight_bits", fail)
    words = ("dataset=folder", f"dataset.root={photos / 'set'}", f"paths.root={photos}")
    again = run(photos / "again", *words)
    assert lines_of(again) == lines_of(first)
    assert again.values["test/leaks/accuracy"] == first.values["test/leaks/accuracy"]


def test_copies_are_looked_for_once(first: Result, photos: Path) -> None:
    """They are kept beside the rows, with the name of what decides them."""
    (kept,) = (photos / "mlruns/features").glob("*/derived-copies1-graph-in-*")
    assert kept.is_file()


def test_sketches_that_are_not_there_are_made_by_one_pass_without_a_network(first: Result, photos: Path) -> None:
    store = photos / "mlruns/features"
    kept = [manifest.parent for manifest in store.glob("*/manifest.json") if '"sketches"' in manifest.read_text()]
    assert len(kept) == 2
    for copies in store.glob("*/derived-copies*"):
        copies.unlink()
    for folder in kept:
        for file in folder.iterdir():
            file.unlink()
    again = run(photos / "without", "dataset=folder", f"dataset.root={photos / 'set'}", f"paths.root={photos}")
    assert lines_of(again) == lines_of(first)
    assert again.values["cost/images_forwarded"] == 0


def test_where_nothing_is_kept_exact_copies_are_found(photos: Path) -> None:
    words = ("dataset=folder", f"dataset.root={photos / 'set'}", f"paths.root={photos}", "features.max_bytes=1000")
    result = run(photos / "small", *words)
    assert [line["how"] for line in lines_of(result)] == [EXACT]
    assert NOT_KEPT in result.remarks


def test_arrays_have_positions_and_groups_that_are_cut_are_named(tmp_path: Path) -> None:
    result = run(tmp_path / "run", f"paths.root={tmp_path}", given=Given(source=arrays()))
    lines = lines_of(result)
    pairs = [(line["how"], line["test_image"], line["train_image"]) for line in lines]
    assert pairs == [(EXACT, "10", "5"), (GROUP, "50", "250")]
    assert "test_file" not in lines[0]
    assert lines[1]["correlation"] == ""
    assert result.values["test/leaks/images"] == 1  # an image of the same group is not a copy


def test_a_network_knows_a_mirror_image(tmp_path: Path, shared_weights: Path) -> None:
    words = (f"backbone.weights={shared_weights}", "preprocess.size=96", f"paths.root={tmp_path}")
    result = run(tmp_path / "run", *words, given=Given(source=arrays()))
    pairs = {(line["how"], line["test_image"], line["train_image"]) for line in lines_of(result)}
    assert pairs == {(EXACT, "10", "5"), (MIRRORED, "20", "6"), (GROUP, "50", "250")}


def test_without_copies_there_is_no_table(tmp_path: Path) -> None:
    result = run(tmp_path / "run", "dataset=digits", "dataset.limit.train=300", f"paths.root={tmp_path}")
    assert not (result.folder / "tables" / "leaks.csv").exists()
    assert result.values["test/leaks/images"] == 0
    assert "- No test image is a copy of a train image." in (result.folder / "summary.md").read_text(encoding="utf-8")


def test_of_several_equal_train_images_the_first_is_named() -> None:
    train = Recognised([b"a", b"b", b"b"], None)
    leaks = leaks_between(train, Recognised([b"c", b"b"], None))
    assert (leaks.test.tolist(), leaks.train.tolist(), leaks.exact_only) == ([1], [1], NOT_KEPT)
    assert leaks.told(2) == "1 test image is a copy of a train image, 50.0% of 2 (1 exact, 0 near)"
    none = leaks_between(train, Recognised([b"c"], None))
    assert none.told(1) == "no test image is an exact copy of a train image"
    table = leak_table(leaks, {"train": np.array([0, 1, 0]), "test": np.array([0, 0])}, ("x", "y"), {})
    assert {name: of[0] for name, of in table.items()} == {
        "how": EXACT, "correlation": 1.0, "test_image": 1, "test_class": "x", "train_image": 1, "train_class": "y",
    }  # fmt: skip
