"""The configuration: its schema, what must fit together in it, and how objects are made of it.

    config = typed(hydra_config)                 # Config, or ConfigError
    backbone = build(config.backbone, 'backbone')   # only targets inside Frostmark's own rooms

Groups with a ``_target_`` take the arguments of that class as keys: its signature is their schema.
"""

from __future__ import annotations

import errno
import importlib
import inspect
import re
import shutil
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException, MissingConfigException
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from frostmark import guard
from frostmark.errors import ConfigError, DataError, FrostmarkError, nearest
from frostmark.tracking.tracker import without_secrets

ROOMS = ("backbones", "data", "metrics", "reducers")
"""Rooms whose classes a configuration may name."""

AUTO = "auto"
"""The batch size that a probe chooses."""

CONTROLS = ("untrained", "pixels")
"""What a layer can be set against."""

_FEWEST = {"resamples": 40, "permutations": 19}
"""Fewer have no 2.5 % quantile; fewer can never give p ≤ 0.05."""

PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")

_OF_NO_USE = ("To append", "Set the environment", "full_key", "object_type", "reference_type")
"""Beginnings of lines in Hydra's messages that tell a user nothing."""


@dataclass
class Paths:
    """``root`` holds ``mlruns/``."""

    root: str = "."


@dataclass
class Layer:
    """What is read: a tap, or an exact node, and the pool that makes rows of it."""

    tap: str | None = None
    node: str | None = None
    pool: str = "gap"


@dataclass
class TrainerChoice:
    """Where and how the forward pass runs."""

    accelerator: str = "auto"
    devices: Any = 1
    strategy: str = "auto"
    precision: str = "32-true"
    compile: bool = False
    batch_size: Any = "auto"
    num_workers: int | None = None


@dataclass
class Features:
    """The store: rows of a layer that take more bytes than ``max_bytes``, both splits together, are not kept."""

    max_bytes: int = 8 * 2**30


@dataclass
class Tracking:
    """Where runs are kept: ``local``, ``server`` or ``none``."""

    kind: str = "local"
    uri: str | None = None
    experiment: str = "frostmark"


@dataclass
class Uncertainty:
    """How many bootstrap resamples and label permutations; 0 for none."""

    resamples: int = 1000
    permutations: int = 100


@dataclass
class Config:
    """One benchmark."""

    seed: int = 0
    paths: Paths = field(default_factory=Paths)
    backbone: dict[str, Any] = MISSING
    layer: Layer = field(default_factory=Layer)
    preprocess: dict[str, Any] = MISSING
    dataset: dict[str, Any] = MISSING
    reducer: dict[str, Any] | None = None
    metrics: dict[str, Any] = field(default_factory=dict)
    uncertainty: Uncertainty = field(default_factory=Uncertainty)
    controls: list[str] = field(default_factory=list)
    trainer: TrainerChoice = field(default_factory=TrainerChoice)
    tracking: Tracking = field(default_factory=Tracking)
    features: Features = field(default_factory=Features)

    @property
    def mlruns(self) -> Path:
        """The folder of all run-time state."""
        return Path(self.paths.root).expanduser().absolute() / "mlruns"


def conf_dir() -> Path:
    """The folder of YAMLs: inside the installed package, or ``conf/`` of a checkout."""
    here = Path(__file__).parent
    packaged = here / "conf"
    return packaged if packaged.is_dir() else here.parents[1] / "conf"


def register_schema() -> None:
    """Make the schema known to Hydra under the name that ``config.yaml`` asks for, and let it call nothing foreign."""
    ConfigStore.instance().store(name="frostmark_schema", node=Config)
    guard.install()


def typed(config: DictConfig) -> Config:
    """The composed configuration as an object, checked.

    Raises:
        ConfigError: if a value is missing, of a wrong kind, or does not fit another one.
    """
    try:
        _refuse_unknown_keys(config, Config)
        result = OmegaConf.to_object(config)
    except OmegaConfBaseException as problem:
        raise ConfigError(
            f"the configuration is incomplete: {str(problem).splitlines()[0]}",
            fix="`python run.py --cfg job` shows what it holds",
        ) from problem
    assert isinstance(result, Config)
    check(result)
    return result


def _refuse_unknown_keys(node: DictConfig, schema: Any, path: str = "") -> None:
    """What was added with ``+`` would be left aside silently."""
    known = {field.name: field for field in fields(schema)}
    for key in map(str, node):
        if key not in known:
            raise ConfigError(f"there is no key '{path}{key}'. Nearest: {nearest(key, known)}", fix=guard.HELP)
        made: Any = known[key].default_factory
        if is_dataclass(made):
            _refuse_unknown_keys(node[key], made, f"{path}{key}.")


def check(config: Config) -> None:
    """What no single value can know.

    Raises:
        ConfigError: naming the values that do not fit.
    """
    layer, trainer, tracking = config.layer, config.trainer, config.tracking
    if (layer.tap is None) == (layer.node is None):
        raise ConfigError(
            "layer=node needs the name of the node" if layer.tap is None else "layer.node goes with layer=node",
            fix="layer=node layer.node=<name>; `python run.py layers backbone=…` lists the nodes",
        )
    if trainer.precision not in PRECISIONS:
        raise ConfigError(
            f"trainer.precision={trainer.precision} is unknown",
            fix=f"trainer.precision={nearest(trainer.precision, PRECISIONS, most=1).split(' ')[0]} "
            f"(valid: {', '.join(PRECISIONS)})",
        )
    size = trainer.batch_size
    if size != AUTO and not (_is_a(size, int) and size >= 1):
        raise ConfigError(f"trainer.batch_size={size} is no number of images", fix="trainer.batch_size=32, or auto")
    devices = trainer.devices if isinstance(trainer.devices, list) else [trainer.devices]
    if not all(_is_a(device, int | str) for device in devices):
        raise ConfigError(
            f"trainer.devices={trainer.devices} names no devices", fix="trainer.devices=1, [0,1], or auto"
        )
    if config.features.max_bytes < 0:
        raise ConfigError(
            f"features.max_bytes={config.features.max_bytes} is no size", fix="features.max_bytes=0 to keep nothing"
        )
    for control in config.controls:
        if control not in CONTROLS:
            raise ConfigError(
                f"no control {control!r}",
                fix=f"controls=[{nearest(control, CONTROLS, most=1).split(' ')[0]}] (valid: {', '.join(CONTROLS)})",
            )
    if "untrained" in config.controls and trainer.strategy.startswith("ddp"):
        raise ConfigError(
            "controls=[untrained] runs in one process, trainer=ddp in several",
            fix="run trainer=ddp first, then the same with trainer=auto: the rows of the network are then in the store",
        )
    for name, count in vars(config.uncertainty).items():
        if count and not _FEWEST[name] <= count <= 100_000:
            raise ConfigError(
                f"uncertainty.{name}={count} is out of range ({_FEWEST[name]} to 100,000)",
                fix=f"uncertainty.{name}=1000, or 0 for none",
            )
    if not 0 <= config.seed < 2**32:
        raise ConfigError(f"seed={config.seed} is no seed", fix="seed=0 (0 to 4294967295)")
    if tracking.kind not in ("local", "server", "none"):
        raise ConfigError(f"tracking.kind={tracking.kind} is unknown", fix="tracking=local, server or none")
    if tracking.kind == "server" and not tracking.uri:
        raise ConfigError("tracking=server needs its address", fix="tracking.uri=http://host:5000")


def build(node: Mapping[str, Any], path: str) -> Any:
    """The object that a group describes: its ``_target_`` called with its other keys.

    Args:
        path: where the group stands in the configuration, for messages: ``reducer``.

    Raises:
        ConfigError: if the target is outside Frostmark's rooms, or takes no such keys.
    """
    target = _allowed(node.get("_target_"))
    arguments = {k: _built(v, f"{path}.{k}") for k, v in node.items() if k != "_target_"}
    parameters = [p for p in inspect.signature(target).parameters if p != "self"]
    for key in arguments:
        if key not in parameters:
            raise ConfigError(
                f"there is no key '{path}.{key}'",
                fix=f"one of {path}.: {nearest(key, parameters, most=12)}" if parameters else "leave it out",
            )
    _check_kinds(target, arguments, path)
    try:
        return target(**arguments)
    except ValueError as problem:
        raise ConfigError(f"{path}: {problem}", fix="correct that value; --help shows the usual ones") from problem


def _check_kinds(target: Any, arguments: Mapping[str, Any], path: str) -> None:
    hints = typing.get_type_hints(target)
    for key, value in arguments.items():
        if key in hints and not _is_a(value, hints[key]):
            shown = "null" if value is None else value
            raise ConfigError(f"{path}.{key}={shown} is of a wrong kind", fix=f"{path}.{key}=<{_kind(hints[key])}>")


def _is_a(value: Any, hint: Any) -> bool:
    """Whether ``value`` is of the kind that a constructor's annotation asks for; whole numbers are numbers."""
    origin, choices = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return value in choices
    if choices and (origin is types.UnionType or origin is typing.Union):
        return any(_is_a(value, choice) for choice in choices)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint) if isinstance(hint, type) else True


def _kind(hint: Any) -> str:
    choices = typing.get_args(hint)
    if choices:
        return "|".join(str(c) if typing.get_origin(hint) is typing.Literal else _kind(c) for c in choices)
    names = {int: "whole number", float: "number", str: "text", bool: "true|false", type(None): "null"}
    return names.get(hint, str(getattr(hint, "__name__", hint)))


def _built(value: Any, path: str) -> Any:
    return build(value, path) if isinstance(value, Mapping) and "_target_" in value else value


def _allowed(target: Any) -> Any:
    """The object behind a dotted name, if it was defined in one of :data:`ROOMS`.

    The name alone proves nothing (``frostmark.data.folder.hashlib`` leads elsewhere): where the object was defined
    decides.
    """
    refusal = ConfigError(
        f"_target_={target} is not allowed",
        fix=f"a class of Frostmark's own, in {', '.join(f'frostmark.{room}' for room in ROOMS)}",
    )
    prefixes = tuple(f"frostmark.{room}." for room in ROOMS)
    if not isinstance(target, str) or not target.startswith(prefixes):
        raise refusal
    module_name, _, name = target.rpartition(".")
    try:
        found = getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError, ValueError) as problem:
        raise refusal from problem
    if not (inspect.isclass(found) and found.__module__.startswith(prefixes)):
        raise refusal
    return found


def compose(folder: Path, overrides: list[str], own: Path | None = None) -> Config:
    """The configuration that ``overrides`` make of the YAMLs in ``folder``, without running anything.

    Args:
        own: a folder of the user's own YAMLs, searched as well (``--config-dir``).

    Raises:
        ConfigError: if an override is wrong.
    """
    import hydra

    register_schema()
    try:
        with hydra.initialize_config_dir(str(folder), version_base="1.3"):
            more = [] if own is None else [f"hydra.searchpath=[file://{own.absolute()}]"]
            return typed(hydra.compose("config", [*overrides, *more]))
    except (HydraException, OmegaConfBaseException) as problem:
        raise explain_hydra(problem) or problem from problem


def explain_hydra(error: Exception) -> ConfigError | None:
    """What Hydra or OmegaConf found wrong, in one paragraph with the nearest valid words; None for other errors."""
    if isinstance(error, MissingConfigException):
        option = (error.missing_cfg_file or "").removesuffix(".yaml")
        group, _, word = option.rpartition("/")
        # Of a choice within a list Hydra does not tell the others.
        known = error.options or [path.stem for path in (conf_dir() / group).glob("*.yaml")]
        fix = f"{group}={nearest(word, known).split(',')[0].split(' ')[0]}" if known else guard.HELP
        if group == "layer":
            fix += "; `python run.py layers backbone=…` lists those of a backbone"
        told = f"there is no {group} '{word}'. Nearest: {nearest(word, known)}" if known else str(error).splitlines()[0]
        return ConfigError(told, fix=fix)
    if isinstance(error, HydraException | OmegaConfBaseException):
        lines = [line.strip() for e in (error, error.__cause__) if e for line in str(e).splitlines() if line.strip()]
        unknown = re.search(r"Could not override '([^']+)'", " ".join(lines))
        if unknown is not None:
            word = unknown.group(1)
            return ConfigError(f"there is no key '{word}'. Nearest: {nearest(word, _keys())}", fix=guard.HELP)
        words = [line for line in lines if not line.startswith(_OF_NO_USE)]
        return ConfigError(" ".join(words[:3]), fix=guard.HELP)
    return None


def _keys() -> list[str]:
    """Every key of the default configuration, dotted."""
    import hydra

    with hydra.initialize_config_dir(str(conf_dir()), version_base="1.3"):
        content = OmegaConf.to_container(hydra.compose("config"), resolve=True)
    leaves = [key for key, _ in _leaves(content, "")]
    groups = {leaf.rpartition(".")[0] for leaf in leaves} - {""}
    return sorted({*leaves, *groups})


def explained(error: Exception) -> FrostmarkError:
    """Any error in our words: what a configuration library says of a wrong word is a wrong command."""
    if isinstance(error, FrostmarkError):
        return error
    return (
        explain_hydra(error)
        or _explain_machine(error)
        or FrostmarkError(
            f"this is a bug in Frostmark: {type(error).__name__}: {error}",
            fix="run it again with FROSTMARK_DEBUG=1 for the traceback, and report it",
        )
    )


def _explain_machine(error: Exception) -> DataError | None:
    """What this machine has too little of, or does not allow."""
    if isinstance(error, MemoryError):
        return DataError(
            "this machine's memory is too small for that", fix="fewer images (dataset.limit.train=…), or layer.pool=gap"
        )
    if not isinstance(error, OSError) or error.errno not in _OF_THE_MACHINE:
        return None
    where = error.filename or "a file of this run"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        free = (
            [f"; {shutil.disk_usage(Path(where).parent).free:,} bytes are free"] if Path(where).parent.is_dir() else []
        )
        return DataError(
            f"the disk is too full to write {where}{''.join(free)}",
            fix="make room, or paths.root=<a folder on a larger disk>; the same command then goes on where it stopped",
        )
    return DataError(
        f"{where} cannot be read or written: {error.strerror}",
        fix="mend that, or paths.root=<a folder elsewhere>; the same command then goes on where it stopped",
    )


_OF_THE_MACHINE = {
    errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE,
    errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.ELOOP,
}  # fmt: skip


def shown_config(config: DictConfig) -> DictConfig:
    """A copy to be kept with the run: without the user name and password that a tracking address may carry."""
    shown = config.copy()
    if shown.tracking.uri:
        shown.tracking.uri = without_secrets(shown.tracking.uri)
    return shown


def flattened(config: DictConfig) -> dict[str, str]:
    """Every leaf of the configuration by its dotted key: what MLflow keeps as params."""
    return {key: str(value) for key, value in _leaves(OmegaConf.to_container(config, resolve=True), "")}


def _leaves(node: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    if isinstance(node, Mapping) and node:
        for key, value in node.items():
            yield from _leaves(value, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, node
