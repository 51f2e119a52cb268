"""What a whole run and a whole sweep look like on terminals of any width, with names that are hard to fit."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

import numpy as np
import pytest
from PIL import Image
from rich.cells import cell_len

from support.environment import REPOSITORY, environment

LONG = "a class with a name of eighty letters as somebody who likes long names would call it"
CLASSES = (LONG, "犬と猫と鳥と魚とその他の動物")
LABEL = "our own network of sixty letters that nobody will shorten"
WIDTHS = (60, 80, 120, 200)
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x1b\x07]*(?:\x07|\x1b\\)")
PLACES = ("Files:", "Open it", "Comparison:", "Report of", "Sweep ", "Not tracked")
"""Lines that hold a path or an address are whole, however long."""


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A run of long names, in a folder deep in the tree; its rows are stored after the first run."""
    root = tmp_path_factory.mktemp("screens")
    images = root / "a" / "folder" / "deep" / "in" / "the tree" / "of somebody" / "images"
    generator = np.random.default_rng(0)
    for split, count in (("train", 12), ("test", 9)):
        for label, name in enumerate(CLASSES):
            (images / split / name).mkdir(parents=True)
            for n in range(count):
                pixels = generator.integers(70 * label, 70 * label + 120, (16, 16, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(images / split / name / f"{n}.png")
    return [
        f"dataset={images}", "backbone=squeezenet1_0", "backbone.weights=untrained", f"backbone.label={LABEL}",
        "preprocess.size=32", "reducer=none", "metrics=[linear]", "uncertainty.resamples=100",
        "uncertainty.permutations=19", "tracking=none", f"paths.root={root}",
    ]  # fmt: skip


def screen(words: list[str], width: int | None) -> str:
    """What stdout shows on a terminal of so many columns; without a terminal for None."""
    command = [sys.executable, str(REPOSITORY / "run.py"), *words]
    variables = environment(TERM="xterm-256color")
    for name in ("COLUMNS", "LINES"):  # pytest-xdist sets them, and they count more than the terminal
        variables.pop(name, None)
    if width is None:
        done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=120, check=True)
        return done.stdout
    terminal, end = pty.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    with subprocess.Popen(command, env=variables, stdin=end, stdout=end, stderr=subprocess.DEVNULL) as process:
        os.close(end)
        shown = b""
        while True:
            try:
                piece = os.read(terminal, 65_536)
            except OSError:  # the program has ended
                break
            if not piece:
                break
            shown += piece
        assert process.wait(120) == 0
    os.close(terminal)
    return ESCAPE.sub("", shown.decode()).replace("\r\n", "\n")


def check(text: str, width: int | None, numbers: set[str]) -> None:
    joined = " ".join(text.split())
    assert "…" not in text
    for number in numbers:  # whole, on one line
        assert any(number in line for line in text.splitlines()), (number, text)
    for word in LONG.split():  # words wrap, letters do not
        assert word in joined
    if width is not None:
        for line in text.splitlines():
            assert cell_len(line) <= width or line.strip().startswith(PLACES), (cell_len(line), line)


@pytest.mark.parametrize("width", [None, *WIDTHS])
def test_a_run_fits_and_cuts_nothing(width: int | None, words: list[str]) -> None:
    text = screen(words, width)
    (interval,) = set(re.findall(r"95%\s+CI\s+(\d+\.\d–\d+\.\d)\)", text))
    check(text, width, {interval})
    assert len(text.splitlines()) <= 40
    assert "Linear accuracy" in " ".join(text.split())
    assert f"Files: {words[-1].removeprefix('paths.root=')}" in text


@pytest.mark.parametrize("width", [None, 60, 120])
def test_a_sweep_fits_and_cuts_no_number(width: int | None, words: list[str]) -> None:
    text = screen(["-m", *words, "layer=stage2,last_conv"], width)
    values = set(re.findall(r"linear accuracy (\d+\.\d%)", text))
    assert values
    check(text, None, values)
    table = [line for line in text.splitlines() if re.match(r"\s+1\s", line)]
    assert table, text
    assert all("%" in line for line in table)
