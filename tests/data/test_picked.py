"""Some images of a split are a set of their own: those asked for, in that order, found by their content."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from frostmark.data.files import ImageFiles
from frostmark.data.fingerprint import fingerprint
from frostmark.data.picked import picked
from frostmark.data.source import TensorImages

ORDER = np.array([4, 0, 3])


def test_images_in_memory_are_picked() -> None:
    images = TensorImages(torch.arange(5 * 4).to(torch.uint8).reshape(5, 1, 2, 2), torch.arange(5))
    some = picked(images, ORDER)
    assert (len(some), some.labels.tolist(), some.uniform) == (3, [4, 0, 3], True)
    batch = some.__getitems__([2, 0])
    assert batch.indices.tolist() == [2, 0]
    assert batch.labels.tolist() == [3, 4]
    assert torch.equal(batch.images, images.images[[3, 4]])
    assert some.take(2).labels.tolist() == [4, 0]
    some.geometry = abs
    assert images.geometry is abs
    assert len({fingerprint(of) for of in (images, some, picked(images, ORDER[::-1]), some.take(2))}) == 4


def test_image_files_are_picked(tmp_path: Path) -> None:
    paths = [tmp_path / f"{n}.png" for n in range(5)]
    for n, path in enumerate(paths):
        Image.new("RGB", (8, 8), (n, n, n)).save(path)
    files = ImageFiles(paths, torch.arange(5), tmp_path, groups=list("abcde"), digests=[bytes([n]) for n in range(5)])
    some = picked(files, ORDER)
    assert isinstance(some, ImageFiles)
    assert some.files == ["4.png", "0.png", "3.png"]
    assert (some.labels.tolist(), some.groups, some.digests) == ([4, 0, 3], ["e", "a", "d"], [b"\4", b"\0", b"\3"])
    assert files.without({1: "damaged", 2: "damaged"}).skipped == ("1.png", "2.png")
