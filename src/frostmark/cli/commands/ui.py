"""Browse the runs in MLflow.

python run.py ui paths.root=<folder that holds mlruns/> --port 5000
"""

from __future__ import annotations

import os
import socket
from argparse import ArgumentTypeError

from frostmark.cli.parser import Parser
from frostmark.config.schema import Config, Paths
from frostmark.errors import ConfigError
from frostmark.tracking.mlflow import MlflowStore
from frostmark.tracking.serving import serve, serving_environment


def run(arguments: list[str]) -> int:
    """Become MLflow's server; it ends when it is stopped."""
    parser = Parser.of("ui", __doc__)
    parser.add_root()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=_port, default=5000)
    options = parser.parse_args(arguments)
    _refuse_taken(options.host, options.port)
    mlruns = Config(paths=Paths(options.root)).mlruns
    store = MlflowStore.local(mlruns, "frostmark")
    store.connect()
    command = serve(mlruns, options.host, options.port)
    address = f"http://{options.host}:{options.port}/{store.address}"
    print(f"MLflow on {mlruns}: {address} (Ctrl-C stops it)", flush=True)
    os.execve(command[0], command, {**os.environ, **serving_environment()})


def _port(word: str) -> int:
    port = int(word) if word.isdecimal() else 0
    if not 1 <= port <= 65_535:
        raise ArgumentTypeError(f"{word} is not a port: a number from 1 to 65535")
    return port


def _refuse_taken(host: str, port: int) -> None:
    """MLflow would tell of it in a traceback, and end as if nothing were wrong.

    Raises:
        ConfigError: if nothing can be served there.
    """
    try:
        with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET):
            pass
    except OSError as problem:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            other = free.getsockname()[1]
        raise ConfigError(
            f"{host}:{port} cannot be served: {problem.strerror or problem}", fix=f"python run.py ui --port {other}"
        ) from problem
