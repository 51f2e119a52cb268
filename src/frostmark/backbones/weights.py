"""Where weights come from: torchvision's enums, or a file of the user's.

state = fetch_weights(ResNet18_Weights.IMAGENET1K_V1)   # downloaded once, verified, weights only
state = read_weights(Path("mine.safetensors"))
load_strictly(model, state, origin="mine.safetensors")
"""

from __future__ import annotations

import hashlib
import pickle
import re
import warnings
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlparse

import torch
from filelock import FileLock
from torch import Tensor, nn
from torchvision.models import WeightsEnum

from frostmark.download import UnreachableError, impatient, require_reachable
from frostmark.errors import DataError

State = Mapping[str, Tensor]

_NESTING = ("state_dict", "model_state_dict", "model")
_WRAPPERS = ("module.", "_orig_mod.")
_DENSENET = re.compile(r"^(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\.\w+)$")


def fetch_weights(weights: WeightsEnum) -> State:
    """The state dict behind an enum of torchvision: from its cache if verified there, else downloaded, once.

    Raises:
        DataError: if the file is neither cached nor can be downloaded; the message names the file, its size and
            where to put it by hand.
    """
    cached = where_cached(weights)
    cached.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{cached}.lock"):  # parallel jobs wait for one download
        if cached.is_file() and not _matches(cached):
            raise DataError(
                f"the cached weights file {cached} is damaged: its SHA-256 is not the one in its name",
                fix=f"remove it and run the command again: rm {cached}",
            )
        if not cached.is_file():
            try:
                require_reachable(weights.url)
            except UnreachableError as problem:
                raise _missing(weights, str(problem)) from problem
        try:
            with impatient():
                state: State = weights.get_state_dict(progress=True, check_hash=True, weights_only=True)
        except (OSError, RuntimeError, pickle.UnpicklingError) as problem:
            raise _missing(weights, f"the download failed: {_first_line(problem)}") from problem
        return state


def where_cached(weights: WeightsEnum) -> Path:
    """The file that torchvision keeps these weights in."""
    return Path(torch.hub.get_dir()) / "checkpoints" / Path(urlparse(weights.url).path).name


def describe(weights: WeightsEnum) -> str:
    """File name and size of published weights."""
    return f"{where_cached(weights).name}, {float(weights.meta.get('_file_size', 0)):.1f} MB"


def _missing(weights: WeightsEnum, reason: str) -> DataError:
    return DataError(
        f"the weights {weights} are not on this machine and cannot be downloaded ({reason}). "
        f"Missing: {describe(weights)}",
        fix=f"download it elsewhere from {weights.url} and put it at {where_cached(weights)}; or "
        "backbone.weights=<file>; backbone.weights=untrained; `python run.py experiment=quickstart` needs no download",
    )


def _matches(path: Path) -> bool:
    """Whether the file has the SHA-256 prefix that torchvision writes into its names (``resnet18-f37072fd.pth``)."""
    expected = re.search(r"-([0-9a-f]{8,})\.", path.name)
    if expected is None:
        return True
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest().startswith(expected.group(1))


def read_weights(path: Path) -> State:
    """The tensors of a .safetensors, .pth or .pt file; nesting (``state_dict``) and wrappers (``module.``) undone.

    Raises:
        DataError: if the file is missing, damaged, or holds anything but tensors (pickled code is never run).
    """
    if not path.is_file():
        raise DataError(f"there is no weights file {path}", fix="backbone.weights=<an existing file>")
    with path.open("rb") as file:
        start = file.read(64)
    if start.lstrip()[:1] == b"<" or start.startswith(b"version https://git-lfs"):
        what = "a Git LFS pointer" if start.startswith(b"version") else "a web page"
        raise DataError(f"{path} is {what}, not weights", fix="download the weights file itself and name that one")
    try:
        return _unwrapped(_read(path))
    except Exception as problem:  # damaged bytes may fail anywhere in whatever parses them
        raise DataError(
            f"{path} cannot be read as weights: {_first_line(problem)}",
            fix="name an intact file of tensors: .safetensors, or a .pth that torch.load(weights_only=True) accepts",
        ) from problem


def _first_line(problem: BaseException) -> str:
    return (str(problem).strip() or type(problem).__name__).splitlines()[0]


def _read(path: Path) -> object:
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except SafetensorError as problem:
            raise ValueError(str(problem)) from problem
    with warnings.catch_warnings():
        # Of the pickle's age, not of its content: what is not allowed raises.
        warnings.filterwarnings("ignore", message="Detected pickle protocol")
        return torch.load(path, map_location="cpu", weights_only=True)


def _unwrapped(content: object) -> State:
    for key in _NESTING:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not content:
        raise ValueError(f"it holds a {type(content).__name__}, not a dictionary of tensors")
    for key, value in content.items():
        problem = _strange(key, value)
        if problem:
            raise ValueError(f"entry {key!r} is {problem}")
    return _without_prefixes(content)


def _strange(key: object, value: object) -> str:
    """What makes an entry no weights; nothing is computed with it before that is known."""
    if not isinstance(value, Tensor):
        return f"a {type(value).__name__}, not a tensor"
    if not isinstance(key, str):
        return "not called by a name"
    if value.is_complex() or value.is_quantized or value.layout != torch.strided or value.is_meta:
        return f"a tensor of {value.dtype}, {value.layout} on {value.device}; weights are plain numbers"
    return ""


def _without_prefixes(state: State) -> State:
    """Keys as the architecture has them: wrappers, in whatever order, leave a prefix on every one."""
    while prefix := next((p for p in _WRAPPERS if all(k.startswith(p) for k in state)), None):
        versions = {k.removeprefix(prefix): v for k, v in getattr(state, "_metadata", {}).items()}
        state = _with_versions({k.removeprefix(prefix): v for k, v in state.items()}, versions)
    return state


def _with_versions(state: Mapping[str, Tensor], versions: Mapping[str, object] | None) -> State:
    """``state`` with the versions of its modules, from which torch knows how to read what older ones saved."""
    ordered = OrderedDict(state)
    if versions:
        ordered._metadata = versions  # type: ignore[attr-defined]  # torch's own place for them
    return ordered


def load_strictly(model: nn.Module, state: State, origin: str) -> None:
    """Put ``state`` into ``model`` (which may be on the meta device), every key and shape exactly.

    What torch and torchvision know of older layouts (missing batch counters, renamed layers) is applied first.

    Raises:
        DataError: naming the first missing, unexpected and mis-shaped keys.
    """
    expected = model.state_dict()
    state = _modern(state, expected)
    misfits = [k for k in expected if k in state and not _fits(state[k], expected[k])]
    # What is not asked for is left as it is: a few bytes may claim to be a tensor of any size.
    known = {k: v.float() if v.is_floating_point() else v for k, v in state.items() if k in expected.keys() - misfits}
    fitting = {k: known.get(k, v) for k, v in state.items() if k not in misfits}
    loaded = model.load_state_dict(
        _with_versions(fitting, getattr(state, "_metadata", None)), strict=False, assign=True
    )
    missing = [k for k in loaded.missing_keys if k not in misfits]
    problems = [
        f"{len(keys)} {word} (first: {', '.join(keys[:3])})"
        for word, keys in (
            ("missing", missing),
            ("unexpected", loaded.unexpected_keys),
            ("of another shape or kind", misfits),
        )
        if keys
    ]
    if problems:
        raise DataError(
            f"{origin} does not hold the weights of this architecture: {'; '.join(problems)}",
            fix="backbone=<the architecture the file was saved from>, or another file",
        )


def _fits(tensor: Tensor, expected: Tensor) -> bool:
    """Whether shapes agree, and whole numbers do not stand for broken ones."""
    return tensor.shape == expected.shape and tensor.is_floating_point() == expected.is_floating_point()


def _modern(state: State, expected: State) -> State:
    """Keys and versions as today's networks write them."""
    # torchvision's published DenseNets have dots in names that may have none today (densenet.py, _load_state_dict).
    renamed = {_DENSENET.sub(r"\1\2", k): v for k, v in state.items()}
    versions = getattr(state, "_metadata", None)
    if versions is None and renamed.keys() == expected.keys():
        versions = getattr(expected, "_metadata", None)  # a file without versions in today's layout
    return _with_versions(renamed, versions)


def weights_digest(model: nn.Module) -> str:
    """BLAKE2b digest (32 hexadecimal digits) of every tensor of the model: name, dtype, shape, bytes."""
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)};".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().data)
    return digest.hexdigest()
