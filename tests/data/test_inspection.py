"""The note of which files were tried before, where somebody laid something else in its place."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from frostmark.data.files import ImageFiles
from frostmark.data.inspection import inspected
from frostmark.data.paths import PathList

NAMES = ["0.png", "1.png", "2.png"]


def kept(folder: Path) -> int:
    """How many of two images and one damaged file are left."""
    files = ImageFiles(PathList(folder, NAMES), torch.zeros(len(NAMES), dtype=torch.long), folder)
    return len(inspected({"train": replace(files, skip_bad=True)}, folder / "known", None, str)["train"])


def text(content: str) -> Callable[[Path], object]:
    return lambda note: note.write_text(content)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "lay",
    [os.mkfifo, lambda path: path.symlink_to("/dev/zero"), text('{"7": "x"}'), text('{"-1": "x"}'), text("[" * 99_999)],
    ids=["pipe", "device", "position beyond the end", "position before the first", "too deep"],
)  # fmt: skip
def test_a_note_that_is_none_is_not_believed(lay: Callable[[Path], object], tmp_path: Path) -> None:
    for number, name in enumerate(NAMES):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / name)
    (tmp_path / NAMES[1]).write_bytes(b"none")
    assert kept(tmp_path) == 2
    (note,) = (tmp_path / "known" / ".inspected").glob("*.json")
    note.unlink()
    lay(note)
    assert kept(tmp_path) == 2
    assert note.is_file()  # written anew
    assert not note.is_symlink()
