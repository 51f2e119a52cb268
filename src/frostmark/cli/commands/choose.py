"""Choose among many backbones: a race on the train images, then a report on the test images.

python run.py choose dataset=folder dataset.root=flowers candidates=base budget.minutes=30
python run.py choose dataset=digits candidates=mine.yaml
python run.py choose dataset=digits candidates=edge --fetch
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from frostmark.cli.parser import Parser
from frostmark.config.candidates import candidate_words
from frostmark.errors import ConfigError

OF_CANDIDATES = ("backbone", "layer")
"""Groups that the list of candidates decides."""


def run(arguments: list[str]) -> int:
    """Print the race, the report and the sentence; the exit code."""
    options = _parser().parse_intermixed_args(arguments)
    candidates, shared, minutes = sorted_out(options.words, options.config_dir)
    from frostmark.cli.choice import ChoiceAsked, choose, fetch  # torch, which --help and wrong words do without

    asked = ChoiceAsked(candidates, shared, options.config_dir, minutes)
    return fetch(asked) if options.fetch else choose(asked)


def sorted_out(words: Sequence[str], own: Path | None) -> tuple[str, list[str], float | None]:
    """The list of candidates, the words that they share, and the budget.

    Raises:
        ConfigError: if a word is missing, or decides what the candidates do.
    """
    lists = [word.partition("=")[2] for word in words if word.startswith("candidates=")]
    budgets = [word for word in words if word.startswith("budget")]
    shared = [word for word in words if not word.startswith(("candidates=", "budget"))]
    if not lists or not lists[-1]:
        raise ConfigError(
            f"choose needs a list of candidates. Valid: {', '.join(candidate_words(own))}", fix="candidates=base"
        )
    for word in shared:
        group = word.lstrip("+~").partition("=")[0].partition(".")[0]
        if group in OF_CANDIDATES:
            told = f"choose: {word}: the candidates name their own {group}"
            raise ConfigError(told, fix="leave it out, or name it in a list of your own: candidates=<file>.yaml")
    return lists[-1], shared, _minutes(budgets[-1]) if budgets else None


def _minutes(word: str) -> float:
    key, _, value = word.partition("=")
    if key != "budget.minutes":
        raise ConfigError(f"choose: there is no key '{key}'. Valid: budget.minutes", fix="budget.minutes=30")
    try:
        minutes = float(value)
    except ValueError:
        minutes = math.nan
    if not 0 < minutes < math.inf:
        raise ConfigError(f"budget.minutes={value} is not a number of minutes above 0", fix="budget.minutes=30")
    return minutes


def _parser() -> Parser:
    parser = Parser.of("choose", __doc__)
    parser.add_argument(
        "words",
        nargs="*",
        help=f"candidates=<list or YAML> ({', '.join(candidate_words())}), budget.minutes=<number>, and every key of "
        "a benchmark except backbone and layer: dataset=…, preprocess=…, decide=…, tracking=…",
    )
    parser.add_argument("--fetch", action="store_true", help="download the missing weights, and stop")
    parser.add_argument("-cd", "--config-dir", type=Path, help="a folder of your own YAML files")
    return parser
