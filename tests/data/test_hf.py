"""Data sets in Hugging Face's format: the images and labels that are in them, and what is missing by name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from frostmark.data.decode import decode
from frostmark.data.folder import ImageFolder
from frostmark.data.hf import HubImages
from frostmark.data.inspection import inspected
from frostmark.data.source import SPLITS, groups_of
from frostmark.errors import ConfigError, DataError

datasets = pytest.importorskip("datasets", reason="the extra hf is not installed")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    yield
    datasets.config.HF_HUB_OFFLINE = False


def make_folder(root: Path, count: int = 40) -> Path:
    for i in range(count):
        path = root / ("cat", "dog")[i % 2] / f"owner{i % 8}_{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 9, 3), 5 * i, np.uint8)).save(path)
    return root


def rows_of(folder: Path, names: list[str] | None = None) -> object:
    """The same images with their bytes in the lines."""
    files = sorted(folder.rglob("*.png"))
    features = datasets.Features(
        {
            "image": datasets.Image(),
            "label": datasets.ClassLabel(names=names or ["cat", "dog"]),
            "owner": datasets.Value("string"),
        }
    )
    columns = {
        "image": [{"bytes": path.read_bytes(), "path": path.name} for path in files],
        "label": [path.parent.name for path in files],
        "owner": [path.name.partition("_")[0] for path in files],
    }
    return datasets.Dataset.from_dict(columns, features=features)


def pixels_of(images: object) -> dict[str, tuple[int, bytes]]:
    """Name without its folders → label and pixels."""
    return {
        Path(name).name: (int(label), decode(path).pixels.numpy().tobytes())
        for name, label, path in zip(images.files, images.labels, images.paths, strict=True)  # type: ignore[attr-defined]
    }


def test_a_folder_of_images_is_the_same_as_dataset_folder(tmp_path: Path) -> None:
    root = make_folder(tmp_path / "pets")
    ours, theirs = HubImages(str(root)), ImageFolder(str(root))
    assert (ours.name, ours.classes()) == ("pets", ("cat", "dog"))
    for split in SPLITS:
        assert ours.split(split).content() == theirs.split(split).content()
        assert torch.equal(ours.split(split).labels, theirs.split(split).labels)


def test_what_save_to_disk_wrote_has_the_same_pixels_under_the_same_labels(tmp_path: Path) -> None:
    root = make_folder(tmp_path / "pets")
    parted = rows_of(root).train_test_split(0.25, seed=0)  # type: ignore[attr-defined]
    parted.save_to_disk(tmp_path / "saved")
    source = HubImages(str(tmp_path / "saved"))
    assert source.name == "saved"
    splits = {split: source.split(split) for split in SPLITS}
    assert {split: len(images) for split, images in splits.items()} == {"train": 30, "test": 10}
    known = pixels_of(ImageFolder(str(root)).split("train")) | pixels_of(ImageFolder(str(root)).split("test"))
    assert pixels_of(splits["train"]) | pixels_of(splits["test"]) == known
    assert set(parted["test"]["owner"]) == set(
        groups_of(HubImages(str(tmp_path / "saved"), group="owner").split("test")) or ()
    )
    splits["train"].geometry = lambda image: image.float()
    assert splits["train"].__getitems__([3, 1]).images.shape == (2, 3, 8, 9)
    assert len(set(inspected(splits, tmp_path, None, lambda line: None)["train"].digests)) == 30  # type: ignore[attr-defined]


def test_one_split_is_split_by_a_hash_that_keeps_groups(tmp_path: Path) -> None:
    rows = rows_of(make_folder(tmp_path / "pets"))
    rows.to_parquet(tmp_path / "pets.parquet")  # type: ignore[attr-defined]
    for group in ("owner", "(owner[0-9])_"):
        source = HubImages(str(tmp_path / "pets.parquet"), group=group, test_share=0.5)
        of_train, of_test = (set(groups_of(source.split(split)) or ()) for split in SPLITS)
        assert of_train | of_test == {f"owner{i}" for i in range(8)}
        assert not of_train & of_test
    assert source.remarks == []


def test_other_labels_and_splits_of_other_names(tmp_path: Path) -> None:
    rows = rows_of(make_folder(tmp_path / "pets"))
    part = {"train": range(24), "validation": range(24, 32), "extra": range(32, 40)}
    made = datasets.DatasetDict({name: rows.select(of) for name, of in part.items()})  # type: ignore[attr-defined]
    made.save_to_disk(tmp_path / "saved")
    source = HubImages(str(tmp_path / "saved"), label="owner")
    assert source.classes() == tuple(sorted(set(made["train"]["owner"]) | set(made["validation"]["owner"])))
    assert source.name == "saved (owner)"
    assert source.remarks == [
        "the split validation is used as the test split",
        "splits that are not used: extra (8 images)",
    ]
    assert [len(source.split(split)) for split in SPLITS] == [24, 8]
    only = HubImages(str(tmp_path / "saved"), only="extra")
    assert sum(len(only.split(split)) for split in SPLITS) == 8
    with pytest.raises(ConfigError, match=r"has no split extr\. Its splits: extra"):
        HubImages(str(tmp_path / "saved"), only="extr").classes()


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    rows = rows_of(make_folder(tmp_path / "pets"))
    rows.save_to_disk(tmp_path / "saved")  # type: ignore[attr-defined]
    saved = str(tmp_path / "saved")
    with pytest.raises(DataError, match=r"no column photo of images\. Columns: image, label, owner") as told:
        HubImages(saved, image="photo").classes()
    assert told.value.fix == "dataset.image=image"
    with pytest.raises(DataError, match="no column species of labels") as told:
        HubImages(saved, label="species").classes()
    assert told.value.fix == "dataset.label=label"
    with pytest.raises(ConfigError, match=r"not a column.*Columns: owner"):
        HubImages(saved, group="ownr").classes()
    with pytest.raises(DataError, match="there is no folder or file /none"):
        HubImages("/none").classes()
    with pytest.raises(ConfigError, match="which data set"):
        HubImages()
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="cannot be read"):
        HubImages(str(tmp_path / "empty")).classes()


def test_lines_without_label_or_image_are_named(tmp_path: Path) -> None:
    rows = rows_of(make_folder(tmp_path / "pets"))
    bare = rows.cast_column("image", datasets.Image(decode=False))  # type: ignore[attr-defined]
    lines = [{**line, "label": -1 if i < 7 else line["label"]} for i, line in enumerate(bare)]
    datasets.Dataset.from_list(lines, features=rows.features).save_to_disk(tmp_path / "saved")  # type: ignore[attr-defined]
    with pytest.raises(DataError, match=r"7 of 40 images of .* have no label in column label: all/owner"):
        HubImages(str(tmp_path / "saved")).classes()
    lines = [{**line, "label": 0, "image": None if i == 5 else line["image"]} for i, line in enumerate(lines)]
    datasets.Dataset.from_list(lines, features=rows.features).save_to_disk(tmp_path / "holes")  # type: ignore[attr-defined]
    source = HubImages(str(tmp_path / "holes"))
    splits = {split: source.split(split) for split in SPLITS}
    with pytest.raises(DataError, match="image all/5 cannot be read as an image: the line has no image"):
        inspected(splits, tmp_path, None, lambda line: None)


def test_a_name_on_the_hub_is_given_up_within_seconds_where_nothing_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    start = time.monotonic()
    with pytest.raises(DataError, match="the data set owner/beans cannot be read"):
        HubImages("owner/beans").classes()
    assert time.monotonic() - start < 10
