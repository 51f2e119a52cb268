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
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import torch
from filelock import FileLock
from torch import Tensor, nn
from torchvision.models import WeightsEnum

from frostmark.download import UnreachableError, require_reachable
from frostmark.errors import DataError

State = Mapping[str, Tensor]

_NESTING = ("state_dict", "model_state_dict", "model")
_WRAPPERS = ("module.", "_orig_mod.")


def fetch_weights(weights: WeightsEnum) -> State:
    """The state dict behind an enum of torchvision: from its cache if verified there, else downloaded, once.

    Raises:
        DataError: if the file is neither cached nor can be downloaded; the message names the file, its size and
            where to put it by hand.
    """
    name = Path(urlparse(weights.url).path).name
    cached = Path(torch.hub.get_dir()) / "checkpoints" / name
    cached.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{cached}.lock"):  # parallel jobs wait for one download
        if cached.is_file() and not _matches(cached, name):
            raise DataError(
                f"the cached weights file {cached} is damaged: its SHA-256 is not the one in its name",
                fix=f"remove it and run the command again: rm {cached}",
            )
        if not cached.is_file():
            _announce(weights, name, cached)
        state: State = weights.get_state_dict(progress=True, check_hash=True, weights_only=True)
        return state


def _announce(weights: WeightsEnum, name: str, cached: Path) -> None:
    size = float(weights.meta.get("_file_size", 0))
    try:
        require_reachable(weights.url)
    except UnreachableError as problem:
        raise DataError(
            f"the weights {weights} are not on this machine and cannot be downloaded ({problem}). "
            f"Missing: {name}, {size:.1f} MB",
            fix=f"download it elsewhere from {weights.url} and put it at {cached}; or backbone.weights=<file>, "
            "or backbone.weights=untrained; `python run.py experiment=quickstart` needs no download",
        ) from problem


def _matches(path: Path, name: str) -> bool:
    """Whether the file has the SHA-256 prefix that torchvision writes into its names (``resnet18-f37072fd.pth``)."""
    expected = re.search(r"-([0-9a-f]{8,})\.", name)
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
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, OSError, KeyError, TypeError) as problem:
        raise DataError(
            f"{path} cannot be read as weights: {_first_line(problem)}",
            fix="name an intact file of tensors: .safetensors, or a .pth that torch.load(weights_only=True) accepts",
        ) from problem


def _first_line(problem: BaseException) -> str:
    return (str(problem).strip() or type(problem).__name__).splitlines()[0]


def _read(path: Path) -> Any:
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


def _unwrapped(content: Any) -> State:
    for key in _NESTING:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not content:
        raise ValueError(f"it holds a {type(content).__name__}, not a dictionary of tensors")
    strangers = [k for k, v in content.items() if not isinstance(v, Tensor)]
    if strangers:
        raise ValueError(f"entry {strangers[0]!r} is a {type(content[strangers[0]]).__name__}, not a tensor")
    state = dict(content)
    for prefix in _WRAPPERS:
        if all(k.startswith(prefix) for k in state):
            state = {k.removeprefix(prefix): v for k, v in state.items()}
    return state


def load_strictly(model: nn.Module, state: State, origin: str) -> None:
    """Put ``state`` into ``model`` (which may be on the meta device), every key and shape exactly.

    Raises:
        DataError: naming the first missing, unexpected and mis-shaped keys.
    """
    expected = model.state_dict()
    missing = [k for k in expected if k not in state]
    unexpected = [k for k in state if k not in expected]
    misfits = [k for k in expected if k in state and expected[k].shape != state[k].shape]
    problems = [
        f"{len(keys)} {word} (first: {', '.join(keys[:3])})"
        for word, keys in (("missing", missing), ("unexpected", unexpected), ("of another shape", misfits))
        if keys
    ]
    if problems:
        raise DataError(
            f"{origin} does not hold the weights of this architecture: {'; '.join(problems)}",
            fix="backbone=<the architecture the file was saved from>, or another file",
        )
    as_float = {k: v.float() if v.is_floating_point() else v for k, v in state.items()}
    model.load_state_dict(as_float, strict=True, assign=True)


def weights_digest(model: nn.Module) -> str:
    """BLAKE2b digest (32 hexadecimal digits) of every tensor of the model: name, dtype, shape, bytes."""
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)};".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().data)
    return digest.hexdigest()
