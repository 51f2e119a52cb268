"""What timm is told to build a network: by a name that it knows, or by a ``config.json`` on the hub or in a folder.

    described("resnet50.a1_in1k")                   # timm's own
    described("hf-hub:org/model@v2").cfg            # downloads config.json, 1 kB, from anybody's repository
    described("local-dir:runs/export").fetch()      # the weights file: safetensors alone

A configuration of anybody's chooses one of timm's networks and its numbers; it cannot name code, files or addresses.
Weights that are pickles are not read.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from torchvision.transforms import InterpolationMode

from frostmark.backbones.backbone import Preset
from frostmark.backbones.hub import FILES, SAFE, NotOnHubError, address, cached, card, commit_of, fetched
from frostmark.backbones.pickled import converting
from frostmark.backbones.unknown import near, unknown_name
from frostmark.download import UnreachableError
from frostmark.errors import ConfigError, DataError, nearest
from frostmark.names import WEIGHT_FILES
from frostmark.regular import read_regular

if TYPE_CHECKING:
    from timm.models import PretrainedCfg

ON_HUB, IN_FOLDER = "hf-hub:", "local-dir:"
"""What the names of networks of anybody's begin with; timm spells them so."""

CONFIG = "config.json"
_MAX_CONFIG = 1 << 24

_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?")

_TAKEN = frozenset({
    "tag", "input_size", "test_input_size", "fixed_input_size", "interpolation", "crop_pct", "test_crop_pct",
    "crop_mode", "mean", "std", "num_classes", "pool_size", "first_conv", "classifier", "license", "origin_url",
})  # fmt: skip
"""What is taken of a ``pretrained_cfg``: nothing that names a place where weights or code are."""


@dataclass(frozen=True)
class Described:
    """A network as timm builds it, and where its weights are.

    Attributes:
        architecture: timm's name of it.
        cfg: what timm knows of the weights: the images that they were made for.
        key: what identifies the network without its weights; of a repository its commit.
        label: what runs call the weights.
        origin: where the published weights are, for a person.
        fetch: gives their file.
        there: whether the file is on this machine.
        arguments: what the network is built with, beside timm's defaults.
        provenance: tags of the weights.
    """

    architecture: str
    cfg: PretrainedCfg
    key: str
    label: str
    origin: str
    fetch: Callable[[], Path]
    there: Callable[[], bool]
    arguments: Mapping[str, object] = field(default_factory=dict)
    provenance: Mapping[str, str] = field(default_factory=dict)

    @property
    def preset(self) -> Preset:
        """The transforms that timm evaluates the weights with (``resolve_model_data_config``)."""
        from timm.data import resolve_data_config

        config = resolve_data_config({}, pretrained_cfg=self.cfg.to_dict())
        size = int(config["input_size"][-1])
        resized = math.floor(size / config["crop_pct"])
        edges = 2 if config["crop_mode"] == "squash" else 1
        how = InterpolationMode(config["interpolation"])
        return Preset([size], [resized] * edges, list(config["mean"]), list(config["std"]), how)


def described(name: str) -> Described:
    """The network behind a name that :func:`check_name` lets through.

    Raises:
        ConfigError: if its configuration asks for what timm does not have.
        DataError: if its configuration is missing, damaged, or cannot be downloaded.
    """
    if name.startswith(ON_HUB):
        return _on_hub(name.removeprefix(ON_HUB))
    if name.startswith(IN_FOLDER):
        return _in_folder(Path(name.removeprefix(IN_FOLDER)).expanduser())
    return _registered(name)


def check_name(name: str) -> None:
    """Refuse a name that cannot be one; nothing is downloaded.

    Raises:
        ConfigError: with the nearest names that timm knows.
    """
    if name.startswith(ON_HUB):
        if not _HUB_NAME.fullmatch(name.removeprefix(ON_HUB)):
            raise ConfigError(f"{name} names no repository", fix=f"backbone.name={ON_HUB}<owner>/<model>[@<revision>]")
    elif not name.startswith(IN_FOLDER):
        _refuse_unknown(name)


# ---------------------------------------------------------------- timm's own


def _registered(name: str) -> Described:
    from timm.models import PretrainedCfg, get_pretrained_cfg

    # A network of which no weights were ever published has none.
    cfg = get_pretrained_cfg(name) or PretrainedCfg()
    origin = f"{ON_HUB}{cfg.hf_hub_id}" if cfg.hf_hub_id else str(cfg.url)
    page = f" ({cfg.origin_url})" if cfg.origin_url else ""
    tags = {"weights_source": f"{origin}{page}", "weights_license": cfg.license or ""}
    architecture = name.partition(".")[0]
    return Described(
        architecture,
        cfg,
        key=f"timm/{architecture}",
        label=cfg.tag or "DEFAULT",
        origin=origin,
        fetch=lambda: _of_timm(cfg),
        there=lambda: cfg.hf_hub_id is not None and cached(cfg.hf_hub_id) is not None,
        provenance={key: value for key, value in tags.items() if value},
    )


def _of_timm(cfg: PretrainedCfg) -> Path:
    if cfg.hf_hub_id is None:
        raise UnreachableError("timm has them at an address of their own, not on the hub")
    return fetched(cfg.hf_hub_id, FILES)


def _refuse_unknown(name: str) -> None:
    """Raise ConfigError where timm has no such network, or no such weights of it."""
    import timm

    architecture, _, tag = name.partition(".")
    known = timm.list_models()
    if architecture not in known:
        raise unknown_name(f"timm has no network '{name}'", architecture, known)
    tagged = timm.list_models(architecture, include_tags=True)
    if tag and name not in tagged:
        raise ConfigError(
            f"timm has no weights '{tag}' of {architecture}. Published: {', '.join(tagged)}",
            fix=f"backbone.name={_first(nearest(name, tagged))}",
        )


def _first(words: str) -> str:
    return words.split(",")[0].split(" ")[0]


# ---------------------------------------------------------------- anybody's


def _on_hub(hub_id: str) -> Described:
    """A repository at one commit: the one that its configuration is of."""
    try:
        path = fetched(hub_id, (CONFIG,))
    except UnreachableError as problem:
        raise DataError(
            f"{ON_HUB}{hub_id} is not on this machine and cannot be downloaded ({problem})",
            fix=f"download {CONFIG} and {SAFE[0]} elsewhere from {address(hub_id)} into a folder: "
            f"backbone.name={IN_FOLDER}<that folder>",
        ) from problem
    commit = commit_of(path)
    pinned = f"{hub_id.partition('@')[0]}@{commit}"
    architecture, cfg, arguments = _configured(path, f"{ON_HUB}{hub_id}")
    licence = cfg.license or str(card(pinned).get("license") or "")
    return Described(
        architecture,
        cfg,
        key=f"timm/{architecture} {ON_HUB}{pinned}",
        label=commit[:12],
        origin=f"{ON_HUB}{pinned}",
        fetch=lambda: _safe_file(pinned),
        there=lambda: cached(pinned, SAFE) is not None,
        arguments=arguments,
        provenance={
            "weights_source": f"{ON_HUB}{pinned}",
            "weights_revision": commit,
            **({"weights_license": licence} if licence else {}),
        },
    )


def _safe_file(pinned: str) -> Path:
    try:
        return fetched(pinned, SAFE)
    except NotOnHubError as problem:
        raise DataError(
            f"{ON_HUB}{pinned} has no {SAFE[0]}. Pickle files of public repositories are not read",
            fix=f"download its weights from {address(pinned)}, if you trust its owners, and name the file beside "
            "backbone.name: backbone.weights=<file>",
        ) from problem


def _in_folder(folder: Path) -> Described:
    name = f"{IN_FOLDER}{folder}"
    if not (folder / CONFIG).is_file():
        raise DataError(f"there is no {CONFIG} in {folder}", fix=f"backbone.name={IN_FOLDER}<a folder that has one>")
    architecture, cfg, arguments = _configured(folder / CONFIG, name)
    digest = hashlib.blake2b(json.dumps(arguments, sort_keys=True).encode(), digest_size=8).hexdigest()
    return Described(
        architecture,
        cfg,
        key=f"timm/{architecture} {digest}" if arguments else f"timm/{architecture}",
        label=folder.absolute().name,
        origin=name,
        fetch=lambda: _only_file(folder),
        there=lambda: True,
        arguments=arguments,
        provenance={"weights_source": name, **({"weights_license": cfg.license} if cfg.license else {})},
    )


def _only_file(folder: Path) -> Path:
    files = sorted(folder.glob("*.safetensors"))
    preferred = [path for path in files if path.name in SAFE] or files
    if len(preferred) == 1:
        return preferred[0]
    pickles = sorted(path for path in folder.iterdir() if path.suffix.lower() in WEIGHT_FILES and path not in files)
    if not files and pickles:
        raise DataError(
            f"there is no {SAFE[0]} in {folder}, and {pickles[0].name} is not read: pickles can hold code, and of a "
            "folder of unknown origin only .safetensors is read",
            fix=f"save its tensors alone, which runs nothing of the file: {converting(pickles[0], folder / SAFE[0])}",
        )
    raise DataError(
        f"there is no {SAFE[0]} in {folder}" + (f", and {len(files)} other .safetensors" if files else ""),
        fix=f"call the file {SAFE[0]}, or name it beside backbone.name: backbone.weights=<file>",
    )


def _configured(path: Path, name: str) -> tuple[str, PretrainedCfg, dict[str, object]]:
    """Architecture, what is known of the weights, and arguments, as a ``config.json`` of timm's has them."""
    import timm
    from timm.models import PretrainedCfg

    config = _json(path)
    architecture = config.get("architecture")
    if not isinstance(architecture, str) or architecture not in timm.list_models():
        raise _not_timms(config, name)
    known = config.get("pretrained_cfg", config)
    arguments = config.get("model_args") or {}
    if not isinstance(known, dict) or not isinstance(arguments, dict):
        raise DataError(f"{path} is not a configuration of timm's", fix="download it again, or another backbone.name")
    _refuse_arguments(arguments, name)
    fields = {key: value for key, value in {**known, **_classes(config)}.items() if key in _TAKEN}
    if arguments.get("dynamic_img_size") or arguments.get("strict_img_size") is False:
        fields["fixed_input_size"] = False
    cfg = PretrainedCfg(**{key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()})
    if problem := _cfg_problem(cfg, arguments):
        raise DataError(f"{name}: its {CONFIG} {problem}", fix="another backbone.name")
    size = arguments.get("img_size")
    if cfg.fixed_input_size and isinstance(size, int):
        cfg.input_size = (3, size, size)
    return architecture, cfg, arguments


def _classes(config: Mapping[str, object]) -> dict[str, object]:
    return {"num_classes": config["num_classes"]} if isinstance(config.get("num_classes"), int) else {}


def _json(path: Path) -> dict[str, object]:
    try:
        content = json.loads(read_regular(path, _MAX_CONFIG, links=True))
    except (OSError, ValueError, RecursionError) as problem:
        raise DataError(f"{path} cannot be read: {problem}", fix="download it again") from problem
    if not isinstance(content, dict):
        raise DataError(f"{path} is not a configuration of timm's", fix="download it again, or another backbone.name")
    return content


def _not_timms(config: Mapping[str, object], name: str) -> ConfigError:
    import timm

    asked = config.get("architecture") or config.get("architectures") or config.get("model_type")
    code = " It brings code of its own, which Frostmark never runs." if "auto_map" in config else ""
    what = f"asks for {asked!r}" if asked else "names no architecture"
    close = near(str(asked), timm.list_models()) if isinstance(config.get("architecture"), str) else []
    return ConfigError(
        f"{name}: its {CONFIG} {what}, which is not a network of timm {timm.__version__}.{code}"
        + (f" Nearest: {', '.join(close)}" if close else ""),
        fix="a repository made for timm (its config.json names a timm architecture), or a newer timm: "
        "pip install -U timm; or a plugin that builds the network (docs/extending.md)",
    )


def _refuse_arguments(arguments: Mapping[str, object], name: str) -> None:
    """Only numbers and words for the network itself: nothing that timm would take for a place, a function or a task."""
    import timm
    from timm.models import build_model_with_cfg

    reserved = {p for of in (timm.create_model, build_model_with_cfg) for p in inspect.signature(of).parameters}
    for key, value in arguments.items():
        items = value if isinstance(value, list) else [value]
        plain = all(item is None or isinstance(item, bool | int | float | str) for item in items)
        if key in reserved | {"features_only", "pretrained_model_args", "device", "dtype"} or not plain:
            raise ConfigError(
                f"{name}: its {CONFIG} has model_args.{key}={value!r}, which is not a number or a word of the network",
                fix="another backbone.name",
            )


def _cfg_problem(cfg: PretrainedCfg, arguments: Mapping[str, object]) -> str:
    """What is wrong with what a configuration says of its images; empty if nothing is."""
    size, numbers = cfg.input_size, [*_numbers(cfg.mean), *_numbers(cfg.std)]
    if not isinstance(size, tuple) or len(size) != 3 or not all(isinstance(n, int) and n > 0 for n in size):
        return f"has input_size={size!r}"
    channels = arguments.get("in_chans", size[0])
    if channels != 3:
        return f"describes a network for images of {channels} channels; Frostmark's have 3"
    if len(numbers) != 6 or min(_numbers(cfg.std)) <= 0:
        return f"has mean={cfg.mean!r} and std={cfg.std!r}; three numbers each are needed"
    if cfg.interpolation not in {how.value for how in InterpolationMode}:
        return f"has interpolation={cfg.interpolation!r}"
    if not isinstance(cfg.crop_pct, int | float) or not 0 < cfg.crop_pct <= 2:
        return f"has crop_pct={cfg.crop_pct!r}"
    return ""


def _numbers(value: object) -> list[float]:
    items = value if isinstance(value, tuple) else ()
    return [float(item) for item in items if isinstance(item, int | float)]
