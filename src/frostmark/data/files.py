"""Image files: decoded when they are asked for, and to the byte what they were when they were listed.

images = ImageFiles(paths, labels, root, decoding=Decoding(least=448), geometry=pipeline.geometry)
images.__getitems__([0, 1, 2]).images       # (3, 3, 224, 224)
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import get_worker_info

from frostmark.data.decode import WHOLE, Decoded, Decoding, Held, decode, listed
from frostmark.data.paths import PathList
from frostmark.data.source import Batch, ImageSet
from frostmark.data.threads import each
from frostmark.errors import ConfigError
from frostmark.names import storable

Observe = Callable[[Decoded, Tensor], Tensor]
"""An image as it was decoded, and as the network gets it → (D,): what else is wanted of it."""


@dataclass
class ImageFiles:
    """Images decoded when they are asked for.

    Attributes:
        paths: in the order of the split; of files, kept as their names alone.
        labels: (N,) int64.
        root: the folder of the data set, which the paths are named from.
        decoding: how much of them is decoded.
        skip_bad: whether files that are no readable image are left out instead of refused.
        skipped: names of those that were.
        digests: of every file as it was listed; None before.
        groups: of every image; None where none are known.
        geometry: as of any set; it takes ``near``, too: whether a picture is only near that of its file.
        observe: what else is wanted of every image.
    """

    paths: Sequence[Path | Held]
    labels: Tensor
    root: Path
    uniform: bool = False
    geometry: Callable[..., Tensor] | None = None
    skip_bad: bool = False
    skipped: tuple[str, ...] = ()
    digests: list[bytes] | None = None
    groups: Sequence[Hashable] | None = None
    decoding: Decoding = WHOLE
    observe: tuple[Observe, ...] = ()

    @classmethod
    def chosen(
        cls,
        positions: Sequence[int],
        paths: PathList,
        labels: Sequence[int],
        groups: Sequence[Hashable] | None,
        root: Path,
        on_bad_image: str,
        bits: int | None,
    ) -> ImageFiles:
        """The images at some positions of a data set, in that order; how they are read see :func:`check_reading`."""
        return cls(
            paths.at(positions),
            torch.tensor(labels, dtype=torch.long)[torch.tensor(positions, dtype=torch.long)],
            root,
            skip_bad=on_bad_image == "skip",
            groups=None if groups is None else [groups[i] for i in positions],
            decoding=Decoding(bits=bits),
        )

    def __post_init__(self) -> None:
        files = [path for path in self.paths if isinstance(path, Path)] if isinstance(self.paths, list) else []
        if files and len(files) == len(self.paths):
            self.paths = PathList.below(self.root, files)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        """Images as float32 or, where all of them are JPEGs that were not decoded whole, as uint8."""
        index = torch.as_tensor(indices)
        alone = get_worker_info() is None  # no other process decodes meanwhile
        images = list(each(self._image, indices) if alone else map(self._image, indices))
        seen = tuple(map(torch.stack, zip(*(of for _, of in images), strict=True)))
        return Batch(index, _stacked([image for image, _ in images]), self.labels[index], seen)

    def _image(self, position: int) -> tuple[Tensor, list[Tensor]]:
        assert self.geometry is not None, "the data module sets the geometry of sets that are not uniform"
        digest = None if self.digests is None else self.digests[position]
        picture = decode(self.paths[position], digest, self.decoding)
        image = self.geometry(picture.pixels, near=True) if picture.near else self.geometry(picture.pixels)
        return image, [observe(picture, image) for observe in self.observe]

    def take(self, count: int) -> ImageFiles:
        digests = None if self.digests is None else self.digests[:count]
        groups = None if self.groups is None else self.groups[:count]
        return replace(self, paths=self.paths[:count], labels=self.labels[:count], digests=digests, groups=groups)

    def content(self) -> Sequence[bytes]:
        """Relative path and digest of every file, and the names of those that were skipped."""
        digests = self.digests or [listed(path)[0] for path in self.paths]
        names = self._names
        left_out = [b"skipped\0" + name.encode("utf-8", "surrogateescape") for name in self.skipped]
        return [
            n.encode("utf-8", "surrogateescape") + b"\0" + d for n, d in zip(names, digests, strict=True)
        ] + left_out

    @property
    def files(self) -> list[str]:
        """The name of every file, from the folder of the data set."""
        return [storable(name) for name in self._names]

    @property
    def _names(self) -> Sequence[str]:
        return self.paths.names if isinstance(self.paths, PathList) else [self.name(path) for path in self.paths]

    def name(self, path: Path | Held) -> str:
        """How a file is called in the data set."""
        return str(path.relative_to(self.root)) if isinstance(path, Path) else path.name

    def without(self, bad: Mapping[int, str]) -> ImageFiles:
        """The set without the files at some positions."""
        kept = [i for i in range(len(self)) if i not in bad]
        return replace(self.at(kept), skipped=tuple(self.name(self.paths[i]) for i in sorted(bad)))

    def at(self, positions: Sequence[int]) -> ImageFiles:
        """The files at some positions, in that order."""
        return replace(
            self,
            paths=self.paths.at(positions) if isinstance(self.paths, PathList) else [self.paths[i] for i in positions],
            labels=self.labels[list(positions)],
            digests=None if self.digests is None else [self.digests[i] for i in positions],
            groups=None if self.groups is None else [self.groups[i] for i in positions],
        )


def check_reading(on_bad_image: str, bits: int | None) -> None:
    """Refuse what does not say how files are read.

    Raises:
        ConfigError: if ``on_bad_image`` or ``bits`` is not one of its values.
    """
    if on_bad_image not in ("error", "skip"):
        raise ConfigError(
            f"dataset.on_bad_image={on_bad_image} is neither error nor skip", fix="dataset.on_bad_image=skip"
        )
    if bits is not None and not 8 <= bits <= 16:
        raise ConfigError(f"dataset.bits={bits} is not a depth of images", fix="dataset.bits=12 (8 to 16)")


def _stacked(images: Sequence[Tensor]) -> Tensor:
    """(N, 3, S, S): of one kind, whatever the company that an image is in."""
    if all(image.dtype == torch.uint8 for image in images):
        return torch.stack(list(images))
    return torch.stack([image.to(torch.float32) for image in images])


def decoding_of(images: ImageSet) -> list[str]:
    """How the files of a split are decoded, in words; nothing of a split that has none."""
    return [str(images.decoding)] if isinstance(images, ImageFiles) else []


def left_out(splits: Mapping[str, ImageSet]) -> list[str]:
    """What must be said of files that are no readable image, where they are left out."""
    skipped = {split: images.skipped for split, images in splits.items() if isinstance(images, ImageFiles)}
    return [
        f"{split}: left out, because no image can be read: {len(names):,} of {len(names) + len(splits[split]):,} files "
        f"({storable(names[0])}{', …' if len(names) > 1 else ''})"
        for split, names in skipped.items()
        if names
    ]
