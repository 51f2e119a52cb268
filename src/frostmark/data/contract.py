"""A data set of somebody else's hands over what it promises: checked where its images enter a benchmark.

names = class_names(source)
images = read_split(source, "train", len(names))        # ConfigError that names the class and what it gave
pipeline = checked_pipeline(preprocess, preset)
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import torch
from torch import Tensor

from frostmark.data.preprocess import Pipeline, Preprocess, WeightsTransforms
from frostmark.data.source import Batch, ImageSet, Limits, Source, SplitName, TensorImages, limited
from frostmark.errors import FrostmarkError, breach, foreign, is_foreign
from frostmark.names import storable

MEMBERS = ("labels", "uniform", "geometry", "__len__", "__getitems__", "take", "content")
"""What a split must have: those of :class:`frostmark.data.source.ImageSet`."""


def class_names(source: Source) -> tuple[str, ...]:
    """The names of the classes, in the order of their labels.

    Raises:
        ConfigError: if the data set's class is not ours and gives no names, or they are not text.
    """
    with foreign(source, "dataset", "classes()"):
        names = source.classes()
    texts = isinstance(names, tuple | list) and all(isinstance(name, str) for name in names)
    if not texts or not names:
        raise _breach(source, f"gave classes()={names!r}", 'give names as text, one per class: ("cat", "dog")')
    return tuple(names)


def read_split(source: Source, split: SplitName, classes: int) -> ImageSet:
    """The images of a split, as many as ``dataset.limit`` asks for.

    Raises:
        ConfigError: if the data set's class is not ours and gives something else than images with labels.
        DataError: if its files are missing or damaged, or the split is empty.
    """
    with foreign(source, "dataset", f"split({split!r})"):
        images = source.split(split)
    check_members(source, images, split)
    with foreign(source, "dataset", f"split({split!r})"):
        chosen = limited(images, split, source_limit(source))
    if not is_foreign(source) and not is_foreign(images):
        return chosen
    check_labels(source, chosen, split, classes)
    checked = CheckedImages(chosen, source, split) if is_foreign(chosen) else chosen
    if checked.uniform:
        check_ends(source, checked, split)
    return checked


def source_limit(source: Source) -> Limits:
    """How much of the data set is used."""
    with foreign(source, "dataset", "limit"):
        limit = source.limit
    if not isinstance(limit, Limits):
        raise _breach(source, f"has limit={limit!r}", "have frostmark.data.source.Limits()")
    return limit


def check_members(source: Source, images: object, split: str) -> None:
    """Refuse what is not a split at all."""
    lacking = [member for member in MEMBERS if not hasattr(images, member)]
    if lacking:
        gave = f"gave a {type(images).__name__} as split({split!r}), which lacks {', '.join(map(repr, lacking))}"
        raise _breach(source, gave, "give a frostmark.data.source.TensorImages, or a class with these members")


def check_labels(source: Source, images: ImageSet, split: str, classes: int) -> None:
    """Refuse labels that are not (N,) int64 in 0 … C − 1."""
    labels, count = images.labels, len(images)
    if not isinstance(labels, Tensor) or labels.dtype != torch.int64:
        kind = labels.dtype if isinstance(labels, Tensor) else f"a {type(labels).__name__}"
        raise _breach(source, f"gave {split} labels that are {kind}", "give a tensor of torch.int64")
    if isinstance(images, TensorImages):
        count = len(images.images)
    if tuple(labels.shape) != (count,):
        gave = f"gave {split} labels of shape {tuple(labels.shape)} for {count} images"
        raise _breach(source, gave, f"give one label per image: ({count},)")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= classes:
        gave = f"gave {split} labels from {low} to {high}, and classes() names {classes} classes"
        raise _breach(source, gave, f"give labels from 0 to {classes - 1}")


def check_ends(source: Source, images: ImageSet, split: str) -> None:
    """Try the first and the last image of a split."""
    for index in (0, len(images) - 1):
        with foreign(source, "dataset", f"split({split!r})"):
            batch = images.__getitems__([index])
        check_batch(source, images, [index], batch, split)


def check_batch(source: Source, images: ImageSet, indices: Sequence[int], batch: Batch, split: str) -> None:
    """Refuse a batch that is not the images asked for, as uint8 (N, 1 or 3, H, W), with their labels."""
    shown = getattr(batch, "images", None)
    if not isinstance(shown, Tensor) or not hasattr(batch, "indices") or not hasattr(batch, "labels"):
        gave = f"gave a {type(batch).__name__} for some {split} images"
        raise _breach(source, gave, "give a frostmark.data.source.Batch of tensors: indices, images, labels")
    kinds = (torch.uint8,) if images.uniform else (torch.uint8, torch.float32)
    if shown.dtype not in kinds:
        raise _breach(source, f"gave {split} images of {shown.dtype}", "give torch.uint8 from 0 to 255")
    if shown.ndim != 4 or len(shown) != len(indices) or shown.shape[1] not in (1, 3):
        gave = f"gave {split} images of shape {tuple(shown.shape)} for {len(indices)} images"
        raise _breach(source, gave, "give (N, C, H, W) with 1 or 3 channels C")
    index = torch.as_tensor(list(indices))
    if not _equal(batch.indices, index) or not _equal(batch.labels, images.labels[index]):
        gave = f"gave other indices or labels with some {split} images than were asked for"
        raise _breach(source, gave, "give the indices as they were asked for, and the labels of these images")


class CheckedImages:
    """A split whose class is not ours: every batch is looked at.

    Raises:
        ConfigError: if the class raises something, or gives what it must not; it names the class.
    """

    def __init__(self, images: ImageSet, source: Source, split: str) -> None:
        self.labels = images.labels
        self.uniform = bool(images.uniform)
        self.groups = _one_each(images, source, split, "groups")
        self.files = _one_each(images, source, split, "files")
        self._images, self._source, self._split = images, source, split

    @property
    def geometry(self) -> Callable[[Tensor], Tensor] | None:
        return self._images.geometry

    @geometry.setter
    def geometry(self, geometry: Callable[[Tensor], Tensor] | None) -> None:
        self._images.geometry = geometry

    def __len__(self) -> int:
        return len(self.labels)

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        with foreign(self._images, "dataset", "__getitems__()"):
            batch = self._images.__getitems__(indices)
        check_batch(self._source, self._images, indices, batch, self._split)
        return batch

    def take(self, count: int) -> CheckedImages:
        with foreign(self._images, "dataset", "take()"):
            return CheckedImages(self._images.take(count), self._source, self._split)

    def content(self) -> Sequence[bytes | memoryview]:
        with foreign(self._images, "dataset", "content()"):
            parts = list(self._images.content())
        if not all(isinstance(part, bytes | memoryview) for part in parts) or not any(map(len, parts)):
            raise _breach(
                self._images,
                "gave a content() that is empty or not bytes",
                "give everything that decides an image, as bytes: stored rows are found by it",
            )
        return parts


def _one_each(images: ImageSet, source: Source, split: str, what: str) -> list[Hashable] | None:
    """What a split has one of an image, if it has it: groups, files."""
    with foreign(images, "dataset", what):
        given = getattr(images, what, None)
        entries = None if given is None else [one.item() if hasattr(one, "item") else one for one in given]
        assert entries is None or isinstance(hash(tuple(entries)), int)  # a TypeError names what cannot be told apart
    if entries is None:
        return None
    if len(entries) != len(images):
        gave = f"gave {len(entries):,} {what} for {len(images):,} {split} images"
        raise _breach(source, gave, f"give one entry per image, or no {what}")
    if what == "files":
        return [storable(str(one)) for one in entries]
    if odd := [one for one in entries if one != one]:
        raise _breach(source, f"gave the group {odd[0]!r} for an image of {split}", "give numbers or texts as groups")
    return entries


def checked_pipeline(preprocess: Preprocess, preset: WeightsTransforms) -> Pipeline:
    """The pipeline of a preprocessing; one whose class is not ours is tried with two images.

    Raises:
        ConfigError: if that class raises something, or its pipeline cannot be used.
    """
    with foreign(preprocess, "preprocess", "pipeline()"):
        pipeline = preprocess.pipeline(preset)
    if type(pipeline) is not Pipeline:  # of a subclass nobody could tell the settings: stored rows are found by them
        gave = f"gave a {type(pipeline).__name__} as pipeline()"
        raise breach(preprocess, "preprocess", gave, "give a frostmark.data.preprocess.Pipeline itself")
    if is_foreign(preprocess):
        check_pipeline(preprocess, pipeline)
    return pipeline


def check_pipeline(preprocess: Preprocess, pipeline: Pipeline) -> None:
    """Refuse a pipeline that makes something else of two images than (2, 3, S, S) finite float32."""
    with foreign(preprocess, "preprocess", "its pipeline"):
        made = pipeline(torch.arange(2 * 40 * 48).remainder(256).to(torch.uint8).reshape(2, 1, 40, 48))
    expected = (2, 3, pipeline.size, pipeline.size)
    if tuple(made.shape) != expected or made.dtype != torch.float32 or not bool(made.isfinite().all()):
        gave = f"makes {made.dtype} of shape {tuple(made.shape)} of two images"
        raise breach(preprocess, "preprocess", gave, f"make finite torch.float32 of shape {expected}")


def _equal(given: object, expected: Tensor) -> bool:
    return isinstance(given, Tensor) and given.shape == expected.shape and bool((given == expected).all())


def _breach(made: object, gave: str, must: str) -> FrostmarkError:
    return breach(made, "dataset", gave, must)
