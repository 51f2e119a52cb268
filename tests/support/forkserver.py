"""The program, started in a fraction of a second: a process that has imported everything forks itself for every run.

with Forkserver() as server:
    done = server.run("dataset=digits", cwd=folder)             # as subprocess.run would give it
    started = server.start("dataset=digits", cwd=folder)        # a program to be watched, or shot
    os.kill(started.pid, signal.SIGKILL)
    started.wait(10)                                            # -9

What runs is ``run.py`` as it stands, with its own arguments, environment, folder and descriptors; of a program that was
started afresh it differs in that its modules are there. An ``armed`` program acts at a named fault point.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # as a program, too: it is one of its own

from support.environment import REPOSITORY, environment

PRELOADED = (
    "bokeh.embed", "faiss", "filelock", "hydra", "matplotlib.backends.backend_agg", "matplotlib.backends.backend_svg",
    "mlflow", "mlflow.store.artifact.http_artifact_repo", "mlflow.store.tracking.rest_store",
    "mlflow.store.tracking.sqlalchemy_store", "mlflow.system_metrics.system_metrics_monitor", "openTSNE",
    "pyarrow.parquet", "pytorch_lightning", "rich.console", "sklearn.linear_model", "sklearn.manifold", "torchvision",
)  # fmt: skip


class Started:
    """A program that runs."""

    def __init__(self, pid: int, connection: socket.socket, stdout: Path, stderr: Path) -> None:
        self.pid = pid
        self._connection = connection
        self._stdout, self._stderr = stdout, stderr
        self.returncode: int | None = None

    @property
    def stdout(self) -> str:
        """What it printed so far."""
        return self._stdout.read_text(encoding="utf-8", errors="replace")

    @property
    def stderr(self) -> str:
        """What it told so far."""
        return self._stderr.read_text(encoding="utf-8", errors="replace")

    def kill(self, signum: int = signal.SIGKILL) -> None:
        """Send a signal to the program alone; to one that has ended, nothing."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signum)

    def poll(self) -> int | None:
        """The exit code, if it has ended."""
        try:
            return self.wait(0.0001)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float) -> int:
        """The exit code; minus the signal of a program that was shot."""
        if self.returncode is None:
            self._connection.settimeout(timeout)
            try:
                answer = self._connection.recv(64)
            except TimeoutError:
                raise subprocess.TimeoutExpired(f"program {self.pid}", timeout, self.stdout, self.stderr) from None
            self._connection.close()
            self.returncode = int(answer)
        return self.returncode


class Forkserver:
    """Holds the process that forks."""

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="frostmark-")
        self._address = str(Path(self._folder.name) / "socket")
        self._count = 0
        self._process = subprocess.Popen(
            [sys.executable, __file__, self._address], stdout=subprocess.PIPE, env=environment(), text=True
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n", "the fork server did not start"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(30)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._folder.cleanup()

    def start(self, *words: str, cwd: Path, armed: dict[str, Any] | None = None, **more: str) -> Started:
        """Start the program with ``words`` in the folder ``cwd``; ``more`` is added to its environment."""
        self._count += 1
        files = [Path(self._folder.name) / f"{self._count}.{name}" for name in ("out", "err")]
        request = {"words": words, "cwd": str(cwd), "env": environment(**more), "armed": armed}
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(self._address)
        connection.settimeout(60)
        with files[0].open("wb") as out, files[1].open("wb") as err:
            socket.send_fds(connection, [len(encoded := json.dumps(request).encode()).to_bytes(8, "little")],
                            [out.fileno(), err.fileno()])  # fmt: skip
            connection.sendall(encoded)
            pid = int(connection.recv(64))
        return Started(pid, connection, *files)

    def run(
        self, *words: str, cwd: Path, timeout: float = 240, armed: dict[str, Any] | None = None, **more: str
    ) -> subprocess.CompletedProcess[str]:
        """Run the program to its end."""
        started = self.start(*words, cwd=cwd, armed=armed, **more)
        try:
            code = started.wait(timeout)
        except subprocess.TimeoutExpired:
            started.kill()
            raise
        return subprocess.CompletedProcess(list(words), code, started.stdout, started.stderr)


# ---------------------------------------------------------------- in the process that forks


def _serve(address: str) -> dict[str, Any]:
    """Answer requests for ever; returns only in a process that is to become the program."""
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(address)
    listening.listen(64)
    print("ready", flush=True)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        connection, _ = listening.accept()
        if os.fork():
            connection.close()
            continue
        listening.close()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        size, descriptors, _, _ = socket.recv_fds(connection, 8, 2)
        request: dict[str, Any] = json.loads(_received(connection, int.from_bytes(size, "little")))
        pid = os.fork()
        if pid == 0:
            connection.close()
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            for target, descriptor in enumerate(descriptors, start=1):
                os.dup2(descriptor, target)
                os.close(descriptor)
            return request
        for descriptor in descriptors:
            os.close(descriptor)
        connection.sendall(str(pid).encode())
        _, status = os.waitpid(pid, 0)
        with suppress(OSError):
            connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())
        os._exit(0)


def _received(connection: socket.socket, size: int) -> bytes:
    parts = b""
    while len(parts) < size:
        parts += connection.recv(size - len(parts))
    return parts


def _arm(armed: dict[str, Any]) -> None:
    """Act at a fault point when it is reached for the ``nth`` time: a signal, an error, or a minute of nothing."""
    import errno

    from frostmark import faults

    left = [int(armed.get("nth", 1))]

    def act(name: str) -> None:
        if name != armed["point"]:
            return
        left[0] -= 1
        if left[0] != 0:
            return
        action = armed["action"]
        if action.startswith("SIG"):
            os.kill(os.getpid(), getattr(signal, action))
            time.sleep(0)  # the handler runs between two bytecodes
        elif action == "pause":
            print("paused", file=sys.stderr, flush=True)
            time.sleep(60)
        elif action == "MemoryError":
            raise MemoryError
        else:
            number = getattr(errno, action)
            raise OSError(number, os.strerror(number))

    faults.armed = act


def _preload() -> None:
    import importlib
    import pkgutil
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import frostmark

        own = [module.name for module in pkgutil.walk_packages(frostmark.__path__, "frostmark.")]
        for name in (*PRELOADED, *own):
            with suppress(ImportError):  # an extra that is not installed
                importlib.import_module(name)


def _run(argv: list[str]) -> None:
    """As ``python run.py`` does, up to the end, but for taking down every module that was imported."""
    import atexit
    import runpy
    import traceback

    code: Any = 0
    sys.argv = argv
    try:
        runpy.run_path(argv[0], run_name="__main__")
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code or 0)


if __name__ == "__main__":
    sys.path.insert(0, str(REPOSITORY / "src"))
    _preload()
    gc.freeze()  # the collector would touch, and thereby copy, every page of every run
    asked = _serve(sys.argv[1])
    os.environ.clear()
    os.environ.update(asked["env"])
    sys.path[1:1] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))  # as of a program started afresh
    os.chdir(asked["cwd"])
    if asked["armed"]:
        _arm(asked["armed"])
    _run([str(REPOSITORY / "run.py"), *asked["words"]])
