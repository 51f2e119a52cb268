"""backbone=rows on the command line: ``layer=`` names a layer of the file; without it every layer of the file is run.

with_layers(["backbone=rows", "backbone.file=a.npz", "layer=fc"])   # [… "layer=node", "layer.node=fc"]
with_layers(["backbone=rows", "backbone.file=a.npz"])               # [… "layer=node", "layer.node='conv','fc'", "-m"]

Hydra knows the words of ``layer=`` beforehand and the names in a file it does not, so that they become exact nodes.
"""

from __future__ import annotations

from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from frostmark.benchmark.rows import layers_of_file, told_beside_rows
from frostmark.errors import ConfigError
from frostmark.names import quoted

ROWS = "backbone=rows"

_TELLING = {"--help", "-h", "--hydra-help", "--info", "-i", "--shell-completion", "-sc"}
"""Options that run nothing."""


def with_layers(arguments: list[str]) -> list[str]:
    """The words of a benchmark of rows as Hydra can take them.

    Raises:
        ConfigError: if a data set or a preprocessing is named beside the rows, or several files share no layer.
        DataError: if no layer is named and the file cannot be read.
    """
    keys = [word.lstrip("+~").partition("=")[0] for word in arguments]
    if named := told_beside_rows(arguments):
        raise ConfigError(f"{named[0]} has no effect beside {ROWS}: the file is also the data set", fix="leave it out")
    if _TELLING & set(arguments) or "layer.node" in keys or "layer=node" in arguments:
        return arguments
    if "layer" in keys:
        pairs = zip(arguments, keys, strict=True)
        exact = [["layer=node", f"layer.node={w.partition('=')[2]}"] if key == "layer" else [w] for w, key in pairs]
        return [word for words in exact for word in words]
    layers = _layers([word for word, key in zip(arguments, keys, strict=True) if key == "backbone.file"])
    if not layers:
        return arguments
    sweeps = len(layers) > 1 and not {"-m", "--multirun"} & set(arguments)
    return [*arguments, "layer=node", f"layer.node={','.join(map(quoted, layers))}", *(["-m"] if sweeps else [])]


def _layers(words: list[str]) -> list[str]:
    """The layers of the file, or those that all of several files have; none where no file is named.

    Raises:
        ConfigError: if several files have no layer in common.
    """
    try:
        named = [path for word in words for path in _values(word)]
    except HydraException:  # it will be told of when the words are composed
        return []
    layers = [layers_of_file(Path(path)) for path in named]
    shared = [name for name in layers[0] if all(name in of for of in layers)] if layers else []
    if layers and not shared:
        told = "; ".join(f"{path}: {', '.join(of)}" for path, of in zip(named, layers, strict=True))
        raise ConfigError(f"no layer is in all of these files: {told}", fix="run one file after the other, without -m")
    return shared


def _values(word: str) -> list[str]:
    """``backbone.file=a.npz,b.npz`` → both paths."""
    (override,) = OverridesParser.create().parse_overrides([word])
    values = list(override.sweep_iterator()) if override.is_sweep_override() else [override.value()]
    return [str(getattr(value, "text", value)) for value in values if value]
