"""Browse the runs in MLflow.

python run.py ui paths.root=<folder that holds mlruns/> --port 5000
"""

from __future__ import annotations

import os

from frostmark.cli.parser import Parser
from frostmark.config.schema import Config, Paths
from frostmark.tracking.mlflow import WORKFLOW, MlflowStore, serve, serving_environment


def run(arguments: list[str]) -> int:
    """Become MLflow's server; it ends when it is stopped."""
    parser = Parser.of("ui", __doc__)
    parser.add_root()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=5000)
    options = parser.parse_args(arguments)
    mlruns = Config(paths=Paths(options.root)).mlruns
    MlflowStore.local(mlruns, "frostmark").connect()
    command = serve(mlruns, options.host, options.port)
    address = f"http://{options.host}:{options.port}/#/experiments?{WORKFLOW}"
    print(f"MLflow on {mlruns}: {address} (Ctrl-C stops it)", flush=True)
    os.execve(command[0], command, {**os.environ, **serving_environment()})
