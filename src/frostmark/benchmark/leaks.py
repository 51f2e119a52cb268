"""Test images that are copies of train images: found by their content and as pictures, and told of beside the metrics.

    add_leaks(record, subject, observed)                # leaks.csv, the numbers, a sentence, what decides without them
    leaks = leaks_between(known["train"], known["test"])
    leaks.test, leaks.train, leaks.how, leaks.told(500) # positions, and how each pair was found

Exact copies have one digest: of the bytes of a file, of the pixels of an image in memory. Near copies are found by the
perceptual hash of :mod:`frostmark.stats.copies` and confirmed by pixels; the nearest train images in the features of
the network are compared as well, and mirrored, which a network hardly sees.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from frostmark.analysis.observed import Observed
from frostmark.benchmark.seen import keeps_sketches, known_images
from frostmark.benchmark.subject import Subject
from frostmark.data.sketch import Recognised
from frostmark.lit.trainer import is_rank_zero
from frostmark.metrics.graphs import Arrays
from frostmark.metrics.leaks import leak_scores
from frostmark.metrics.metric import Scores
from frostmark.results.findings import percent, with_interval
from frostmark.results.record import Record
from frostmark.stats.copies import MIN_SIDE, OTHERS, are_small, near_copies
from frostmark.stats.grouped import Codes, cut_groups

EXACT, NEAR, MIRRORED, GROUP = "exact copy", "near copy", "near copy, mirrored", "same group"
"""How two images of a line of leaks.csv belong together."""

NOT_KEPT = "near copies were not searched: the sketches for the search take more than features.max_bytes"
TOO_SMALL = f"near copies were not searched: images under {MIN_SIDE} pixels per side are too similar"

SCHEMA = "copies1"
"""Names the way copies are found; what was kept under another name is looked for anew."""

_HOW = (EXACT, NEAR, MIRRORED)
_EXACT_ONLY = ("", NOT_KEPT, TOO_SMALL)

Table = dict[str, list[object]]


@dataclass(frozen=True)
class Leaks:
    """Pairs of a test and a train image that are copies, one for each such test image, in their order.

    Attributes:
        test, train: (K,) positions in the splits.
        how: words of each pair.
        correlation: (K,) of the pixels; 1 of exact copies.
        exact_only: why near copies were not looked for; empty if they were.
    """

    test: NDArray[np.int64]
    train: NDArray[np.int64]
    how: Sequence[str]
    correlation: NDArray[np.float64]
    exact_only: str = ""

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """What :meth:`to_arrays` made."""
        how = [_HOW[int(code)] for code in arrays["how"]]
        return cls(
            arrays["test"], arrays["train"], how, arrays["correlation"], _EXACT_ONLY[int(arrays["exact_only"][0])]
        )

    def to_arrays(self) -> Arrays:
        """As arrays, to be kept."""
        return {
            "test": self.test,
            "train": self.train,
            "how": np.array([_HOW.index(how) for how in self.how], np.uint8),
            "correlation": self.correlation,
            "exact_only": np.array([_EXACT_ONLY.index(self.exact_only)], np.uint8),
        }

    def mask(self, count: int) -> NDArray[np.bool_]:
        """(count,) which test images are copies."""
        leaked = np.zeros(count, np.bool_)
        leaked[self.test] = True
        return leaked

    def told(self, count: int) -> str:
        """A sentence, for ``count`` test images."""
        if not len(self.test):
            return f"no test image is {'an exact' if self.exact_only else 'a'} copy of a train image"
        exact = sum(how == EXACT for how in self.how)
        which = f"{exact:,} exact, {len(self.test) - exact:,} near"
        many = f"{len(self.test):,} test images are copies of train images"
        said = "1 test image is a copy of a train image" if len(self.test) == 1 else many
        return f"{said}, {len(self.test) / count:.1%} of {count:,} ({which})"


def leaks_between(train: Recognised, test: Recognised, nearest: NDArray[np.integer] | None = None) -> Leaks:
    """The test images that are copies of train images.

    Args:
        nearest: (M, k) the nearest train images of each test image in the features, nearest first.
    """
    first = {digest: position for position, digest in reversed(list(enumerate(train.digests)))}
    exact = {i: (first[digest], EXACT, 1.0) for i, digest in enumerate(test.digests) if digest in first}
    near: dict[int, tuple[int, str, float]] = {}
    why_not = _why_not(train, test)
    if train.sketches is not None and test.sketches is not None and not why_not:
        copies = near_copies(train.sketches, test.sketches, None if nearest is None else nearest[:, :OTHERS])
        words = np.where(copies.mirrored, MIRRORED, NEAR).tolist()
        pairs = zip(copies.bank.tolist(), words, copies.correlation.tolist(), strict=True)
        near = dict(zip(copies.query.tolist(), pairs, strict=True))
    found = sorted((near | exact).items())
    return Leaks(
        np.array([position for position, _ in found], np.int64),
        np.array([bank for _, (bank, _, _) in found], np.int64),
        [how for _, (_, how, _) in found],
        np.array([correlation for _, (_, _, correlation) in found], np.float64),
        why_not,
    )


def _why_not(*splits: Recognised) -> str:
    """Why near copies cannot be looked for; empty if they can."""
    for of in splits:
        if of.sketches is None:
            return NOT_KEPT
        if are_small(of.sketches):
            return TOO_SMALL
    return ""


def leak_table(
    leaks: Leaks,
    labels: Mapping[str, NDArray[np.int64]],
    classes: Sequence[str],
    files: Mapping[str, Sequence[str] | NDArray[np.str_]],
    groups: Mapping[str, Codes] | None = None,
) -> Table:
    """``leaks.csv``: one line for each test image that is a copy, or of whose group there are images in train.

    Args:
        labels: (N,) of both splits.
        files: the name of every image's file; without a split whose images are not files.
        groups: (N,) of both splits; None of independent images.
    """
    shared = _of_shared_groups(groups) if groups else {}
    pairs = [*zip(leaks.test.tolist(), leaks.train.tolist(), leaks.how, leaks.correlation.tolist(), strict=True)]
    lines = [*pairs, *((one, other, GROUP, float("nan")) for one, other in shared.items())]
    table: Table = {"how": [how for _, _, how, _ in lines], "correlation": [value for *_, value in lines]}
    for split, side in (("test", 0), ("train", 1)):
        images = [int(line[side]) for line in lines]
        table[f"{split}_image"] = [*images]
        if split in files:
            table[f"{split}_file"] = [str(files[split][image]) for image in images]
        table[f"{split}_class"] = [classes[labels[split][image]] for image in images]
    return table


def add_leaks(record: Record, subject: Subject, observed: Observed) -> None:
    """Look for copies and tell of them, once the layer's own metrics are in.

    Nothing in a process that only extracts, and of rows made elsewhere, which come without the images.

    Raises:
        DataError: if a file has to be decoded for it, and cannot be.
    """
    if not is_rank_zero() or subject.rows is not None:
        return
    test, leaks = observed.splits["test"], _found(record, subject, observed)
    table = leak_table(leaks, record.labels, record.classes, subject.files, subject.groups)
    if table["how"]:
        record.tables["leaks"] = table
    scores = _scores(record, observed, leaks)
    record.add_scores(scores)
    if len(leaks.test):
        record.remarks.append(f"{leaks.told(len(test.labels))}: tables/leaks.csv lists the copies{_without(record)}")
    if leaks.exact_only == NOT_KEPT:
        record.remarks.append(NOT_KEPT)


def _found(record: Record, subject: Subject, observed: Observed) -> Leaks:
    """The copies, looked for unless they are kept beside the rows."""
    test, graph = observed.splits["test"], "neighbours" in subject.families

    def find() -> Arrays:
        record.progress("searching copies of train images in the test split")
        known = known_images(subject, record.progress)
        return leaks_between(known["train"], known["test"], test.nearest(OTHERS).index if graph else None).to_arrays()

    words = [SCHEMA, "graph" if graph else "", "" if keeps_sketches(subject) else "exact"]
    return Leaks.from_arrays(test.kept("-".join(word for word in words if word), find))


def _scores(record: Record, observed: Observed, leaks: Leaks) -> Scores:
    test, decides = observed.splits["test"], record.decides
    leaked = leaks.mask(len(test.labels))
    if decides is None:
        return leak_scores(leaked, test)
    _, kind = decides
    hits = record.outcomes.get(f"test/{kind.pairs}")
    return leak_scores(leaked, test, hits, balanced=kind.balanced)


def _without(record: Record) -> str:
    """What decides, of the test images that are not copies; nothing where copies are few."""
    key, decides = "test/leaks/accuracy", record.decides
    if key not in record.values or decides is None:
        return ""
    value = with_interval(key, record.values, percent)
    return f". Without the copies, {decides[1].words} is {value} instead of {percent(record.values[decides[0]])}"


def _of_shared_groups(groups: Mapping[str, Codes]) -> dict[int, int]:
    """Test image → the first train image of its group, of the groups that the split cuts."""
    known, first = np.unique(groups["train"], return_index=True)
    cut = cut_groups(groups)["test"]
    places = first[np.searchsorted(known, groups["test"][cut])]
    return dict(zip(cut.tolist(), places.tolist(), strict=True))
