"""`gate` as a team's own CI calls it: exit codes and one line of JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conftest import Program
from frostmark.cli.commands.gate import CODES
from support.runs import TINY


def test_a_gate_answers_by_its_exit_code(program: Program, tmp_path: Path) -> None:
    done = program(
        "-m", *TINY, "layer=stage2,last_conv", "metrics=[linear]", "tracking=none", "uncertainty.permutations=0",
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    first, second = sorted(path.parents[1] for path in tmp_path.glob("mlruns/_hydra/sweeps/*/*/raw/metrics.json"))
    answers = set()
    for run, baseline, margin in ((first, second, "99"), (first, second, "0"), (second, first, "0")):
        asked = program("gate", str(run), "--baseline", str(baseline), "--margin", margin, cwd=tmp_path)
        (line,) = asked.stdout.splitlines()
        record = json.loads(line)
        assert record["exit"] == asked.returncode == CODES[record["answer"]]
        assert record["margin_points"] == float(margin)
        assert f"by more than {margin} points" in asked.stderr
        answers.add(asked.returncode)
    assert 0 in answers


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--margin", "x"), "x is not a number of points"),
        (("--margin", "-1"), "is not a number of points"),
        (("--margin", "1", "seed=1"), "seed=1 is not one of"),
        (("--margin", "1", "decide=svm"), "svm"),
        (("--margin", "1"), "holds no run"),
    ],
)
def test_wrong_words_are_refused(words: tuple[str, ...], told: str, program: Program, tmp_path: Path) -> None:
    done = program("gate", ".", "--baseline", ".", *words, cwd=tmp_path)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Fix:" in done.stderr
    assert done.stdout == ""
