"""Who wrote an entry: by the owners of its files and the host that it names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from frostmark.features.writer import HOST, host, is_own, writer_of

MINE = {HOST: host()}


@pytest.fixture
def entry(tmp_path: Path) -> Path:
    for name in ("manifest.json", f"rows-000000-{'0' * 32}.safetensors"):
        (tmp_path / name).touch()
    return tmp_path


def test_what_this_user_wrote_on_this_host_is_own(entry: Path) -> None:
    assert is_own(entry, MINE)
    assert writer_of(entry, MINE) == f"{entry.owner()} on {host()}"


@pytest.mark.parametrize("about", [{}, {HOST: "elsewhere"}], ids=["no host", "another host"])
def test_what_was_not_committed_here_is_somebody_elses(about: dict[str, object], entry: Path) -> None:
    assert not is_own(entry, about)
    assert writer_of(entry, about).endswith(f" on {about.get(HOST, 'an unknown host')}")


def test_one_file_of_another_user_makes_it_somebody_elses(entry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.getuid() == 0:
        os.chown(next(entry.glob("rows-*")), 54_321, -1)
        assert writer_of(entry, MINE) == f"root, user 54321 on {host()}"
    else:  # root alone gives files away: let this be another user
        user = os.getuid()
        monkeypatch.setattr(os, "getuid", lambda: user + 1)
    assert not is_own(entry, MINE)


def test_neighbour_graphs_beside_the_rows_are_not_asked_for_their_owner(entry: Path) -> None:
    """Whoever replays rows of others leaves his own beside them; they are not checked, either."""
    others = entry / f"derived-nearest-{'0' * 32}.safetensors"
    others.touch()
    if os.getuid() == 0:
        os.chown(others, 54_321, -1)
    assert is_own(entry, MINE)
