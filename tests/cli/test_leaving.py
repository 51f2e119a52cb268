"""How the program begins: what is asked of OpenMP, before it is loaded, unless a user asks for something else."""

from __future__ import annotations

import subprocess
import sys

import pytest

from support.environment import REPOSITORY, environment

BEGIN = "import os; from frostmark.cli.leaving import start; start(); print(os.environ.get('GOMP_SPINCOUNT'))"


@pytest.mark.parametrize(
    ("given", "spins"), [({}, "1000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "None")]
)
def test_threads_that_wait_sleep_unless_the_user_says_otherwise(given: dict[str, str], spins: str) -> None:
    of_others = {k: v for k, v in environment().items() if not k.startswith(("GOMP", "OMP_WAIT"))}
    environs = of_others | {"PYTHONPATH": str(REPOSITORY / "src")} | given
    done = subprocess.run([sys.executable, "-c", BEGIN], capture_output=True, text=True, env=environs)
    assert done.stdout.strip() == spins, done.stderr
