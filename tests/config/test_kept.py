"""The configuration that a run kept: read back, and nothing else in its place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from frostmark.config.compose import compose
from frostmark.config.kept import kept
from frostmark.config.shown import shown
from frostmark.errors import DataError
from support.environment import REPOSITORY
from support.laid import LAID


def test_what_was_shown_is_read_back(tmp_path: Path) -> None:
    config = compose(REPOSITORY / "conf", ["layer=stage2", "seed=7"])
    (tmp_path / "config.yaml").write_text(shown(config, {}).yaml)
    read = kept(tmp_path / "config.yaml")
    assert (read.layer.word, read.seed) == ("stage2", 7)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("lay", LAID.values(), ids=LAID)
def test_other_things_in_its_place_are_told_of(lay: Callable[[Path], None], tmp_path: Path) -> None:
    lay(tmp_path / "config.yaml")
    with pytest.raises(DataError, match="the configuration of the run cannot be read") as told:
        kept(tmp_path / "config.yaml")
    assert told.value.fix
