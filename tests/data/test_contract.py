"""A data set or preprocessing that is not ours and hands over something else is named, with what it gave."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import pytest
import torch
from torch import Tensor

from frostmark.backbones.backbone import Preset
from frostmark.data.contract import CheckedImages, check_labels, checked_pipeline, class_names, read_split
from frostmark.data.preprocess import Pipeline, Resize
from frostmark.data.source import SPLITS, Batch, ImageSet, Limits, TensorImages, files_of, groups_of
from frostmark.errors import ConfigError, FrostmarkError
from support import dataset_kit, preprocess_kit

IMAGES = torch.arange(6 * 8 * 8).remainder(256).to(torch.uint8).reshape(6, 1, 8, 8)
LABELS = torch.tensor([0, 1, 0, 1, 0, 1])


@dataclass
class Given:
    """A data set that hands over whatever it is told to."""

    images: object = field(default_factory=lambda: TensorImages(IMAGES, LABELS))
    names: object = ("cat", "dog")
    limit: Limits = field(default_factory=Limits)
    name: str = "given"

    def classes(self) -> tuple[str, ...]:
        if callable(self.names):
            self.names()
        return self.names  # type: ignore[return-value]

    def split(self, split: str) -> ImageSet:
        if callable(self.images):
            self.images()
        return self.images  # type: ignore[return-value]


@dataclass
class OwnSet:
    """A split whose class is not ours."""

    labels: Tensor = field(default_factory=lambda: LABELS)
    pixels: Tensor = field(default_factory=lambda: IMAGES)
    uniform: bool = True
    geometry: Callable[[Tensor], Tensor] | None = None
    parts: tuple[object, ...] = (b"shape",)
    shift: int = 0

    def __len__(self) -> int:
        return len(self.labels)

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        index = torch.as_tensor(list(indices))
        return Batch(index + self.shift, self.pixels[index], self.labels[index])

    def take(self, count: int) -> OwnSet:
        return replace(self, labels=self.labels[:count], pixels=self.pixels[:count])

    def content(self) -> Sequence[bytes]:
        return (*self.parts, self.pixels.numpy().tobytes()) if self.parts == (b"shape",) else self.parts  # type: ignore[return-value]


def raising() -> None:
    raise KeyError("test")


def read(source: Given) -> None:
    names = class_names(source)
    for split in SPLITS:
        read_split(source, split, len(names)).content()


def told(source: Given) -> str:
    """What is said of a data set when it is read."""
    with pytest.raises(ConfigError) as refused:
        read(source)
    assert refused.value.code == 2
    return refused.value.problem


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (Given(names=(1, 2)), "Given gave classes()=(1, 2); it must give names as text"),
        (Given(names="cat"), "gave classes()='cat'"),
        (Given(names=()), "gave classes()=()"),
        (Given(names=raising), "Given: classes() raised KeyError: 'test'"),
        (Given(limit=100), "has limit=100; it must have frostmark.data.source.Limits()"),  # type: ignore[arg-type]
        (Given(images=None), "gave a NoneType as split('train'), which lacks 'labels'"),
        (Given(images=IMAGES), "gave a Tensor as split('train')"),
        (Given(images=raising), "Given: split('train') raised KeyError: 'test'"),
        (Given(TensorImages(IMAGES, LABELS.int())), "gave train labels that are torch.int32; it must give a tensor"),
        (Given(TensorImages(IMAGES, LABELS.numpy())), "labels that are a ndarray"),  # type: ignore[arg-type]
        (Given(TensorImages(IMAGES, LABELS[:5])), "gave train labels of shape (5,) for 6 images"),
        (Given(TensorImages(IMAGES, LABELS[:, None])), "gave train labels of shape (6, 1) for 6 images"),
        (Given(TensorImages(IMAGES, LABELS + 1)), "gave train labels from 1 to 2, and classes() names 2 classes"),
        (Given(TensorImages(IMAGES, LABELS - 1)), "gave train labels from -1 to 0"),
        (Given(TensorImages(IMAGES / 255, LABELS)), "gave train images of torch.float32; it must give torch.uint8"),
        (Given(TensorImages(IMAGES[:, 0], LABELS)), "gave train images of shape (1, 8, 8) for 1 images"),
        (Given(TensorImages(IMAGES.permute(0, 2, 3, 1), LABELS)), "it must give (N, C, H, W) with 1 or 3 channels C"),
        (Given(OwnSet(parts=())), "OwnSet gave a content() that is empty or not bytes"),
        (Given(OwnSet(parts=("text",))), "gave a content() that is empty or not bytes"),
        (Given(OwnSet(shift=1)), "gave other indices or labels with some train images than were asked for"),
        (Given(OwnSet(pixels=IMAGES[:3])), "OwnSet: __getitems__() raised IndexError"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_images_with_labels_is_named(source: Given, sentence: str) -> None:
    assert sentence in told(source)
    assert dataset_kit.problems(source)


def test_every_batch_of_a_class_that_is_not_ours_is_looked_at() -> None:
    images = read_split(Given(OwnSet()), "train", 2)
    assert isinstance(images, CheckedImages)
    assert torch.equal(images.__getitems__([2, 1]).images, IMAGES[[2, 1]])
    images._images.pixels = IMAGES.float()  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match=r"gave train images of torch\.float32"):
        images.__getitems__([2])


def test_a_limit_is_kept_and_right_sets_pass() -> None:
    for images in (OwnSet(), TensorImages(IMAGES, LABELS)):
        source = Given(images, limit=Limits(train=4))
        assert len(read_split(source, "train", 2)) == 4
        assert len(read_split(source, "test", 2)) == 6
        assert dataset_kit.problems(Given(images)) == []


@dataclass
class Cropping:
    """A preprocessing that is not ours."""

    made: object
    size: int | None = None

    def pipeline(self, preset: object) -> Pipeline:
        if self.made == "raise":
            raise ZeroDivisionError
        return self.made  # type: ignore[return-value]


class Other(Pipeline):
    """Settings of a subclass are in no key of stored rows."""


PRESET = Preset([32], [32], [0.5] * 3, [0.25] * 3)


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        (None, "Cropping gave a NoneType as pipeline(); it must give a frostmark.data.preprocess.Pipeline itself"),
        (Other((32, 32), None, (0.5,) * 3, (0.5,) * 3), "gave a Other as pipeline()"),
        ("raise", "Cropping: pipeline() raised ZeroDivisionError"),
        (Pipeline((32, 32), None, (0.5,) * 2, (0.5,) * 2), "its pipeline raised RuntimeError"),
        (Pipeline((32, 16), None, (0.5,) * 3, (0.5,) * 3), "makes torch.float32 of shape (2, 3, 32, 16) of two images"),
        (Pipeline((32, 32), None, (float("nan"),) * 3, (0.5,) * 3), "it must make finite torch.float32"),
    ],
)
def test_a_preprocessing_that_cannot_be_used_is_named(made: object, sentence: str) -> None:
    with pytest.raises(ConfigError) as refused:
        checked_pipeline(Cropping(made), PRESET)
    assert sentence in refused.value.problem
    assert preprocess_kit.problems(Cropping(made))


def test_a_right_preprocessing_passes() -> None:
    pipeline = Resize(32).pipeline(PRESET)
    assert checked_pipeline(Cropping(pipeline), PRESET) is pipeline
    assert preprocess_kit.problems(Resize(32)) == []


def test_our_own_mistakes_stay_bugs() -> None:
    images = TensorImages(IMAGES, LABELS.int())
    with pytest.raises(FrostmarkError, match="this is a bug in Frostmark: dataset: frostmark") as bug:
        check_labels(images, images, "train", 2)  # type: ignore[arg-type]
    assert bug.value.code == 1


@dataclass
class GroupedSet(OwnSet):
    """The same with groups and files."""

    groups: Sequence[object] | None = ("a", "a", "b", "b", "c", "c")
    files: Sequence[object] | None = tuple(f"{i}.png" for i in range(6))

    def take(self, count: int) -> GroupedSet:
        kept = {key: None if of is None else of[:count] for key, of in (("groups", self.groups), ("files", self.files))}
        return replace(self, labels=self.labels[:count], pixels=self.pixels[:count], **kept)  # type: ignore[arg-type]


def test_groups_and_files_of_a_split_of_somebody_elses_are_kept() -> None:
    source = Given(GroupedSet(), limit=Limits(train=4))
    train, test = (read_split(source, split, 2) for split in SPLITS)
    assert (groups_of(train), groups_of(test)) == (list("aabb"), list("aabbcc"))
    assert files_of(train) == ["0.png", "1.png", "2.png", "3.png"]
    assert groups_of(train.take(2)) == ["a", "a"]
    assert groups_of(read_split(Given(OwnSet()), "train", 2)) is None


@pytest.mark.parametrize(
    ("groups", "told"),
    [
        (("a",), r"gave 1 groups for 6 train images"),
        ((float("nan"),) * 6, "gave the group nan"),
        (([1],) * 6, "unhashable type"),
    ],
)
def test_groups_that_do_not_fit_are_named(groups: tuple[object, ...], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        read_split(Given(GroupedSet(groups=groups)), "train", 2)
