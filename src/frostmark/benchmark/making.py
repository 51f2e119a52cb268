"""Who makes rows: a network that the images are forwarded through, or somebody elsewhere who made them already.

maker = ForwardPass(network, pipeline, splits, trainer, memo, progress)
maker = RowsAtHand(layer_rows, splits)
maker.make(Order([tap], callbacks, wanted)) # the rows of the pieces wanted, through the callbacks
maker.cost.forwarded                        # images that went through a network

What is made is put into the store by :mod:`frostmark.benchmark.extraction`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from frostmark.backbones.extractor import Extractor, Tap
from frostmark.backbones.network import Network
from frostmark.config.schema import AUTO, TrainerChoice
from frostmark.data.files import Observe, decoding_of
from frostmark.data.preprocess import Pipeline
from frostmark.data.source import ImageSet
from frostmark.features.entry import SHARD
from frostmark.features.given import LayerRows
from frostmark.features.key import RowKey
from frostmark.features.memo import Memo
from frostmark.lit.callbacks.watch import Watch
from frostmark.lit.datamodule import DEFAULT_BATCH, ImageModule, StoredRows
from frostmark.lit.module import FeatureModule, ReplayModule
from frostmark.lit.probe import fastest_batch, precision_errors, rows_of
from frostmark.lit.trainer import Callback, make_trainer, predict


@dataclass
class Cost:
    """What the forward pass took.

    Attributes:
        forwarded: images that went through the backbone, each split's counted.
        checked: images that were forwarded once more, to hold stored rows against the network.
        seconds, images_per_second: of the pass, with preprocessing and storing; the rate after warm-up.
        device: the kind it ran on; None if there was no pass.
        batch_size: images forwarded together, as it was at the end.
        precision_error: relative distance of the rows from float32's on a probe batch; None in float32.
    """

    forwarded: int = 0
    checked: int = 0
    seconds: float = 0.0
    images_per_second: float = 0.0
    device: str | None = None
    batch_size: int = 0
    precision_error: float | None = None

    @property
    def tags(self) -> dict[str, str]:
        """Where the pass ran; nothing if there was none."""
        return {} if self.device is None else {"device": self.device, "batch_size": str(self.batch_size)}


@dataclass(frozen=True)
class Order:
    """What is to be made.

    Attributes:
        taps: of which rows are wanted.
        callbacks: that get them.
        wanted: pieces of every split.
        observe: what else the callbacks get of every image.
    """

    taps: Sequence[Tap]
    callbacks: Sequence[Callback]
    wanted: Mapping[str, Sequence[range]]
    observe: Sequence[Observe] = ()


class MakesRows(Protocol):
    """Makes the rows of layers, piece by piece."""

    cost: Cost

    def gives(self, tap: Tap) -> bool:
        """Whether it can make the rows of a tap."""
        ...

    def key(self, tap: Tap, images: ImageSet, fingerprint: str, split: str) -> RowKey:
        """What decides the rows of a tap, of images with a fingerprint."""
        ...

    def make(self, order: Order) -> dict[Tap, float]:
        """One pass; the error of each tap's rows where they are not in float32."""
        ...

    def again(self, tap: Tap, split: str, positions: Sequence[int]) -> NDArray[np.float32] | None:
        """Rows (n, D) of the images at ``positions``, made once more; None of rows that cannot be made again."""
        ...


@dataclass
class ForwardPass:
    """A network makes them.

    Attributes:
        network: with its weights.
        pipeline: preprocessing.
        splits: images by split name.
        trainer: where and how the pass runs.
        memo: where the fastest batch size is remembered.
        progress: told how it goes.
        cost: of the passes made so far.
    """

    network: Network
    pipeline: Pipeline
    splits: Mapping[str, ImageSet]
    trainer: TrainerChoice
    memo: Memo
    progress: Callable[[str], None]
    cost: Cost = field(default_factory=Cost)

    def gives(self, tap: Tap) -> bool:
        return self.network.gives(tap)

    def key(self, tap: Tap, images: ImageSet, fingerprint: str, split: str) -> RowKey:
        return RowKey(
            architecture=self.network.backbone.architecture_name,
            library=self.network.backbone.library,
            weights=self.network.weights,
            node=tap.node.name,
            pool=tap.pool,
            preprocess=" · ".join([repr(self.pipeline), *decoding_of(images)]),
            images=fingerprint,
            split=split,
            count=len(images),
            precision=self.trainer.precision + (" compiled" if self.trainer.compile else ""),
            norm="" if tap.norm is None else str(tap.norm),
        )

    def make(self, order: Order) -> dict[Tap, float]:
        chosen = self.trainer
        extractor = Extractor(self.network.model, order.taps)
        if chosen.compile:
            self.progress("compiling the network with the first batch")
            extractor.compile_body()
        module = self._module(extractor)
        images = ImageModule(self.splits, order.wanted, self.pipeline.geometry, chosen.num_workers, order.observe)
        watch = Watch({split: sum(map(len, pieces)) for split, pieces in order.wanted.items()}, self.progress)
        trainer = make_trainer(
            [*order.callbacks, watch],
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
            images.batch_size = fastest_batch(trainer, module, images, self.memo, name)
        errors = precision_errors(trainer, module, images) if chosen.precision != "32-true" else []
        with closing(images):
            predict(trainer, module, images)
        self.cost.forwarded += sum(len(piece) for pieces in order.wanted.values() for piece in pieces)
        self.cost.seconds += watch.seconds
        self.cost.images_per_second = watch.images_per_second
        self.cost.device = trainer.strategy.root_device.type
        self.cost.batch_size = module.at_once or images.batch_size
        return dict(zip(order.taps, errors, strict=False))

    def again(self, tap: Tap, split: str, positions: Sequence[int]) -> NDArray[np.float32]:
        chosen = self.trainer
        module = self._module(Extractor(self.network.model, [tap]))
        images = ImageModule(self.splits, {}, self.pipeline.geometry, 0)
        one = chosen.strategy == "auto"  # else processes of this job would be waited for
        devices = chosen.devices if one else 1
        trainer = make_trainer([], accelerator=chosen.accelerator, devices=devices, precision=chosen.precision)
        device = trainer.strategy.root_device
        made = [
            rows_of(trainer, module, images.images_at(split, positions[start : start + DEFAULT_BATCH]).to(device))[0]
            for start in range(0, len(positions), DEFAULT_BATCH)
        ]
        self.cost.checked += len(positions)
        return np.concatenate([rows.cpu().numpy() for rows in made])

    def _module(self, extractor: Extractor) -> FeatureModule:
        uniform = all(images.uniform for images in self.splits.values())
        # Images that differ in size were brought to one where they were decoded.
        return FeatureModule(extractor, self.pipeline if uniform else self.pipeline.normalise)


@dataclass
class RowsAtHand:
    """They were made elsewhere.

    Attributes:
        layer: the rows.
        splits: images by split name, of which labels are known.
        cost: nothing.
    """

    layer: LayerRows
    splits: Mapping[str, ImageSet]
    cost: Cost = field(default_factory=Cost)

    def gives(self, tap: Tap) -> bool:
        return tap.node.name == self.layer.name

    def key(self, tap: Tap, images: ImageSet, fingerprint: str, split: str) -> RowKey:
        return RowKey(
            architecture="rows",
            library="elsewhere",
            weights=self.layer.digest,
            node=tap.node.name,
            pool=tap.pool,
            preprocess="elsewhere",
            images=fingerprint,
            split=split,
            count=len(images),
            precision="float32",
        )

    def make(self, order: Order) -> dict[Tap, float]:
        shards = {split: _Pieces(self.layer.rows[split], list(pieces)) for split, pieces in order.wanted.items()}
        labels = {split: images.labels for split, images in self.splits.items()}
        predict(make_trainer(list(order.callbacks)), ReplayModule(), StoredRows(shards, labels))
        return {}

    def again(self, tap: Tap, split: str, positions: Sequence[int]) -> None:
        return None  # the key holds the digest of the file that they are from


@dataclass(frozen=True)
class _Pieces:
    """Some pieces of rows in memory, as :class:`frostmark.lit.datamodule.StoredRows` replays them."""

    rows: NDArray[np.float32]
    shards: list[range]

    def read(self, shard: range) -> NDArray[np.float32]:
        return self.rows[shard.start : shard.stop]
