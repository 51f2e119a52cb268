"""What a data set holds and what is wrong with it, in seconds and before any weights: what ``check`` prints.

checked = check_images(config, Given(), progress)
checked.remarks, checked.leaks.test, checked.damaged, checked.sizes

Every file is read for its digest. At most :data:`SAMPLE` of them are decoded, as small as their format allows, for
sizes, damage and near copies. What is said of the images is what a run says of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from frostmark.benchmark.estimate import Estimate, estimate
from frostmark.benchmark.leaks import Leaks, leaks_between
from frostmark.benchmark.remarks import group_remarks, image_remarks
from frostmark.benchmark.rows import is_rows
from frostmark.benchmark.subject import Given, backbone_of, search_of
from frostmark.config.build import build
from frostmark.config.schema import Config
from frostmark.data.contract import class_names, read_split
from frostmark.data.decode import Decoding, UnreadableImageError, decode, listed
from frostmark.data.files import ImageFiles
from frostmark.data.sketch import Recognised, recognised, sketch
from frostmark.data.source import SPLITS, ImageSet, Source, TensorImages, files_of, groups_of, said_by
from frostmark.data.threads import each
from frostmark.errors import ConfigError
from frostmark.metrics.metric import Metric
from frostmark.metrics.neighbours import Neighbours
from frostmark.stats.copies import EDGE, SKETCH_WIDTH
from frostmark.stats.grouped import Codes, group_codes
from frostmark.stats.sampling import seeded

SAMPLE = 2_000
"""Image files that are decoded at most, both splits together."""

Progress = Callable[[str], None]
Sizes = NDArray[np.int64]


@dataclass(frozen=True)
class Checked:
    """A data set, as far as it was looked at.

    Attributes:
        name, classes: of the data set.
        labels: (N,) of each split.
        groups: (N,) of each split; None if the images are taken to be independent.
        files: by split, the name of every image's file; empty where the images are not files.
        said: what the data set says of how it was read.
        sizes: (n, 2) width and height of the images that were looked at.
        looked_at: how many of all images were decoded, by split.
        damaged: problems of the files that are not readable images.
        leaks: test images that are copies of train images.
        remarks: warnings, the same as beside the metrics of a run.
        estimate: what the benchmark would take.
    """

    name: str
    classes: tuple[str, ...]
    labels: Mapping[str, NDArray[np.int64]]
    groups: Mapping[str, Codes] | None
    files: Mapping[str, Sequence[str]]
    said: Sequence[str]
    sizes: Sizes
    looked_at: Mapping[str, int]
    damaged: Sequence[str]
    leaks: Leaks
    remarks: Sequence[str]
    estimate: Estimate

    @property
    def images(self) -> dict[str, int]:
        """How many there are, by split."""
        return {split: len(labels) for split, labels in self.labels.items()}


@dataclass(frozen=True)
class _Look:
    """What was seen of one split.

    Attributes:
        known: what copies are found by.
        sizes: (n, 2) width and height.
        damaged: position → problem.
        count: images that were decoded.
    """

    known: Recognised
    sizes: Sizes
    damaged: Mapping[int, str]
    count: int


def check_images(config: Config, given: Given, progress: Progress) -> Checked:
    """Look at the data set of a configuration.

    Raises:
        FrostmarkError: if there is no such data set, or it cannot be read at all.
    """
    if is_rows(config):
        raise ConfigError(
            "check looks at images, and backbone=rows has none", fix="python run.py check dataset=… backbone=resnet18"
        )
    source = given.source or build(config.dataset, "dataset", Source)
    classes = class_names(source)
    splits: dict[str, ImageSet] = {split: read_split(source, split, len(classes)) for split in SPLITS}
    chosen = _chosen({split: len(images) for split, images in splits.items()}, config.seed)
    looks = {split: _looked(images, chosen[split], split, progress) for split, images in splits.items()}
    labels = {split: images.labels.numpy() for split, images in splits.items()}
    groups = _groups(splits)
    progress("timing the network without its weights")
    names = {split: files_of(images) for split, images in splits.items()}
    return Checked(
        source.name,
        classes,
        labels,
        groups,
        {split: of for split, of in names.items() if of is not None},
        [*said_by(source)],
        np.concatenate([look.sizes for look in looks.values()]),
        {split: look.count for split, look in looks.items()},
        [problem for look in looks.values() for problem in look.damaged.values()],
        leaks_between(looks["train"].known, looks["test"].known),
        [*image_remarks(labels, classes, _neighbours(config), search_of(config)), *group_remarks(groups)],
        estimate(config, backbone_of(config, given), _readable(splits, looks)),
    )


def _chosen(counts: Mapping[str, int], seed: int) -> dict[str, NDArray[np.int64]]:
    """By split, the positions of the images that are decoded: half of them each, so that most copies meet."""
    half = SAMPLE // 2
    room = {"train": max(half, SAMPLE - counts["test"]), "test": max(half, SAMPLE - counts["train"])}
    return {
        split: np.sort(seeded(seed, "check", split).permutation(count)[: room[split]])
        for split, count in counts.items()
    }


def _looked(images: ImageSet, chosen: NDArray[np.int64], split: str, progress: Progress) -> _Look:
    if not isinstance(images, ImageFiles):
        progress(f"looking at the images of {split}")
        sizes = np.zeros((0, 2), np.int64)
        if isinstance(images, TensorImages):
            height, width = images.images.shape[-2:]
            sizes = np.array([[width, height]], np.int64)
        return _Look(recognised(images), sizes, {}, len(images))
    digests, damaged = [], {}
    for i, (digest, problem) in enumerate(each(listed, images.paths)):
        progress(f"reading {split}: {i + 1:,} of {len(images):,} files")
        digests.append(digest)
        if problem:
            damaged[i] = problem
    return _decoded(images, digests, damaged, chosen, split, progress)


def _decoded(
    images: ImageFiles,
    digests: list[bytes],
    damaged: dict[int, str],
    chosen: NDArray[np.int64],
    split: str,
    progress: Progress,
) -> _Look:
    """What the chosen files show; of the others, and of damaged ones, there is an empty sketch."""
    decoding = replace(images.decoding, least=2 * EDGE)
    sketches, sizes = np.zeros((len(images), SKETCH_WIDTH), np.uint8), []
    paths = [images.paths[i] for i in chosen.tolist()]
    for done, (i, seen) in enumerate(zip(chosen.tolist(), each(_glance(decoding), paths), strict=True)):
        progress(f"decoding {split}: {done + 1:,} of {len(chosen):,} files")
        if isinstance(seen, str):
            damaged[i] = seen
        else:
            sketches[i], size = seen
            sizes.append(size)
    # A file that cannot be read has no content that another could have.
    known = [b"damaged %d" % i if i in damaged else digest for i, digest in enumerate(digests)]
    return _Look(Recognised(known, sketches), np.array(sizes, np.int64).reshape(-1, 2), damaged, len(chosen))


def _glance(decoding: Decoding) -> Callable[[Path], str | tuple[NDArray[np.uint8], tuple[int, int]]]:
    """Path → sketch and size of the picture, or what is wrong with the file."""

    def glance(path: Path) -> str | tuple[NDArray[np.uint8], tuple[int, int]]:
        try:
            picture = decode(path, None, decoding)
        except UnreadableImageError as problem:
            return problem.problem
        return sketch(picture.pixels).numpy(), picture.size

    return glance


def _readable(splits: Mapping[str, ImageSet], looks: Mapping[str, _Look]) -> dict[str, ImageSet]:
    """The splits without the files that are damaged, as far as is known."""
    return {
        split: images.without(looks[split].damaged) if isinstance(images, ImageFiles) else images
        for split, images in splits.items()
    }


def _groups(splits: Mapping[str, ImageSet]) -> dict[str, Codes] | None:
    ids = {split: groups_of(images) for split, images in splits.items()}
    known = {split: of for split, of in ids.items() if of is not None}
    return group_codes(known) if len(known) == len(ids) else None


def _neighbours(config: Config) -> int | None:
    """How many neighbours vote; None if none are asked."""
    families = (build(node, f"metrics.{name}", Metric) for name, node in config.metrics.items())
    return next((family.k for family in families if isinstance(family, Neighbours)), None)
