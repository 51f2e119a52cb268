"""What the start of the program costs: ``--help`` answers in about a second."""

from __future__ import annotations

import subprocess
import sys

from support.environment import REPOSITORY, environment

HEAVY = {
    "torch",
    "torchvision",
    "mlflow",
    "umap",
    "openTSNE",
    "sklearn",
    "matplotlib",
    "pytorch_lightning",
    "scipy",
    "numpy",
}


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['run.py', '--help']\n"
        "from frostmark.cli import main\n"
        "try: main()\nexcept SystemExit as stop: assert not stop.code, stop.code\n"
        "print('LOADED', ' '.join(sorted(m for m in sys.modules if '.' not in m)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=REPOSITORY,
        env=environment(PYTHONPATH=str(REPOSITORY / "src")),
    )
    assert "experiment=quickstart" in done.stdout
    loaded = set(done.stdout.rpartition("LOADED")[2].split())
    assert not loaded & HEAVY
