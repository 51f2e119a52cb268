"""One set of images in every form that it can come in: a folder, tables, a folder of Hugging Face's, arrays."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits
from torch import nn

from conftest import Program
from frostmark.api import benchmark
from frostmark.benchmark.result import Result
from frostmark.data.decode import decode
from frostmark.data.folder import ImageFolder
from frostmark.data.source import SPLITS
from support.runs import TINY, Tracked

SETTINGS = (
    "preprocess.size=24", "reducer=pca", "uncertainty.permutations=19", "uncertainty.resamples=100",
    "metrics=[linear,neighbours,variance]",
)  # fmt: skip

Form = Callable[[Path], tuple[object, list[str]]]
"""Folder of images → what is handed over as a data set, and words."""


def small() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 16, 3, 2, 1), nn.ReLU())


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Digits as PNGs, a folder per class, four writers."""
    root = tmp_path_factory.mktemp("images") / "digits"
    data = load_digits()
    for i, (pixels, label) in enumerate(zip((data.images[:240] * 15.9).astype(np.uint8), data.target, strict=False)):
        path = root / f"digit{label}" / f"writer{i % 24}_{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    return root


def lines_of(root: Path) -> dict[str, list[str]]:
    """The table of these images, in an order of its own."""
    names = sorted((path.relative_to(root).as_posix() for path in root.rglob("*.png")), reverse=True)
    writers = [name.rpartition("/")[2].partition("_")[0] for name in names]
    return {"file_name": names, "label": [name.partition("/")[0] for name in names], "writer": writers}


def write_csv(root: Path, file: Path) -> None:
    lines = lines_of(root)
    file.write_text("\n".join(map(",".join, [tuple(lines), *zip(*lines.values(), strict=True)])) + "\n")


def as_csv(root: Path) -> tuple[object, list[str]]:
    write_csv(root, root.parent / "labels.csv")
    return "table", [f"dataset.file={root.parent / 'labels.csv'}", f"dataset.root={root}"]


def as_parquet(root: Path) -> tuple[object, list[str]]:
    pq.write_table(pa.table(lines_of(root)), root.parent / "labels.parquet")
    return "table", [f"dataset.file={root.parent / 'labels.parquet'}", f"dataset.root={root}"]


def as_metadata(root: Path) -> tuple[object, list[str]]:
    lines = lines_of(root)
    rows = (json.dumps(dict(zip(lines, row, strict=True))) for row in zip(*lines.values(), strict=True))
    copy = root.parent / "described"
    shutil.copytree(root, copy)
    (copy / "metadata.jsonl").write_text("\n".join(rows))
    return "table", [f"dataset.root={copy}"]


def as_arrays(root: Path) -> tuple[object, list[str]]:
    folder, given = ImageFolder(str(root)), {}
    for split in SPLITS:
        images = folder.split(split)
        pixels = np.stack([decode(path).pixels.permute(1, 2, 0).numpy() for path in images.paths])
        given[split] = (pixels, images.labels.numpy())
    return {**given, "classes": folder.classes()}, []


FORMS: dict[str, Form] = {
    "folder": lambda root: ("folder", [f"dataset.root={root}"]),
    "csv": as_csv,
    "parquet": as_parquet,
    "metadata": as_metadata,
    "arrays": as_arrays,
} | ({"hf": lambda root: ("hf", [f"dataset.name={root}"])} if find_spec("datasets") else {})


@pytest.fixture(scope="module")
def results(images: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Result]:
    """Of every form a run of its own store: nothing is replayed."""
    made = {}
    for name, form in FORMS.items():
        dataset, words = form(images)
        root = tmp_path_factory.mktemp(name)
        (made[name],) = benchmark(
            small(),
            dataset,
            "2",
            name="net",
            root=root,
            tracking="none",
            overrides=[*SETTINGS, *words],  # type: ignore[arg-type]
        )
    return made


@pytest.mark.parametrize("form", [form for form in FORMS if form != "folder"])
def test_rows_are_bitwise_those_of_the_folder(form: str, results: dict[str, Result]) -> None:
    for split in SPLITS:
        assert np.array_equal(results[form].rows[split], results["folder"].rows[split])
        assert np.array_equal(results[form].labels[split], results["folder"].labels[split])


@pytest.mark.parametrize("form", [form for form in FORMS if form not in ("folder", "arrays")])
def test_every_number_is_bitwise_that_of_the_folder(form: str, results: dict[str, Result]) -> None:
    ours, theirs = (
        {key: value for key, value in results[name].values.items() if not key.startswith("cost/")}
        for name in (form, "folder")
    )
    assert ours == theirs
    assert results[form].files["test"].tolist() == results["folder"].files["test"].tolist()
    assert all(
        np.array_equal(a.coordinates, b.coordinates)
        for a, b in zip(results[form].maps, results["folder"].maps, strict=True)
    )


def test_as_arrays_what_is_not_drawn_is_bitwise_that_of_the_folder(results: dict[str, Result]) -> None:
    """Draws follow from what identifies the images, which of arrays are their pixels and of files their bytes."""
    ours, theirs = (results[name].values for name in ("arrays", "folder"))
    assert ours.keys() == theirs.keys()
    for key in ("test/linear/accuracy", "test/neighbours/knn_accuracy", "train/variance/intra", "test/variance/intra"):
        assert ours[key] == theirs[key], key


def test_label_sets_are_swept_with_one_forward_pass(images: Path, program: Program, tmp_path: Path) -> None:
    write_csv(images, tmp_path / "labels.csv")
    words = (
        *TINY[:2], *SETTINGS[:1], "reducer=none", "metrics=[neighbours]", "uncertainty.permutations=0",
        "dataset=table", "dataset.file=labels.csv", f"dataset.root={images}", "dataset.columns.split=null",
    )  # fmt: skip
    done = program("-m", *words, "dataset.label=label,writer", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    runs = [run for run in Tracked(tmp_path).runs() if "dataset" in run.data.tags]
    assert [run.data.tags["dataset"] for run in runs] == ["labels (label)", "labels (writer)"]
    assert [run.data.metrics["cost/images_forwarded"] for run in runs] == [240, 0]
    assert len({run.data.tags["dataset_fingerprint"] for run in runs}) == 1
    assert len({run.data.tags["label_digest"] for run in runs}) == 2


def test_groups_of_a_table_and_those_that_its_splits_cut_are_told_of(images: Path, tmp_path: Path) -> None:
    lines = lines_of(images)
    lines["split"] = ["test" if i % 5 == 0 else "train" for i in range(len(lines["writer"]))]
    pq.write_table(pa.table(lines), tmp_path / "cut.parquet")
    words = [*SETTINGS, "reducer=none", f"dataset.file={tmp_path / 'cut.parquet'}", f"dataset.root={images}"]
    settings = {"name": "net", "root": tmp_path, "tracking": "none"}

    def remarks(*more: str) -> list[str]:
        (result,) = benchmark(small(), "table", "2", overrides=[*words, *more], **settings)  # type: ignore[arg-type]
        return [line for line in result.remarks if "group" in line]

    assert remarks() == []
    said = remarks("dataset.group=writer")
    assert said[0].startswith("groups of images: 24 train (the largest 4.7% of the images), 24 test (the largest ")
    assert said[-1].startswith("24 groups have images in train and in test (192 of 192 train and 48 of 48 test images)")
    whole = remarks("dataset.columns.split=null", "dataset.group='(writer[0-9]+)_'")
    assert not any("in train and in test" in line for line in whole)
    assert whole[0].startswith("groups of images: ")
