"""A configuration as a run keeps it: YAML text and flat params, without the secrets of a tracking address.

kept = shown(config)
kept.yaml                                   # "seed: 0\npaths:\n  root: ." …: config.yaml of the run
kept.params["trainer.precision"]            # "32-true": what the tracking store lists
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

from omegaconf import OmegaConf

from frostmark.config.schema import Config
from frostmark.tracking.tracker import without_secrets

_INTERPOLATION = re.compile(r"(\\*)\$\{")


@dataclass(frozen=True)
class Shown:
    """What is written down of a configuration.

    Attributes:
        yaml: the whole of it, as ``config.yaml``.
        params: every leaf by its dotted key.
    """

    yaml: str
    params: dict[str, str]


def shown(config: Config, given: Mapping[str, dict[str, str]] | None = None) -> Shown:
    """The configuration as text and as params.

    Args:
        given: group → what to write instead of it, where a caller handed the object over.
    """
    content = {**asdict(config), **(given or {})}
    if config.tracking.uri:
        content["tracking"]["uri"] = without_secrets(config.tracking.uri)
    text = OmegaConf.to_yaml(OmegaConf.create({key: _literal(value) for key, value in content.items()}), resolve=True)
    return Shown(text, {key: str(value) for key, value in leaves(content)})


def leaves(node: object, prefix: str = "") -> Iterator[tuple[str, object]]:
    """Every leaf of nested mappings by its dotted key; an empty mapping is a leaf."""
    if isinstance(node, Mapping) and node:
        for key, value in node.items():
            yield from leaves(value, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, node


def _literal(value: object) -> object:
    """The value with every ``${`` in its texts escaped: what they refer to was resolved before."""
    if isinstance(value, Mapping):
        return {key: _literal(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_literal(inner) for inner in value]
    return _INTERPOLATION.sub(r"\1\1\\${", value) if isinstance(value, str) else value
