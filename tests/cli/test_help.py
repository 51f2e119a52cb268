"""``--help``: every key as it is typed, with what it means, at 80 columns."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import Program
from frostmark.config.compose import compose
from frostmark.config.meanings import explained_keys, meanings
from frostmark.config.words import conf_dir
from support.environment import REPOSITORY, environment

HEADING = "== Values"


def test_every_value_can_be_typed_and_stands_beside_what_it_means(program: Program, tmp_path: Path) -> None:
    done = program("dataset=folder", "reducer=umap", "--help", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    _, _, values = done.stdout.partition(HEADING)
    typed = re.findall(r"^  ([\w.]+=\S*)", values, re.MULTILINE)
    keys = {word.partition("=")[0] for word in typed}
    assert {"seed", "paths.root", "dataset.limit.train", "reducer.min_dist", "metrics.linear.folds", "output"} <= keys
    config = compose(conf_dir(), ["dataset=folder", "reducer=umap", *typed])
    assert config == compose(conf_dir(), ["dataset=folder", "reducer=umap"])
    assert re.search(r"dataset\.test_share=0\.2 +of the images, where there is no test split", values)
    assert re.search(r"metrics\.linear\.folds=5\n +folds of train", values)
    assert "_target_" not in values


@pytest.mark.parametrize("command", ["check", "compare", "export", "gate", "layers"])
def test_help_of_a_command_says_nothing_else(command: str) -> None:
    """What libraries say when they are taken apart at the end is not for whoever asked for help."""
    done = subprocess.run(
        [sys.executable, str(REPOSITORY / "run.py"), command, "--help"],
        capture_output=True, text=True, env=environment(), timeout=120, check=True,
    )  # fmt: skip
    assert done.stdout.startswith("usage: ")
    assert done.stderr == ""


def test_help_fits_80_columns_from_the_choices_on(program: Program, tmp_path: Path) -> None:
    done = program("--help", cwd=tmp_path)
    _, _, below = done.stdout.partition("== Choices")
    assert [line for line in below.splitlines() if len(line) > 84] == []
    commands = done.stdout.partition("== Commands")[2].partition("== Try")[0]
    assert [line for line in commands.splitlines() if len(line) > 80] == []


def test_the_meaning_of_a_key_is_the_comment_behind_it(tmp_path: Path) -> None:
    file = tmp_path / "one.yaml"
    file.write_text("# about the file\nsize: 3 # pixels\nlimit:\n  train: null # of # train\n  test: 'a'\nname: x#y\n")
    assert dict(explained_keys(file)) == {"size": "pixels", "limit.train": "of # train"}
    known = meanings({"reducer": ["tsne"], "metrics": ["linear", "neighbours"], "nothing": ["none"]})
    assert known["reducer.perplexity"] == "about the number of neighbours that count for a point"
    assert {"metrics.linear.folds", "metrics.neighbours.k", "controls", "output"} <= set(known)
