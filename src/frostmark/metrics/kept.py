"""What is drawn and permuted is paid once: kept beside the rows, for the same labels, groups, seed and counts.

found = kept_draws(split, "transfer1", lambda: {"null/logme": null})
found["null/logme"]
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from frostmark.metrics.graphs import Arrays
from frostmark.metrics.metric import Split


def kept_draws(split: Split, schema: str, compute: Callable[[], Arrays], *made_by: str) -> Arrays:
    """Arrays that follow from rows, labels, groups, resamples and permutations of a split, computed unless kept.

    Args:
        schema: of lower-case letters, digits and hyphens. It names the way they are made: change it with the formulas.
        made_by: what else decides them, such as the version of a library.
    """
    groups = np.empty(0, np.int64) if split.groups is None else split.groups
    counts = np.array(
        [len(split.classes), split.resamples.draws, len(split.permutations), split.groups is not None], np.int64
    )
    words = np.frombuffer("/".join(made_by).encode(), np.uint8)
    return split.kept(f"{schema}-{digest(split.labels, groups, counts, words, *drawn_from(split))}", compute)


def drawn_from(*splits: Split) -> tuple[NDArray[np.uint8], ...]:
    """What random draws of the splits follow from."""
    return tuple(np.frombuffer("/".join(split.resamples.context).encode(), np.uint8) for split in splits)


def digest(*arrays: NDArray[np.generic]) -> str:
    """Of arrays, in order; none of them runs into the next."""
    whole = blake2b(digest_size=16)
    for array in arrays:
        whole.update(f"{array.dtype.str}{array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    return whole.hexdigest()
