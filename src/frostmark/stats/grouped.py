"""Images that come in groups (one patient, video, site, burst): how many groups an answer needs, and which they are.

    codes = group_codes({"train": ["p1", "p1", "p2"], "test": ["p3", "p2"]})       # 0, 0, 1 and 2, 1
    why_too_few(5)                     # "5 groups cannot give p < 0.05: the smallest p is 0.06"
    drawn_groups(20)                   # 16: how many of 20 groups a bootstrap draws

Images of a group are alike: a thousand images of twenty patients say hardly more than twenty images would.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from functools import reduce

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, t

Codes = NDArray[np.int64]
"""(N,) the group of every image, as a number."""

MIN_GROUPS = 6
"""Fewer groups give no interval and no p: the smallest p of a sign flip of 5 groups is 2 / 2⁵ = 0.06."""

SAFE_GROUPS = 10
"""Fewer groups give intervals and p values that rest on too little to be relied on."""

INDEPENDENT = (
    "none; intervals assume that images are independent of each other and that the number of images per class is fixed"
)
"""What has to be said once where no groups are known."""


def group_codes(ids: Mapping[str, Sequence[Hashable]]) -> dict[str, Codes]:
    """Numbers for the groups of every split, in the order in which they first come; one id is one group in all splits.

    Args:
        ids: by split, the group of every image; anything that can be a key of a dictionary.

    Raises:
        TypeError: if an id cannot be one.
    """
    known: dict[Hashable, int] = {}
    return {
        split: np.array([known.setdefault(_plain(one), len(known)) for one in of], dtype=np.int64)
        for split, of in ids.items()
    }


def group_names(ids: Mapping[str, Sequence[Hashable]]) -> dict[str, NDArray[np.str_]]:
    """By split, (N,) the group of every image as a text: what a person gave; written as code where two texts agree."""
    plain = {split: [_plain(one) for one in of] for split, of in ids.items()}
    known = {one for of in plain.values() for one in of}
    written = repr if len({str(one) for one in known}) < len(known) else str
    return {split: np.array([written(one) for one in of], dtype=str) for split, of in plain.items()}


def _plain(one: Hashable) -> Hashable:
    """An id as Python has it: elements of tensors and arrays are not equal to, or hashed as, what they hold."""
    return one.item() if hasattr(one, "item") else one


def count_groups(groups: Codes) -> int:
    """How many groups there are."""
    return len(np.unique(groups))


def largest_share(groups: Codes) -> float:
    """The share of the images that are of the largest group."""
    return float(np.unique(groups, return_counts=True)[1].max() / len(groups)) if len(groups) else 0.0


def cut_groups(groups: Mapping[str, Codes]) -> dict[str, NDArray[np.int64]]:
    """By split, the positions of the images whose group has images in every other split, too."""
    shared = reduce(np.intersect1d, groups.values())
    return {split: np.flatnonzero(np.isin(of, shared)) for split, of in groups.items()}


def smallest_p(count: int) -> float:
    """The smallest two-sided p that a sign flip of ``count`` groups can give: all differ in one direction."""
    return min(1.0, 2.0 ** (1 - count))


def why_too_few(count: int) -> str:
    """Why ``count`` groups have neither intervals nor p values; empty if they have."""
    if count >= MIN_GROUPS:
        return ""
    groups = "1 group" if count == 1 else f"{count} groups"
    return f"{groups} cannot give p < 0.05: the smallest p is {smallest_p(count):.2f}"


def few_groups(count: int) -> str:
    """What must be said of answers from ``count`` groups; empty from 10 on."""
    if count >= SAFE_GROUPS:
        return ""
    return why_too_few(count) or f"{count} groups are few: intervals and p values are unreliable"


def drawn_groups(count: int) -> int:
    """How many of ``count`` groups a resample draws, so that percentiles of its draws are as wide as Student's t asks.

    ``count`` draws would spread by √((n − 1)/n) too little, and the quantiles of a normal variable, which percentiles
    follow, are narrower than Student's: 20 groups would cover 91 to 93 % instead of 95 %, 6 groups 82 to 87 %. Means
    of m groups drawn from n vary by (n − 1)/n · s²/m; that this be t²/z² · s²/n makes m = (n − 1) · z²/t²,
    rounded down.
    """
    if count < 3:
        return count
    narrower = norm.ppf(0.975) / t.ppf(0.975, count - 1)
    return max(2, int((count - 1) * narrower**2))


def is_constant(labels: NDArray[np.int64], groups: Codes) -> NDArray[np.bool_]:
    """(G,) whether all images of a group have one label; groups in the order of their numbers."""
    _, own = np.unique(groups, return_inverse=True)
    low, high = np.full(own.max(initial=-1) + 1, np.iinfo(np.int64).max), np.full(own.max(initial=-1) + 1, -1)
    np.minimum.at(low, own, labels)
    np.maximum.at(high, own, labels)
    return np.asarray(low == high)


def effective_images(hits: NDArray[np.bool_], groups: Codes) -> float:
    """How many independent images would know the share of ``hits`` (N,) as well as these, which are of ``groups`` (N,).

    N over the design effect, which is the variance of the share between groups over that of independent images, and
    (z/t)² of it, as few groups ask for Student's t (Korn and Graubard, Survey Methodology 24, 1998). Where all hits
    agree nothing is known of the variance: then every group counts for one image. Of two groups at least.
    """
    own = np.unique(groups, return_inverse=True)[1]
    sizes, of_group = np.bincount(own), np.bincount(own, hits)
    count, images, share = len(sizes), len(hits), float(hits.mean())
    independent = float(count if share in (0, 1) else images)
    between = count / (count - 1) * float(((of_group - share * sizes) ** 2).sum()) / images**2
    if between > 0:
        independent = min(float(images), share * (1 - share) / between)
    return float(independent * (norm.ppf(0.975) / t.ppf(0.975, count - 1)) ** 2)
