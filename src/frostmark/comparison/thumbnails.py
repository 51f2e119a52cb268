"""The small pictures that a run kept for comparisons: nothing else is opened, neither a data set nor a network.

pictures = kept_thumbnails(run, {"train": index, "test": index})        # split → (N, h, w, 3) uint8
"""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray

from frostmark.comparison.files import AGAIN, MAX_ARRAYS, UNREADABLE, array_in
from frostmark.comparison.runs import THUMBNAILS, Run
from frostmark.errors import DataError
from frostmark.figures.sprites import Sprites
from frostmark.regular import read_regular
from frostmark.stats.moments import Array
from frostmark.stats.sampling import MAX_SHOWN, THUMBNAIL

_MAX_BYTES = MAX_SHOWN * THUMBNAIL * THUMBNAIL * 3 + 1024
"""Of one array, its header among them: the file may come from a store that others write to."""


def kept_thumbnails(run: Run, wanted: Mapping[str, Array]) -> dict[str, NDArray[np.uint8]]:
    """The images of a run by their numbers.

    Args:
        wanted: split → (N,) numbers of images in the split.

    Returns:
        split → (N, h, w, 3), at most :data:`THUMBNAIL` pixels a side.

    Raises:
        DataError: if the run kept none, if they are damaged, or if images are missing.
    """
    path = None if run.folder is None else run.folder / THUMBNAILS
    if path is None or not path.exists():
        raise DataError(f"{run.title} has no {THUMBNAILS}", fix=AGAIN)
    try:
        with ZipFile(BytesIO(read_regular(path, MAX_ARRAYS))) as archive:
            return {split: _of_split(archive, split, np.asarray(index)) for split, index in wanted.items()}
    except UNREADABLE as problem:
        raise DataError(f"{path} cannot be read: {type(problem).__name__}: {problem}", fix=AGAIN) from problem


def _of_split(archive: ZipFile, split: str, wanted: Array) -> NDArray[np.uint8]:
    index = array_in(archive, f"{split}/index.npy", _MAX_BYTES)
    coded = f"{split}/sheets.npy" in archive.namelist()
    images = _decoded(archive, split, len(index)) if coded else array_in(archive, f"{split}/images.npy", _MAX_BYTES)
    if index.ndim != 1 or index.dtype != np.int64 or images.dtype != np.uint8:
        raise ValueError(f"{split}: {index.dtype} {index.shape} and {images.dtype} {images.shape} are not thumbnails")
    if images.shape[:1] + images.shape[3:] != (len(index), 3) or images.ndim != 4:
        raise ValueError(f"{split}: images of shape {images.shape} for {len(index)} numbers")
    place = {number: position for position, number in enumerate(index.tolist())}
    if not place.keys() >= set(wanted.tolist()):
        raise ValueError(f"{split}: they are not those of the images that the maps show")
    return images[[place[number] for number in wanted.tolist()]]


def _decoded(archive: ZipFile, split: str, count: int) -> NDArray[np.uint8]:
    """The images of a run that kept them as WebP sheets."""
    size, lengths, sheets = (array_in(archive, f"{split}/{n}.npy", _MAX_BYTES) for n in ("size", "lengths", "sheets"))
    described = size.shape == (2,) and lengths.ndim == 1 and size.dtype == lengths.dtype == np.int64
    if not described or sheets.dtype != np.uint8 or not ((size > 0) & (size <= THUMBNAIL)).all():
        raise ValueError(f"{split}: these are not sheets of thumbnails")
    ends = np.cumsum(lengths).tolist()
    content = sheets.tobytes()
    each = [content[end - length : end] for end, length in zip(ends, lengths.tolist(), strict=True)]
    return Sprites.of_size(int(size[0]), int(size[1]), each).images(count)
