"""Bash completes groups, choices and keys, once the line of docs/options.md was run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.environment import REPOSITORY, environment

ASKED = [("layer=stage", {f"layer=stage{n}" for n in range(1, 10)}), ("backbone=vgg1", {"backbone=vgg16", "backbone=vgg11"})]  # fmt: skip # noqa: E501


@pytest.mark.parametrize("program", ["python run.py", "frostmark"])
def test_bash_completes_what_is_typed(program: str, tmp_path: Path) -> None:
    installed = Path(sys.executable).parent
    if program == "frostmark" and not (installed / "frostmark").is_file():
        pytest.skip("frostmark is not installed beside this Python")
    (tmp_path / "run.py").symlink_to(REPOSITORY / "run.py")
    (line,) = re.findall(r'eval "\$\(python run\.py [^`]*', (REPOSITORY / "docs/options.md").read_text())
    asks = [
        f'COMP_LINE="{program} {word}"; COMP_WORDS=({program} {word}); COMP_CWORD={len(program.split())}; '
        'hydra_bash_completion; echo "${COMPREPLY[@]}"'
        for word, _ in ASKED
    ]
    script = "\n".join([line.replace("python run.py", program), *asks])
    variables = environment(PATH=f"{installed}:/usr/bin:/bin", PYTHONPATH=str(REPOSITORY / "src"))
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=variables, capture_output=True, text=True, check=True
    )
    answers = done.stdout.splitlines()
    assert len(answers) == len(ASKED), done.stderr
    for answer, (_, expected) in zip(answers, ASKED, strict=True):
        assert expected <= set(answer.split())
