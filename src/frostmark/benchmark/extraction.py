"""One forward pass, never twice: rows come out of the store, and what is not there is put there first.

extraction = extraction_of(subject, network, progress)
extraction.through(callbacks, subject)      # stored rows, what is missing forwarded first; too large ones streamed
extraction.cost.forwarded                   # 0 if everything was there
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

from frostmark.backbones.extractor import Extractor, Tap
from frostmark.backbones.network import Network
from frostmark.benchmark.seen import Seen, wanted
from frostmark.benchmark.subject import Subject
from frostmark.config.schema import AUTO, Layer, TrainerChoice
from frostmark.data.files import Observe, decoding_of
from frostmark.data.preprocess import Pipeline
from frostmark.data.source import ImageSet
from frostmark.errors import ConfigError
from frostmark.features.entry import SHARD, Entry, shards_of
from frostmark.features.key import RowKey
from frostmark.features.memo import Memo
from frostmark.features.rows import refuse_not_finite
from frostmark.features.store import FeatureStore
from frostmark.lit.callbacks.store import StoreFeatures
from frostmark.lit.callbacks.watch import Watch
from frostmark.lit.datamodule import ImageModule, StoredRows
from frostmark.lit.module import FeatureModule, ReplayModule
from frostmark.lit.probe import fastest_batch, precision_errors
from frostmark.lit.trainer import Callback, is_rank_zero, make_trainer, predict
from frostmark.metrics.metric import Arrays

_SIZES = "batch_sizes.json"


@dataclass
class Cost:
    """What the forward pass took.

    Attributes:
        forwarded: images that went through the backbone, each split's counted.
        seconds, images_per_second: of the pass, with preprocessing and storing; the rate after warm-up.
        device: the kind it ran on; None if there was no pass.
        batch_size: images forwarded together, as it was at the end.
        precision_error: relative distance of the rows from float32's on a probe batch; None in float32.
    """

    forwarded: int = 0
    seconds: float = 0.0
    images_per_second: float = 0.0
    device: str | None = None
    batch_size: int = 0
    precision_error: float | None = None

    @property
    def tags(self) -> dict[str, str]:
        """Where the pass ran; nothing if there was none."""
        return {} if self.device is None else {"device": self.device, "batch_size": str(self.batch_size)}


@dataclass
class Extraction:
    """The images of a run and the network they go through.

    Attributes:
        network: with its weights.
        pipeline: preprocessing.
        splits, fingerprints: images by split name, and what identifies them.
        trainer: where and how the pass runs.
        store: where rows are kept.
        progress: told how it goes.
        about: what a person should know of the entries.
        max_bytes: rows of a layer that take more are not kept.
        seen: what else a pass over image files keeps of them, since they are decoded anyway.
        cost: of the passes made so far.
    """

    network: Network
    pipeline: Pipeline
    splits: Mapping[str, ImageSet]
    fingerprints: Mapping[str, str]
    trainer: TrainerChoice
    store: FeatureStore
    progress: Callable[[str], None]
    about: Mapping[str, str]
    max_bytes: int
    seen: Sequence[Seen] = ()
    cost: Cost = field(default_factory=Cost)

    def entries(self, tap: Tap) -> dict[str, Entry]:
        """The place in the store of a tap's rows, by split."""
        return {
            split: self.store.entry(
                RowKey(
                    architecture=self.network.backbone.architecture_name,
                    library=self.network.backbone.library,
                    weights=self.network.weights,
                    node=tap.node.name,
                    pool=tap.pool,
                    preprocess=" · ".join([repr(self.pipeline), *decoding_of(images)]),
                    images=self.fingerprints[split],
                    split=split,
                    count=len(images),
                    precision=self.trainer.precision + (" compiled" if self.trainer.compile else ""),
                ),
                tap.width,
            )
            for split, images in self.splits.items()
        }

    def size(self, tap: Tap) -> int:
        """Bytes that the rows of a tap take, both splits together."""
        return sum(entry.size for entry in self.entries(tap).values())

    def keeps(self, tap: Tap) -> bool:
        """Whether the rows of a tap are small enough to be kept."""
        return self.size(tap) <= self.max_bytes

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
        others = [other for other in _taps(subject, layers) if self.keeps(other)]
        with self.stored(tap, subject.word, others) as entries:
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
            DataError: if the disk cannot hold the rows, or the rows are not finite.
        """
        mine = self.entries(tap)
        taps = [tap, *(other for other in others if other != tap)]
        if not is_rank_zero():  # the first process holds the locks for all of them
            self._fill(taps, layer)
            yield mine
            return
        with self.store.using(mine.values()):
            if not all(entry.intact() for entry in mine.values()):
                wanted = [entry for t in taps for entry in self.entries(t).values()]
                with self.store.extracting(wanted):
                    self._fill(taps, layer)
            assert all(entry.complete for entry in mine.values()), "an entry stayed unfinished"
            # Of rows that were stored by another run, too: they are as far from float32 as they were then.
            self.cost.precision_error = next(iter(mine.values())).about().get("precision_error")
            yield mine

    def stream(self, tap: Tap, callbacks: Sequence[Callback]) -> None:
        """Forward all images once more and hand the rows to the callbacks; nothing is stored."""
        wanted = {split: shards_of(len(images)) for split, images in self.splits.items()}
        self.cost.precision_error = self._forward([tap], callbacks, wanted).get(tap)

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
        errors = self._forward(taps, [storing], wanted, [of.observe for of, _ in seen])
        for split, entry in next(iter(entries.values())).items():
            refuse_not_finite(storing.bad.get(entry.folder.name, []), entry.key.count, layer, split)
        if is_rank_zero():
            for of, _ in seen:
                of.commit()
        return errors

    def _forward(
        self,
        taps: Sequence[Tap],
        callbacks: Sequence[Callback],
        wanted: Mapping[str, Sequence[range]],
        observe: Sequence[Observe] = (),
    ) -> dict[Tap, float]:
        """One pass over the pieces ``wanted``; the error of each tap's rows where they are not in float32."""
        chosen = self.trainer
        extractor = Extractor(self.network.model, taps)
        if chosen.compile:
            self.progress("compiling the network with the first batch")
            extractor.compile_body()
        uniform = all(images.uniform for images in self.splits.values())
        # Images that differ in size were brought to one where they were decoded.
        module = FeatureModule(extractor, self.pipeline if uniform else self.pipeline.normalise)
        images = ImageModule(self.splits, wanted, self.pipeline.geometry, chosen.num_workers, observe)
        watch = Watch({split: sum(map(len, pieces)) for split, pieces in wanted.items()}, self.progress)
        trainer = make_trainer(
            [*callbacks, watch],
            accelerator=chosen.accelerator,
            devices=chosen.devices,
            strategy=chosen.strategy,
            precision=chosen.precision,
        )
        if chosen.batch_size != AUTO:
            images.batch_size = min(chosen.batch_size, SHARD)
        elif not chosen.compile:  # every size tried would be compiled
            self.progress("choosing the batch size")
            name = f"{self.network.backbone.architecture_name} at {self.pipeline.size}, {chosen.precision}"
            images.batch_size = fastest_batch(trainer, module, images, Memo(self.store.folder / _SIZES), name)
        errors = precision_errors(trainer, module, images) if chosen.precision != "32-true" else []
        with closing(images):
            predict(trainer, module, images)
        self.cost.forwarded += sum(len(piece) for pieces in wanted.values() for piece in pieces)
        self.cost.seconds += watch.seconds
        self.cost.images_per_second = watch.images_per_second
        self.cost.device = trainer.strategy.root_device.type
        self.cost.batch_size = module.at_once or images.batch_size
        return dict(zip(taps, errors, strict=False))


def extraction_of(subject: Subject, network: Network, progress: Callable[[str], None]) -> Extraction:
    """The images of a benchmark on their way through a network: its own, or a control's."""
    about = {
        "backbone": network.backbone.name,
        "weights": network.backbone.weights_name,
        "dataset": subject.source.name,
        "preprocess": f"{subject.preprocess} {subject.pipeline.size}",
    }
    config = subject.config
    store = FeatureStore(config.mlruns / "features")
    return Extraction(
        network,
        subject.pipeline,
        subject.splits,
        subject.fingerprints,
        config.trainer,
        store,
        progress,
        about,
        config.features.max_bytes,
        wanted(subject, store),
    )


def _room(entries: Mapping[str, Entry], missing: Mapping[str, Sequence[range]]) -> int:
    """Bytes that the missing rows will take."""
    return sum(entries[split].bytes_of(len(shard)) for split, shards in missing.items() for shard in shards)


def _taps(subject: Subject, layers: Sequence[Layer]) -> list[Tap]:
    """What the other jobs will read; a layer that this backbone does not have is told of by its own job."""
    taps = []
    for layer in layers:
        try:
            taps.append(Tap(subject.survey.resolve(layer.node or layer.tap or ""), layer.pool))
        except ConfigError:
            continue
    return list(dict.fromkeys(taps))


@dataclass(frozen=True)
class KeptArrays:
    """What takes long to compute, beside the rows that it follows from; see :data:`frostmark.metrics.metric.Keep`.

    Attributes:
        entries: of the rows, by split.
    """

    entries: Mapping[str, Entry]

    def __call__(self, split: str, bank: str, name: str, compute: Callable[[], Arrays]) -> Arrays:
        """What follows from the rows of a split and of the split ``bank``, computed unless it is there."""
        return self.entries[split].derived(f"{name}-in-{self.entries[bank].folder.name}", compute)
