from __future__ import annotations

import os
from pathlib import Path

import pytest

from frostmark.features.memo import Memo


def test_what_is_put_is_found_again(tmp_path: Path) -> None:
    memo = Memo(tmp_path / "features" / "sizes.json")
    assert memo.get("a") is None
    memo.put("a", 32)
    memo.put("b", 64)
    assert [Memo(memo.path).get(name) for name in ("a", "b", "c")] == [32, 64, None]
    assert [path.name for path in memo.path.parent.iterdir()] == ["sizes.json"]


@pytest.mark.parametrize("garbage", ["", "[1]", '{"a": "many"}', "{", '{"a": true}'])
def test_garbage_is_as_good_as_nothing(garbage: str, tmp_path: Path) -> None:
    memo = Memo(tmp_path / "sizes.json")
    memo.path.write_text(garbage)
    assert memo.get("a") is None
    memo.put("a", 1)
    assert memo.get("a") == 1


@pytest.mark.timeout(20)
def test_a_pipe_a_link_and_an_endless_file_are_as_good_as_nothing(tmp_path: Path) -> None:
    (tmp_path / "somebody's").write_text('{"a": 5}')
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "somebody's")
    (tmp_path / "sparse").touch()
    os.truncate(tmp_path / "sparse", 3 << 30)
    for name in ("pipe", "link", "sparse"):
        assert Memo(tmp_path / name).get("a") is None
        Memo(tmp_path / name).put("a", 1)
        assert Memo(tmp_path / name).get("a") == 1
    assert (tmp_path / "somebody's").read_text() == '{"a": 5}'
