"""Files in folders that others can write to: nothing is waited for, nothing is followed, nothing is half-written."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from frostmark.regular import MAX_FILE, read_regular, write_whole
from support.laid import LAID


@pytest.mark.timeout(20)
@pytest.mark.parametrize("lay", LAID.values(), ids=LAID)
def test_what_is_not_a_file_of_its_size_is_refused_at_once(lay: Callable[[Path], None], tmp_path: Path) -> None:
    lay(tmp_path / "x")
    start = time.perf_counter()
    with pytest.raises(OSError, match=r"it is not a file|are read|symbolic links"):
        read_regular(tmp_path / "x")
    assert time.perf_counter() - start < 1


def test_a_file_of_the_user_may_be_a_link_and_is_still_bounded(tmp_path: Path) -> None:
    (tmp_path / "own").write_bytes(b"12345")
    (tmp_path / "link").symlink_to(tmp_path / "own")
    assert read_regular(tmp_path / "link", 5, links=True) == b"12345"
    with pytest.raises(OSError, match="it has 5 bytes; at most 4 are read"):
        read_regular(tmp_path / "link", 4, links=True)
    os.truncate(tmp_path / "own", MAX_FILE + 1)
    with pytest.raises(OSError, match="are read"):
        read_regular(tmp_path / "own")


@pytest.mark.timeout(20)
@pytest.mark.parametrize("lay", [*LAID.values(), lambda path: path.write_text("before")], ids=[*LAID, "a file"])
def test_what_is_written_takes_the_place_of_whatever_lay_there(lay: Callable[[Path], None], tmp_path: Path) -> None:
    lay(tmp_path / "x")
    if (tmp_path / "x").is_dir() and not (tmp_path / "x").is_symlink():
        with pytest.raises(OSError, match="directory"):
            write_whole(tmp_path / "x", "new")
    else:
        assert read_regular(write_whole(tmp_path / "x", "é")) == "é".encode()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "theirs").write_text("mine")
    (tmp_path / "x").symlink_to(tmp_path / "theirs")
    write_whole(tmp_path / "x", b"new")
    assert (tmp_path / "theirs").read_text() == "mine"
