"""Lists of candidates: the networks of a race, each with its layer and the size of its images, and nothing else.

    read_candidates("base")                         # conf/candidates/base.yaml
    read_candidates("mine.yaml")[0].words           # ["backbone=timm", "backbone.name='…'", "layer=embedding", …]

A list is a YAML with one line per candidate: ``- {backbone: timm, name: convnext_tiny.fb_in22k, size: 224}``.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from omegaconf import OmegaConf

from frostmark.config.plugins import plugins
from frostmark.config.words import conf_dir
from frostmark.errors import ConfigError, nearest
from frostmark.names import network_name, quoted, titled, told_apart

GROUP = "candidates"
"""The folder of the lists, and their word on the command line."""

_FIX = "one line per candidate: - {backbone: resnet50, layer: embedding, size: 224}"


@dataclass(frozen=True)
class Candidate:
    """One network and one layer of it.

    Attributes:
        backbone: a word of ``backbone=``.
        name, tag, weights: of the network, where the word leaves them open.
        layer, pool: a word of ``layer=``, and the pool where it is not the layer's own.
        size: of the images; None for the network's own.
    """

    backbone: str
    name: str | None = None
    tag: str | None = None
    weights: str | None = None
    layer: str = "embedding"
    pool: str | None = None
    size: int | None = None

    @property
    def title(self) -> str:
        """What a person calls it; :func:`distinct_titles` where that names two of a list."""
        weights = None if self.weights is None else Path(self.weights).name
        network = network_name(self.name or self.backbone, self.tag, weights)
        return titled(network, " ".join(filter(None, (self.layer, self.pool))))

    @property
    def words(self) -> list[str]:
        """The overrides of its benchmark."""
        named = {key: getattr(self, key) for key in ("name", "tag", "weights")}
        return [
            f"backbone={self.backbone}",
            *(f"backbone.{key}={quoted(value)}" for key, value in named.items() if value is not None),
            f"layer={self.layer}",
            *([] if self.pool is None else [f"layer.pool={self.pool}"]),
            *([] if self.size is None else [f"preprocess.size={self.size}"]),
        ]


def candidate_words(own: Path | None = None) -> list[str]:
    """The lists that can be named: ours, those of plugins, and those of the user's own folder of YAMLs."""
    return sorted({path.stem for folder in _folders(own) for path in folder.glob("*.yaml")})


def read_candidates(word: str, own: Path | None = None) -> list[Candidate]:
    """The candidates of a list.

    Args:
        word: one of :func:`candidate_words`, or the path of a YAML.
        own: a folder of the user's own YAMLs, searched as well.

    Raises:
        ConfigError: if there is no such list, or a line of it is not a candidate.
    """
    path = _path(word, own)
    try:
        lines = OmegaConf.to_container(OmegaConf.load(path))
    except Exception as problem:  # a YAML that is none, or cannot be read
        told = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
        raise ConfigError(f"candidates={word}: {path} is not a list of candidates: {told}", fix=_FIX) from problem
    if not isinstance(lines, list) or not lines:
        raise ConfigError(f"candidates={word}: {path} is not a list of candidates", fix=_FIX)
    candidates = [_candidate(word, number, line) for number, line in enumerate(lines, 1)]
    titles = distinct_titles(candidates)
    twice = next((title for title in titles if titles.count(title) > 1), None)
    if twice is not None:
        raise ConfigError(f"candidates={word} names {twice} twice", fix="leave one of the two out")
    return candidates


def distinct_titles(candidates: Sequence[Candidate]) -> list[str]:
    """The title of each, with the size of the images and the path of the weights where nothing else tells two apart."""
    return [_distinct(one, [other for other in candidates if other.title == one.title]) for one in candidates]


def _distinct(one: Candidate, alike: Sequence[Candidate]) -> str:
    size = f"{one.size} px" if one.size else "its own size"
    paths = {other.weights: other.weights for other in alike if other.weights is not None}
    ends = dict(zip(paths, told_apart(list(paths)), strict=True))
    weights = "its own weights" if one.weights is None else ends[one.weights]
    differs = ((size, {other.size for other in alike}), (weights, {other.weights for other in alike}))
    return titled(one.title, *(told for told, values in differs if len(values) > 1))


def _path(word: str, own: Path | None) -> Path:
    path = Path(word).expanduser()
    if path.suffix in (".yaml", ".yml"):
        if not path.is_file():
            other = path.with_suffix(".yml" if path.suffix == ".yaml" else ".yaml")
            meant = str(other) if other.is_file() else _near(word, own)
            raise ConfigError(f"candidates={word}: there is no such file", fix=shlex.quote(f"candidates={meant}"))
        return path
    found = next((folder / f"{word}.yaml" for folder in _folders(own) if (folder / f"{word}.yaml").is_file()), None)
    if found is None:
        raise ConfigError(
            f"there is no list of candidates '{word}'. Valid: {', '.join(candidate_words(own))}",
            fix=f"candidates={_near(word, own)}, or the path of a YAML of your own",
        )
    return found


def _near(word: str, own: Path | None) -> str:
    return nearest(word, candidate_words(own), most=1).partition(" ")[0].rstrip(",")


def _folders(own: Path | None) -> list[Path]:
    folders = [conf_dir(), *(plugin.conf for plugin in plugins() if plugin.conf is not None)]
    return [folder / GROUP for folder in ([] if own is None else [own]) + folders]


def _candidate(word: str, number: int, line: object) -> Candidate:
    where = f"candidates={word}, candidate {number}"
    content: object = {"backbone": line} if isinstance(line, str) else line
    if not isinstance(content, Mapping) or "backbone" not in content:
        raise ConfigError(f"{where}: {line!r} names no backbone", fix=_FIX)
    known = [field.name for field in fields(Candidate)]
    for key, value in content.items():
        if key not in known:
            raise ConfigError(
                f"{where}: there is no key {key!r}. Valid: {', '.join(known)}", fix=f"{nearest(str(key), known, 1)}: …"
            )
        right = int if key == "size" else str
        if value is not None and (not isinstance(value, right) or isinstance(value, bool)):
            raise ConfigError(f"{where}: {key}: {value!r} is not a {_KINDS[right]}", fix=_FIX)
    return Candidate(**{str(key): value for key, value in content.items()})


_KINDS = {int: "whole number", str: "text"}
