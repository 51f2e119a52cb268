"""What ``check`` finds in a data set: the same as a run, and what a sample is drawn of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from frostmark.benchmark import checking
from frostmark.benchmark.checking import Checked, check_images
from frostmark.benchmark.subject import Given
from frostmark.config.compose import compose
from frostmark.data.given import GivenImages
from support.environment import REPOSITORY
from support.leaky_images import CLASSES, WORDS, a_folder, arrays, run

CONF = REPOSITORY / "conf"


def checked(*words: str, given: Given | None = None) -> Checked:
    return check_images(compose(CONF, [*WORDS, *words]), given or Given(), lambda _: None)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    a_folder(tmp_path / "set")
    return tmp_path / "set"


def of(root: Path, *words: str) -> Checked:
    return checked("dataset=folder", f"dataset.root={root}", *words)


def test_it_says_of_the_images_what_a_run_says(photos: Path, tmp_path: Path) -> None:
    before = of(photos)
    result = run(tmp_path / "run", "dataset=folder", f"dataset.root={photos}", f"paths.root={tmp_path}")
    assert before.remarks
    assert [*result.remarks[: len(before.remarks)]] == [*before.remarks]
    assert before.leaks.told(40) in result.remarks[-1]
    assert before.images == {"train": 60, "test": 40}
    assert before.classes == CLASSES


def test_sizes_and_names(photos: Path) -> None:
    seen = of(photos)
    assert sorted(map(tuple, np.unique(seen.sizes, axis=0).tolist())) == [(60, 60), (96, 96)]
    assert len(seen.sizes) == 100
    assert {seen.files["test"][i] for i in seen.leaks.test.tolist()} == {
        "test/dark/00.jpg", "test/light/03.jpg", "test/dark/02.png",
    }  # fmt: skip


def test_damaged_files_are_no_copies_of_each_other_and_not_timed(photos: Path) -> None:
    for file in ("train/dark/01.jpg", "test/dark/01.jpg"):
        (photos / file).write_bytes(b"nothing")
    (photos / "train/light/02.jpg").write_bytes((photos / "train/light/03.jpg").read_bytes()[:2000])
    seen = of(photos)
    assert len(seen.damaged) == 3
    assert len(seen.leaks.test) == 3
    assert seen.estimate.reading > 0


def test_of_many_files_a_sample_is_decoded(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "SAMPLE", 30)
    seen = of(photos)
    assert seen.looked_at == {"train": 15, "test": 15}
    assert len(seen.sizes) == 30
    assert of(photos).leaks.test.tolist() == seen.leaks.test.tolist()  # the seed draws them
    exact = [
        seen.files["test"][i] for i, how in zip(seen.leaks.test, seen.leaks.how, strict=True) if how == "exact copy"
    ]
    assert exact == ["test/dark/00.jpg"]  # the digest of every file is known


@pytest.mark.parametrize(
    ("train", "test", "chosen"),
    [(5000, 300, (1700, 300)), (300, 5000, (300, 1700)), (10, 10, (10, 10)), (4000, 4000, (1000, 1000))],
)
def test_a_sample_has_as_many_of_both_splits_as_it_can(train: int, test: int, chosen: tuple[int, int]) -> None:
    of_splits = checking._chosen({"train": train, "test": test}, seed=0)
    assert tuple(map(len, of_splits.values())) == chosen
    assert all(len(np.unique(positions)) == len(positions) for positions in of_splits.values())


def test_arrays_are_looked_at_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "SAMPLE", 10)
    seen = checked(given=Given(source=arrays()))
    assert seen.looked_at == seen.images
    assert seen.leaks.test.tolist() == [10]
    assert seen.files == {}
    assert seen.groups is not None
    assert any("1 group has images in train and in test" in remark for remark in seen.remarks)


def test_the_estimate_is_of_the_layer_and_of_all_images() -> None:
    few, many = (checked("dataset=synthetic", f"dataset.train={n}", "dataset.test=100").estimate for n in (100, 3900))
    assert few.network == "squeezenet1_0 · last_conv at 32 pixels"
    assert (few.store, many.store) == (200 * 4 * 512, 4000 * 4 * 512)
    assert (few.reading, few.seconds) == (0, few.forwarding)
    assert few.forwarding > 0


def test_weights_are_not_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    seen = check_images(compose(CONF, ["dataset=digits", "preprocess.size=32"]), Given(), lambda _: None)
    assert "resnet18-f37072fd.pth" in seen.estimate.weights
    assert not list(tmp_path.rglob("*.pth"))


def test_what_a_source_says_of_itself_is_told() -> None:
    class Talking(GivenImages):
        remarks = ("split: as given", "left out: 3 hidden files")

    images = torch.zeros((4, 1, 8, 8), dtype=torch.uint8)
    source = Talking("talking", (images, torch.tensor([0, 1, 0, 1])), (images + 1, torch.tensor([0, 1, 0, 1])), CLASSES)
    assert checked(given=Given(source=source)).said == ["split: as given", "left out: 3 hidden files"]


def test_a_turned_photo_is_told_by_the_size_of_the_file(tmp_path: Path) -> None:
    """As other programs tell it."""
    for split in ("train", "test"):
        for name in CLASSES:
            (tmp_path / split / name).mkdir(parents=True)
            image = Image.fromarray(np.full((30, 50, 3), 99, np.uint8))
            exif = image.getexif()
            exif[0x0112] = 6
            image.save(tmp_path / split / name / "a.jpg", exif=exif)
    assert np.unique(of(tmp_path).sizes, axis=0).tolist() == [[50, 30]]
