"""The store of runs that are there: where none is, the error says where to look."""

from __future__ import annotations

from pathlib import Path

import pytest

from frostmark.benchmark.tracked import open_existing_store
from frostmark.config.schema import Tracking
from frostmark.errors import ConfigError


def test_without_runs_the_fix_names_the_folder_in_which_they_were_made(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there are no tracked runs in") as error:
        open_existing_store(Tracking(), tmp_path / "mlruns")
    assert error.value.fix.endswith("or run the command in the folder in which the runs were made")
