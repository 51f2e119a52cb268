"""What identifies the images of a split: a digest of their content.

    fingerprint(images)     # '9f0c…' (32 hexadecimal digits): the same bytes in the same order, nothing else

Paths of the machine, times and labels do not enter: moving or relabelling a data set changes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from frostmark.data.source import ImageSet


def fingerprint(images: ImageSet) -> str:
    """BLAKE2b digest of everything that decides the images of a split, in their order."""
    digest = hashlib.blake2b(digest_size=16)
    for part in images.content():
        # Each part behind its length, so that no two different lists of parts read the same.
        digest.update(memoryview(part).nbytes.to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()


def combined(*digests: str) -> str:
    """One digest of several (the splits of a data set), in their order."""
    return hashlib.blake2b("/".join(digests).encode(), digest_size=16).hexdigest()


def group_digest(codes: Iterable[NDArray[np.int64]]) -> str:
    """BLAKE2b digest of which images are of one group, in all splits together, whatever the groups are called."""
    return combined(*(hashlib.blake2b(np.ascontiguousarray(of).data, digest_size=16).hexdigest() for of in codes))


def label_digest(images: ImageSet) -> str:
    """BLAKE2b digest of the labels of a split."""
    return hashlib.blake2b(images.labels.contiguous().numpy().data, digest_size=16).hexdigest()
