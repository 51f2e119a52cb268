"""Who wrote an entry: by the owners of its files and the host that it names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from frostmark.features.writer import HOST, host, is_own, writer_of

MINE = {HOST: host()}


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / name for name in ("manifest", "rows")]
    for path in paths:
        path.touch()
    return paths


def test_what_this_user_wrote_on_this_host_is_own(files: list[Path]) -> None:
    assert is_own(files, MINE)
    assert writer_of(files[0], MINE) == f"{files[0].owner()} on {host()}"


@pytest.mark.parametrize("about", [{}, {HOST: "elsewhere"}], ids=["no host", "another host"])
def test_what_was_not_committed_here_is_somebody_elses(about: dict[str, object], files: list[Path]) -> None:
    assert not is_own(files, about)
    assert writer_of(files[0], about).endswith(f" on {about.get(HOST, 'an unknown host')}")


@pytest.mark.skipif(getattr(os, "getuid", lambda: 1)() != 0, reason="root alone gives files to others")
def test_one_file_of_another_user_makes_it_somebody_elses(files: list[Path]) -> None:
    os.chown(files[1], 54_321, -1)
    assert not is_own(files, MINE)
    assert writer_of(files[1], MINE) == f"user 54321 on {host()}"
