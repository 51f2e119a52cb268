"""What a machine refuses, in words that are true of the place it is about."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from frostmark.config.explain import disk_named, explained
from frostmark.errors import DataError


def test_of_a_full_disk_no_other_disks_room_is_told(tmp_path: Path) -> None:
    """A write that fails does not name its file."""
    with pytest.raises(OSError, match="No space left") as full, Path("/dev/full").open("w") as file:
        file.write("x" * 100_000)
    assert full.value.filename is None
    told = explained(full.value)
    assert "too full to write a file of this run" in told.problem
    assert "are free" not in told.problem
    assert "are free" in explained(OSError(errno.ENOSPC, "full", str(tmp_path / "x"))).problem


def test_while_a_run_is_written_each_disk_is_told_with_its_folder(tmp_path: Path) -> None:
    named = OSError(errno.ENOSPC, "full", str(tmp_path / "x"))
    with pytest.raises(OSError, match="full") as passed, disk_named(tmp_path):
        raise named
    assert passed.value is named
    with pytest.raises(OSError, match="other"), disk_named(tmp_path):
        raise OSError(errno.EIO, "other")
    with (
        pytest.raises(DataError, match=r"a file of this run(; [\d,]+ bytes are free in \S+)+\nFix") as told,
        disk_named(tmp_path),
    ):
        raise OSError(errno.ENOSPC, "full")
    assert f"bytes are free in {tmp_path}" in told.value.problem
