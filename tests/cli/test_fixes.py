"""What stands behind ``Fix:`` is pasted, and the program gets further than before.

A word that was refused is replaced by the words of its ``Fix:``, up to the first alternative; a whole command replaces
the whole command.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from conftest import Program

SMALL = (
    "dataset=synthetic", "dataset.train=60", "dataset.test=30", "backbone=squeezenet1_0", "backbone.weights=untrained",
    "preprocess.size=32", "reducer=none", "metrics=[linear]", "tracking=none",
)  # fmt: skip
"""A benchmark of a second or two."""

# Provoking words, those of them that the Fix replaces, what the message names, and what the Fix begins with.
CASES = [
    ([*SMALL, "dataset.limit=40"], ["dataset.limit=40"], "dataset.limit.train", "dataset.limit.train=40 dataset"),
    ([*SMALL, "limit=40"], ["limit=40"], "dataset.limit.train", "dataset.limit.train=40 dataset.limit.test=40"),
    ([*SMALL, "metrics=knn"], ["metrics=knn"], "'knn'", "metrics=neighbours"),
    ([*SMALL, "metrics=linear,variance"], ["metrics=linear,variance"], "list", "'metrics=[linear,variance]'"),
    ([*SMALL, "controls=pixels"], ["controls=pixels"], "list", "'controls=[pixels]'"),
    ([*SMALL, "layer=stage9"], ["layer=stage9"], "'stage9'", "layer=stage4"),
    ([*SMALL, "layer=stage1,stage2"], ["layer=stage1,stage2"], "-m", "layer=stage1,stage2 -m"),
    ([*SMALL, "layer=[stage1,stage2]"], ["layer=[stage1,stage2]"], "-m", "layer=stage1,stage2 -m"),
    ([*SMALL, "accuracy=0.9"], ["accuracy=0.9"], "metrics=linear", "'metrics=[linear]'"),
    ([*SMALL, "reducer.perplexity=3"], ["reducer.perplexity=3"], "reducer=tsne", "reducer=tsne reducer.perplexity=3"),
    (["root=photos"], ["root=photos"], "dataset=<folder>", "dataset=./photos"),
    (["dataset=folder", "dataset.root=a(b"], ["dataset.root=a(b"], "a(b", "\"dataset.root='a(b'\""),
    (["dataset=folder", "dataset.root=a['b"], ["dataset.root=a['b"], "a['b", "'dataset.root="),
    (["dataset=folder", "dataset.root=it's"], ["dataset.root=it's"], "it's", "'dataset.root="),
    (["dataset=folder", "dataset.root=a=b c"], ["dataset.root=a=b c"], "a=b c", "\"dataset.root='a=b c'\""),
    (["dataset=folder", "dataset.root=a,b"], ["dataset.root=a,b"], "-m", "dataset.root=a,b -m"),
    (["dataset=./not_there", *SMALL[3:]], ["dataset=./not_there"], "not_there", "dataset=digits"),
    (["--cfg", "job", "--config-name", "x"], ["--config-name", "x"], "experiment=", "experiment="),
    (["--resolve"], ["--resolve"], "--cfg", "--cfg job --resolve"),
    (["--cfg", "jbo"], ["--cfg", "jbo"], "job", "--cfg job"),
    (["compar"], ["compar"], "compare", "python run.py compare --help"),
    (["resnet18", "--cfg", "job"], ["resnet18"], "resnet18", "backbone=resnet18"),
    (["budget=3", "candidates=no.yaml"], [], "choose", "python run.py choose candidates=no.yaml budget.minutes=3"),
    (["budget.minutes=x"], [], "choose", "python run.py choose candidates=base"),
]


def first_fix(stderr: str) -> str:
    """What stands behind ``Fix:``, without the alternatives."""
    (line,) = re.findall(r"^Fix: (.*)$", stderr, re.MULTILINE)
    return re.split(r"; |, or ", line)[0]


@pytest.mark.parametrize(("words", "wrong", "names", "fix"), CASES, ids=[" ".join(words[-2:]) for words, *_ in CASES])
def test_a_fix_gets_further_when_it_is_pasted(
    words: list[str], wrong: list[str], names: str, fix: str, program: Program, tmp_path: Path
) -> None:
    before = program(*words, cwd=tmp_path)
    assert before.returncode in (2, 3), before.stderr
    told = before.stderr[before.stderr.index("Error:") :]
    assert names in told
    pasted = first_fix(told)
    assert pasted.startswith(fix)
    after = program(*_with(words, wrong, shlex.split(pasted)), cwd=tmp_path)
    assert "bug in Frostmark" not in after.stderr
    assert after.returncode == 0 or told.splitlines()[0] not in after.stderr, after.stderr


def _with(words: list[str], wrong: list[str], pasted: list[str]) -> list[str]:
    if pasted[:2] == ["python", "run.py"]:
        return pasted[2:]
    return [*(word for word in words if word not in wrong), *pasted]
