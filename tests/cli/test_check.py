"""``check`` as a program: what a new user reads of a folder, and the exit code of one that a run would refuse."""

from __future__ import annotations

import re
import shlex
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conftest import Program
from frostmark.cli.commands.check import _duration
from support.leaky_images import a_folder


def test_a_folder_with_copies(program: Program, tmp_path: Path) -> None:
    a_folder(tmp_path / "set")
    done = program("check", "dataset=folder", f"dataset.root={tmp_path / 'set'}", "preprocess.size=32", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "set: 100 images of 2 classes (60 train, 40 test)" in done.stdout
    assert re.search(r"dark +30 +20", done.stdout)
    assert "Copies: 3 test images are copies of train images, 7.5% of 40 (1 exact, 2 near)" in done.stdout
    assert "test/dark/00.jpg: exact copy of train/dark/05.jpg" in done.stdout
    assert "Damaged files: none" in done.stdout
    assert "Sizes: 60 × 60 to 96 × 96 pixels, the median image 96 × 96" in done.stdout
    assert re.search(r"First run: about \d+ s .*resnet18 · last_conv at 32 pixels", done.stdout)
    assert "the test split has 40 images: with fewer than 100" in done.stdout
    assert not (tmp_path / "mlruns").exists()  # nothing is kept


def test_a_folder_that_a_run_would_refuse(program: Program, tmp_path: Path) -> None:
    a_folder(tmp_path / "set")
    for i in range(12):
        (tmp_path / "set/train/dark" / f"{i:02}.jpg").write_bytes(b"nothing")
    words = ("check", "dataset=folder", f"dataset.root={tmp_path / 'set'}", "preprocess.size=32")
    done = program(*words, cwd=tmp_path)
    assert done.returncode == 3
    assert "Damaged files: 12" in done.stdout
    assert "… and 2 more" in done.stdout
    assert "Error: 12 files are not readable images: a benchmark would refuse this data set" in done.stderr
    assert "Fix: repair or remove them, or leave them out: dataset.on_bad_image=skip" in done.stderr
    assert program(*words, "dataset.on_bad_image=skip", cwd=tmp_path).returncode == 0


def test_many_classes_are_not_all_listed(program: Program, tmp_path: Path) -> None:
    for split in ("train", "test"):
        for c in range(40):
            folder = tmp_path / "set" / split / f"class{c:02}"
            folder.mkdir(parents=True)
            for i in range(1 if c == 33 else 2):
                pixels = np.random.default_rng([c, i, split == "test"]).integers(0, 256, (20, 20), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{i}.png")
    done = program("check", "dataset=folder", f"dataset.root={tmp_path / 'set'}", "preprocess.size=32", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "the 30 classes with the fewest train images, of 40" in done.stdout
    assert "class33" in done.stdout.split("Groups")[0]
    assert "class39" not in done.stdout.split("Groups")[0]


def test_a_folder_that_is_not_there(program: Program, tmp_path: Path) -> None:
    done = program("check", "dataset=folder", f"dataset.root={tmp_path / 'nowhere'}", cwd=tmp_path)
    assert done.returncode == 3
    assert "\nFix: python run.py check dataset=digits\n" in done.stderr


def test_a_folder_of_nearly_that_name_is_named(program: Program, tmp_path: Path) -> None:
    (tmp_path / "it's flowers").mkdir()
    done = program("check", "dataset=./its_flowers", cwd=tmp_path)
    assert done.returncode == 3
    (fix,) = [line.removeprefix("Fix: ") for line in done.stderr.splitlines() if line.startswith("Fix: ")]
    pasted = shlex.split(fix)
    assert pasted == ["python", "run.py", "check", "dataset=" + str(tmp_path / "it's flowers")]
    further = program(*pasted[2:], cwd=tmp_path)
    assert "there is no folder" not in further.stderr


def test_a_class_folder_is_answered_with_the_folder_of_all_classes(program: Program, tmp_path: Path) -> None:
    for name in ("boot", "sandal"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(10):
            Image.new("RGB", (20, 20), (20 * i, 9, 9)).save(tmp_path / "photos" / name / f"{i}.png")
    done = program("check", f"dataset={tmp_path / 'photos' / 'sandal'}", cwd=tmp_path)
    assert done.returncode == 3
    assert f"did you mean dataset={tmp_path / 'photos'}?" in done.stderr
    (fix,) = [line.removeprefix("Fix: ") for line in done.stderr.splitlines() if line.startswith("Fix: ")]
    assert shlex.split(fix) == ["python", "run.py", "check", f"dataset={tmp_path / 'photos'}"]
    further = program(*shlex.split(fix)[2:], cwd=tmp_path)
    assert further.returncode == 0, further.stderr


def test_rows_made_elsewhere_have_no_images(program: Program, tmp_path: Path) -> None:
    done = program("check", "backbone=rows", "backbone.file=rows.npz", cwd=tmp_path)
    assert done.returncode == 2
    assert "check looks at images, and backbone=rows has none" in done.stderr


@pytest.mark.slow
def test_a_thousand_photos_take_ten_seconds(program: Program, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for c in range(10):
        (tmp_path / "set" / f"class{c}").mkdir(parents=True)
        for i in range(100):
            coarse = rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)
            photo = Image.fromarray(coarse).resize((1600, 1200), Image.Resampling.BICUBIC)
            photo.save(tmp_path / "set" / f"class{c}" / f"{i}.jpg", quality=90)
    start = time.perf_counter()
    done = program("check", "dataset=folder", f"dataset.root={tmp_path / 'set'}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert time.perf_counter() - start < 30  # 10 on a machine with nothing else to do: docs/leaks.md


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.01, "1 s"), (59.6, "60 s"), (99.4, "99 s"), (600, "10 min"), (9000, "2.5 h")]
)
def test_durations(seconds: float, words: str) -> None:
    assert _duration(seconds) == words
