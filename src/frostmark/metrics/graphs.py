"""Who asks whom for neighbours: the graphs of both splits, each made once.

graphs = Graphs(rows, labels, groups, keep, context=("0", fingerprint, "train"))
graphs.among("test", "train", 20), graphs.of_train(20), graphs.asked
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from frostmark.stats.grouped import Codes
from frostmark.stats.moments import Array
from frostmark.stats.neighbours import KEPT, Graph, nearest_of_other_groups
from frostmark.stats.sampling import seeded, stratified

EXACT_UP_TO = 200_000
"""Train rows up to which all of them ask each other for neighbours on the CPU; of more a sample asks all others."""

Arrays = Mapping[str, Array]
"""Arrays by name."""

Keep = Callable[[str, str, str, Callable[[], Arrays]], Arrays]
"""``keep(split, bank, name, compute)``: what follows from the rows of a split and of the split ``bank``, computed
unless at hand. The ``name``, of lower-case letters, digits and hyphens, says everything else that decides it."""


def compute_anew(split: str, bank: str, name: str, compute: Callable[[], Arrays]) -> Arrays:
    """What follows from rows where nothing keeps it: computed."""
    return compute()


@dataclass(frozen=True)
class Search:
    """How neighbours are found.

    Attributes:
        exact_up_to: train rows up to which all of them ask each other; of more, as many as cost what the limit costs.
        device: torch's word for an accelerator, on which all ask; None for the CPU.
    """

    exact_up_to: int = EXACT_UP_TO
    device: str | None = None

    def asking(self, train: int) -> int:
        """How many of so many train rows ask all others for their neighbours."""
        if self.device is not None or train <= self.exact_up_to:
            return train
        return max(self.exact_up_to**2 // (2 * train), 1)


USUAL = Search()
"""As a configuration has it that says nothing of neighbours."""


@dataclass(frozen=True)
class Graphs:
    """The neighbours of rows (N, d) by split.

    Attributes:
        labels: (N,) of the train rows.
        groups: (N,) of the train rows; None if they are independent.
        keep: computes a graph, or finds it.
        context: words that decide which train rows ask, where not all do.
        search: how they are found.
    """

    rows: Mapping[str, Array]
    labels: NDArray[np.int64]
    groups: Codes | None
    keep: Keep
    context: tuple[str, ...]
    search: Search = USUAL

    @cached_property
    def asked(self) -> NDArray[np.int64] | None:
        """(M,) the train rows that ask, classes in their proportions; None: all."""
        most = self.search.asking(len(self.labels))
        return None if most == len(self.labels) else stratified(self.labels, most, seeded(0, *self.context, "asked"))

    @cached_property
    def _made(self) -> dict[tuple[str, ...], Graph]:
        return {}

    def among(self, name: str, bank: str, k: int) -> Graph:
        """The k nearest rows of the split ``bank`` of every row; of itself it is none."""
        rows = self.rows
        own = name == bank
        made = partial(Graph.of, rows[bank], rows[name], max(k, KEPT), exclude_self=own, device=self.search.device)
        return self._kept(name, bank, f"{Graph.SCHEMA}-{max(k, KEPT)}", made).first(k)

    def of_train(self, k: int) -> Graph:
        """The k nearest other train rows of the train rows that ask; of other groups, where there are groups."""
        if self.groups is None:
            return self._of_train(k)
        key = ("apart", str(k))
        if key not in self._made:
            near = self._of_train(KEPT)
            self._made[key] = nearest_of_other_groups(self.rows["train"], self.groups, near, k, self.asked)
        return self._made[key]

    def _of_train(self, k: int) -> Graph:
        if self.asked is None:
            return self.among("train", "train", k)
        made = partial(Graph.of_some, self.rows["train"], self.asked, max(k, KEPT))
        digest = blake2b(self.asked.tobytes(), digest_size=8).hexdigest()
        return self._kept("train", "train", f"{Graph.SCHEMA}-{max(k, KEPT)}-of-{digest}", made).first(k)

    def _kept(self, name: str, bank: str, word: str, made: Callable[[], Graph]) -> Graph:
        key = (name, bank, word)
        if key not in self._made:
            self._made[key] = Graph(**self.keep(name, bank, word, lambda: vars(made())))
        return self._made[key]
