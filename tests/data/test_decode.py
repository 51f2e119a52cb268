"""Image files as people have them: turned, transparent, deep, from phones; and how near half a JPEG is to all of it."""

from __future__ import annotations

import io
import resource
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, features
from PIL.TiffImagePlugin import ImageFileDirectory_v2
from torchvision.transforms import InterpolationMode, functional

from frostmark.data.decode import SUFFIXES, WHOLE, Decoding, decode
from frostmark.data.folder import ImageFolder
from frostmark.data.heif import heic_reader
from frostmark.data.preprocess import MAX_ASPECT, Official, Resize
from frostmark.errors import ConfigError, DataError


class PRESET:
    crop_size, resize_size, mean, std = [224], [256], [0.5] * 3, [0.5] * 3
    interpolation, antialias = InterpolationMode.BILINEAR, True


def photo(width: int = 160, height: int = 120, seed: int = 0) -> Image.Image:
    """Something of every size, and noise."""
    rng = np.random.default_rng(seed)
    picture = rng.normal(128, 6, (height, width, 3))
    for across, strength in ((4, 60), (16, 40), (64, 20)):
        for channel in range(3):
            coarse = rng.normal(0, strength, (across, across)).astype(np.float32)
            picture[..., channel] += np.asarray(
                Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
            )
    return Image.fromarray(picture.clip(0, 255).astype(np.uint8))


def pixels(path: Path, decoding: Decoding = WHOLE) -> np.ndarray:
    """(H, W, 3)."""
    return decode(path, None, decoding).pixels.permute(1, 2, 0).numpy()


# ---------------------------------------------------------------- how much is decoded


@pytest.mark.parametrize(
    ("least", "size"), [(None, (1200, 1600)), (448, (600, 800)), (200, (300, 400)), (1, (150, 200))]
)
def test_of_a_jpeg_no_more_is_decoded_than_is_needed(least: int | None, size: tuple[int, int], tmp_path: Path) -> None:
    photo(1600, 1200).save(tmp_path / "x.jpg")
    photo(1600, 1200).save(tmp_path / "x.png")
    decoded = decode(tmp_path / "x.jpg", None, Decoding(least))
    assert decoded.pixels.shape == (3, *size)
    assert decoded.near == (least is not None)
    whole = decode(tmp_path / "x.png", None, Decoding(least))
    assert whole.pixels.shape == (3, 1200, 1600)
    assert not whole.near


@pytest.mark.parametrize(("side", "part"), [(1600, 2), (1604, 2), (1602, 2), (1601, 1), (900, 2), (894, 1)])
def test_only_a_part_that_divides_both_sides_is_decoded(side: int, part: int, tmp_path: Path) -> None:
    """Else the last pixel of a line would stand for less than the others, and the picture were stretched."""
    photo(side, 1600).save(tmp_path / "x.jpg")
    assert decode(tmp_path / "x.jpg", None, Decoding(448)).pixels.shape == (3, 1600 // part, side // part)


@pytest.mark.parametrize("size", [224, 112, 384])
def test_what_is_handed_to_the_network_is_near_what_every_pixel_gives(size: int, tmp_path: Path) -> None:
    """Below a grey level, of which rounding to 256 of them makes a quarter."""
    for kind in (Resize, Official):
        pipeline = kind(size).pipeline(PRESET())
        for seed, shape in enumerate([(1600, 1200), (901, 1203), (640, 480), (300, 200)]):
            path = tmp_path / f"{seed}.jpg"
            photo(*shape, seed).save(path, quality=92)
            near = pipeline.geometry(decode(path, None, Decoding(pipeline.least)).pixels, near=True).float()
            exact = pipeline.geometry(decode(path).pixels).float()
            difference = (near - exact).abs()
            assert difference.mean() < 0.5, (kind, shape)
            assert difference.max() < 5


def test_exact_decode_decodes_every_pixel() -> None:
    assert Resize(224).pipeline(PRESET()).least == 448
    assert Official(224).pipeline(PRESET()).least == 512
    assert Resize(8).pipeline(PRESET()).least == 64  # the pixels' control has 32 a side
    for kind in (Resize, Official):
        exact, near = kind(224, exact_decode=True).pipeline(PRESET()), kind(224).pipeline(PRESET())
        assert exact.least is None
        assert repr(exact) == repr(near)  # rows of images in memory do not depend on it


# ---------------------------------------------------------------- turned


ORIENTATIONS = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: a.transpose(1, 0, 2)[::-1],
    7: lambda a: a.transpose(1, 0, 2)[::-1, ::-1],
    8: lambda a: a.transpose(1, 0, 2)[:, ::-1],
}
"""EXIF's orientation → what a camera that was held so stores of an upright array."""


@pytest.mark.parametrize("kind", ["png", "webp", "tif", "jpg", "avif"])
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_picture_is_turned_upright(kind: str, orientation: int, tmp_path: Path) -> None:
    if kind == "avif" and not features.check("avif"):
        pytest.skip("this Pillow reads no AVIF")
    upright = np.zeros((64, 96, 3), np.uint8)
    upright[:32, :48] = (250, 10, 10)
    upright[32:, :48] = (10, 250, 10)
    upright[:32, 48:] = (10, 10, 250)
    exif = Image.Exif()
    exif[0x0112] = orientation
    held = Image.fromarray(np.ascontiguousarray(ORIENTATIONS[orientation](upright)))
    options = {"webp": {"lossless": True}}.get(kind, {"quality": 95})
    held.save(tmp_path / f"x.{kind}", exif=exif, **options)
    for decoding in (WHOLE, Decoding(32)):
        shown = pixels(tmp_path / f"x.{kind}", decoding)
        assert shown.shape[0] / shown.shape[1] == pytest.approx(64 / 96)
        h, w = shown.shape[:2]
        corners = shown[[h // 4, 3 * h // 4, h // 4, 3 * h // 4], [w // 4, w // 4, 3 * w // 4, 3 * w // 4]].astype(int)
        expected = np.array([(250, 10, 10), (10, 250, 10), (10, 10, 250), (0, 0, 0)])
        assert np.abs(corners - expected).max() < 12


# ---------------------------------------------------------------- transparent


def test_transparency_shows_white_and_no_hidden_colours(tmp_path: Path) -> None:
    colours = np.zeros((2, 4, 4), np.uint8)
    colours[..., 0] = 200  # red, everywhere
    colours[:, :, 3] = [0, 51, 204, 255]
    Image.fromarray(colours).save(tmp_path / "rgba.png")
    expected = [255, 244, 211, 200], [255, 204, 51, 0]
    for channel, values in ((0, expected[0]), (1, expected[1]), (2, expected[1])):
        assert np.abs(pixels(tmp_path / "rgba.png")[0, :, channel].astype(int) - values).max() <= 1
    grey = np.stack([np.full((2, 4), 40, np.uint8), colours[..., 3]], -1)
    Image.fromarray(grey).save(tmp_path / "la.png")
    assert np.abs(pixels(tmp_path / "la.png")[0].astype(int) - np.array([[255, 212, 83, 40]]).T).max() <= 1
    palette = Image.fromarray(np.array([[0, 1]], np.uint8), "L").convert("P")
    palette.putpalette([9, 9, 9, 200, 0, 0])
    palette.save(tmp_path / "p.png", transparency=0)
    palette.save(tmp_path / "p.gif", transparency=0)
    for name in ("p.png", "p.gif"):
        assert pixels(tmp_path / name)[0].tolist() == [[255, 255, 255], [200, 0, 0]], name
    Image.fromarray(np.full((1, 2, 3), 7, np.uint8)).save(tmp_path / "key.png", transparency=(7, 7, 7))
    assert (pixels(tmp_path / "key.png") == 255).all()


def test_an_opaque_picture_is_as_it_was(tmp_path: Path) -> None:
    photo().convert("RGBA").save(tmp_path / "x.png")
    assert np.array_equal(pixels(tmp_path / "x.png"), np.asarray(photo()))


# ---------------------------------------------------------------- deep


RAMP = np.linspace(0, 4095, 1200).astype(np.uint16).reshape(30, 40)


def with_significant_bits(image: Image.Image, bits: int) -> bytes:
    """A PNG of 16 bits with a chunk that says how many of them are used."""
    file = io.BytesIO()
    image.save(file, "PNG")
    body = b"sBIT" + bytes([bits])
    chunk = struct.pack(">I", 1) + body + struct.pack(">I", zlib.crc32(body))
    return file.getvalue()[:33] + chunk + file.getvalue()[33:]


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_deep_pixels_are_scaled_by_what_the_file_says(bits: int, tmp_path: Path) -> None:
    ramp = (RAMP.astype(int) * (2**bits - 1) // 4095).astype(np.uint16)
    expected = np.stack([ramp >> bits - 8] * 3, -1)
    tags = ImageFileDirectory_v2()
    tags[281] = 2**bits - 1  # MaxSampleValue
    Image.fromarray(ramp).save(tmp_path / "x.tif", tiffinfo=tags)
    (tmp_path / "x.png").write_bytes(with_significant_bits(Image.fromarray(ramp), bits))
    (tmp_path / "x.pgm").write_bytes(b"P5\n40 30\n%d\n" % (2**bits - 1) + ramp.astype(">u2").tobytes())
    for name in ("x.tif", "x.png"):
        assert np.array_equal(pixels(tmp_path / name), expected), name
    assert np.abs(pixels(tmp_path / "x.pgm").astype(int) - expected).max() <= 1  # Pillow scales it by maximum


def test_a_png_that_scaled_its_samples_is_not_scaled_again(tmp_path: Path) -> None:
    """As the format demands: 12 bits are spread over 16, and sBIT says where they came from."""
    ramp = RAMP << 4 | RAMP >> 8
    (tmp_path / "x.png").write_bytes(with_significant_bits(Image.fromarray(ramp), 12))
    assert np.array_equal(pixels(tmp_path / "x.png")[..., 0], ramp >> 8)


def test_a_file_that_does_not_say_is_not_guessed_at(tmp_path: Path) -> None:
    Image.fromarray(RAMP).save(tmp_path / "x.png")
    with pytest.raises(DataError, match=r"4,095 of 65,535.*dataset.bits=12, or dataset.bits=16"):
        decode(tmp_path / "x.png")
    assert np.array_equal(pixels(tmp_path / "x.png", Decoding(bits=12))[..., 0], RAMP >> 4)
    assert np.array_equal(pixels(tmp_path / "x.png", Decoding(bits=16))[..., 0], RAMP >> 8)
    with pytest.raises(DataError, match=r"reach 4,095, more than dataset.bits=10"):
        decode(tmp_path / "x.png", None, Decoding(bits=10))
    Image.fromarray(RAMP << 4).save(tmp_path / "bright.png")
    assert np.array_equal(pixels(tmp_path / "bright.png")[..., 0], RAMP >> 4)
    Image.fromarray(RAMP * 0).save(tmp_path / "black.png")
    assert not pixels(tmp_path / "black.png").any()


def test_bits_are_asked_of_the_folder(tmp_path: Path) -> None:
    for split in ("train", "test"):
        (tmp_path / split / "a").mkdir(parents=True)
        Image.fromarray(RAMP).save(tmp_path / split / "a" / "x.png")
    assert ImageFolder(str(tmp_path), bits=12).split("train").decoding == Decoding(None, 12)
    with pytest.raises(ConfigError, match=r"dataset\.bits=4"):
        ImageFolder(str(tmp_path), bits=4)


# ---------------------------------------------------------------- names and formats


@pytest.mark.parametrize("name", ["x.JFIF", "x.jpe", "x.GIF", "x.pgm", "x.avif", "x.heic"])
def test_files_of_these_names_are_images(name: str, tmp_path: Path) -> None:
    for split in ("train", "test"):
        (tmp_path / split / "a").mkdir(parents=True)
        (tmp_path / split / "a" / name).write_bytes(b"")
    assert Path(name).suffix.lower() in SUFFIXES
    assert len(ImageFolder(str(tmp_path)).split("train")) == 1


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow reads no AVIF")
def test_avif_is_read(tmp_path: Path) -> None:
    photo().save(tmp_path / "x.avif", quality=100, subsampling="4:4:4")
    assert np.abs(pixels(tmp_path / "x.avif").astype(int) - np.asarray(photo())).mean() < 3


HEIC = b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + bytes(64)


@pytest.mark.skipif(bool(heic_reader()), reason="the extra is installed")
def test_without_the_extra_heic_says_how_it_is_installed(tmp_path: Path) -> None:
    (tmp_path / "x.heic").write_bytes(HEIC)
    with pytest.raises(DataError, match=r"pip install 'frostmark\[heic\]'"):
        decode(tmp_path / "x.heic")


@pytest.mark.skipif(not heic_reader(), reason="the extra frostmark[heic] is not installed")
def test_heic_is_read_and_turned_once(tmp_path: Path) -> None:
    import pillow_heif

    pillow_heif.register_heif_opener()
    exif = Image.Exif()
    exif[0x0112] = 6
    photo().transpose(Image.Transpose.ROTATE_90).save(tmp_path / "x.heic", quality=100, exif=exif.tobytes())
    assert (
        np.abs(pixels(tmp_path / "x.heic").astype(int) - np.asarray(photo())).mean() < 12
    )  # colours at half the size; turned wrongly 60
    (tmp_path / "damaged.heic").write_bytes(HEIC)
    with pytest.raises(DataError, match=r"damaged\.heic cannot be read"):
        decode(tmp_path / "damaged.heic")


# ---------------------------------------------------------------- very long


@pytest.mark.parametrize("shape", [(1, 4000), (4000, 1), (3, 20_000)])
def test_very_long_pictures_are_resized_in_bounded_memory(shape: tuple[int, int]) -> None:
    """By their middle: else one line of pixels would become a picture of a gigabyte before it is cropped."""
    image = torch.randint(0, 256, (3, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    around = MAX_ASPECT * min(shape) // 2
    lines, columns = (slice(max(0, side // 2 - around), side // 2 + around) for side in shape)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    made = Official(224).pipeline(PRESET()).geometry(image)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # kilobytes; a gigabyte else
    assert torch.equal(made, Official(224).pipeline(PRESET()).geometry(image[:, lines, columns]))
    assert made.shape == (3, 224, 224)
    assert made.float().std() > 20  # it is the picture, not a border


def test_pictures_that_are_long_but_usual_are_resized_as_torchvision_does() -> None:
    image = torch.randint(0, 256, (3, 20, 20 * MAX_ASPECT), dtype=torch.uint8)
    whole = functional.center_crop(functional.resize(image, [256], antialias=True), [224])
    assert torch.equal(Official(224).pipeline(PRESET()).geometry(image), whole)
