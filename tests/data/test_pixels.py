"""Pixels as features and as pictures: in the right shape, in the right order, of any images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import InterpolationMode

from frostmark.data.decode import Decoding, decode
from frostmark.data.digits import Digits
from frostmark.data.files import ImageFiles
from frostmark.data.folder import ImageFolder
from frostmark.data.pixels import EDGE, packed, pixel_rows, thumbnails
from frostmark.data.preprocess import Official, Resize
from frostmark.data.source import SPLITS, ImageSet, TensorImages


class PRESET:
    crop_size, resize_size, mean, std = [224], [256], [0.5] * 3, [0.5] * 3
    interpolation = InterpolationMode.BICUBIC
    antialias = True


def images_of(shape: tuple[int, int, int, int], seed: int = 0) -> TensorImages:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    return TensorImages(images, torch.arange(shape[0]) % 3)


def rows_of(images: ImageSet) -> np.ndarray:
    return pixel_rows({"train": images})["train"].numpy()


@pytest.fixture
def folder(tmp_path: Path) -> ImageFiles:
    """Images of one colour each, in sizes of their own."""
    for label, name in enumerate(("cat", "dog")):
        for i, size in enumerate([(20, 10), (7, 33), (300, 200), (64, 64)]):
            (tmp_path / "train" / name).mkdir(parents=True, exist_ok=True)
            (tmp_path / "test" / name).mkdir(parents=True, exist_ok=True)
            for split in SPLITS:
                Image.new("RGB", size, (100 * label, 10 * i, 200)).save(tmp_path / split / name / f"{i}.png")
    return ImageFolder(str(tmp_path)).split("train")


def colours(images: ImageFiles) -> np.ndarray:
    """(N, 3) of the files, by their names."""
    return np.array([(100 * (p.parent.name == "dog"), 10 * int(p.stem), 200) for p in images.paths])


@pytest.mark.parametrize(
    ("shape", "width"), [((5, 1, 28, 28), 784), ((5, 3, 32, 32), 3072), ((5, 1, 8, 8), 64), ((300, 1, 4, 6), 24)]
)
def test_small_images_are_their_pixels(shape: tuple[int, int, int, int], width: int) -> None:
    images = images_of(shape)
    rows = rows_of(images)
    assert rows.shape == (shape[0], width)
    assert rows.dtype == np.float32
    assert np.array_equal(rows, images.images.reshape(shape[0], width).numpy())


@pytest.mark.parametrize(
    ("shape", "width"),
    [((5, 1, 33, 33), EDGE**2), ((5, 3, 96, 96), 3 * EDGE**2), ((300, 3, 40, 20), 3072), ((2, 1, 16, 64), 1024)],
)
def test_larger_images_are_reduced(shape: tuple[int, int, int, int], width: int) -> None:
    images = images_of(shape)
    rows = rows_of(images)
    assert rows.shape == (shape[0], width)
    assert rows.dtype == np.float32
    # Averages of pixels: none darker or brighter than the image, and the image's own mean, but for its border.
    flat = images.images.flatten(1).float().numpy()
    assert (rows.min(1) >= flat.min(1) - 1e-3).all()
    assert (rows.max(1) <= flat.max(1) + 1e-3).all()
    np.testing.assert_allclose(rows.mean(1), flat.mean(1), atol=5)
    flat_images = TensorImages(torch.full((2, *shape[1:]), 77, dtype=torch.uint8), torch.zeros(2))
    np.testing.assert_allclose(rows_of(flat_images), 77, rtol=1e-6)


def test_a_reduced_image_keeps_its_colours_and_places() -> None:
    image = torch.zeros((1, 3, 64, 64), dtype=torch.uint8)
    image[0, 1, :32, 32:] = 200  # green, upper right
    small = rows_of(TensorImages(image, torch.zeros(1))).reshape(3, EDGE, EDGE)
    assert not small[[0, 2]].any()
    assert small[1, 4, 28] == 200
    assert not small[1, 20:].any()
    assert not small[1, :, :12].any()


def test_the_images_stay_in_their_order() -> None:
    """Also where they are more than are taken at once."""
    images = TensorImages((torch.arange(600) % 251).to(torch.uint8).reshape(-1, 1, 1, 1), torch.zeros(600))
    assert rows_of(images)[:, 0].tolist() == [i % 251 for i in range(600)]


def test_real_digits() -> None:
    images = Digits().split("test")
    assert rows_of(images).shape == (500, 64)
    assert thumbnails(images, [0, 499]).shape == (2, 8, 8, 3)


@pytest.mark.parametrize("edge", [16, 64])
def test_a_folder_of_images_of_different_sizes(edge: int, folder: ImageFiles) -> None:
    """They are squashed to one square, and how the network gets them changes nothing."""
    before = rows_of(folder)
    folder.geometry = Resize(edge).pipeline(PRESET()).geometry
    rows = rows_of(folder)
    assert rows.shape == (8, 3 * EDGE**2)
    assert rows.dtype == np.float32
    assert np.array_equal(rows, before)
    assert folder.geometry is not None
    np.testing.assert_allclose(rows.reshape(8, 3, -1).mean(2), colours(folder), rtol=1e-5, atol=1e-3)


def test_small_images_of_different_sizes_are_brought_to_the_longest_side(tmp_path: Path) -> None:
    for split in SPLITS:
        (tmp_path / split / "one").mkdir(parents=True)
        for i, size in enumerate([(20, 10), (7, 24)]):
            Image.new("L", size, 50 * i).save(tmp_path / split / "one" / f"{i}.png")
    rows = rows_of(ImageFolder(str(tmp_path)).split("train"))
    assert rows.shape == (2, 24**2)
    assert sorted(rows.mean(1).round(3)) == [0, 50]


def _written(images: torch.Tensor, root: Path) -> ImageFolder:
    """Both splits of ``images`` (N, C, H, W) as PNG files, called after their numbers."""
    for split in SPLITS:
        (root / split / "all").mkdir(parents=True)
        for i, image in enumerate(images):
            picture = image[0] if len(image) == 1 else image.permute(1, 2, 0)
            Image.fromarray(picture.numpy()).save(root / split / "all" / f"{i}.png")
    return ImageFolder(str(root))


@pytest.mark.parametrize("shape", [(40, 1, 28, 28), (40, 3, 32, 32), (40, 1, 50, 50), (40, 3, 61, 45)])
def test_a_folder_of_lossless_files_gives_the_rows_of_the_arrays(shape: tuple[int, ...], tmp_path: Path) -> None:
    """To the bit: no resize to the network's size and back."""
    images = images_of(shape).images
    files = _written(images, tmp_path).split("test")
    order = [int(path.stem) for path in files.paths]
    for size in (24, 224):
        files.geometry = Resize(size).pipeline(PRESET()).geometry
        of_files = rows_of(files)
        assert np.array_equal(of_files, rows_of(TensorImages(images[order], torch.zeros(40))))
    assert of_files.shape[1] == shape[1] * min(EDGE, shape[2]) * min(EDGE, shape[3])


def test_real_digits_in_a_folder_give_the_rows_of_the_arrays(tmp_path: Path) -> None:
    digits = Digits().split("test").take(60)
    files = _written(digits.images, tmp_path).split("train")
    order = [int(path.stem) for path in files.paths]
    assert np.array_equal(rows_of(files), rows_of(digits)[order])


def test_grey_is_one_channel_only_where_all_images_of_both_splits_are_grey() -> None:
    grey = torch.full((2, 3, 8, 8), 9, dtype=torch.uint8)  # what grey files are decoded to
    coloured = grey.clone()
    coloured[1, 0] = 200
    sets = {"train": TensorImages(grey, torch.zeros(2)), "test": TensorImages(coloured, torch.zeros(2))}
    assert {split: rows.shape[1] for split, rows in pixel_rows(sets).items()} == {"train": 192, "test": 192}
    assert pixel_rows(sets)["test"][1].tolist() == [200.0] * 64 + [9.0] * 128
    assert rows_of(sets["train"]).shape[1] == 64


@pytest.mark.parametrize("channels", [1, 3])
def test_thumbnails_are_the_images(channels: int) -> None:
    images = images_of((10, channels, 28, 20))
    found = thumbnails(images, [7, 2, 7]).numpy()
    assert found.shape == (3, 28, 20, 3)
    assert found.dtype == np.uint8
    for thumbnail, position in zip(found, (7, 2, 7), strict=True):
        for c in range(3):
            assert np.array_equal(thumbnail[..., c], images.images[position, min(c, channels - 1)].numpy())


@pytest.mark.parametrize("preprocess", [Resize(24), Official(24)])
def test_thumbnails_of_a_folder_of_images_of_different_sizes(preprocess: Resize | Official, folder: ImageFiles) -> None:
    folder.geometry = preprocess.pipeline(PRESET()).geometry
    found = thumbnails(folder, [5, 0, 3]).numpy()
    assert found.shape == (3, 24, 24, 3)
    assert found.dtype == np.uint8
    for thumbnail, position in zip(found, (5, 0, 3), strict=True):
        assert (np.abs(thumbnail.astype(int) - colours(folder)[position]) <= 1).all()


def test_values_between_and_beyond_the_grey_levels_are_rounded_and_cut(folder: ImageFiles) -> None:
    values = torch.tensor([-3.7, 0.4, 0.6, 127.51, 254.6, 300.0])
    folder.geometry = lambda image: values.reshape(1, 2, 3).expand(3, 2, 3)
    (found,) = thumbnails(folder, [0])
    assert found[..., 1].flatten().tolist() == [0, 0, 1, 128, 255, 255]


def test_large_images_are_reduced_to_thumbnails_of_their_shape() -> None:
    images = images_of((300, 3, 96, 48))
    found = thumbnails(images, list(range(300)), edge=64)
    assert found.shape == (300, 64, 32, 3)
    assert found.dtype == torch.uint8
    mean = images.images.float().mean((2, 3))
    np.testing.assert_allclose(found.float().mean((1, 2)).numpy(), mean.numpy(), atol=3)
    assert thumbnails(images, [0], edge=96).shape == (1, 96, 48, 3)


def test_pixels_of_a_jpeg_that_was_not_decoded_whole_are_near_those_of_all_of_it(tmp_path: Path) -> None:
    """Resized in eight bits: within a grey level; a grey file stays one channel."""
    coarse = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    photo = Image.fromarray(coarse).resize((1600, 1200), Image.Resampling.BICUBIC)
    for name, image, channels in (("colour.jpg", photo, 3), ("grey.jpg", photo.convert("L"), 1)):
        image.save(tmp_path / name, quality=95)
        near, whole = (packed(decode(tmp_path / name, None, Decoding(least))) for least in (448, None))
        assert near[0] == whole[0] == channels
        assert near[1:3].tolist() == [600, 800]
        difference = (near - whole)[3 : 3 + channels * EDGE * EDGE].abs()
        assert difference.mean() < 0.5
        assert difference.max() < 2
