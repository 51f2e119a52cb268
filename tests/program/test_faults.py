"""What goes wrong, and how the program says so: an exit code, one paragraph, a way out."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from conftest import Program
from harness import REPOSITORY, environment
from reading import TINY, Tracked

NOBODY = "http://127.0.0.1:9"  # the discard port: no proxy, no server


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["backbone=resnt18"], 2, "no backbone 'resnt18'. Nearest: resnet18"),
        (["quickstart"], 2, "unknown command 'quickstart'"),
        (["layer=last_conv", "backbone=vit_b_16"], 2, "Its taps: block1, block2"),
        (["dataset=digits", "backbone=resnet18"], 3, "Missing: resnet18-f37072fd.pth, 44.7 MB"),
        ([], 3, "The weights are missing, too: resnet18-f37072fd.pth, 44.7 MB"),
        ([*TINY, "tracking=server", "tracking.uri=http://me:hunter2@127.0.0.1:9"], 4, "does not answer"),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) and value else None,
)
def test_an_error_is_one_paragraph_with_a_fix(
    words: list[str], code: int, told: str, program: Program, tmp_path: Path
) -> None:
    start = time.monotonic()
    done = program(
        *words, cwd=tmp_path, http_proxy=NOBODY, https_proxy=NOBODY, no_proxy="127.0.0.1", TORCH_HOME=str(tmp_path)
    )
    assert done.returncode == code, done.stderr
    assert told in done.stderr
    assert "\nFix: " in done.stderr
    assert "Traceback" not in done.stderr
    assert "hunter2" not in done.stderr + done.stdout
    assert not [f for f in tmp_path.rglob("*") if f.is_file() and b"hunter2" in f.read_bytes()]
    assert "extracting" not in done.stderr
    assert time.monotonic() - start < 60  # the promise of ten seconds is for a quiet machine


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_run_ends_at_once_as_killed(signum: signal.Signals, code: int, tmp_path: Path) -> None:
    words = ["experiment=quickstart", "preprocess.size=224", "trainer.batch_size=4"]  # minutes, if it were let
    with subprocess.Popen(
        [sys.executable, str(REPOSITORY / "run.py"), *words],
        cwd=tmp_path,
        env=environment(),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stderr is not None
        guard = threading.Timer(120, process.kill)
        guard.start()
        seen = ""
        for line in process.stderr:
            seen += line
            if "extracting" in line:
                process.send_signal(signum)
                break
        start = time.monotonic()
        seen += process.stderr.read()
        assert process.wait(timeout=60) == code, seen
        guard.cancel()
        assert time.monotonic() - start < 20
    assert "Traceback" not in seen
    run = Tracked(tmp_path).only()
    assert run.info.status == "KILLED"


def test_foreign_code_in_the_configuration_is_refused(program: Program, tmp_path: Path) -> None:
    done = program(*TINY, "dataset._target_=os.system", "+dataset.command='touch executed'", cwd=tmp_path)
    assert done.returncode == 2
    assert "_target_=os.system is not allowed" in done.stderr
    assert not list(tmp_path.rglob("executed"))
