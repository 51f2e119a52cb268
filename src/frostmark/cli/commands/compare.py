"""Compare finished runs, or with --across rank networks over many data sets.

python run.py compare <sweep>
python run.py compare --across <sweep> <experiment>
python run.py compare <run> <run> paths.root=<folder that holds mlruns/>
python run.py compare <sweep> decide=knn
"""

from __future__ import annotations

from functools import partial

from frostmark.benchmark.tracked import open_existing_store
from frostmark.cli.console import how_to_open, print_across, print_comparison, print_place
from frostmark.cli.parser import Parser
from frostmark.cli.program import typed_command
from frostmark.comparison.deciding import Asked
from frostmark.comparison.named import compare_named, rank_named
from frostmark.config.checks import wrong_decision
from frostmark.config.schema import Config, Decide, Paths, Tracking


def run(arguments: list[str]) -> int:
    """Write the comparison, or the ranking over data sets, and print what it says."""
    names, keys, across = _names_and_keys(arguments)
    uri, root = keys.get("tracking.uri"), keys.get("paths.root", ".")
    tracking = Tracking(kind="server" if uri else "local", uri=uri)
    mlruns = Config(paths=Paths(root)).mlruns
    asked = _asked(keys)
    store, command = partial(open_existing_store, tracking, mlruns), typed_command(["compare", *arguments])
    if across:
        ranked, folder, link = rank_named(names, mlruns, store, asked, command)
        print_across(ranked)
    else:
        compared, folder, link = compare_named(names, mlruns, store, asked, command)
        print_comparison(compared)
    print_place("Files", folder)
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


def _names_and_keys(arguments: list[str]) -> tuple[list[str], dict[str, str], bool]:
    parser = Parser.of("compare", __doc__)
    parser.add_argument(
        "what",
        nargs="+",
        help="a sweep's run or folder, two or more runs (identifiers or folders), or the name of an experiment; also "
        "paths.root=<folder that holds mlruns/>, tracking.uri=<server>, and another "
        "metric that decides: decide=linear|knn, decide.balanced=auto|true|false",
    )
    parser.add_argument(
        "--across",
        action="store_true",
        help="one ranking of the networks over all data sets of these experiments, sweeps or runs (across.html, .png, "
        ".csv, .md); with fewer than three data sets, tables side by side",
    )
    options = parser.parse_intermixed_args(arguments)
    words = options.what
    keys = dict(word.split("=", 1) for word in words if word.startswith(_KEYS))
    names = [word for word in words if word.partition("=")[0] not in keys]
    if not names:
        parser.error("name a sweep, runs or an experiment")
    return names, keys, options.across
