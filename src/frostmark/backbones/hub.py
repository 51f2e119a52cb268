"""Files on the Hugging Face hub: found in its cache on this machine, or downloaded into it, once.

    cached("timm/resnet18.a1_in1k")          # the weights, or None: nothing is asked of the network
    fetched("timm/resnet18.a1_in1k")         # UnreachableError within seconds where there is no network
    commit_of(fetched("org/model@v2", ("config.json",)))        # the revision that the file is of

The hub's own library decides where its cache is, waits while another process downloads the same file, and goes on with
what was cut short. A token of the user's is its own affair, too: it is in the environment, never in a configuration.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from frostmark.download import UnreachableError, require_reachable
from frostmark.errors import DataError

FILES = ("model.safetensors", "pytorch_model.bin")
"""What weights are called on the hub; the first of them that is there is read."""

SAFE = FILES[:1]
"""The same for the repositories of anybody: no pickle is read."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


class NotOnHubError(UnreachableError):
    """The hub answers, and the repository has no such file."""


def cached(hub_id: str, names: Sequence[str] = FILES) -> Path | None:
    """The first of some files of ``owner/name`` or ``owner/name@revision`` in the cache; None if none is there."""
    from huggingface_hub import try_to_load_from_cache

    repository, _, revision = hub_id.partition("@")
    places = (try_to_load_from_cache(repository, name, revision=revision or None) for name in names)
    return next((Path(path) for path in places if isinstance(path, str)), None)


def fetched(hub_id: str, names: Sequence[str] = FILES) -> Path:
    """The same file, downloaded if it is not in the cache.

    Raises:
        UnreachableError: if it is neither there nor can be downloaded.
        DataError: if what is in the cache is damaged, or the repository may not be read.
    """
    path = cached(hub_id, names) or _downloaded(hub_id, names)
    if not _intact(path):
        raise DataError(
            f"the cached file {path} is damaged: its SHA-256 is not the one that the hub gave it",
            fix=f"remove it and run the command again: rm {path.resolve()} {path}",
        )
    return path


def commit_of(path: Path) -> str:
    """The commit that a file of the cache is of: its folder is called so."""
    return next((part for above, part in zip(path.parts, path.parts[1:], strict=False) if above == "snapshots"), "")


def address(hub_id: str) -> str:
    """The page on which a person finds the files."""
    from huggingface_hub import constants

    return f"{constants.ENDPOINT}/{hub_id.partition('@')[0]}"


def card(hub_id: str, ask: bool = True) -> dict[str, object]:
    """What a repository's card says of itself (``license`` …); nothing if it has none, or it cannot be had.

    Args:
        ask: the hub, if the card is not in the cache.
    """
    from huggingface_hub import metadata_load, try_to_load_from_cache

    repository, _, revision = hub_id.partition("@")
    known = try_to_load_from_cache(repository, "README.md", revision=revision or None)
    if not isinstance(known, str) and (known is not None or not ask):  # it was asked for before, and is not there
        return {}
    try:
        return dict(metadata_load(fetched(hub_id, ("README.md",))) or {})
    except Exception:  # anybody wrote it, and a run does without
        return {}


def _downloaded(hub_id: str, names: Sequence[str]) -> Path:
    from huggingface_hub import constants, hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    if constants.HF_HUB_OFFLINE:
        raise UnreachableError("HF_HUB_OFFLINE is set")
    require_reachable(address(hub_id), answered=True)
    constants.HF_HUB_DISABLE_TELEMETRY = True  # its environment variable is only read on import, which timm has done
    repository, _, revision = hub_id.partition("@")
    for name in names:
        try:
            return Path(hf_hub_download(repository, name, revision=revision or None))
        except Exception as problem:  # its own, and those of whatever it speaks HTTP with
            if isinstance(problem, EntryNotFoundError) and not isinstance(problem, LocalEntryNotFoundError):
                continue
            raise _refused(hub_id, problem) from problem
    raise NotOnHubError(f"there is no {' or '.join(names)}")


def _refused(hub_id: str, problem: Exception) -> Exception:
    """Why a download failed, in words for a person."""
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    repository, _, revision = hub_id.partition("@")
    if isinstance(problem, GatedRepoError):
        return DataError(
            f"the repository {repository} is gated: its owners decide who may read it",
            fix=f"ask for access on {address(hub_id)}, make a token that may read in your settings there, and put it "
            "into the environment: HF_TOKEN=<token> in front of the command",
        )
    if isinstance(problem, RevisionNotFoundError):
        return DataError(
            f"the repository {repository} has no revision {revision or 'main'!r}",
            fix=f"backbone.name=hf-hub:{repository}, or hf-hub:{repository}@<branch, tag or commit>",
        )
    if isinstance(problem, RepositoryNotFoundError):
        return DataError(
            f"the hub has no repository {repository}, or it is private",
            fix=f"look for its name on {address(hub_id)}; of a private one: HF_TOKEN=<token> in front of the command",
        )
    told = (str(problem).strip() or type(problem).__name__).splitlines()[0]
    return UnreachableError(f"the download failed: {told}")


def _intact(path: Path) -> bool:
    """Whether the content has the SHA-256 after which the cache names large files (``blobs/<sha256>``)."""
    name = path.resolve().name
    if not _SHA256.fullmatch(name):
        return True
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == name
