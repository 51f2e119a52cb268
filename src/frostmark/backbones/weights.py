"""Where published weights come from: torchvision's enums. What tells any weights from others: their digest.

state = fetch_weights(ResNet18_Weights.IMAGENET1K_V1)   # downloaded once, verified, weights only
weights_digest(model)                                   # 32 hexadecimal digits
"""

from __future__ import annotations

import hashlib
import pickle
import re
from pathlib import Path
from urllib.parse import urlparse

import torch
from filelock import FileLock
from torch import nn
from torchvision.models import WeightsEnum

from frostmark.backbones.checkpoint import State
from frostmark.download import UnreachableError, impatient, require_reachable
from frostmark.errors import DataError


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


def _first_line(problem: BaseException) -> str:
    return (str(problem).strip() or type(problem).__name__).splitlines()[0]


def weights_digest(model: nn.Module) -> str:
    """BLAKE2b digest (32 hexadecimal digits) of every tensor of the model: name, dtype, shape, bytes (if any)."""
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)};".encode())
        if tensor.is_meta:
            continue
        digest.update(tensor.detach().cpu().contiguous().numpy().data)
    return digest.hexdigest()
