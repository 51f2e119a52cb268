"""Data sets: the right images under the right labels, and errors that name the way out."""

from __future__ import annotations

import gzip
import pickle
import struct
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from sklearn.datasets import load_digits

from frostmark.data import synthetic
from frostmark.data.decode import decode
from frostmark.data.digits import Digits
from frostmark.data.files import ImageFiles
from frostmark.data.fingerprint import combined, fingerprint, label_digest
from frostmark.data.folder import ImageFolder
from frostmark.data.preprocess import Resize
from frostmark.data.source import Limits, TensorImages, limited
from frostmark.data.synthetic import NOISE, Synthetic
from frostmark.data.torchvision_sets import TorchvisionSet
from frostmark.errors import ConfigError, DataError


def test_digits_are_all_of_scikit_learns_each_once() -> None:
    source = Digits()
    train, test = source.split("train"), source.split("test")
    assert (len(train), len(test)) == (1297, 500)
    together = torch.cat([train.images, test.images]).reshape(1797, 64).float() * 16 / 255
    ours = sorted(map(bytes, together.round().to(torch.uint8).numpy()))
    theirs = sorted(map(bytes, load_digits().data.astype(np.uint8)))
    assert ours == theirs
    assert source.classes() == tuple("0123456789")


def test_a_batch_holds_what_was_asked_for() -> None:
    images = Digits().split("train")
    batch = images.__getitems__([5, 3])
    assert batch.indices.tolist() == [5, 3]
    assert torch.equal(batch.images[1], images.images[3])
    assert batch.labels.tolist() == images.labels[[5, 3]].tolist()


def test_real_fashion_mnist(shared_data: Path) -> None:
    source = TorchvisionSet("FashionMNIST", root=str(shared_data), download=False)
    train, test = source.split("train"), source.split("test")
    assert train.images.shape == (8000, 1, 28, 28)
    assert test.images.shape == (4000, 1, 28, 28)
    assert source.classes()[6] == "Shirt"
    assert train.labels[:5].tolist() == [9, 0, 0, 3, 0]  # the data set's published beginning


def write_idx(folder: Path, images: np.ndarray, labels: np.ndarray, stem: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{stem}-images-idx3-ubyte").write_bytes(struct.pack(">IIII", 2051, *images.shape) + images.tobytes())
    (folder / f"{stem}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 2049, len(labels)) + labels.tobytes())


@pytest.mark.parametrize("dataset", ["MNIST", "KMNIST"])
def test_idx_files_are_read_through_torchvision(dataset: str, tmp_path: Path) -> None:
    images = np.arange(3 * 28 * 28, dtype=np.uint32).reshape(3, 28, 28).astype(np.uint8)
    for stem in ("train", "t10k"):
        write_idx(tmp_path / dataset / "raw", images, np.array([1, 2, 3], np.uint8), stem)
    read = TorchvisionSet(dataset, root=str(tmp_path), download=False).split("test")
    assert np.array_equal(read.images.numpy()[:, 0], images)
    assert read.labels.tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("dataset", "folder", "key"),
    [("CIFAR10", "cifar-10-batches-py", "labels"), ("CIFAR100", "cifar-100-python", "fine_labels")],
)
def test_cifar_is_read_through_torchvision(
    dataset: str, folder: str, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = getattr(torchvision.datasets, dataset)
    pixels = np.arange(2 * 3 * 32 * 32, dtype=np.uint32).reshape(2, -1).astype(np.uint8)
    (tmp_path / folder).mkdir()
    for name, _ in [*reader.train_list, *reader.test_list]:
        (tmp_path / folder / name).write_bytes(pickle.dumps({"data": pixels, key: [3, 9]}))
    names = {reader.meta["key"]: [f"class {c}" for c in range(100)]}
    (tmp_path / folder / reader.meta["filename"]).write_bytes(pickle.dumps(names))
    # torchvision knows the digests of the real files; these stand in for them.
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda path, md5=None: Path(path).is_file())
    source = TorchvisionSet(dataset, root=str(tmp_path), download=False)
    read = source.split("test")
    assert read.images.shape == (2, 3, 32, 32)
    assert np.array_equal(read.images.numpy().reshape(2, -1), pixels)
    assert read.labels.tolist() == [3, 9]
    assert source.classes()[9] == "class 9"


def test_missing_files_are_named_with_size_and_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for dataset, word in (("FashionMNIST", "train-images-idx3-ubyte.gz"), ("CIFAR10", "cifar-10-python.tar.gz")):
        start = time.monotonic()
        with pytest.raises(DataError, match=word) as told:
            TorchvisionSet(dataset, root=str(tmp_path)).split("train")
        assert time.monotonic() - start < 10
        assert "MB" in told.value.problem
        assert str(tmp_path) in told.value.fix
        assert "experiment=quickstart" in told.value.fix


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    images = np.zeros((3, 28, 28), np.uint8)
    for stem in ("train", "t10k"):
        write_idx(tmp_path / "MNIST" / "raw", images, np.zeros(3, np.uint8), stem)
    file = tmp_path / "MNIST" / "raw" / "train-images-idx3-ubyte"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(DataError, match="damaged"):
        TorchvisionSet("MNIST", root=str(tmp_path), download=False).split("train")


def test_archives_put_there_by_hand_are_unpacked_without_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    images = np.full((3, 28, 28), 7, np.uint8)
    folder = tmp_path / "MNIST" / "raw"
    for stem in ("train", "t10k"):
        write_idx(folder, images, np.array([1, 2, 3], np.uint8), stem)
    for file in list(folder.iterdir()):
        (folder / f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()
    # torchvision knows the digests of the real archives; these stand in for them.
    monkeypatch.setattr("torchvision.datasets.mnist.check_integrity", lambda path, md5=None: Path(path).is_file())
    monkeypatch.setattr("torchvision.datasets.utils.check_integrity", lambda path, md5=None: Path(path).is_file())
    assert TorchvisionSet("MNIST", root=str(tmp_path)).split("train").labels.tolist() == [1, 2, 3]


def test_an_archive_alone_or_a_damaged_one_is_not_taken_for_data(tmp_path: Path) -> None:
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    (folder / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(b"x"))
    with pytest.raises(DataError, match="Missing"):
        TorchvisionSet("MNIST", root=str(tmp_path), download=False).split("train")


@pytest.mark.parametrize("given", ["MNIST/raw", "MNIST", "MNIST/processed"])
def test_a_root_within_the_tree_of_the_files_is_answered_with_the_folder_above(given: str, tmp_path: Path) -> None:
    root = tmp_path / "my data"
    for stem in ("train", "t10k"):
        write_idx(root / "MNIST" / "raw", np.zeros((3, 28, 28), np.uint8), np.zeros(3, np.uint8), stem)
    with pytest.raises(DataError) as told:
        TorchvisionSet("MNIST", root=str(root / given), download=False).split("train")
    assert told.value.fix.startswith(f"dataset.root='{root}'; ")
    assert len(TorchvisionSet("MNIST", root=str(root), download=False).split("train")) == 3


def test_without_the_files_the_folder_to_name_is_described(tmp_path: Path) -> None:
    with pytest.raises(DataError) as told:
        TorchvisionSet("FashionMNIST", root=str(tmp_path / "FashionMNIST" / "raw"), download=False).split("train")
    assert "dataset.root=<the folder that contains FashionMNIST/raw>" in told.value.fix


@pytest.mark.parametrize("folders", [("train",), ("test", "val"), ("valid",)])
def test_splits_of_other_names_are_not_taken_for_classes(folders: tuple[str, ...], tmp_path: Path) -> None:
    for folder in folders:
        write_images(tmp_path / folder, {"cat": 2, "dog": 2})
    with pytest.raises(DataError, match="called train and test"):
        ImageFolder(str(tmp_path)).classes()


# ---------------------------------------------------------------- folders


def write_images(root: Path, names: dict[str, int], size: tuple[int, int] = (12, 9)) -> None:
    """``count`` PNGs a class folder, each of one colour of its own."""
    for position, (name, count) in enumerate(names.items()):
        (root / name).mkdir(parents=True)
        for i in range(count):
            Image.new("RGB", size, (10 * position, i, 200)).save(root / name / f"{i}.png")


def relative(files: ImageFiles, root: Path) -> list[str]:
    return [str(p.relative_to(root)) for p in files.paths]


def test_a_folder_of_classes_is_split_by_its_paths(tmp_path: Path) -> None:
    write_images(tmp_path / "pets", {"cat": 60, "dog": 60})
    source = ImageFolder(str(tmp_path / "pets"))
    train, test = source.split("train"), source.split("test")
    assert source.name == "pets"
    assert source.classes() == ("cat", "dog")
    assert len(train) + len(test) == 120
    assert 10 <= len(test) <= 40
    assert not set(train.paths) & set(test.paths)
    before = set(relative(test, tmp_path))
    for path in train.paths[:20]:
        path.unlink()
    assert set(relative(source.split("test"), tmp_path)) == before  # others' fate changes nobody's split
    assert set(train.labels[:20].tolist()) == {0, 1}  # the first N are of all classes
    assert set(relative(ImageFolder(str(tmp_path / "pets"), split_seed=1).split("test"), tmp_path)) != before


def test_a_folder_keeps_the_groups_whole_that_its_paths_name(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        for i in range(60):
            path = tmp_path / "pets" / name / f"owner{i // 6}_{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 8), (i, 0, 0)).save(path)
    source = ImageFolder(str(tmp_path / "pets"), group="(owner[0-9]+)_")
    train, test = source.split("train"), source.split("test")
    assert len(train) + len(test) == 120
    assert train.groups is not None
    assert test.groups is not None
    assert set(train.groups) | set(test.groups) == {f"owner{i}" for i in range(10)}
    assert not set(train.groups) & set(test.groups)
    assert all(f"/{group}_" in name for name, group in zip(test.files, test.groups, strict=True))
    with pytest.raises(ConfigError, match="one"):
        ImageFolder(str(tmp_path / "pets"), group="owner")


def test_groups_of_a_folder_with_splits_are_those_of_both(tmp_path: Path) -> None:
    write_images(tmp_path / "train", {"a": 3, "b": 2})
    write_images(tmp_path / "test", {"b": 1})
    train, test = (ImageFolder(str(tmp_path), group="([0-9])[.]png").split(split) for split in ("train", "test"))
    assert sorted(train.groups or ()) == ["0", "0", "1", "1", "2"]
    assert test.groups == ["0"]
    assert test.files == ["test/b/0.png"]


def test_a_folder_with_splits_is_taken_as_it_is(tmp_path: Path) -> None:
    write_images(tmp_path / "train", {"a": 3, "b": 2})
    write_images(tmp_path / "test", {"b": 1})
    source = ImageFolder(str(tmp_path))
    assert source.classes() == ("a", "b")
    assert sorted(source.split("train").labels.tolist()) == [0, 0, 0, 1, 1]
    assert source.split("test").labels.tolist() == [1]


def test_images_of_different_sizes_make_a_batch(tmp_path: Path) -> None:
    write_images(tmp_path / "x", {"a": 2}, size=(20, 10))
    write_images(tmp_path / "y", {"b": 2}, size=(7, 33))
    files = [*sorted((tmp_path / "x/a").iterdir()), *sorted((tmp_path / "y/b").iterdir())]
    images = ImageFiles(files, torch.tensor([0, 0, 1, 1]), tmp_path)
    images.geometry = Resize(16).pipeline(PRESET).geometry
    batch = images.__getitems__([0, 3])
    assert batch.images.shape == (2, 3, 16, 16)
    assert batch.images[1, :, 4, 4].tolist() == pytest.approx([0, 1, 200], abs=1e-4)


class PRESET:
    crop_size, resize_size, mean, std = [224], [256], [0.5] * 3, [0.5] * 3
    interpolation = None
    antialias = True


def test_what_is_no_image_or_no_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"bad\.png cannot be read"):
        decode(tmp_path / "bad.png")
    with pytest.raises(ConfigError, match="which folder"):
        ImageFolder()
    with pytest.raises(DataError, match="there is no folder"):
        ImageFolder(str(tmp_path / "none")).split("train")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no class folders"):
        ImageFolder(str(tmp_path / "empty")).split("train")


# ---------------------------------------------------------------- synthetic, limits, fingerprints


@pytest.mark.parametrize("separation", [0.5, 2.0, 4.0])
def test_the_dial_gives_the_accuracy_it_promises(separation: float) -> None:
    source = Synthetic(separation=separation, num_classes=2, train=4000, test=4000)
    train, test = source.split("train"), source.split("test")
    x = train.images.flatten(1).double()
    means = torch.stack([x[train.labels == c].mean(0) for c in (0, 1)])
    # With 3,072 features the estimated means are noisy: classify along their true difference instead.
    direction = (source._means()[0] - source._means()[1]).flatten().double() * NOISE
    assert direction.norm().item() / NOISE == pytest.approx(separation, rel=1e-5)
    scores = (test.images.flatten(1).double() - means.mean(0)) @ direction
    accuracy = ((scores < 0).long() == test.labels).double().mean().item()
    assert accuracy == pytest.approx(source.pairwise_accuracy, abs=0.025)  # 3 standard errors of 4,000 coin tosses


@pytest.mark.parametrize("size", [4, 12, 32])
def test_synthetic_images_drawn_in_blocks_are_those_of_one_draw(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Synthetic(size=size, num_classes=3, train=203, seed=5)
    generator = torch.Generator().manual_seed(3 * 5 + 1)
    noise = torch.randn(203, 3, size, size, generator=generator)
    whole = (128 + NOISE * (source._means()[torch.arange(203) % 3] + noise)).round().clamp(0, 255).to(torch.uint8)
    for images_at_once in (1, 7, 203, 500):
        monkeypatch.setattr(synthetic, "_FLOATS", images_at_once * 3 * size**2)
        assert torch.equal(source.split("train").images, whole)


def test_synthetic_refuses_numbers_that_do_not_fit() -> None:
    for wrong in ({"size": 30}, {"num_classes": 0}, {"num_classes": 500}, {"separation": -1.0}, {"train": 0}):
        with pytest.raises(ConfigError):
            Synthetic(**wrong)  # type: ignore[arg-type]


def test_limits() -> None:
    images = Digits().split("train")
    assert len(limited(images, "train", Limits(train=7))) == 7
    assert limited(images, "test", Limits(train=7)) is images
    with pytest.raises(ConfigError, match=r"dataset\.limit\.train=0"):
        limited(images, "train", Limits(train=0))
    with pytest.raises(DataError, match="no image"):
        limited(TensorImages(torch.zeros(0, 1, 2, 2, dtype=torch.uint8), torch.zeros(0).long()), "test", Limits())


def test_a_fingerprint_is_of_the_images_alone() -> None:
    images = Digits().split("test")
    first = fingerprint(images)
    assert fingerprint(Digits().split("test")) == first
    assert fingerprint(TensorImages(images.images, images.labels.flip(0))) == first
    assert label_digest(TensorImages(images.images, images.labels.flip(0))) != label_digest(images)
    changed = images.images.clone()
    changed[3, 0, 4, 4] += 1
    assert fingerprint(TensorImages(changed, images.labels)) != first
    assert fingerprint(images.take(10)) != first
    assert fingerprint(TensorImages(images.images.reshape(500, 1, 4, 16), images.labels)) != first
    assert combined("a", "b") != combined("b", "a")


def test_a_folders_fingerprint_moves_with_it_and_sees_every_byte(tmp_path: Path) -> None:
    write_images(tmp_path / "one" / "pets", {"cat": 8, "dog": 8})
    first = fingerprint(ImageFolder(str(tmp_path / "one" / "pets")).split("train"))
    (tmp_path / "one").rename(tmp_path / "two")
    moved = ImageFolder(str(tmp_path / "two" / "pets")).split("train")
    assert fingerprint(moved) == first
    moved.paths[0].write_bytes(moved.paths[0].read_bytes() + b"\0")
    assert fingerprint(moved) != first
