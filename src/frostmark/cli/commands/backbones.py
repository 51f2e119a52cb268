"""List the available backbones: size, cost, width, licence, and whether the weights are downloaded.

python run.py backbones                 # the words of backbone=
python run.py backbones dinov2          # every network of torchvision and timm with that in its name
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from omegaconf import DictConfig, OmegaConf
from rich.table import Table

from frostmark.backbones.backbone import Backbone
from frostmark.backbones.catalogue import (
    Facts,
    Offer,
    facts_of,
    matching,
    network_of,
    open_clip_offers,
    timm_offers,
    torchvision_offers,
)
from frostmark.backbones.contract import checked_backbone
from frostmark.backbones.unknown import near
from frostmark.cli.console import console
from frostmark.cli.parser import Parser
from frostmark.cli.program import program
from frostmark.config.build import build
from frostmark.config.compose import compose, composed
from frostmark.config.explain import explained
from frostmark.config.plugins import plugins
from frostmark.config.words import conf_dir, known_words
from frostmark.errors import ConfigError
from frostmark.results.progress import ProgressLine
from frostmark.results.terminal import cell

BY_NAME = ("torchvision", "timm", "open_clip", "rows")
"""Words that take the name of a network, or none."""

MAX_BUILT = 20
"""Networks that are built for one answer: each takes up to a second."""


def run(arguments: list[str]) -> int:
    """Print the tables."""
    parser = Parser.of("backbones", __doc__)
    parser.add_argument("pattern", nargs="?", default="", help="part of a name, or a pattern: dinov2, 'convnext*'")
    parser.add_argument("--all", action="store_true", help=f"sizes of more than {MAX_BUILT} networks, a second each")
    parser.add_argument("-cd", "--config-dir", type=Path, help="a folder of your own YAML files")
    options = parser.parse_args(arguments)
    tables = _tables(options.pattern, options.config_dir)
    if not any(tables.values()):
        raise ConfigError(
            f"no backbone has '{options.pattern}' in its name{_nearest(options.pattern)}",
            fix=f"{program()} backbones, or a part of a name: {program()} backbones resnet",
        )
    most = 10**6 if options.all else MAX_BUILT
    terminal = console()
    with ProgressLine() as progress:
        rows = {heading: _rows(offers, most, progress) for heading, offers in tables.items()}
    for heading, of_heading in rows.items():
        if of_heading:
            terminal.print(backbones_table(heading, of_heading))
    _say_more(options.pattern, [facts for of_heading in rows.values() for _, facts in of_heading])
    return 0


def _tables(pattern: str, own: Path | None) -> dict[str, list[Offer]]:
    """What is typed before the names → the backbones."""
    words = [word for word in _words(own) if word not in BY_NAME and matching(pattern, word)]
    choices = Choices(own)
    tables = {"backbone=": [choices.offer(word) for word in words]}
    if pattern:
        typed = {"open_clip": "backbone.name=… backbone.tag=…", "torchvision": "backbone.name=… backbone.weights=…"}
        for library, offers in _by_name(pattern).items():
            tables[f"backbone={library} {typed.get(library, 'backbone.name=…')}"] = offers
    return tables


def _by_name(pattern: str) -> dict[str, list[Offer]]:
    of_timm, of_clip = timm_offers(pattern), open_clip_offers(pattern)
    return {"torchvision": torchvision_offers(pattern), "timm": of_timm, "open_clip": of_clip}


def _words(own: Path | None) -> list[str]:
    mine = [path.stem for path in sorted((own / "backbone").glob("*.yaml"))] if own is not None else []
    return list(dict.fromkeys([*known_words("backbone"), *mine]))


class Choices:
    """The words of ``backbone=`` and what each describes."""

    def __init__(self, own: Path | None) -> None:
        self._own = own
        self._folders = [conf_dir(), *(p.conf for p in plugins() if p.conf is not None), *([own] if own else [])]
        self._usual = composed(conf_dir(), [], own)

    def offer(self, word: str) -> Offer:
        """The backbone of a word."""
        return Offer(word, "", lambda: checked_backbone(build(self._node(word), "backbone", Backbone)))

    def _node(self, word: str) -> dict[str, object]:
        """The YAML of a word beside the usual choices: Hydra takes half a second to compose what is one file."""
        paths = (folder / "backbone" / f"{word}.yaml" for folder in self._folders)
        node = OmegaConf.load(next(path for path in paths if path.is_file()))
        if not isinstance(node, DictConfig) or "defaults" in node:
            return compose(conf_dir(), [f"backbone={word}"], self._own).backbone
        usual = self._usual.copy()
        usual.backbone = node
        resolved = OmegaConf.to_container(usual.backbone, resolve=True)
        assert isinstance(resolved, dict)
        return {str(key): value for key, value in resolved.items()}


def _nearest(pattern: str) -> str:
    names = (offer.name for offers in _by_name("").values() for offer in offers)
    close = near(pattern, [*known_words("backbone"), *names])
    return f". Nearest: {', '.join(close)}" if close else ""


Row = tuple[str, Facts | str]
"""A name, and what is known of it; or why nothing is."""


def _rows(offers: Sequence[Offer], most: int, progress: Callable[[str], None]) -> list[Row]:
    rows: list[Row] = []
    alike: dict[object, Facts] = {}
    for number, offer in enumerate(offers):
        progress(f"looking at the networks: {offer.name} ({number + 1} of {len(offers)})")
        try:
            backbone = offer.backbone()
            network = network_of(backbone)
            facts = facts_of(backbone, alike.get(network), built=len(alike) < most)
            if facts.parameters is not None:
                alike[network] = facts
            weights = offer.weights or backbone.weights_name
            rows.append((offer.name if weights in offer.name else f"{offer.name} {weights}", facts))
        except Exception as error:  # a YAML of anybody's: the others are listed all the same
            rows.append((offer.name, explained(error).problem))
    return rows


def _say_more(pattern: str, listed: Sequence[Facts | str]) -> None:
    left = sum(isinstance(facts, Facts) and facts.parameters is None for facts in listed)
    if not pattern:
        told = ", ".join(f"{len(offers):,} of {library}" for library, offers in _by_name("").items() if offers)
        print(f"By name there are {told}: {program()} backbones <part of a name>")
        print("Networks of any owner on the hub, in timm's layout: backbone=timm backbone.name=hf-hub:<owner>/<model>")
    elif left:
        print(f"{left:,} networks were not built: take a longer part of a name, or add --all, for their numbers.")


def backbones_table(heading: str, rows: Iterable[Row]) -> Table:
    """One line a backbone: millions of parameters, GMACs, features, MB, accuracy in percent; a dash is not known."""
    table = Table(box=None, title=cell(heading), title_style="bold", title_justify="left", pad_edge=False)
    table.add_column("name", overflow="fold")
    for column in ("params", "GMACs", "width", "MB", "here", "top-1"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("licence", overflow="fold")
    for name, facts in rows:
        if isinstance(facts, str):
            table.add_row(cell(name), *[""] * 6, cell(facts))
            continue
        table.add_row(
            cell(name),
            _number(facts.parameters and facts.parameters / 1e6, ".1f", " M"),
            _number(facts.gmacs, ".2f"),
            _number(facts.width, ",d"),
            _number(facts.megabytes, ",.0f"),
            "–" if facts.here is None else "yes" if facts.here else "no",
            _number(facts.top1, ".1f"),
            cell(facts.licence or "–"),
        )
    return table


def _number(value: float | None, form: str, unit: str = "") -> str:
    return "–" if value is None else f"{value:{form}}{unit}"
