"""Damaged, hostile and odd image files: each is read as it should be, or refused in words that name it."""

from __future__ import annotations

import io
import os
import random
import resource
import stat
import struct
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import EpsImagePlugin, Image
from PIL.PngImagePlugin import PngInfo

from conftest import Program
from faults.tally import tally
from frostmark.data.decode import MAX_BYTES, decode
from frostmark.data.files import ImageFiles
from frostmark.data.fingerprint import fingerprint
from frostmark.data.inspection import inspected
from frostmark.errors import DataError

READ, REFUSED = "read", "refused"
EITHER = "either"
"""What was flipped may lie in a pixel or in what leads to it, and decoders differ in what they still make sense of."""

LONGEST = 5.0
MAX_MEMORY = 500 * 2**20

Write = Callable[[Path], None]


@dataclass(frozen=True)
class File:
    """A file to be tried, and what must come of it."""

    name: str
    write: Write
    verdict: str


def content(data: bytes) -> Write:
    def write(path: Path) -> None:
        path.write_bytes(data)

    return write


# ---------------------------------------------------------------- pictures as they should be


def picture(width: int = 40, height: int = 30) -> Image.Image:
    """Neither flat nor noise, so that every format has something to compress."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    return Image.fromarray(np.stack([x * 6, y * 8, (x * y) % 256], axis=-1).astype(np.uint8))


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


KINDS = {"JPEG": "jpg", "PNG": "png", "BMP": "bmp", "TIFF": "tif", "WEBP": "webp", "PPM": "ppm", "GIF": "gif"}
"""Every format that is read, and what its files are called."""

WHOLE = {kind: saved(picture(), kind) for kind in KINDS}


# ---------------------------------------------------------------- damage


def whole() -> Iterator[File]:
    for kind, suffix in KINDS.items():
        yield File(f"whole.{suffix}", content(WHOLE[kind]), READ)
        yield File(f"empty.{suffix}", content(b""), REFUSED)


def truncated() -> Iterator[File]:
    for kind, suffix in KINDS.items():
        data = WHOLE[kind]
        for share in (0.01, 0.1, 0.3, 0.6, 0.9):
            yield File(f"cut_at_{share}.{suffix}", content(data[: int(len(data) * share)]), REFUSED)


def flipped() -> Iterator[File]:
    chance = random.Random(7)
    for kind, suffix in KINDS.items():
        for number in range(6):
            data = bytearray(WHOLE[kind])
            for _ in range(4):
                data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
            yield File(f"flipped_{number}.{suffix}", content(bytes(data)), EITHER)


def garbage() -> Iterator[File]:
    noise = random.Random(3).randbytes(4096)
    for name, data in {
        "noise.jpg": noise, "zeros.png": bytes(4096), "ones.bmp": b"\xff" * 4096, "text.jpg": b"class,label\n" * 99,
        "page.png": b"<!DOCTYPE html><html></html>", "script.jpg": b"#!/bin/sh\ntouch executed\n",
        "archive.png": b"PK\x03\x04" + noise, "jpeg_then_noise.jpg": b"\xff\xd8\xff\xe0" + noise,
        "png_then_noise.png": b"\x89PNG\r\n\x1a\n" + noise, "tiff_then_noise.tif": b"II*\x00" + noise,
        "webp_then_noise.webp": b"RIFF\xff\x0f\x00\x00WEBPVP8 " + noise, "bmp_then_noise.bmp": b"BM" + noise,
        "pointer.jpg": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 7\n",
    }.items():  # fmt: skip
        yield File(name, content(data), REFUSED)


# ---------------------------------------------------------------- what starts programs, or is not asked for


POSTSCRIPT = (
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 20 20\n%%EndComments\n"
    b"(%pipe%touch executed) (w) file closefile\nshowpage\n%%EOF\n"
)
PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog/OpenAction<</S/Launch/F(touch executed)>>>>endobj\ntrailer<</Root 1 0 R>>\n"
SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'


def foreign() -> Iterator[File]:
    for suffix in ("jpg", "png", "tif"):
        yield File(f"postscript.{suffix}", content(POSTSCRIPT), REFUSED)
    binary = struct.pack("<4sIIIIII", b"\xc5\xd0\xd3\xc6", 32, len(POSTSCRIPT), 0, 0, 0, 0) + b"\xff\xff\0\0"
    yield File("postscript_of_dos.jpg", content(binary + POSTSCRIPT), REFUSED)
    yield File("document.jpg", content(PDF), REFUSED)
    yield File("drawing.png", content(SVG), REFUSED)
    for kind in ("TGA", "ICO", "PCX", "SGI", "JPEG2000", "PDF", "EPS"):
        try:
            data = saved(picture(), kind)
        except (OSError, KeyError):  # a format that this Pillow was built without
            continue
        yield File(f"{kind.lower()}_called.jpg", content(data), REFUSED)
    yield File("png_called.jpg", content(WHOLE["PNG"]), READ)
    yield File("jpeg_called.png", content(WHOLE["JPEG"]), READ)
    yield File("gif_called.tif", content(WHOLE["GIF"]), READ)
    yield File("picture_before_a_program.jpg", content(WHOLE["JPEG"] + b"#!/bin/sh\ntouch executed\n"), READ)


# ---------------------------------------------------------------- bombs


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, data: bytes = b"", *more: bytes, depth: int = 8, colour: int = 2) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(more) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def zeros(count: int) -> bytes:
    """``count`` zero bytes, compressed piece by piece."""
    pack = zlib.compressobj(9)
    pieces = [pack.compress(bytes(2**20)) for _ in range(count // 2**20)]
    return b"".join(pieces) + pack.compress(bytes(count % 2**20)) + pack.flush()


def declared(width: int, height: int) -> Iterator[tuple[str, bytes]]:
    """Files of a few bytes that claim to be of that size."""
    yield "png", png(width, height, zlib.compress(bytes(100)))
    start = WHOLE["JPEG"].index(b"\xff\xc0") + 5
    size = struct.pack(">HH", min(height, 65535), min(width, 65535))
    yield "jpg", WHOLE["JPEG"][:start] + size + WHOLE["JPEG"][start + 4 :]
    yield "bmp", WHOLE["BMP"][:18] + struct.pack("<ii", width, height) + WHOLE["BMP"][26:]
    yield "ppm", b"P6\n%d %d\n255\n" % (width, height) + bytes(100)
    size = struct.pack("<HH", min(width, 65535), min(height, 65535))
    yield "gif", WHOLE["GIF"][:6] + size + WHOLE["GIF"][10:]
    entry = "<HHII"
    tags = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 8),
            (277, 3, 1, 1), (278, 4, 1, height), (279, 4, 1, 100)]  # fmt: skip
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack(entry, *tag) for tag in tags) + bytes(4)
    yield "tif", b"II*\x00" + struct.pack("<I", 8) + directory + bytes(100)


def bombs() -> Iterator[File]:
    for suffix, data in declared(60_000, 60_000):
        yield File(f"declares_60000.{suffix}", content(data), REFUSED)
    yield File("declares_most.png", content(png(2**31 - 1, 2**31 - 1)), REFUSED)
    yield File("negative.bmp", content(WHOLE["BMP"][:18] + struct.pack("<ii", -40, 30) + WHOLE["BMP"][26:]), REFUSED)
    # Sizes at which Pillow only warns: a hundred kilobytes become hundreds of megabytes, in eight threads at once.
    yield File(
        "13000_square.png", content(png(13_000, 13_000, zeros(13_000 * (13_000 // 8 + 1)), depth=1, colour=0)), REFUSED
    )
    yield File("too_many_bytes.png", content(png(40, 30, zeros(64 * 2**20))), READ)
    text = b"Comment\0\1\0\0\0" + zeros(200 * 2**20)
    yield File("bomb_in_itxt.png", content(png(1, 1, zlib.compress(bytes(4)), chunk(b"iTXt", text))), EITHER)
    profile = b"icc\0\0" + zeros(200 * 2**20)
    yield File("bomb_in_profile.png", content(png(1, 1, zlib.compress(bytes(4)), chunk(b"iCCP", profile))), EITHER)
    many = [chunk(b"tEXt", b"k%d\0" % i + b"v" * 100) for i in range(5000)]
    yield File("many_texts.png", content(png(1, 1, zlib.compress(bytes(4)), *many)), READ)


def no_size() -> Iterator[File]:
    for width, height in ((0, 30), (40, 0), (0, 0)):
        for suffix, data in declared(width, height):
            if suffix not in ("bmp", "gif"):
                yield File(f"{width}_by_{height}.{suffix}", content(data), REFUSED)
    yield File("0_by_0.bmp", content(WHOLE["BMP"][:18] + bytes(8) + WHOLE["BMP"][26:]), REFUSED)


# ---------------------------------------------------------------- checksums and metadata


def checksums() -> Iterator[File]:
    data = WHOLE["PNG"]
    for name, place in {"IHDR": data.index(b"IHDR") + 6, "IDAT": data.index(b"IDAT") + 40}.items():
        wrong = bytearray(data)
        wrong[place] ^= 1
        yield File(f"wrong_checksum_of_{name}.png", content(bytes(wrong)), REFUSED)
    without_end = data[: data.index(b"IEND") - 4]
    yield File("no_end.png", content(without_end), READ)  # every pixel is there
    yield File("picture_missing.png", content(data[: data.index(b"IDAT") - 4] + chunk(b"IEND", b"")), REFUSED)


def metadata() -> Iterator[File]:
    noise = random.Random(5).randbytes(300)
    for name, exif in {
        "noise": b"Exif\0\0" + noise, "headless": b"Exif\0\0II*\0", "looping": b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01",
        "far": b"Exif\0\0II*\0\xff\xff\xff\x7f",
    }.items():  # fmt: skip
        yield File(f"exif_{name}.jpg", content(saved(picture(), "JPEG", exif=exif)), READ)
        yield File(f"exif_{name}.webp", content(saved(picture(), "WEBP", exif=exif)), READ)
    yield File("profile_of_noise.jpg", content(saved(picture(), "JPEG", icc_profile=noise)), READ)
    information = PngInfo()
    information.add_text("Software", "\0é犬<script>")
    yield File("odd_text.png", content(saved(picture(), "PNG", pnginfo=information)), READ)


# ---------------------------------------------------------------- odd, but pictures


def odd() -> Iterator[File]:
    grey, alpha = picture().convert("L"), picture().convert("RGBA")
    for name, image, kind, options in (
        ("cmyk.jpg", picture().convert("CMYK"), "JPEG", {}), ("cmyk.tif", picture().convert("CMYK"), "TIFF", {}),
        ("grey.jpg", grey, "JPEG", {}), ("grey_alpha.png", picture().convert("LA"), "PNG", {}),
        ("alpha.png", alpha, "PNG", {}), ("alpha.webp", alpha, "WEBP", {}), ("alpha.tif", alpha, "TIFF", {}),
        ("palette.png", picture().convert("P"), "PNG", {}), ("palette.bmp", picture().convert("P"), "BMP", {}),
        ("palette_transparent.png", picture().convert("P"), "PNG", {"transparency": 3}),
        ("palette_alpha.png", picture().convert("P"), "PNG", {"transparency": bytes(range(256))}),
        ("bits.png", picture().convert("1"), "PNG", {}), ("bits.tif", picture().convert("1"), "TIFF", {}),
        ("bits.pbm.ppm", picture().convert("1"), "PPM", {}), ("lab.tif", picture().convert("LAB"), "TIFF", {}),
        ("ycbcr.tif", picture().convert("YCbCr"), "TIFF", {}), ("lossless.webp", picture(), "WEBP", {"lossless": True}),
        ("progressive.jpg", picture(), "JPEG", {"progressive": True}), ("one_pixel.png", picture(1, 1), "PNG", {}),
        ("thin.png", picture(1, 5000), "PNG", {}), ("packed.tif", picture(), "TIFF", {"compression": "packbits"}),
        ("deflated.tif", picture(), "TIFF", {"compression": "tiff_adobe_deflate"}),
        ("lzw.tif", picture(), "TIFF", {"compression": "tiff_lzw"}),
    ):  # fmt: skip
        yield File(name, content(saved(image, kind, **options)), READ)
    yield File("interlaced.png", content(interlaced()), READ)


def interlaced() -> bytes:
    """A grey Adam7 PNG of 1 × 1, which Pillow does not write itself."""
    data = bytearray(png(1, 1, zlib.compress(b"\0\x80"), colour=0))
    place = data.index(b"IHDR")
    data[place + 16] = 1
    data[place + 17 : place + 21] = struct.pack(">I", zlib.crc32(bytes(data[place : place + 17])))
    return bytes(data)


def deep() -> Iterator[File]:
    ramp = (np.arange(1200).reshape(30, 40) * 50).astype(np.uint16)
    yield File("deep.png", content(saved(Image.fromarray(ramp), "PNG")), READ)
    yield File("deep.tif", content(saved(Image.fromarray(ramp), "TIFF")), READ)
    yield File("integers.tif", content(saved(Image.fromarray(ramp.astype(np.int32)), "TIFF")), READ)
    wide = ramp.astype(np.int32) * 1000
    yield File("wide_integers.tif", content(saved(Image.fromarray(wide), "TIFF")), REFUSED)
    yield File("negative_integers.tif", content(saved(Image.fromarray(-wide), "TIFF")), REFUSED)
    yield File("floats.tif", content(saved(Image.fromarray(ramp.astype(np.float32)), "TIFF")), REFUSED)
    undefined = np.full((30, 40), np.nan, np.float32)
    yield File("no_numbers.tif", content(saved(Image.fromarray(undefined), "TIFF")), REFUSED)


RED, BLUE = Image.new("RGB", (8, 8), "#ff0000"), Image.new("RGB", (8, 8), "#0000ff")


def moving() -> Iterator[File]:
    for kind in ("GIF", "WEBP", "TIFF", "PNG"):
        options = {"lossless": True} if kind == "WEBP" else {}
        data = saved(RED, kind, save_all=True, append_images=[BLUE, BLUE], **options)
        yield File(f"moving.{KINDS[kind]}", content(data), READ)
    many = saved(RED, "GIF", save_all=True, append_images=[Image.new("RGB", (8, 8), (i, 0, 0)) for i in range(200)])
    yield File("two_hundred.gif", content(many), READ)


# ---------------------------------------------------------------- what is no file


def no_files() -> Iterator[File]:
    yield File("folder.png", Path.mkdir, REFUSED)
    yield File("pipe.png", os.mkfifo, REFUSED)
    yield File("missing.png", lambda path: None, REFUSED)
    yield File("link_to_nothing.png", lambda path: path.symlink_to("nowhere.png"), REFUSED)
    yield File("link_to_itself.png", lambda path: path.symlink_to(path), REFUSED)
    yield File("endless.png", lambda path: path.symlink_to("/dev/zero"), REFUSED)
    yield File("terminal.png", lambda path: path.symlink_to("/dev/tty"), REFUSED)
    yield File("enormous.png", enormous, REFUSED)
    if os.geteuid() != 0:
        yield File("secret.png", secret, REFUSED)


def enormous(path: Path) -> None:
    """A terabyte of holes behind the beginning of a picture."""
    path.write_bytes(WHOLE["PNG"][:40])
    os.truncate(path, 2**40)


def secret(path: Path) -> None:
    path.write_bytes(WHOLE["PNG"])
    path.chmod(0)


def names() -> Iterator[File]:
    for name in (
        "$(touch executed).png",
        "; touch executed;.jpg",
        "|touch executed.png",
        "犬 é.png",
        "-rf.png",
        "n" * 250 + ".png",
    ):
        yield File(name, content(WHOLE["PNG"]), READ)


GROUPS = (
    whole, truncated, flipped, garbage, foreign, bombs, no_size, checksums, metadata, odd, deep, moving, no_files,
    names,
)  # fmt: skip


# ---------------------------------------------------------------- what must not happen


_watched: list[str] | None = None


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    """Programs that are started, and files that are opened for writing, while somebody looks."""
    if _watched is None:
        return
    if event in ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.spawn", "socket.connect"):
        _watched.append(f"{event} {arguments!r}")
    if event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        _watched.append(f"{event} {arguments!r}")


sys.addaudithook(_watch)


@contextmanager
def watching() -> Iterator[list[str]]:
    global _watched
    _watched = seen = []
    try:
        yield seen
    finally:
        _watched = None


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a Ghostscript in the way that leaves a mark."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "gs"
    here = tmp_path / "here"
    program.write_text(f"#!/bin/sh\ntouch '{here / 'executed'}'\n", encoding="utf-8")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)  # it remembers that there was none
    here.mkdir()
    monkeypatch.chdir(here)
    return here


def outcome(path: Path) -> tuple[str, str]:
    """What became of a file, and anything that should not have."""
    began, memory = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with watching() as seen:
        try:
            image = decode(path).pixels
            verdict = READ
            fault = "" if image.dtype == torch.uint8 and image.shape[0] == 3 and image.ndim == 3 else f"{image.shape}"
        except DataError as problem:
            verdict = REFUSED
            fault = "" if str(path) in problem.problem and problem.fix else f"it does not say which: {problem}"
        except Exception as problem:
            verdict, fault = REFUSED, f"{type(problem).__name__}: {problem}"
    grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory)
    if time.monotonic() - began > LONGEST:
        fault = f"it took {time.monotonic() - began:.1f} s"
    if grown > MAX_MEMORY:
        fault = f"it took {grown:,} bytes"
    return verdict, "; ".join(filter(None, [fault, *seen]))


def test_every_file_is_read_or_refused_as_it_should(tmp_path: Path, elsewhere: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    wrong: list[str] = []
    files = [file for group in GROUPS for file in group()]
    for file in files:
        path = folder / file.name
        file.write(path)
        before = sorted(folder.iterdir())
        verdict, fault = outcome(path)
        if fault or file.verdict not in (EITHER, verdict) or sorted(folder.iterdir()) != before:
            wrong.append(f"{file.name}: {verdict}, not {file.verdict} {fault}")
    assert list(elsewhere.iterdir()) == []
    assert len({file.name for file in files}) == len(files) >= 150
    tally("image files read or refused as they should", len(files), len(files) - len(wrong), "; ".join(wrong))


def test_a_marked_ghostscript_would_be_found(tmp_path: Path, elsewhere: Path) -> None:
    """Without the list of formats Pillow hands PostScript to a program: the trap above works."""
    path = tmp_path / "postscript.jpg"
    path.write_bytes(POSTSCRIPT)
    with watching() as seen, pytest.raises(Exception), Image.open(path) as image:  # noqa: B017, PT011 (the mark is what counts)
        image.load()
    assert (elsewhere / "executed").exists()
    assert any(event.startswith("subprocess.Popen") for event in seen)


def test_deep_pixels_are_scaled_and_not_cut_off(tmp_path: Path) -> None:
    for file in deep():
        if file.verdict == READ:
            file.write(tmp_path / file.name)
            expected = np.arange(1200).reshape(30, 40) * 50 // 256
            assert np.array_equal(decode(tmp_path / file.name).pixels.numpy(), np.stack([expected] * 3)), file.name
    for name, told in (("floats", "floating-point"), ("wide_integers", "its pixels reach from 0")):
        (file,) = [file for file in deep() if file.name == f"{name}.tif"]
        file.write(tmp_path / file.name)
        with pytest.raises(DataError, match=told):
            decode(tmp_path / file.name)


def test_of_moving_pictures_the_first_is_read(tmp_path: Path) -> None:
    for file in moving():
        file.write(tmp_path / file.name)
        red, green, blue = decode(tmp_path / file.name).pixels.float().mean(dim=(1, 2))
        assert red > 250, file.name
        assert max(green, blue) < 5, file.name


def test_a_file_that_is_too_large_is_not_even_read(tmp_path: Path) -> None:
    enormous(tmp_path / "x.png")
    with pytest.raises(DataError, match=f"at most {MAX_BYTES:,} are read"):
        decode(tmp_path / "x.png")


# ---------------------------------------------------------------- a folder of them


def pets(root: Path, pictures: int = 12) -> Path:
    """Two classes with pictures that differ, and with everything that is to be refused beside them."""
    for label, name in enumerate(("cat", "dog")):
        (root / name).mkdir(parents=True)
        for number in range(pictures):
            shade = Image.new("RGB", (32, 32), (label * 200, number * 9, 60))
            shade.save(root / name / f"{number}.png")
    return root


def refused() -> list[File]:
    """Files whose name makes an image folder take them for images; a folder is none, whatever it is called."""
    files = [file for group in GROUPS for file in group() if file.verdict == REFUSED]
    return [f for f in files if f.name not in ("folder.png", "missing.png")]


WORDS = (
    "backbone=squeezenet1_0", "backbone.weights=untrained", "dataset=folder", "dataset.root=pets", "preprocess.size=32",
    "reducer=none", "metrics=[geometry]", "tracking=none",
)  # fmt: skip


@pytest.mark.faults
def test_the_program_names_all_of_them_or_leaves_them_out(program: Program, tmp_path: Path) -> None:
    root = pets(tmp_path / "pets")
    bad = refused()
    for file in bad:
        file.write(root / "dog" / file.name)
    done = program(*WORDS, cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr
    assert "Fix: " in done.stderr
    assert "dataset.on_bad_image=skip" in done.stderr
    named = [line for line in done.stderr.splitlines() if line.startswith("  ") and "cannot be read" in line]
    assert len(named) == 20
    (listed,) = tmp_path.glob("mlruns/_hydra/runs/*/bad_images.txt")
    lines = listed.read_text(encoding="utf-8").splitlines()
    assert f"and {len(lines) - 20} more: all are in {listed}" in done.stderr
    found = [file for file in bad if any(f"/{file.name} " in line for line in lines)]
    assert len(lines) <= len(bad)
    # Files of both splits are named together: each is tried.
    tally("bad images named before anything is extracted", len(bad), len(found))
    again = program(*WORDS, "dataset.on_bad_image=skip", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert "Traceback" not in again.stderr
    assert not list(tmp_path.rglob("executed"))


# ---------------------------------------------------------------- files that change


def folder_set(root: Path) -> ImageFiles:
    paths = sorted(root.rglob("*.png"))
    return ImageFiles(paths, torch.arange(len(paths)) % 2, root, geometry=lambda image: image.float())


def test_a_set_without_its_bad_images_is_not_a_set_that_never_had_them(tmp_path: Path) -> None:
    files = folder_set(pets(tmp_path))
    less = files.without({len(files) - 1: "damaged"})
    assert less.paths == files.take(len(files) - 1).paths
    assert fingerprint(less) != fingerprint(files.take(len(files) - 1))


def unseen_change(path: Path) -> None:
    """Other pixels under the same name, size and times."""
    before = path.stat()
    data = bytearray(path.read_bytes())
    data[data.index(b"IDAT") + 20] ^= 1
    path.write_bytes(bytes(data))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def test_what_changes_after_it_was_inspected_is_refused(tmp_path: Path) -> None:
    root = pets(tmp_path / "pets")
    tried = well = 0
    for position in (0, 5, 23):
        images = inspected({"train": folder_set(root)}, tmp_path / "known", None, lambda told: None)["train"]
        assert isinstance(images, ImageFiles)
        assert len(images.__getitems__([position]).images) == 1
        path = images.paths[position]
        before = path.read_bytes()
        for change in (
            unseen_change,
            lambda path: path.write_bytes(WHOLE["PNG"]),
            lambda path: path.write_bytes(b""),
            Path.unlink,
        ):
            change(path)
            tried += 1
            with pytest.raises(DataError) as told:
                images.__getitems__([position])
            well += str(path) in told.value.problem and bool(told.value.fix)
            path.write_bytes(before)
    tally("images changed in use refused", tried, well)


def test_another_content_under_the_same_size_and_time_is_another_data_set(tmp_path: Path) -> None:
    root = pets(tmp_path / "pets")
    first = fingerprint(folder_set(root))
    assert fingerprint(folder_set(root)) == first
    unseen_change(sorted(root.rglob("*.png"))[3])
    assert fingerprint(folder_set(root)) != first
