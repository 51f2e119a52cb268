"""Weights on the Hugging Face hub: found in its cache on this machine, or downloaded into it, once.

    cached("timm/resnet18.a1_in1k")          # the file, or None: nothing is asked of the network
    fetched("timm/resnet18.a1_in1k")         # UnreachableError within seconds where there is no network

The hub's own library decides where its cache is, waits while another process downloads the same file, and goes on with
what was cut short.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from frostmark.download import UnreachableError, require_reachable
from frostmark.errors import DataError

FILES = ("model.safetensors", "pytorch_model.bin")
"""What weights are called on the hub; the first of them that is there is read."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


def cached(hub_id: str) -> Path | None:
    """The weights file of ``owner/name`` or ``owner/name@revision`` in the cache; None if it is not there."""
    from huggingface_hub import try_to_load_from_cache

    repository, _, revision = hub_id.partition("@")
    places = (try_to_load_from_cache(repository, name, revision=revision or None) for name in FILES)
    return next((Path(path) for path in places if isinstance(path, str)), None)


def fetched(hub_id: str) -> Path:
    """The same file, downloaded if it is not in the cache.

    Raises:
        UnreachableError: if it is neither there nor can be downloaded.
        DataError: if what is in the cache is damaged.
    """
    path = cached(hub_id) or _downloaded(hub_id)
    if not _intact(path):
        raise DataError(
            f"the cached weights file {path} is damaged: its SHA-256 is not the one that the hub gave it",
            fix=f"remove it and run the command again: rm {path.resolve()} {path}",
        )
    return path


def address(hub_id: str) -> str:
    """The page on which a person finds the files."""
    from huggingface_hub import constants

    return f"{constants.ENDPOINT}/{hub_id.partition('@')[0]}"


def _downloaded(hub_id: str) -> Path:
    from huggingface_hub import constants, hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    if constants.HF_HUB_OFFLINE:
        raise UnreachableError("HF_HUB_OFFLINE is set")
    require_reachable(address(hub_id))
    constants.HF_HUB_DISABLE_TELEMETRY = True  # its environment variable is only read on import, which timm has done
    repository, _, revision = hub_id.partition("@")
    for name in FILES:
        try:
            return Path(hf_hub_download(repository, name, revision=revision or None))
        except Exception as problem:  # its own, and those of whatever it speaks HTTP with
            if isinstance(problem, EntryNotFoundError) and not isinstance(problem, LocalEntryNotFoundError):
                continue
            told = (str(problem).strip() or type(problem).__name__).splitlines()[0]
            raise UnreachableError(f"the download failed: {told}") from problem
    raise UnreachableError(f"there is no {' or '.join(FILES)}")


def _intact(path: Path) -> bool:
    """Whether the content has the SHA-256 after which the cache names large files (``blobs/<sha256>``)."""
    name = path.resolve().name
    if not _SHA256.fullmatch(name):
        return True
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == name
