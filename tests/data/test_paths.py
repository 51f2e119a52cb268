"""Many paths as names: they are paths in every way that counts, and take little memory."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest
import torch
from PIL import Image

from frostmark.data.files import ImageFiles
from frostmark.data.inspection import inspected
from frostmark.data.paths import Paths

FOLDER = Path("/pictures")
GIVEN = [FOLDER / "a" / "1.png", FOLDER / "b" / "c" / "2 .png", FOLDER / "\udce9.png"]


def test_what_comes_out_is_what_went_in() -> None:
    paths = Paths.below(FOLDER, GIVEN)
    assert list(paths) == GIVEN
    assert paths[-1] == GIVEN[-1]
    assert list(paths[1:]) == GIVEN[1:]
    assert isinstance(paths[1:], Paths)
    assert list(paths.at([2, 0])) == [GIVEN[2], GIVEN[0]]
    assert paths[:2] == Paths.below(FOLDER, GIVEN[:2])
    with pytest.raises(IndexError):
        paths[3]
    with pytest.raises(ValueError, match="elsewhere"):
        Paths.below(FOLDER, [Path("/elsewhere/x.png")])


MANY = 5_000
MAX_BYTES = 250
"""Of memory per file while files are listed: 57 for its digest, 62 for its name and digest in the fingerprint, a little
for what is under way. ``Path`` objects alone, and one piece of work per file in a queue, take 490 and 1,900 more."""


def test_files_are_listed_in_little_memory_however_many_they_are(tmp_path: Path) -> None:
    """A million take less than 250 MB beside their names; of none more is known than its name and digest."""
    Image.new("RGB", (4, 4)).save(tmp_path / "0000000.png")
    names = [f"{i:07}.png" for i in range(MANY)]
    for name in names[1:]:
        (tmp_path / name).hardlink_to(tmp_path / names[0])
    inspected({"train": ImageFiles(Paths(tmp_path, names[:9]), torch.zeros(9), tmp_path)}, tmp_path, None, str)
    tracemalloc.start()
    files = ImageFiles(Paths(tmp_path, names), torch.zeros(MANY, dtype=torch.long), tmp_path)
    read = inspected({"train": files}, tmp_path / "known", None, lambda told: None)["train"]
    assert len(read.content()) == MANY
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < MAX_BYTES * MANY


def test_a_set_keeps_of_its_paths_the_names(tmp_path: Path) -> None:
    given = [tmp_path / "a" / f"{i}.png" for i in range(4)]
    files = ImageFiles(given, torch.arange(4), tmp_path)
    assert files.paths == Paths(tmp_path, tuple(f"a/{i}.png" for i in range(4)))
    assert files.files == [f"a/{i}.png" for i in range(4)]
    assert list(files.without({1: "damaged"}).paths) == [given[0], *given[2:]]
    assert list(files.take(2).paths) == given[:2]
