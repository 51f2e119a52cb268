"""The small pictures that a run kept for comparisons: nothing else is opened, neither a data set nor a network.

pictures = kept_thumbnails(run, {"train": index, "test": index})        # split → (N, h, w, 3) uint8
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from io import BytesIO
from zipfile import BadZipFile, ZipFile

import numpy as np
from numpy.typing import NDArray

from frostmark.comparison.runs import THUMBNAILS, Run
from frostmark.errors import DataError
from frostmark.stats.moments import Array
from frostmark.stats.sampling import MAX_SHOWN, THUMBNAIL

_FIX = "run that benchmark again; what is in the store is not extracted anew"
_UNREADABLE = (OSError, ValueError, KeyError, EOFError, MemoryError, NotImplementedError, BadZipFile, zlib.error)
"""What damaged archives and arrays raise."""

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
    if path is None or not path.is_file():
        raise DataError(f"{run.title} has no {THUMBNAILS}", fix=_FIX)
    try:
        with ZipFile(path) as archive:
            return {split: _of_split(archive, split, np.asarray(index)) for split, index in wanted.items()}
    except _UNREADABLE as problem:
        raise DataError(f"{path} cannot be read: {type(problem).__name__}: {problem}", fix=_FIX) from problem


def _of_split(archive: ZipFile, split: str, wanted: Array) -> NDArray[np.uint8]:
    index, images = _array(archive, f"{split}/index"), _array(archive, f"{split}/images")
    if index.ndim != 1 or index.dtype != np.int64 or images.dtype != np.uint8:
        raise ValueError(f"{split}: {index.dtype} {index.shape} and {images.dtype} {images.shape} are not thumbnails")
    if images.shape[:1] + images.shape[3:] != (len(index), 3) or images.ndim != 4:
        raise ValueError(f"{split}: images of shape {images.shape} for {len(index)} numbers")
    place = {number: position for position, number in enumerate(index.tolist())}
    if not place.keys() >= set(wanted.tolist()):
        raise ValueError(f"{split}: they are not those of the images that the maps show")
    return images[[place[number] for number in wanted.tolist()]]


def _array(archive: ZipFile, name: str) -> Array:
    """One array of the archive; never more of it than a run may have kept."""
    entry = archive.getinfo(f"{name}.npy")
    if entry.file_size > _MAX_BYTES:
        raise ValueError(f"{name} holds {entry.file_size:,} bytes, more than {MAX_SHOWN:,} thumbnails have")
    return np.asarray(np.lib.format.read_array(BytesIO(archive.read(entry)), allow_pickle=False))
