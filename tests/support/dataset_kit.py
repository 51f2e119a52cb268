"""The kit that checks what a data set hands over; a plugin's own tests may use it.

assert problems(MyImages(limit=Limits(20, 10))) == []
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from frostmark.data.contract import CheckedImages, check_batch, check_labels, check_members, class_names, source_limit
from frostmark.data.fingerprint import fingerprint
from frostmark.data.preprocess import Resize
from frostmark.data.source import SPLITS, ImageSet, Source, SplitName
from frostmark.errors import FrostmarkError, foreign

SIZE = 32


def problems(source: Source) -> list[str]:
    """Everything in which a data set is not what :class:`Source` asks for."""
    try:
        names = class_names(source)
        source_limit(source)
        return [f"{split}: {problem}" for split in SPLITS for problem in _of_split(source, split, len(names))]
    except FrostmarkError as problem:
        return [problem.problem]


def _of_split(source: Source, split: SplitName, classes: int) -> Iterator[str]:
    with foreign(source, "dataset", f"split({split!r})"):
        given = source.split(split)
    check_members(source, given, split)
    check_labels(source, given, split, classes)
    images = CheckedImages(given, source, split)
    if len(images) < 2:
        yield f"{len(images)} images are too few for this kit"
        return
    yield from _of_batches(source, images, split)
    yield from _of_content(source, images, split)
    fewer = images.take(2)
    if len(fewer) != 2 or not torch.equal(fewer.labels, images.labels[:2]):
        yield "take(2) does not give the first two images"
    if fingerprint(fewer) == fingerprint(images) and len(images) > 2:
        yield "content() is the same for fewer images"


def _of_batches(source: Source, images: ImageSet, split: SplitName) -> Iterator[str]:
    if not images.uniform:
        images.geometry = lambda image: torch.nn.functional.interpolate(image[None].float(), (SIZE, SIZE))[0].expand(
            3, -1, -1
        )
    wanted = [len(images) - 1, 0]
    batch = images.__getitems__(wanted)
    check_batch(source, images, wanted, batch, split)
    alone = torch.cat([images.__getitems__([index]).images for index in wanted])
    if not torch.equal(alone, batch.images):
        yield "images differ when they are asked for alone"
    if images.uniform:
        Resize(SIZE).pipeline(_PRESET)(batch.images)


def _of_content(source: Source, images: ImageSet, split: SplitName) -> Iterator[str]:
    first = fingerprint(images)
    if first != fingerprint(images) or first != fingerprint(source.split(split)):
        yield "content() changes from call to call"
    if not any(memoryview(part).nbytes for part in images.content()):
        yield "content() is empty"


class _Preset:
    crop_size, resize_size, mean, std = [SIZE], [SIZE], [0.5] * 3, [0.5] * 3
    interpolation, antialias = None, True


_PRESET: object = _Preset()
