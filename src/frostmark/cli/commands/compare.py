"""Compare finished runs side by side: comparison.html, .png, .csv and .md, and the verdict.

python run.py compare <sweep>
python run.py compare <run> <run> paths.root=<folder that holds mlruns/>
python run.py compare <sweep> decide=knn
"""

from __future__ import annotations

from functools import partial

from frostmark.benchmark.tracked import open_existing_store
from frostmark.cli.console import how_to_open, print_comparison
from frostmark.cli.parser import Parser
from frostmark.comparison.deciding import Asked
from frostmark.comparison.named import compare_named
from frostmark.config.checks import wrong_decision
from frostmark.config.schema import Config, Decide, Paths, Tracking
from frostmark.names import visible


def run(arguments: list[str]) -> int:
    """Write the comparison and print its verdict."""
    names, keys = _names_and_keys(arguments)
    uri, root = keys.get("tracking.uri"), keys.get("paths.root", ".")
    tracking = Tracking(kind="server" if uri else "local", uri=uri)
    mlruns = Config(paths=Paths(root)).mlruns
    asked = _asked(keys)
    compared, folder, link = compare_named(names, mlruns, partial(open_existing_store, tracking, mlruns), asked)
    print_comparison(compared)
    print(visible(f"Files: {folder}"))
    if link is not None:
        print(how_to_open(link, uri, root))
    return 0


_KEYS = ("paths.root=", "tracking.uri=", "decide=", "decide.balanced=")


def _asked(keys: dict[str, str]) -> Asked:
    """What decides, if it was typed.

    Raises:
        ConfigError: if there is no such word.
    """
    asked = Asked(keys.get("decide"), keys.get("decide.balanced"))
    problem = wrong_decision(Decide(asked.family or "linear", asked.balanced or "auto"))
    if problem is not None:
        raise problem
    return asked


def _names_and_keys(arguments: list[str]) -> tuple[list[str], dict[str, str]]:
    parser = Parser.of("compare", __doc__)
    parser.add_argument(
        "what",
        nargs="+",
        help="a sweep's run or folder, two or more runs (identifiers or folders), or the name of an experiment; also "
        "paths.root=<folder that holds mlruns/>, tracking.uri=<server>, and what decides in place of what "
        "the runs were made with: decide=linear|knn, decide.balanced=auto|true|false",
    )
    words = parser.parse_args(arguments).what
    keys = dict(word.split("=", 1) for word in words if word.startswith(_KEYS))
    names = [word for word in words if word.partition("=")[0] not in keys]
    if not names:
        parser.error("name a sweep, runs or an experiment")
    return names, keys
