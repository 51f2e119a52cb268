"""Tables in docs/ that follow from the code are current, and the example of a metric family is one."""

from __future__ import annotations

import importlib
import importlib.util
import re
import types
from pathlib import Path

import pytest

from frostmark.metrics.kinds import Across, Kind
from support.environment import REPOSITORY
from support.metric_kit import Kit


@pytest.fixture(scope="module")
def script() -> types.ModuleType:
    spec = importlib.util.spec_from_file_location("write_tables", REPOSITORY / "scripts" / "write_tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_of_metrics_is_current(script: types.ModuleType) -> None:
    text = script.PAGE.read_text(encoding="utf-8")
    assert text.count(script.BEGIN) == text.count(script.END) == 1
    assert text == script.current(text), "run python scripts/write_tables.py"


def test_a_line_by_hand(script: types.ModuleType) -> None:
    kind = Kind("dead features", "lower", Across.LAYERS, share=True, range=(0, 1), meaning="all zero")
    found = script.metrics_table({"dead/share": kind}).splitlines()
    assert found[2] == "| `dead/share` | dead features | lower | layers of one network | 0% to 100% | all zero |"


def test_the_example_of_a_metric_family_passes_the_kit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (REPOSITORY / "docs" / "extending.md").read_text(encoding="utf-8")
    code = next(block for block in re.findall(r"```python\n(.*?)```", page, re.S) if "class Dead" in block)
    (tmp_path / "dead.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    report = Kit(resamples=0).measure(importlib.import_module("dead").Dead())
    assert not report.problems, report.problems
    assert set(report.moved) == {"train/dead/share", "test/dead/share"}
