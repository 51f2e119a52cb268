"""One forward pass, never twice: rows come out of the store, and what is not there is put there first.

extraction = extraction_of(subject, network, progress)
extraction.through(callbacks, subject)      # stored rows, what is missing forwarded first; too large ones streamed
extraction.cost.forwarded                   # 0 if everything was there
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from frostmark.backbones.extractor import Tap
from frostmark.backbones.network import Network
from frostmark.benchmark.making import Cost, ForwardPass, MakesRows, Order, RowsAtHand
from frostmark.benchmark.room import Room
from frostmark.benchmark.seen import Seen, wanted
from frostmark.benchmark.spot_check import SpotCheck, Target
from frostmark.benchmark.subject import Subject
from frostmark.config.schema import Layer
from frostmark.data.source import ImageSet
from frostmark.errors import ConfigError
from frostmark.features.entry import Entry, shards_of
from frostmark.features.files import shards_in
from frostmark.features.memo import Memo
from frostmark.features.rows import refuse_not_finite
from frostmark.features.store import FeatureStore
from frostmark.lit.callbacks.store import StoreFeatures
from frostmark.lit.datamodule import StoredRows
from frostmark.lit.module import ReplayModule
from frostmark.lit.trainer import Callback, is_rank_zero, make_trainer, predict
from frostmark.metrics.graphs import Arrays

_SIZES = "batch_sizes.json"


@dataclass
class Extraction:
    """The images of a run, and who makes their rows.

    Attributes:
        maker: the network that they go through, or rows made elsewhere.
        splits, fingerprints: images by split name, and what identifies them.
        store: where rows are kept.
        progress: told how it goes.
        about: what a person should know of the entries.
        room: what the store may take: rows of a layer that take more are not kept.
        spot_check: how rows that are stored already are held against the network.
        seen: what else a pass over image files keeps of them, since they are decoded anyway.
    """

    maker: MakesRows
    splits: Mapping[str, ImageSet]
    fingerprints: Mapping[str, str]
    store: FeatureStore
    progress: Callable[[str], None]
    about: Mapping[str, str]
    room: Room
    spot_check: SpotCheck
    seen: Sequence[Seen] = ()
    _keeps: dict[Tap, bool] = field(default_factory=dict)

    @property
    def cost(self) -> Cost:
        """Of the passes made so far."""
        return self.maker.cost

    def entries(self, tap: Tap) -> dict[str, Entry]:
        """The place in the store of a tap's rows, by split."""
        return {
            split: self.store.entry(
                self.maker.key(tap, images, self.fingerprints[split], split),
                tap.width,
            )
            for split, images in self.splits.items()
        }

    def size(self, tap: Tap) -> int:
        """Bytes that the rows of a tap take, both splits together."""
        return sum(entry.size for entry in self.entries(tap).values())

    def keeps(self, tap: Tap) -> bool:
        """Whether the rows of a tap are small enough to be kept: decided once, for the disk fills meanwhile."""
        if tap not in self._keeps:
            self._keeps[tap] = self.room.holds(self.size(tap), self._there(tap))
        return self._keeps[tap]

    def not_kept(self, subject: Subject) -> str:
        """What must be said if the rows of the subject's layer are not kept; empty if they are."""
        images = sum(len(of) for of in self.splits.values())
        what = f"{images:,} images × {subject.tap.width:,} features"
        return "" if self.keeps(subject.tap) else self.room.told(subject.name, self.size(subject.tap), what)

    def _there(self, tap: Tap) -> int:
        """Bytes of its rows that are stored already."""
        return sum(map(_stored_bytes, self.entries(tap).values()))

    def _that_fit(self, tap: Tap, others: Sequence[Tap]) -> list[Tap]:
        """Those of the ``others`` for which the disk has room beside the rows of ``tap``, in their order."""
        left = self.room.of_disk - (self.size(tap) - self._there(tap))
        fitting = []
        for other in others:
            lacking = 0 if other == tap else self.size(other) - self._there(other)
            if lacking <= max(left, 0):
                fitting.append(other)
                left -= lacking
        if is_rank_zero() and len(fitting) < len(others):
            told = f"the disk has no room for the rows of {len(others) - len(fitting)} of {len(others)} layers"
            self.store.tell(f"{told} of the sweep: a separate job forwards the images for each of these layers.")
        return fitting

    def places(self, tap: Tap) -> dict[str, str]:
        """Tags: the names of the entries in the store, by split; none of rows that are not kept."""
        return {f"rows_{s}": entry.folder.name for s, entry in self.entries(tap).items()} if self.keeps(tap) else {}

    def kept(self, tap: Tap) -> KeptArrays:
        """Where neighbours and read-outs of a tap's rows are kept."""
        return KeptArrays(self.entries(tap))

    def through(self, callbacks: Sequence[Callback], subject: Subject, layers: Sequence[Layer] = ()) -> None:
        """The rows of the subject's layer, through the callbacks.

        They come out of the store, where what is missing is put first. Rows that are too large to be kept are
        forwarded straight to the callbacks.

        Args:
            layers: what the other jobs of a sweep read: one pass stores it for all of them.
        """
        tap = subject.tap
        if not self.keeps(tap):
            self.stream(tap, callbacks)
            return
        others = [other for other in _taps(subject, layers) if self.keeps(other) and self.maker.gives(other)]
        with self.stored(tap, subject.word, self._that_fit(tap, others)) as entries:
            if is_rank_zero():
                self.progress("reading the stored rows")
                labels = {split: images.labels for split, images in self.splits.items()}
                predict(make_trainer(list(callbacks)), ReplayModule(), StoredRows(entries, labels))

    @contextmanager
    def stored(self, tap: Tap, layer: str, others: Sequence[Tap]) -> Iterator[dict[str, Entry]]:
        """The complete entries of a tap, by split; nobody prunes them while the context is open.

        Where rows are missing, one pass stores those of ``others`` as well: the layers that a sweep will ask for.

        Args:
            layer: the word by which the tap was asked for, for messages.

        Raises:
            DataError: if the disk cannot hold the rows, the rows are not finite, or those that are stored are not what
                the network puts out.
        """
        mine = self.entries(tap)
        taps = [tap, *(other for other in others if other != tap)]
        if not is_rank_zero():  # the first process holds the locks for all of them
            self._fill(taps, layer)
            yield mine
            return
        with self.store.using(mine.values()):
            replayed = {split for split, entry in mine.items() if entry.intact()}
            if len(replayed) < len(mine):
                wanted = [entry for t in taps for entry in self.entries(t).values()]
                with self.store.extracting(wanted):
                    self._fill(taps, layer)
            assert all(entry.complete for entry in mine.values()), "an entry stayed unfinished"
            for split, entry in mine.items():
                self.spot_check.apply(self.maker, Target(tap, layer, split, entry), replayed=split in replayed)
            # Of rows that were stored by another run, too: they are as far from float32 as they were then.
            self.cost.precision_error = next(iter(mine.values())).about().get("precision_error")
            yield mine

    def stream(self, tap: Tap, callbacks: Sequence[Callback]) -> None:
        """Forward all images once more and hand the rows to the callbacks; nothing is stored."""
        wanted = {split: shards_of(len(images)) for split, images in self.splits.items()}
        self.cost.precision_error = self.maker.make(Order([tap], callbacks, wanted)).get(tap)

    def _fill(self, taps: Sequence[Tap], layer: str) -> None:
        """Forward what is missing of any tap, and commit. ``taps[0]`` is the one that must come out well."""
        entries = {tap: self.entries(tap) for tap in taps}
        missing = {tap: {split: e.missing() for split, e in of_tap.items()} for tap, of_tap in entries.items()}
        todo = [tap for tap in taps if any(missing[tap].values())]
        errors = self._store(todo, entries, missing, layer) if todo else {}
        if is_rank_zero():
            for tap, of_tap in entries.items():
                measured = {"precision_error": errors[tap]} if tap in errors else {}
                for entry in of_tap.values():
                    if not entry.missing() and not entry.complete:
                        entry.commit({**self.about, **measured})

    def _store(
        self,
        taps: Sequence[Tap],
        entries: Mapping[Tap, Mapping[str, Entry]],
        missing: Mapping[Tap, Mapping[str, Sequence[range]]],
        layer: str,
    ) -> dict[Tap, float]:
        """One pass that stores what is missing of the taps, and of what else is kept of the images."""
        seen = [(of, lacks) for of in self.seen if any((lacks := of.missing()).values())]
        stored = [*(entries[tap] for tap in taps), *(of.entries for of, _ in seen)]
        lacking = [*(missing[tap] for tap in taps), *(lacks for _, lacks in seen)]
        if is_rank_zero():
            self.store.require_room(sum(map(_room, stored, lacking)))
        storing = StoreFeatures({split: [of[split] for of in stored] for split in self.splits})
        wanted = {
            split: sorted({shard for of in lacking for shard in of[split]}, key=lambda shard: shard.start)
            for split in self.splits
        }
        errors = self.maker.make(Order(taps, [storing], wanted, [of.observe for of, _ in seen]))
        for split, entry in next(iter(entries.values())).items():
            refuse_not_finite(storing.bad.get(entry.folder.name, []), entry.key.count, layer, split)
        if is_rank_zero():
            for of, _ in seen:
                of.commit()
        return errors


def extraction_of(subject: Subject, network: Network | None, progress: Callable[[str], None]) -> Extraction:
    """The images of a benchmark on their way through a network: its own, or a control's.

    Args:
        network: None for rows made elsewhere.
    """
    config = subject.config
    store = FeatureStore(config.mlruns / "features")
    return Extraction(
        _maker(subject, network, store, progress),
        subject.splits,
        subject.fingerprints,
        store,
        progress,
        _about(subject, network),
        Room.of(config.features.max_bytes, store.folder),
        SpotCheck(config.features.spot_check, config.seed, config.trainer.precision),
        wanted(subject, store),
    )


def _stored_bytes(entry: Entry) -> int:
    """What the shards that are there take, verified or not, without their headers."""
    there = shards_in(entry.folder)
    return sum(entry.bytes_of(len(shard)) for number, shard in enumerate(entry.shards) if number in there)


def _room(entries: Mapping[str, Entry], missing: Mapping[str, Sequence[range]]) -> int:
    """Bytes that the missing rows will take."""
    return sum(entries[split].bytes_of(len(shard)) for split, shards in missing.items() for shard in shards)


def _maker(
    subject: Subject, network: Network | None, store: FeatureStore, progress: Callable[[str], None]
) -> MakesRows:
    if subject.rows is not None:
        return RowsAtHand(subject.rows.layer, subject.splits)
    assert network is not None, "rows are made by a network, or were made elsewhere"
    memo = Memo(store.folder / _SIZES)
    return ForwardPass(network, subject.pipeline, subject.splits, subject.config.trainer, memo, progress)


def _about(subject: Subject, network: Network | None) -> dict[str, str]:
    """What a person should know of the entries."""
    backbone = subject.backbone if network is None else network.backbone
    seen = {} if network is None else {"preprocess": f"{subject.preprocess} {subject.pipeline.size}"}
    return {
        "backbone": backbone.name,
        "weights": backbone.weights_name,
        "dataset": subject.source.name,
        **seen,
    }


def _taps(subject: Subject, layers: Sequence[Layer]) -> list[Tap]:
    """What the other jobs will read; a layer that this backbone does not have is told of by its own job."""
    taps = []
    for layer in layers if subject.rows is None else ():  # rows made elsewhere are not made together
        try:
            taps.append(subject.survey.tap(layer.word, layer.pool, layer.norm))
        except ConfigError:
            continue
    return list(dict.fromkeys(taps))


@dataclass(frozen=True)
class KeptArrays:
    """What takes long to compute, beside the rows that it follows from; see :data:`frostmark.metrics.graphs.Keep`.

    Attributes:
        entries: of the rows, by split.
    """

    entries: Mapping[str, Entry]

    def __call__(self, split: str, bank: str, name: str, compute: Callable[[], Arrays]) -> Arrays:
        """What follows from the rows of a split and of the split ``bank``, computed unless it is there."""
        return self.entries[split].derived(f"{name}-in-{self.entries[bank].folder.name}", compute)
