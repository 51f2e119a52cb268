"""Many paths as names: they are paths in every way that counts, and take little memory."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest
import torch
from PIL import Image

from frostmark.data.files import ImageFiles
from frostmark.data.folder import ImageFolder
from frostmark.data.inspection import inspected
from frostmark.data.paths import PathList
from frostmark.data.source import SPLITS

FOLDER = Path("/pictures")
GIVEN = [FOLDER / "a" / "1.png", FOLDER / "b" / "c" / "2 .png", FOLDER / "\udce9.png"]


def test_what_comes_out_is_what_went_in() -> None:
    paths = PathList.below(FOLDER, GIVEN)
    assert list(paths) == GIVEN
    assert paths[-1] == GIVEN[-1]
    assert list(paths[1:]) == GIVEN[1:]
    assert isinstance(paths[1:], PathList)
    assert list(paths.at([2, 0])) == [GIVEN[2], GIVEN[0]]
    assert paths[:2] == PathList.below(FOLDER, GIVEN[:2])
    with pytest.raises(IndexError):
        paths[3]
    with pytest.raises(ValueError, match="elsewhere"):
        PathList.below(FOLDER, [Path("/elsewhere/x.png")])


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
    inspected({"train": ImageFiles(PathList(tmp_path, names[:9]), torch.zeros(9), tmp_path)}, tmp_path, None, str)
    tracemalloc.start()
    files = ImageFiles(PathList(tmp_path, names), torch.zeros(MANY, dtype=torch.long), tmp_path)
    read = inspected({"train": files}, tmp_path / "known", None, lambda told: None)["train"]
    assert len(read.content()) == MANY
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < MAX_BYTES * MANY


def test_a_folder_is_walked_and_split_in_little_memory_too(tmp_path: Path) -> None:
    """Names are there three times for a moment: in the folder, of both splits, and of one; 130 bytes each remain."""
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        Image.new("RGB", (4, 4)).save(tmp_path / label / "0.png")
        for i in range(1, MANY // 2):
            (tmp_path / label / f"{i:07}.png").hardlink_to(tmp_path / label / "0.png")
    tracemalloc.start()
    source = ImageFolder(str(tmp_path))
    splits = [source.split(split) for split in SPLITS]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sum(map(len, splits)) == MANY
    assert peak < (MAX_BYTES + 50) * MANY


def test_a_set_keeps_of_its_paths_the_names(tmp_path: Path) -> None:
    given = [tmp_path / "a" / f"{i}.png" for i in range(4)]
    files = ImageFiles(given, torch.arange(4), tmp_path)
    assert files.paths == PathList(tmp_path, tuple(f"a/{i}.png" for i in range(4)))
    assert files.files == [f"a/{i}.png" for i in range(4)]
    assert list(files.without({1: "damaged"}).paths) == [given[0], *given[2:]]
    assert list(files.take(2).paths) == given[:2]
