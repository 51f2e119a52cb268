"""What a network gets right on samples of the train images: of each sample only the new images are forwarded.

    plan = Plan.of(subject)                             # which images, in which order, and what decides
    samples = TrainSamples(config, Given(), progress)
    samples.look(plan, 0), samples.look(plan, 1)        # hits and hits of halves, (n,) each
    samples.complete(plan)                              # all rows of train, as a benchmark finds them in the store

The images that a sample adds have an entry of their own in the store, and what is found on a sample is kept beside it:
the same command again does neither anew. Where a benchmark has stored all rows of train, nothing is forwarded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from frostmark.backbones.network import Network
from frostmark.benchmark.extraction import Extraction, extraction_of
from frostmark.benchmark.making import Cost
from frostmark.benchmark.networks import network_of
from frostmark.benchmark.subject import Given, Subject, resolve
from frostmark.config.schema import Config
from frostmark.data.contract import class_names, read_split
from frostmark.data.picked import picked
from frostmark.data.source import ImageSet, Limits, Source, SplitName, said_by
from frostmark.errors import ConfigError
from frostmark.features.entry import Entry
from frostmark.features.store import Stored
from frostmark.metrics.deciding import Rule
from frostmark.metrics.left_out import LeftOut, decider_among
from frostmark.stats.grouped import Codes
from frostmark.stats.moments import Array
from frostmark.stats.racing import doubling, nested
from frostmark.stats.sampling import seeded

MIN_IMAGES = 60
"""Of the first sample."""

MIN_A_CLASS = 6
"""Images per class of the first sample, on average: each half of it has three of them."""

SCHEMA = "raced1"
"""Names the way hits are found; those that were kept under another name are found anew."""

Positions = NDArray[np.int64]
Hits = NDArray[np.bool_]


@dataclass(frozen=True)
class Plan:
    """The samples of a train split, the same for every network.

    Attributes:
        pieces: the images that each sample adds, as positions; whole groups. Every sample is stratified.
        labels, groups: (N,) of all images; no groups of independent images.
        test: number of test images.
        classes: how many.
        rule: what decides.
        seed: of folds.
    """

    pieces: Sequence[Positions]
    labels: NDArray[np.int64]
    groups: Codes | None
    test: int
    classes: int
    rule: Rule
    seed: int

    @classmethod
    def of(cls, subject: Subject) -> Plan:
        """Of the images of a benchmark."""
        config, labels = subject.config, subject.splits["train"].labels.numpy()
        groups = None if subject.groups is None else subject.groups["train"]
        units = nested(labels, seeded(config.seed, "race"), groups)
        sizes = doubling(len(labels), max(MIN_IMAGES, MIN_A_CLASS * len(np.unique(labels))))
        ends = np.unique(np.searchsorted(np.cumsum([len(unit) for unit in units]), sizes) + 1)
        starts = [0, *ends[:-1].tolist()]
        pieces = [np.concatenate(units[a:b]) for a, b in zip(starts, ends.tolist(), strict=True)]
        rule = Rule.of(config.decide.family, config.decide.balanced, labels)
        return cls(pieces, labels, groups, len(subject.splits["test"]), len(subject.classes), rule, config.seed)

    @property
    def sizes(self) -> list[int]:
        """Images of each sample."""
        return [int(n) for n in np.cumsum([len(piece) for piece in self.pieces])]

    def sample(self, number: int) -> Positions:
        """The positions of a sample, the images of earlier ones first."""
        return np.concatenate(self.pieces[: number + 1])

    def labels_of(self, number: int) -> NDArray[np.int64] | None:
        """(n,) of a sample where balanced accuracy decides."""
        return self.labels[self.sample(number)] if self.rule.balanced else None

    def groups_of(self, number: int) -> Codes | None:
        """(n,) the groups of a sample."""
        return None if self.groups is None else self.groups[self.sample(number)]

    @property
    def decider(self) -> str:
        """What decides, in words."""
        family = {"linear": "linear accuracy", "knn": "k-NN accuracy"}[self.rule.family]
        return f"balanced {family}" if self.rule.balanced else family


@dataclass
class TrainSamples:
    """A network and the train images that it is asked for.

    Attributes:
        config: of the benchmark.
        given: parts that are there already.
        progress: told how it goes.
        cost: of the passes made so far.
    """

    config: Config
    given: Given
    progress: Callable[[str], None]
    cost: Cost = field(default_factory=Cost)
    _network: Network | None = field(default=None, repr=False)

    @cached_property
    def subject(self) -> Subject:
        """What is benchmarked, its images listed.

        Raises:
            FrostmarkError: if something is wrong that the user can mend.
        """
        subject = resolve(self.config, self.given)
        if subject.rows is not None:
            raise ConfigError("backbone=rows cannot race: its images were all forwarded", fix="leave it out")
        if subject.too_large:
            told = f"the rows of {subject.title} are too large to be kept, and a race reads them several times"
            raise ConfigError(told, fix="layer.pool=gap, or a larger features.max_bytes")
        return subject

    @property
    def missing_weights(self) -> str:
        """What would have to be downloaded; empty if nothing is missing."""
        return self.subject.backbone.missing_weights() or ""

    @property
    def network(self) -> Network:
        """With its weights, loaded unless it is held.

        Raises:
            DataError: if they are missing or damaged.
        """
        if self._network is None:
            self._network = network_of(self.subject, self.given)
        assert self._network is not None, "rows made elsewhere are refused"
        return self._network

    @property
    def held(self) -> int:
        """Parameters that are in memory."""
        return 0 if self._network is None else self._network.parameters

    def release(self) -> None:
        """Let the network go; it is loaded again where it is needed."""
        self._network = None

    def look(self, plan: Plan, number: int) -> tuple[Hits, Hits] | None:
        """(n,) hits on a sample, and hits of its halves; of all images the halves are not asked for and are the hits.

        None if nothing can be left out, as where a class has one image.
        """
        rows, entry = self._rows(plan, number)
        sample = plan.sample(number)
        decider = decider_among(list(self.subject.families.values()), plan.rule.family)
        left_out = LeftOut(decider, plan.labels[sample], plan.groups_of(number), plan.classes, plan.seed)
        last = number == len(plan.pieces) - 1

        def found() -> dict[str, Array]:
            self.progress(f"{self.subject.backbone.name}: {plan.decider} of {len(sample):,} train images")
            seen = rows() if self.subject.project is None else self.subject.project(rows())
            hits = left_out.of(seen)
            halves = hits if last or hits is None else left_out.of_halves(seen)
            return {} if hits is None or halves is None else {"hits": hits, "halves": halves}

        kept = entry.derived(f"{SCHEMA}-{_digest(left_out, sample, last)}", found)
        return (kept["hits"], kept["halves"]) if kept else None

    def complete(self, plan: Plan) -> None:
        """See that all rows of train are in the store as a benchmark looks for them; what is missing is forwarded."""
        whole = self._extraction(self.subject)
        entry = whole.entries(self.subject.tap)["train"]
        if entry.intact():
            return
        rows = np.empty((len(plan.labels), self.subject.tap.width), np.float32)
        pieces = [self._piece(piece) for piece in plan.pieces]
        for positions, piece in zip(plan.pieces, pieces, strict=True):
            rows[positions] = _read(piece)
        store = whole.store
        store.require_room(entry.size)
        with store.extracting([entry]):
            for shard in entry.missing():
                entry.write(shard, rows[shard.start : shard.stop])
            errors = [piece.about()["precision_error"] for piece in pieces if "precision_error" in piece.about()]
            entry.commit({**whole.about, **({"precision_error": max(errors)} if errors else {})})
        for piece in pieces:
            if (stored := Stored.at(piece.folder)) is not None:
                store.remove(stored)

    def _rows(self, plan: Plan, number: int) -> tuple[Callable[[], NDArray[np.float32]], Entry]:
        """The rows (n, D) of a sample, and the entry that what follows from them is kept in."""
        whole = self._extraction(self.subject).entries(self.subject.tap)["train"]
        if whole.intact():
            sample = plan.sample(number)
            _ = self._stored({"train": self.subject.splits["train"]})
            return lambda: _read(whole)[sample], whole
        pieces = [self._piece(piece) for piece in plan.pieces[: number + 1]]
        return lambda: np.concatenate([_read(piece) for piece in pieces]), pieces[-1]

    def _piece(self, positions: Positions) -> Entry:
        """The rows of the images at ``positions``, forwarded unless they are stored."""
        return self._stored({"train": picked(self.subject.splits["train"], positions)})

    def _stored(self, splits: Mapping[str, ImageSet]) -> Entry:
        """The entry of the train images given, with their rows in it."""
        extraction = self._extraction(replace(self.subject, splits=splits))
        with extraction.stored(self.subject.tap, self.subject.word, ()) as entries:
            entry = entries["train"]
        self.cost.forwarded += extraction.cost.forwarded
        self.cost.checked += extraction.cost.checked
        self.cost.seconds += extraction.cost.seconds
        return entry

    def _extraction(self, subject: Subject) -> Extraction:
        return replace(extraction_of(subject, self.network, self.progress), seen=())


def _read(entry: Entry) -> NDArray[np.float32]:
    return np.concatenate([entry.read(shard) for shard in entry.shards])


def _digest(left_out: LeftOut, sample: Positions, last: bool) -> str:
    digest = blake2b(repr((left_out.decider, left_out.classes, left_out.seed, last)).encode(), digest_size=16)
    for array in (sample, left_out.labels, *(() if left_out.groups is None else (left_out.groups,))):
        digest.update(np.ascontiguousarray(array, "<i8").data)
    return digest.hexdigest()


@dataclass
class SharedSource:
    """A data set that is read once for several networks.

    Attributes:
        source: which is read.
        splits: what was read of it before; of image files, those with their digests.
    """

    source: Source
    splits: dict[str, ImageSet] = field(default_factory=dict, repr=False)
    limit: Limits = field(default_factory=Limits)

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def remarks(self) -> list[str]:
        """What the data set says of how it was read."""
        return list(said_by(self.source))

    def classes(self) -> tuple[str, ...]:
        return class_names(self.source)

    def split(self, split: SplitName) -> ImageSet:
        if split not in self.splits:
            self.splits[split] = read_split(self.source, split, len(self.classes()))
        return self.splits[split]
