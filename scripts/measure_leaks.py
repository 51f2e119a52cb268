"""How many planted copies are found in the test split, and how many other images are named: the table of docs/leaks.md.

    python scripts/measure_leaks.py --data <folder with FashionMNIST>
    python scripts/measure_leaks.py --data … --photos <folder of photos> --show near.png

Copies of train images are saved again as JPEG and resized, and looked for beside the test images that there are. Photos
are cut into tiles, which are divided into train and test: two pictures that scikit-learn ships, and those of a folder.
``--show`` draws the test images that are named without having been planted, above the train images that they are like.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_sample_images

from frostmark.data.digits import Digits
from frostmark.data.sketch import sketch
from frostmark.data.torchvision_sets import TorchvisionSet
from frostmark.stats.copies import EDGE, Copies, are_small, near_copies

Pixels = NDArray[np.uint8]

KINDS = {"JPEG 60–95": (1.0, 1.0), "JPEG 60–95, resized to 50–150%": (0.5, 1.5)}
"""Name → the least and the largest size of a copy, as a share of the original's."""

PLANTED = 800


@dataclass(frozen=True)
class Set:
    """Train and test images (H, W) or (H, W, 3) of a name."""

    name: str
    train: Sequence[Pixels]
    test: Sequence[Pixels]


@dataclass(frozen=True)
class Found:
    """What came out for one set and one kind of copy."""

    planted: int
    recovered: int
    others: int
    named: Copies


def saved_again(image: Pixels, rng: np.random.Generator, sizes: tuple[float, float]) -> Pixels:
    """A copy, as a JPEG of some size and quality, read back."""
    picture = Image.fromarray(image)
    scale = rng.uniform(*sizes)
    size = [max(4, round(side * scale)) for side in picture.size]
    if sizes != (1.0, 1.0):
        picture = picture.resize((size[0], size[1]), Image.Resampling.BICUBIC)
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=int(rng.integers(60, 96)))
    return np.array(Image.open(file))


def sketches(images: Sequence[Pixels]) -> Pixels:
    """(N, 1025) of images of any size."""
    return np.stack([sketch(torch.tensor(np.atleast_3d(i)).permute(2, 0, 1).contiguous()).numpy() for i in images])


def measured(of: Set, kind: str, planted: int = PLANTED) -> Found:
    """Plant copies of some train images, and look for them and for near copies of the test images that there are."""
    rng = np.random.default_rng(0)
    chosen = rng.permutation(len(of.train))[:planted]
    train = sketches(of.train)
    copies = near_copies(train, sketches([saved_again(of.train[i], rng, KINDS[kind]) for i in chosen]))
    named = near_copies(train, sketches(of.test))
    return Found(len(chosen), int((chosen[copies.query] == copies.bank).sum()), len(of.test), named)


def fashion_mnist(root: str) -> Set:
    """The real one, or as much of it as is there."""
    source = TorchvisionSet("FashionMNIST", root=root, download=False)
    return Set("FashionMNIST, 28 × 28", *(list(source.split(s).images[:, 0].numpy()) for s in ("train", "test")))


def digits() -> Set:
    """Those of scikit-learn, 8 × 8."""
    return Set("digits, 8 × 8", *(list(Digits().split(s).images[:, 0].numpy()) for s in ("train", "test")))


def photos(folder: Path | None, edge: int) -> Set:
    """Tiles of ``edge`` pixels a side, a third of them in test."""
    pictures = [*load_sample_images().images, *(_pictures(folder) if folder else ())]
    tiles = [tile for picture in pictures for tile in _tiles(picture, edge)]
    order = np.random.default_rng(0).permutation(len(tiles))
    parts = [[tiles[i] for i in part] for part in np.split(order, [2 * len(order) // 3])]
    return Set(f"tiles of {len(pictures)} photos, {edge} × {edge}", *parts)


def _pictures(folder: Path) -> Iterator[Pixels]:
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in (".jpg", ".jpeg", ".png"):
            yield np.array(Image.open(path).convert("RGB"))


def _tiles(picture: Pixels, edge: int) -> Iterator[Pixels]:
    """That do not overlap; those of one colour are left out: nobody has a data set of them."""
    for y in range(0, picture.shape[0] - edge + 1, edge):
        for x in range(0, picture.shape[1] - edge + 1, edge):
            tile = picture[y : y + edge, x : x + edge]
            if np.atleast_3d(tile).mean(2).std() > 5:
                yield tile


def drawn(of: Set, named: Copies) -> Image.Image:
    """The test images of ``named`` above the train images that they are like."""
    pairs = zip(named.query.tolist(), named.bank.tolist(), strict=True)
    columns = [np.vstack([_shown(of.test[query]), _shown(of.train[bank])]) for query, bank in pairs]
    return Image.fromarray(np.hstack(columns) if columns else np.zeros((1, 1), np.uint8))


def _shown(image: Pixels) -> Pixels:
    return np.array(Image.fromarray(image).convert("L").resize((4 * EDGE, 4 * EDGE)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", default="data", help="the folder that holds FashionMNIST/raw")
    parser.add_argument("--photos", type=Path, help="a folder of photos to cut into tiles")
    parser.add_argument("--show", type=Path, help="draw what was named without having been planted")
    options = parser.parse_args()
    sets = [fashion_mnist(options.data), digits(), *(photos(options.photos, edge) for edge in (64, 96, 128))]
    print("| images | train | copies | found | other test images | of these named |")
    print("| --- | --: | --- | --: | --: | --: |")
    for of in sets:
        if are_small(sketches(of.test)):
            print(f"| {of.name} | {len(of.train):,} | too small: only exact copies are searched | | | |")
            continue
        for kind in KINDS:
            found = measured(of, kind)
            recall = f"{found.recovered / found.planted:.1%} of {found.planted:,}"
            share = f"{len(found.named)} ({len(found.named) / found.others:.2%})"
            print(f"| {of.name} | {len(of.train):,} | {kind} | {recall} | {found.others:,} | {share} |")
        if options.show:
            drawn(of, found.named).save(options.show.with_stem(f"{options.show.stem}-{of.name.split(',')[0]}"))


if __name__ == "__main__":
    main()
