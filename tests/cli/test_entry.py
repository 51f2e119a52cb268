"""Which words reach Hydra: none that loads a pickle or imports a package."""

from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from hydra._internal.utils import get_args_parser
from hydra.conf import HydraConf, JobConf

from conftest import Program
from frostmark.cli.entry import OPTIONS, TAKE_VALUES, refuse_other_options
from frostmark.errors import ConfigError
from support.environment import REPOSITORY, environment

REFUSED = {"--experimental-rerun", "--config-path", "-cp"}


class Touching:
    """A pickle that leaves a file where it is opened."""

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (Path("executed"),)


def test_every_option_of_hydra_is_either_known_or_refused() -> None:
    """A new one of another version fails here, until somebody has looked at what it does."""
    actions = [action for action in get_args_parser()._actions if action.option_strings]
    assert {name for action in actions for name in action.option_strings} == OPTIONS | REFUSED
    takes = {name for action in actions if action.nargs != 0 for name in action.option_strings}
    assert takes - REFUSED == TAKE_VALUES


def test_every_key_of_hydra_was_looked_at() -> None:
    """The guard goes through all of them; what calls, loads or imports is in its list."""
    assert {field.name for field in fields(HydraConf)} == {
        "defaults", "mode", "searchpath", "run", "sweep", "hydra_logging", "job_logging", "sweeper", "launcher",
        "callbacks", "help", "hydra_help", "output_subdir", "overrides", "job", "runtime", "verbose",
    }  # fmt: skip
    assert {field.name for field in fields(JobConf)} == {
        "name", "chdir", "override_dirname", "id", "num", "config_name", "env_set", "env_copy", "config",
    }  # fmt: skip


@pytest.mark.parametrize(
    "word",
    [
        "--experimental-rerun", "--experimental-rerun=x.pickle", "--experimental-r=x.pickle", "--exp", "-cp", "-cpx",
        "--config-path=pkg://this", "--config-p=x", "--multi", "-mx", "-cdx", "--", "-", "-x=1", "--new-option",
    ],
)  # fmt: skip
def test_other_options_are_refused_wherever_they_stand(word: str) -> None:
    for words in ([word], ["seed=1", word], ["--info", word], [word, "x.pickle"], ["-cd", "folder", word]):
        with pytest.raises(ConfigError, match="is not allowed"):
            refuse_other_options(words)


def test_ours_pass() -> None:
    refuse_other_options(
        [*OPTIONS, "--cfg=job", "--config-dir=x", "--info=all", "seed=-1", "~a", "x=--experimental-rerun"]
    )


@pytest.mark.parametrize("words", [["--experimental-rerun", "x.pickle"], ["--info", "--experimental-re=x.pickle"]])
def test_no_pickle_is_opened(words: list[str], program: Program, tmp_path: Path) -> None:
    (tmp_path / "x.pickle").write_bytes(pickle.dumps(Touching()))
    done = program(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert "is not allowed" in done.stderr
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("how", ["key", "file"])
def test_no_package_is_imported_for_its_yamls(how: str, tmp_path: Path) -> None:
    package = tmp_path / "evil_package"
    package.mkdir()
    (package / "__init__.py").write_text("from pathlib import Path; Path('executed').touch()")
    own = tmp_path / "own"
    own.mkdir()
    (own / "mine.yaml").write_text("defaults: [config]\nhydra: {searchpath: ['pkg://evil_package']}\n")
    words = {
        "key": ["hydra.searchpath=[pkg://evil_package]"],
        "file": ["--config-dir", str(own), "--config-name", "mine"],
    }[how]
    command = [sys.executable, str(REPOSITORY / "run.py"), "--cfg", "job", *words]
    variables = environment(PYTHONPATH=str(tmp_path))
    done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert "pkg://evil_package is not allowed" in done.stderr
    assert not (tmp_path / "executed").exists()
