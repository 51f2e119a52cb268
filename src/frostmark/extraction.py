"""One forward pass, never twice: rows come out of the store, and what is not there is put there first.

extraction = Extraction(subject, model, splits, fingerprints, trainer, store, progress)
with extraction.stored(tap, others) as entries:         # forwards what is missing of all taps, in one pass
    replay(entries, callbacks)
extraction.stream(tap, callbacks)                       # rows too large to keep: straight to the callbacks
extraction.cost.forwarded                               # 0 if everything was there
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from frostmark.config.schema import AUTO, TrainerChoice
from frostmark.features.entry import SHARD, row_bytes

if TYPE_CHECKING:
    from frostmark.backbones.backbone import Backbone
    from frostmark.backbones.extractor import Tap
    from frostmark.data.preprocess import Pipeline
    from frostmark.data.source import ImageSet
    from frostmark.features.entry import Entry
    from frostmark.features.store import FeatureStore
    from frostmark.lit.trainer import Callback
    from frostmark.reducers.reducer import Progress


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


@dataclass
class Extraction:
    """The images of a run and the network they go through.

    Attributes:
        backbone, model: the network by its name, and with its weights.
        weights: digest of its tensors.
        pipeline: preprocessing.
        splits, fingerprints: images by split name, and what identifies them.
        trainer: where and how the pass runs.
        store: where rows are kept.
        progress: told how it goes.
        about: what a person should know of the entries.
        cost: of the passes made so far.
    """

    backbone: Backbone
    model: Any
    weights: str
    pipeline: Pipeline
    splits: Mapping[str, ImageSet]
    fingerprints: Mapping[str, str]
    trainer: TrainerChoice
    store: FeatureStore
    progress: Progress
    about: Mapping[str, str]
    cost: Cost = field(default_factory=Cost)

    def entries(self, tap: Tap) -> dict[str, Entry]:
        """The place in the store of a tap's rows, by split."""
        from frostmark.features.key import RowKey

        return {
            split: self.store.entry(
                RowKey(
                    architecture=self.backbone.architecture_name,
                    library=self.backbone.library,
                    weights=self.weights,
                    node=tap.node.name,
                    pool=tap.pool,
                    preprocess=repr(self.pipeline),
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

    @contextmanager
    def stored(self, tap: Tap, layer: str, others: Sequence[Tap]) -> Iterator[dict[str, Entry]]:
        """The complete entries of a tap, by split; nobody prunes them while the context is open.

        Where rows are missing, one pass stores those of ``others`` as well: the layers that a sweep will ask for.

        Args:
            layer: the word by which the tap was asked for, for messages.

        Raises:
            DataError: if the disk cannot hold the rows, or the rows are not finite.
        """
        from frostmark.lit.trainer import is_rank_zero

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
        from frostmark.features.entry import shards_of

        wanted = {split: shards_of(len(images)) for split, images in self.splits.items()}
        self.cost.precision_error = self._forward([tap], callbacks, wanted).get(tap)

    def _fill(self, taps: Sequence[Tap], layer: str) -> None:
        """Forward what is missing of any tap, and commit. ``taps[0]`` is the one that must come out well."""
        from frostmark.features.rows import refuse_not_finite
        from frostmark.lit.callbacks.store import StoreFeatures
        from frostmark.lit.trainer import is_rank_zero

        entries = {tap: self.entries(tap) for tap in taps}
        missing = {tap: {split: e.missing() for split, e in of_tap.items()} for tap, of_tap in entries.items()}
        errors: dict[Tap, float] = {}
        todo = [tap for tap in taps if any(missing[tap].values())]
        if todo:
            if is_rank_zero():
                self.store.require_room(
                    sum(row_bytes(len(shard), tap.width) for tap in todo for s in missing[tap].values() for shard in s)
                )
            storing = StoreFeatures({split: [entries[tap][split] for tap in todo] for split in self.splits})
            wanted = {
                split: sorted({shard for tap in todo for shard in missing[tap][split]}, key=lambda shard: shard.start)
                for split in self.splits
            }
            errors = self._forward(todo, [storing], wanted)
            for split, entry in entries[taps[0]].items():
                refuse_not_finite(storing.bad.get(entry.folder.name, []), entry.key.count, layer, split)
        if is_rank_zero():
            for tap, of_tap in entries.items():
                measured = {"precision_error": errors[tap]} if tap in errors else {}
                for entry in of_tap.values():
                    if not entry.missing() and not entry.complete:
                        entry.commit({**self.about, **measured})

    def _forward(
        self, taps: Sequence[Tap], callbacks: Sequence[Callback], wanted: Mapping[str, Sequence[range]]
    ) -> dict[Tap, float]:
        """One pass over the pieces ``wanted``; the error of each tap's rows where they are not in float32."""
        from frostmark.backbones.extractor import Extractor
        from frostmark.features.memo import Memo
        from frostmark.lit.callbacks.watch import Watch
        from frostmark.lit.datamodule import ImageModule
        from frostmark.lit.module import FeatureModule
        from frostmark.lit.probe import fastest_batch, precision_errors
        from frostmark.lit.trainer import make_trainer, predict

        chosen = self.trainer
        extractor = Extractor(self.model, taps)
        if chosen.compile:
            self.progress("compiling the network with the first batch")
            extractor.compile_body()
        uniform = all(images.uniform for images in self.splits.values())
        # Images that differ in size were brought to one where they were decoded.
        module = FeatureModule(extractor, self.pipeline if uniform else self.pipeline.normalise)
        images = ImageModule(self.splits, wanted, self.pipeline.geometry, chosen.num_workers)
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
            memo = Memo(self.store.folder / "batch_sizes.json")
            name = f"{self.backbone.architecture_name} at {self.pipeline.size}, {chosen.precision}"
            images.batch_size = fastest_batch(trainer, module, images, memo, name)
        errors = precision_errors(trainer, module, images) if chosen.precision != "32-true" else []
        predict(trainer, module, images)
        self.cost.forwarded += sum(len(piece) for pieces in wanted.values() for piece in pieces)
        self.cost.seconds += watch.seconds
        self.cost.images_per_second = watch.images_per_second
        self.cost.device = trainer.strategy.root_device.type
        self.cost.batch_size = module.at_once or images.batch_size
        return dict(zip(taps, errors, strict=False))
