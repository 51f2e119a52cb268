"""Test that a run is not worse than a baseline by more than a margin: exit code 0 holds, 5 does not hold, 6 undecided.

python run.py gate <run> --baseline <run> --margin 0.5
python run.py gate <run> --baseline <run> --margin 0.5 decide=knn
"""

from __future__ import annotations

import json
import sys
import tempfile
from argparse import ArgumentTypeError
from functools import partial
from pathlib import Path

from frostmark.benchmark.tracked import open_existing_store
from frostmark.cli.parser import Parser
from frostmark.comparison.deciding import Asked
from frostmark.comparison.gate import FAILS, HOLDS, UNSURE, gate_of
from frostmark.comparison.named import read_runs
from frostmark.comparison.runs import Run
from frostmark.config.checks import wrong_decision
from frostmark.config.schema import Config, Decide, Paths, Tracking
from frostmark.errors import ConfigError
from frostmark.names import visible

CODES = {HOLDS: 0, FAILS: 5, UNSURE: 6}
"""Answer → exit code, for scripts: none of them is an error."""


def run(arguments: list[str]) -> int:
    """Print the answer as one line of JSON, and a sentence beside it on stderr."""
    options = _parser().parse_intermixed_args(arguments)
    keys = dict(_key(word) for word in options.keys)
    uri, asked = keys.get("tracking.uri"), _asked(keys)
    mlruns = Config(paths=Paths(keys.get("paths.root", "."))).mlruns
    store = partial(open_existing_store, Tracking(kind="server" if uri else "local", uri=uri), mlruns)
    with tempfile.TemporaryDirectory() as folder:
        of, baseline = (_only(name, read_runs([name], store, Path(folder))) for name in (options.run, options.baseline))
        gate = gate_of(of, baseline, options.margin / 100, asked)
    print(visible(gate.sentence), file=sys.stderr)
    print(json.dumps({**gate.record, "exit": CODES[gate.answer]}))
    return CODES[gate.answer]


def _parser() -> Parser:
    parser = Parser.of("gate", __doc__)
    parser.add_argument("run", help="identifier or folder of a run")
    parser.add_argument("--baseline", required=True, help="the run to compare with")
    parser.add_argument("--margin", required=True, type=_points, help="points of accuracy that the run may lose: 0.5")
    parser.add_argument(
        "keys",
        nargs="*",
        help="paths.root=<folder that holds mlruns/>, tracking.uri=<server>, decide=linear|knn, "
        "decide.balanced=auto|true|false",
    )
    return parser


def _points(word: str) -> float:
    try:
        points = float(word)
    except ValueError:
        points = -1.0
    if not 0 <= points < 100:
        raise ArgumentTypeError(f"{word} is not a number of points from 0 to 100, such as 0.5")
    return points


def _key(word: str) -> tuple[str, str]:
    key, equals, value = word.partition("=")
    known = ("paths.root", "tracking.uri", "decide", "decide.balanced")
    if not equals or key not in known:
        raise ConfigError(f"gate: {word} is not one of {', '.join(f'{k}=…' for k in known)}", fix="leave it out")
    return key, value


def _asked(keys: dict[str, str]) -> Asked:
    asked = Asked(keys.get("decide"), keys.get("decide.balanced"))
    problem = wrong_decision(Decide(asked.family or "linear", asked.balanced or "auto"))
    if problem is not None:
        raise problem
    return asked


def _only(name: str, runs: list[Run]) -> Run:
    if len(runs) != 1:
        told = f"{name} stands for {len(runs)} runs, and gate takes one"
        raise ConfigError(told, fix="the identifier or folder of one run")
    return runs[0]
