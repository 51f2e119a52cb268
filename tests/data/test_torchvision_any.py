"""Torchvision's sets by name: its own splits, the right files under the right labels, and what is missing by name."""

from __future__ import annotations

import csv
import inspect
import time
from pathlib import Path

import numpy as np
import pytest
import torchvision
from PIL import Image
from scipy.io import savemat
from sklearn.datasets import load_digits

from frostmark.data.decode import decode
from frostmark.data.files import ImageFiles
from frostmark.data.source import SPLITS, TensorImages
from frostmark.data.torchvision_any import BY_HAND, AnyTorchvision
from frostmark.data.torchvision_opened import OTHERS, SETS, addresses_of, reader_of
from frostmark.errors import ConfigError, DataError


def save(path: Path, colour: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (12, 10), (colour, 9, 9)).save(path)


def labelled(images: ImageFiles) -> dict[str, int]:
    """Name of the file → label."""
    return {Path(name).name: label for name, label in zip(images.files, images.labels.tolist(), strict=True)}


def files_of(source: AnyTorchvision, split: str) -> ImageFiles:
    images = source.split(split)  # type: ignore[arg-type]
    assert isinstance(images, ImageFiles)
    return images


def pets(root: Path) -> None:
    folder = root / "oxford-iiit-pet"
    for split, numbers in (("trainval", range(6)), ("test", range(6, 10))):
        lines = [f"{('Abyssinian', 'yorkshire_terrier')[i % 2]}_{i} {1 + i % 2} 1 1" for i in numbers]
        (folder / "annotations").mkdir(parents=True, exist_ok=True)
        (folder / "annotations" / f"{split}.txt").write_text("\n".join(lines))
        for i, line in zip(numbers, lines, strict=True):
            save(folder / "images" / f"{line.split()[0]}.jpg", 20 * i)


def test_pets_have_their_own_splits(tmp_path: Path) -> None:
    pets(tmp_path)
    source = AnyTorchvision("OxfordIIITPet", str(tmp_path), download=False, group="_([0-9]+)[.]jpg")
    assert (source.name, source.classes()) == ("OxfordIIITPet", ("Abyssinian", "Yorkshire Terrier"))
    test = files_of(source, "test")
    assert labelled(test) == {
        "Abyssinian_6.jpg": 0, "yorkshire_terrier_7.jpg": 1, "Abyssinian_8.jpg": 0, "yorkshire_terrier_9.jpg": 1,
    }  # fmt: skip
    assert len(files_of(source, "train")) == 6
    assert test.files[0].startswith("oxford-iiit-pet/images/")
    assert sorted(test.groups or ()) == ["6", "7", "8", "9"]
    assert all(decode(path).pixels.shape == (3, 10, 12) for path in test.paths)


def test_sets_of_class_folders_without_splits_are_split_by_a_hash(tmp_path: Path) -> None:
    for i in range(60):
        save(tmp_path / "eurosat" / "2750" / ("River", "Forest")[i % 2] / f"{i}.jpg", i)
    for i in range(60):
        name = ("001.ak47", "002.american-flag")[i % 2]
        number = i // 2 + 1
        save(tmp_path / "caltech256" / "256_ObjectCategories" / name / f"{1 + i % 2:03}_{number:04}.jpg", i)
    for name, classes in (("EuroSAT", ("Forest", "River")), ("Caltech256", ("001.ak47", "002.american-flag"))):
        source = AnyTorchvision(name, str(tmp_path), download=False)
        train, test = (files_of(source, split) for split in SPLITS)
        assert source.classes() == classes
        assert len(train) + len(test) == 60
        assert not set(train.files) & set(test.files)
        for images in (train, test):
            assert [classes.index(path.parent.name) for path in images.paths] == images.labels.tolist()  # type: ignore[union-attr]


def test_signs_without_names_of_classes_are_numbered(tmp_path: Path) -> None:
    folder = tmp_path / "gtsrb"
    for i in range(8):
        save(folder / "GTSRB" / "Training" / f"{i % 4:05}" / f"{i}.ppm", i)
        save(folder / "GTSRB" / "Final_Test" / "Images" / f"{i}.ppm", i)
    with (folder / "GT-final_test.csv").open("w", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerows([("Filename", "ClassId"), *((f"{i}.ppm", i % 4) for i in range(8))])
    source = AnyTorchvision("GTSRB", str(tmp_path), download=False)
    assert source.classes() == ("0", "1", "2", "3")
    for split in SPLITS:
        assert labelled(files_of(source, split)) == {f"{i}.ppm": i % 4 for i in range(8)}


def test_splits_that_are_not_used_are_told_of(tmp_path: Path) -> None:
    for split in ("train", "valid", "test"):
        for i in range(4):
            save(tmp_path / "country211" / split / ("AT", "FR")[i % 2] / f"{split}{i}.png", i)
    source = AnyTorchvision("Country211", str(tmp_path), download=False)
    assert source.remarks == ["splits that are not used: valid"]
    assert labelled(files_of(source, "test")) == {"test0.png": 0, "test1.png": 1, "test2.png": 0, "test3.png": 1}


def test_pixels_of_house_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torchvision.datasets.svhn.check_integrity", lambda path, md5=None: Path(path).is_file())
    pixels = np.arange(5 * 3 * 32 * 32, dtype=np.uint32).reshape(32, 32, 3, 5).astype(np.uint8)
    for split in SPLITS:
        savemat(tmp_path / f"{split}_32x32.mat", {"X": pixels, "y": np.array([[1], [10], [3], [1], [2]])})
    source = AnyTorchvision("SVHN", str(tmp_path), download=False)
    images = source.split("test")
    assert isinstance(images, TensorImages)
    assert np.array_equal(images.images.numpy(), pixels.transpose(3, 2, 0, 1))
    assert [source.classes()[label] for label in images.labels] == ["1", "0", "3", "1", "2"]


def test_pixels_without_splits_are_split_by_a_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torchvision.datasets.semeion.check_integrity", lambda path, md5=None: Path(path).is_file())
    digits = load_digits()
    wide = (digits.images[:80].repeat(2, 1).repeat(2, 2) > 7).reshape(80, 256)
    np.savetxt(tmp_path / "semeion.data", np.hstack([wide, np.eye(10)[digits.target[:80]]]))
    source = AnyTorchvision("SEMEION", str(tmp_path), download=False)
    train, test = (source.split(split) for split in SPLITS)
    assert source.classes() == tuple("0123456789")
    assert len(train) + len(test) == 80
    assert sorted([*train.labels.tolist(), *test.labels.tolist()]) == sorted(digits.target[:80].tolist())


def test_small_sets_are_those_of_their_own_word(shared_data: Path) -> None:
    source = AnyTorchvision("FashionMNIST", str(shared_data), download=False)
    assert len(source.split("train")) == 8000
    assert source.classes()[6] == "Shirt"
    with pytest.raises(ConfigError, match="no paths"):
        AnyTorchvision("FashionMNIST", str(shared_data), group="(a)")


@pytest.mark.parametrize("name", SETS)
def test_torchvision_takes_the_arguments_of_every_set(name: str) -> None:
    parameters = inspect.signature(reader_of(name)).parameters
    taken = set(parameters) | ({"train"} if name in ("EMNIST", "QMNIST") else set())  # handed on to MNIST
    for arguments in (SETS[name].train, SETS[name].test or {}):
        assert set(arguments) <= taken
    assert "download" in parameters or name in (*BY_HAND, "EMNIST", "QMNIST")
    assert addresses_of(reader_of(name)) or name in BY_HAND


@pytest.mark.parametrize("name", SETS)
def test_what_is_not_there_is_named_without_a_network(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    for download in (False, True):
        start = time.monotonic()
        with pytest.raises(DataError, match=name) as told:
            AnyTorchvision(name, str(tmp_path), download=download).split("train")
        assert str(tmp_path) in told.value.problem
        assert "dataset.root=" in told.value.fix
        assert name in BY_HAND or "http" in told.value.problem or "Missing in" in told.value.problem
        assert time.monotonic() - start < 10


def test_every_set_of_labelled_images_is_there_or_said_why_not() -> None:
    no_classes = {
        "LSUN", "LSUNClass", "ImageFolder", "DatasetFolder", "FakeData", "CocoCaptions", "CocoDetection", "MovingMNIST",
        "PhotoTour", "SBU", "Flickr8k", "Flickr30k", "VOCSegmentation", "VOCDetection", "Cityscapes", "WIDERFace",
        "SBDataset", "VisionDataset", "Kinetics", "HMDB51", "UCF101", "Kitti", "LFWPairs", "KittiFlow", "Sintel",
        "FlyingChairs", "FlyingThings3D", "HD1K", "wrap_dataset_for_transforms_v2", "InStereo2k",
    }  # fmt: skip
    rest = set(torchvision.datasets.__all__) - set(SETS) - set(OTHERS) - no_classes
    assert {name for name in rest if not name.endswith("Stereo") and name != "ETH3DStereo"} == set()


def test_words_that_are_no_set_are_told_with_the_nearest() -> None:
    for word, near in (("oxford_iiit_pet", "OxfordIIITPet"), ("flowers102", "Flowers102"), ("GTSR", "GTSRB")):
        with pytest.raises(ConfigError, match=f"no classification set {word}") as told:
            AnyTorchvision(word)
        assert told.value.fix == f"dataset.name={near}"
    with pytest.raises(ConfigError, match="needs a name"):
        AnyTorchvision()
    with pytest.raises(ConfigError, match="cannot be benchmarked"):
        AnyTorchvision("Omniglot")
