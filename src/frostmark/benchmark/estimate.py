"""What a benchmark will take, before its weights are there: measured on a few images and on a network of zeros.

guess = estimate(config, backbone, splits)
guess.seconds, guess.store                  # of the first run's pass, and bytes in mlruns/features
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from frostmark.backbones.backbone import Backbone
from frostmark.backbones.extractor import Tap
from frostmark.backbones.timing import seconds_to_forward
from frostmark.config.build import build
from frostmark.config.schema import Config
from frostmark.data.contract import checked_pipeline
from frostmark.data.files import ImageFiles
from frostmark.data.pixels import PACKED_WIDTH
from frostmark.data.preprocess import Pipeline, Preprocess
from frostmark.data.source import ImageSet
from frostmark.lit.trainer import has_gpu
from frostmark.names import network_name, titled
from frostmark.results.maps import PAGE_EDGE
from frostmark.stats.copies import SKETCH_WIDTH

TRIED = 32
"""Image files that are decoded to know how long one takes."""


@dataclass(frozen=True)
class Estimate:
    """What the first run takes; later ones of the same layer read what it stored.

    Attributes:
        network: backbone, layer and size of the images.
        device: that the network runs on.
        reading, forwarding: seconds to decode all images, and to forward them.
        store: bytes of what is kept.
        weights: what would have to be downloaded; empty if nothing is missing.
    """

    network: str
    device: str
    reading: float
    forwarding: float
    store: int
    weights: str

    @property
    def seconds(self) -> float:
        """Of both: at the same time beside an accelerator, one after the other on the same processors."""
        return self.reading + self.forwarding if self.device == "cpu" else max(self.reading, self.forwarding)


def estimate(config: Config, backbone: Backbone, splits: Mapping[str, ImageSet]) -> Estimate:
    """What the benchmark of one layer takes.

    Raises:
        ConfigError: if the backbone has no such layer.
    """
    pipeline = checked_pipeline(build(config.preprocess, "preprocess", Preprocess), backbone.preset)
    word = config.layer.word
    backbone.check_layer(word)
    survey = backbone.survey(pipeline.size)
    tap = survey.tap(word, config.layer.pool, config.layer.norm)
    count = sum(map(len, splits.values()))
    device = "cuda" if has_gpu() and config.trainer.accelerator != "cpu" else "cpu"
    return Estimate(
        f"{titled(network_name(backbone.name), word)} at {pipeline.size} pixels",
        device,
        count * _seconds_to_read(splits, pipeline),
        count * seconds_to_forward(backbone.architecture(), tap, pipeline.size, device),
        count * _bytes(config, splits, tap, pipeline),
        backbone.missing_weights() or "",
    )


def _seconds_to_read(splits: Mapping[str, ImageSet], pipeline: Pipeline) -> float:
    """Of one image file; of images in memory nothing."""
    for images in splits.values():
        if isinstance(images, ImageFiles) and len(images):
            decoding = replace(images.decoding, least=pipeline.least)
            few = replace(images.take(TRIED), geometry=pipeline.geometry, decoding=decoding, digests=None)
            start = time.perf_counter()
            few.__getitems__(range(len(few)))
            return (time.perf_counter() - start) / len(few)
    return 0.0


def _bytes(config: Config, splits: Mapping[str, ImageSet], tap: Tap, pipeline: Pipeline) -> int:
    """That are kept of one image."""
    rows = 4 * tap.width
    if not all(isinstance(images, ImageFiles) for images in splits.values()):
        return rows
    thumbnail = 3 * min(PAGE_EDGE, pipeline.size) ** 2 if (config.reducer or {}).get("_target_") else 0
    return rows + SKETCH_WIDTH + thumbnail + (4 * PACKED_WIDTH if "pixels" in config.controls else 0)
