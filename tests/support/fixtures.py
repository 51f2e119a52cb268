"""Fixtures of several folders of tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from frostmark.config.plugins import plugins

SeePlugins = Callable[[Path], None]


@pytest.fixture
def see_plugins(monkeypatch: pytest.MonkeyPatch) -> Iterator[SeePlugins]:
    """Puts a folder on the path, so that the plugins in it are installed as long as the test runs."""

    def see(folder: Path) -> None:
        monkeypatch.syspath_prepend(str(folder))
        plugins.cache_clear()

    yield see
    monkeypatch.undo()
    plugins.cache_clear()
