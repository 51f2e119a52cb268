"""Sketches and digests of images: of all sizes, in memory and in files, the same pictures give the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from frostmark.data.decode import decode
from frostmark.data.sketch import EDGE, recognised, sketch
from frostmark.data.source import TensorImages
from frostmark.stats import copies


def test_a_sketch_is_what_copies_are_found_by() -> None:
    assert copies.EDGE == EDGE
    image = torch.zeros((1, 60, 90), dtype=torch.uint8)
    image[:, :, 45:] = 200
    made = sketch(image)
    assert (made.shape, made.dtype) == ((copies.SKETCH_WIDTH,), torch.uint8)
    picture = made[:-1].reshape(EDGE, EDGE)
    assert picture[:, :14].max() == 0
    assert picture[:, -14:].min() == 200
    assert made[-1] == 60


def test_the_shorter_side_is_told_up_to_a_byte() -> None:
    assert sketch(torch.zeros((3, 8, 2000), dtype=torch.uint8))[-1] == 8
    assert sketch(torch.zeros((3, 999, 2000), dtype=torch.uint8))[-1] == 255


def test_grey_pixels_in_three_channels_are_grey() -> None:
    grey = torch.randint(0, 256, (1, 40, 40), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    one, three = sketch(grey).int(), sketch(grey.expand(3, -1, -1)).int()
    assert (one - three).abs().max() <= 1  # the weights of the channels add up to one but for rounding


def test_images_in_memory_are_recognised_one_by_one() -> None:
    images = torch.randint(0, 256, (600, 3, 12, 15), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    images[599] = images[3]
    known = recognised(TensorImages(images, torch.zeros(600, dtype=torch.long)))
    assert known.sketches is not None
    assert known.sketches.shape == (600, copies.SKETCH_WIDTH)
    assert len(set(known.digests)) == 599
    assert known.digests[599] == known.digests[3]
    assert known.sketches[7].tolist() == sketch(images[7]).tolist()


def test_the_same_bytes_of_another_shape_are_another_image() -> None:
    wide, high = torch.zeros((1, 1, 4, 9), dtype=torch.uint8), torch.zeros((1, 1, 9, 4), dtype=torch.uint8)
    label = torch.zeros(1, dtype=torch.long)
    assert recognised(TensorImages(wide, label)).digests != recognised(TensorImages(high, label)).digests


def test_a_file_gives_what_the_array_gives(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    array = torch.from_numpy(pixels).permute(2, 0, 1).contiguous()
    assert sketch(decode(tmp_path / "a.png").pixels).tolist() == sketch(array).tolist()
