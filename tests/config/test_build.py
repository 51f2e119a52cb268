"""What YAML builds is checked against its protocol: every mistake of a plugin's author is named, with exit code 2."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

import pytest

from frostmark.backbones.backbone import Backbone
from frostmark.config.build import build
from frostmark.config.compose import compose
from frostmark.config.words import conf_dir
from frostmark.data.preprocess import Preprocess
from frostmark.data.source import Source
from frostmark.errors import ConfigError
from frostmark.metrics.metric import Metric
from frostmark.reducers.reducer import Reducer
from support.environment import REPOSITORY
from support.fixtures import SeePlugins
from support.plugin import installed

NUMBER = itertools.count()
"""Every test has a package of its own: Python imports a name once."""

SOURCE = """
from frostmark.data.source import Limits

class Made:
    name = "flowers"
    limit = Limits()
    def classes(self): return ("rose", "tulip")
    def split(self, split): raise NotImplementedError
"""

REDUCER = """
from dataclasses import dataclass
from frostmark.reducers.reducer import Reducer

@dataclass(frozen=True, kw_only=True)
class Made(Reducer):
    def fit(self, points, seed, progress): ...
"""


def built(protocol: type, code: str, tmp_path: Path, see_plugins: SeePlugins, **keys: object) -> object:
    """The object of the class ``Made`` in a plugin that holds ``code``."""
    package = f"plugin_of_build_{next(NUMBER)}"
    see_plugins(installed(tmp_path, package, {"made": code}))
    return build({"_target_": f"{package}.made.Made", **keys}, "group", protocol)


@dataclass(frozen=True)
class Mistake:
    """Code with a mistake, and what is said of it."""

    protocol: type
    code: str
    told: str


MISTAKES = (
    Mistake(Source, SOURCE.replace("limit = Limits()", "pass"), "made.Made lacks 'limit'"),
    Mistake(Source, "class Made: name = 'x'", "lacks 'limit', 'classes', 'split'"),
    Mistake(Source, SOURCE.replace("(self, split)", "(self)"), "has split(), which must take (split)"),
    Mistake(Source, SOURCE.replace("(self, split)", "(self, split, more)"), "has split(split, more), which must take"),
    Mistake(Source, SOURCE.replace("Limits()", "100"), "has limit=100, which is not of the kind Limits"),
    Mistake(Source, SOURCE.replace('"flowers"', "7"), "has name=7, which is not of the kind text"),
    Mistake(Source, SOURCE.replace('name = "flowers"', "def name(self): ..."), "has a method name() where a property"),
    Mistake(Source, SOURCE.replace("def classes(self): return", "classes ="), "where a method classes() must be"),
    Mistake(Metric, "class Made:\n    kinds = {}", "lacks '__call__'"),
    Mistake(
        Metric, "class Made:\n    kinds = {}\n    def __call__(self): ...", "has __call__(), which must take (splits)"
    ),
    Mistake(Preprocess, "class Made:\n    def pipeline(self, preset): ...", "lacks 'size'"),
    Mistake(Reducer, "class Made: ...", "is not a Reducer: it must be a subclass of frostmark.reducers.reducer"),
    Mistake(Reducer, REDUCER.replace("def fit(self, points, seed, progress): ...", "pass"), "lacks 'fit'"),
    Mistake(Reducer, REDUCER.replace(", progress", ""), "has fit(points, seed), which must take (points, seed, prog"),
    Mistake(Backbone, "class Made: name = 'x'", "'survey'"),
    Mistake(Source, "class Made:\n    def __init__(self): {}['x']", "cannot be made: KeyError: 'x'"),
    Mistake(Source, "class Made:\n    def __init__(self): raise ValueError('k=0')", "group: k=0"),
    Mistake(Source, "class Made:\n    def __init__(self, root: str): ...", "needs the key 'group.root'"),
    Mistake(Source, "1 / 0", "cannot be imported: ZeroDivisionError"),
    Mistake(Source, "import not_installed_anywhere", "No module named 'not_installed_anywhere'"),
    Mistake(Source, "Maid = 1", "has no attribute 'Made'"),
    Mistake(Source, "from subprocess import Popen as Made", "is not allowed"),
    Mistake(Source, "Made = lambda: None", "is not allowed"),
)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.told)
def test_a_mistake_is_named(mistake: Mistake, tmp_path: Path, see_plugins: SeePlugins) -> None:
    with pytest.raises(ConfigError) as told:
        built(mistake.protocol, mistake.code, tmp_path, see_plugins)
    assert mistake.told in told.value.problem
    assert told.value.fix
    assert told.value.code == 2


def test_a_breach_says_what_describes_the_members(tmp_path: Path, see_plugins: SeePlugins) -> None:
    with pytest.raises(ConfigError) as told:
        built(Source, "class Made: ...", tmp_path, see_plugins)
    assert "frostmark.data.source.Source describes it" in told.value.fix


@pytest.mark.parametrize(
    ("protocol", "code"),
    [
        (Source, SOURCE),
        (Source, SOURCE.replace("split): raise", "split='train', *more): raise")),
        (Source, SOURCE.replace('name = "flowers"', "name = property(lambda self: 1 / 0)")),  # not evaluated
        (Source, "class Made:\n    def __getattr__(self, name): return lambda *a: None"),
        (Reducer, REDUCER),
        (Metric, "class Made:\n    kinds = {}\n    def __call__(self, anything, more=0): ..."),
    ],
)
def test_what_has_every_member_is_built(protocol: type, code: str, tmp_path: Path, see_plugins: SeePlugins) -> None:
    assert type(built(protocol, code, tmp_path, see_plugins)).__name__ == "Made"


def test_keys_of_a_plugin_are_checked_as_ours(tmp_path: Path, see_plugins: SeePlugins) -> None:
    with pytest.raises(ConfigError, match=r"group\.count=many is of a wrong kind"):
        built(object, "class Made:\n    def __init__(self, count: int): ...", tmp_path, see_plugins, count="many")


PROTOCOLS = {
    "backbone": Backbone, "dataset": Source, "preprocess": Preprocess, "reducer": Reducer, "metrics": Metric,
}  # fmt: skip

CHOICES = [
    (group, path.stem)
    for group in PROTOCOLS
    for path in sorted((REPOSITORY / "conf" / group).glob("*.yaml"))
    if path.stem != "none"
]


@pytest.mark.parametrize(("group", "word"), CHOICES)
def test_every_choice_of_ours_keeps_its_contract(group: str, word: str) -> None:
    named = ["backbone.name=resnet18"]
    needed = {"timm": named, "torchvision": named, "folder": ["dataset.root=."], "table": ["dataset.file=x.csv"]}
    needed |= {"hf": ["dataset.name=x"]} if group == "dataset" else {}
    needed |= {"torchvision": ["dataset.name=SVHN"]} if group == "dataset" else {}
    config = compose(conf_dir(), [f"{group}={f'[{word}]' if group == 'metrics' else word}", *needed.get(word, [])])
    nodes = config.metrics if group == "metrics" else {word: getattr(config, group)}
    for node in nodes.values():
        try:
            build(node, group, PROTOCOLS[group])
        except ConfigError as absent:
            assert "pip install" in absent.fix  # noqa: PT017 (an extra that is not installed)
