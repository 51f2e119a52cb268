"""Several processes that want the same rows at once: a process that is ready forks them again and again.

    python tests/faults/racing.py <folder> <rounds> <processes> [without-locks]

prints for every round how many of the processes forwarded images, and the digest of all rows.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

import torch

from frostmark.backbones.extractor import Tap
from frostmark.backbones.load import TorchvisionBackbone
from frostmark.backbones.weights import weights_digest
from frostmark.config import TrainerChoice
from frostmark.data.fingerprint import fingerprint
from frostmark.data.preprocess import Resize
from frostmark.data.synthetic import Synthetic
from frostmark.extraction import Extraction
from frostmark.features import store as store_module
from frostmark.features.store import FeatureStore
from frostmark.lit import datamodule, module, probe, trainer  # noqa: F401 (imported before the fork)


def parts() -> dict[str, Any]:
    """Everything of an extraction but its store."""
    torch.set_num_threads(1)  # threads do not survive a fork
    backbone = TorchvisionBackbone("squeezenet1_0", "untrained")
    source = Synthetic(size=16, train=300, test=20)
    splits = {split: source.split(split) for split in ("train", "test")}  # type: ignore[arg-type]
    model = backbone.load(0)
    return {
        "backbone": backbone,
        "model": model,
        "weights": weights_digest(model),
        "pipeline": Resize(32).pipeline(backbone.preset),
        "splits": splits,
        "fingerprints": {split: fingerprint(images) for split, images in splits.items()},
        "trainer": TrainerChoice(accelerator="cpu", batch_size=64),
        "progress": lambda text: None,
        "about": {},
    }


def race(folder: Path, made: dict[str, Any], processes: int) -> tuple[int, str]:
    """(how many forwarded images, digest of the rows) of one round."""
    shutil.rmtree(folder, ignore_errors=True)
    survey = made["backbone"].survey(32)
    tap = Tap(survey.resolve("stage1"), "gap")
    start, go = os.pipe()
    children = []
    for _ in range(processes):
        child = os.fork()
        if child == 0:
            os.close(go)
            os.read(start, 1)  # all of them at once
            extraction = Extraction(**made, store=FeatureStore(folder))
            with extraction.stored(tap, "stage1", []) as entries:
                whole = all(entry.intact() for entry in entries.values())
            os._exit((2 if extraction.cost.forwarded else 0) if whole else 1)
        children.append(child)
    os.close(start)
    os.close(go)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    assert set(codes) <= {0, 2}, codes
    rows = hashlib.blake2b(b"".join(p.read_bytes() for p in sorted(folder.glob("*/rows-*")))).hexdigest()[:16]
    return codes.count(2), rows


@contextlib.contextmanager
def nothing(*whatever: Any, **more: Any) -> Iterator[None]:
    """A lock that keeps nobody out."""
    yield


if __name__ == "__main__":
    place, rounds, many = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    if sys.argv[4:] == ["without-locks"]:
        store_module.FileLock = nothing  # type: ignore[assignment,misc]
    ready = parts()
    for _ in range(rounds):
        print(*race(place / "features", ready, many), flush=True)
