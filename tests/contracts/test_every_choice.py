"""Every choice in conf/ goes through the kit of its group; a plugin's own choices may go through the same kits."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import pytest
from PIL import Image

from frostmark.backbones.backbone import UNTRAINED, Backbone
from frostmark.config.build import build
from frostmark.config.compose import compose
from frostmark.config.schema import Config
from frostmark.config.words import conf_dir
from frostmark.data.preprocess import Preprocess
from frostmark.data.source import Source
from frostmark.errors import ConfigError, DataError
from frostmark.metrics.contract import measured
from frostmark.metrics.metric import Metric, make_splits
from frostmark.reducers.reducer import Reducer
from support import backbone_kit, dataset_kit, layer_kit, preprocess_kit, reducer_kit
from support.environment import SHARED
from support.metric_kit import labelled_rows

P = TypeVar("P")

NEEDED = {
    "backbone=timm": ("backbone.name=resnet18",),
    "backbone=torchvision": ("backbone.name=resnet18",),
    "layer=node": ("layer.node=layer4.1",),
}
"""Keys without which a choice is not complete."""

SLOW = {
    "convnext_tiny", "densenet121", "inception_v3", "open_clip", "resnet34", "resnet50", "swin_t", "timm",
    "torchvision", "vgg11", "vgg16", "vgg16_bn", "vgg19", "vit_b_16", "pacmap", "tsne_gpu",
}  # fmt: skip
"""Choices that take seconds to draw, to forward or to import: the others, of the same code, are tried every time."""


def choices(group: str) -> list[str]:
    return [path.stem for path in sorted((conf_dir() / group).glob("*.yaml")) if path.stem != "none"]


def some_slow(group: str) -> list[object]:
    """The choices of a group, those in ``SLOW`` marked."""
    return [pytest.param(word, marks=pytest.mark.slow) if word in SLOW else word for word in choices(group)]


def composed(group: str, word: str, *more: str) -> Config:
    value = f"[{word}]" if group == "metrics" else word
    return compose(conf_dir(), [f"{group}={value}", *NEEDED.get(f"{group}={word}", ()), *more])


def made(node: dict[str, object], group: str, protocol: type[P]) -> P:
    """The object; the test is skipped where an extra is not installed."""
    try:
        return build(node, group, protocol)
    except ConfigError as problem:
        if "pip install" in problem.fix:
            pytest.skip(problem.problem)
        raise


@pytest.mark.parametrize("word", some_slow("backbone"))
def test_backbone(word: str) -> None:
    if word == "rows":
        rows_have_no_network(composed("backbone", word, "backbone.file=a.npz"))
        return
    config = composed("backbone", word, f"backbone.weights={UNTRAINED}")
    published = made(composed("backbone", word).backbone, "backbone", Backbone)
    assert published.missing_weights() is None or isinstance(published.missing_weights(), str)
    assert backbone_kit.problems(made(config.backbone, "backbone", Backbone)) == []


def rows_have_no_network(config: Config) -> None:
    """Rows made elsewhere are a backbone by name; what they are in its place, tests/program/test_rows.py tells."""
    rows = made(config.backbone, "backbone", Backbone)
    assert (rows.name, rows.weights_name) == ("a", "rows of a.npz")
    for network in (rows.survey, rows.architecture, rows.untrained, lambda: rows.load(0)):
        with pytest.raises(ConfigError, match="rows made elsewhere have no network"):
            network()


def folder_of_images(root: Path) -> None:
    """Two classes of two splits, images of several sizes."""
    for split in ("train", "test"):
        for label, name in enumerate(("cat", "dog")):
            for number in range(3):
                image = Image.new("RGB", (24, 20 + number), (40 * label + number, 9, 9))
                path = root / split / name / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                image.save(path)


def write_table(root: Path) -> None:
    """The table of the images in a folder."""
    names = [path.relative_to(root).as_posix() for path in sorted(root.rglob("*.png"))]
    lines = [",".join((name, name.split("/")[1], name.split("/")[0])) for name in names]
    (root / "labels.csv").write_text("\n".join(["file_name,label,split", *lines]))


@pytest.mark.parametrize("word", choices("dataset"))
def test_dataset(word: str, tmp_path: Path) -> None:
    folder_of_images(tmp_path)
    if word == "table":
        write_table(tmp_path)
    more = {
        "folder": [f"dataset.root={tmp_path}"],
        "table": [f"dataset.file={tmp_path / 'labels.csv'}"],
        "hf": [f"dataset.name={tmp_path}"],
        "torchvision": ["dataset.name=FashionMNIST", f"dataset.root={SHARED / 'data'}", "dataset.download=false"],
        "synthetic": ["dataset.train=60", "dataset.test=30"],
        "digits": [],
        "fashion_mnist": [f"dataset.root={SHARED / 'data'}", "dataset.download=false"],
    }.get(word, [f"dataset.root={tmp_path}", "dataset.download=false"])
    source = made(composed("dataset", word, *more).dataset, "dataset", Source)
    try:
        source.split("train")
    except ConfigError as problem:
        if "pip install" not in problem.fix:
            raise
        pytest.skip(problem.problem)
    except DataError as problem:
        pytest.skip(f"the files of {word} are not on this machine: {problem.problem}")
    assert dataset_kit.problems(source) == []


@pytest.mark.parametrize("word", choices("metrics"))
def test_metrics(word: str) -> None:
    rows, labels = labelled_rows(2.0)
    splits = make_splits(rows, labels, tuple(f"c{c}" for c in range(6)), resamples=40, permutations=19)
    for name, node in composed("metrics", word).metrics.items():
        scores = measured(made(node, f"metrics.{name}", Metric), name, splits)
        assert scores.values


@pytest.mark.parametrize("word", some_slow("reducer"))
def test_reducer(word: str) -> None:
    config = composed("reducer", word)
    assert config.reducer is not None
    assert reducer_kit.problems(made(config.reducer, "reducer", Reducer)) == []


@pytest.mark.parametrize("word", choices("preprocess"))
def test_preprocess(word: str) -> None:
    preprocess = made(composed("preprocess", word).preprocess, "preprocess", Preprocess)
    assert preprocess_kit.problems(preprocess) == []


@pytest.mark.parametrize("word", [*choices("layer"), *(f"stage{n}" for n in range(1, 6)), "block1", "block12"])
def test_layer(word: str) -> None:
    assert layer_kit.problems(composed("layer", word).layer) == []
