"""Extractions by the hundred: a process that is ready forks them again and again.

    python tests/faults/racing.py race <folder> <rounds> <processes> [without-locks]
    python tests/faults/racing.py shoot <folder> <shots> <seed>

*race*: several that want the same rows at once; prints for every round how many of them forwarded images, and the
digest of all rows. *shoot*: one that is killed at random moments and then let be; prints for every round how many shots
hit, and whether nothing finished was lost and the rows are, to the bit, those of one that was let be from the start.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

import torch

from frostmark.backbones.extractor import Tap
from frostmark.backbones.load import TorchvisionBackbone
from frostmark.backbones.network import Network
from frostmark.benchmark.extraction import Extraction
from frostmark.benchmark.making import Cost, ForwardPass
from frostmark.benchmark.room import Room
from frostmark.benchmark.spot_check import SpotCheck
from frostmark.config.schema import TrainerChoice
from frostmark.data.fingerprint import fingerprint
from frostmark.data.preprocess import Resize
from frostmark.data.synthetic import Synthetic
from frostmark.features import store as store_module
from frostmark.features.memo import Memo
from frostmark.features.store import FeatureStore
from frostmark.lit import datamodule, module, probe, trainer  # noqa: F401 (imported before the fork)


def parts(images: int) -> dict[str, Any]:
    """Everything of an extraction but its store."""
    torch.set_num_threads(1)  # threads do not survive a fork
    backbone = TorchvisionBackbone("squeezenet1_0", "untrained")
    source = Synthetic(size=16, train=images, test=20)
    splits = {split: source.split(split) for split in ("train", "test")}  # type: ignore[arg-type]
    network, chosen = Network.loaded(backbone, 0), TrainerChoice(accelerator="cpu", batch_size=64)
    pipeline, memo = Resize(32).pipeline(backbone.preset), Memo(Path("no_probe.json"))
    return {
        "maker": ForwardPass(network, pipeline, splits, chosen, memo, lambda text: None),
        "splits": splits,
        "fingerprints": {split: fingerprint(images) for split, images in splits.items()},
        "progress": lambda text: None,
        "about": {},
        "room": Room(2**30, 2**40, Path()),
        "spot_check": SpotCheck(0, 0, "32-true"),
    }


def extract(folder: Path, made: dict[str, Any]) -> int:
    """2 if images were forwarded, 0 if the rows were there, 1 if they are not whole in the end."""
    tap = Tap(made["maker"].network.backbone.survey(32).resolve("stage1"), "gap")
    anew = made | {"maker": replace(made["maker"], cost=Cost())}
    extraction = Extraction(**anew, store=FeatureStore(folder))
    with extraction.stored(tap, "stage1", []) as entries:
        whole = all(entry.intact() for entry in entries.values())
    return (2 if extraction.cost.forwarded else 0) if whole else 1


def forked(work: Callable[[], int]) -> int:
    """The process that does ``work`` and ends with what it gives."""
    child = os.fork()
    if child == 0:
        os._exit(work())
    return child


def race(folder: Path, made: dict[str, Any], processes: int) -> tuple[int, str]:
    """(how many forwarded images, digest of the rows) of one round."""
    shutil.rmtree(folder, ignore_errors=True)
    start, go = os.pipe()

    def work() -> int:
        os.close(go)
        os.read(start, 1)  # all of them at once
        return extract(folder, made)

    children = [forked(work) for _ in range(processes)]
    os.close(start)
    os.close(go)
    codes = [ended(child) for child in children]
    assert set(codes) <= {0, 2}, codes
    return codes.count(2), digest(rows_in(folder))


def shoot(
    folder: Path, made: dict[str, Any], expected: dict[str, bytes], seconds: float, rng: Random
) -> tuple[int, bool]:
    """(shots that hit, whether all was well) of three shots, and an end that nobody disturbs."""
    shutil.rmtree(folder, ignore_errors=True)
    hits, well, kept = 0, True, rows_in(folder)
    for _ in range(3):
        child = forked(lambda: extract(folder, made))
        time.sleep(rng.uniform(0, seconds))
        os.kill(child, signal.SIGKILL)
        hits += ended(child) == -signal.SIGKILL
        found = rows_in(folder)
        well &= kept.items() <= found.items() <= expected.items()
        kept = found
    code = ended(forked(lambda: extract(folder, made)))
    clean = not any(problems for _, problems in FeatureStore(folder).verify())
    return hits, well and code in (0, 2) and clean and rows_in(folder) == expected


def ended(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def rows_in(folder: Path) -> dict[str, bytes]:
    return {f"{path.parent.name}/{path.name}": path.read_bytes() for path in sorted(folder.glob("*/rows-*"))}


def digest(rows: dict[str, bytes]) -> str:
    return hashlib.blake2b(b"".join(content for _, content in sorted(rows.items()))).hexdigest()[:16]


@contextlib.contextmanager
def nothing(*whatever: Any, **more: Any) -> Iterator[None]:
    """A lock that keeps nobody out."""
    yield


def main(what: str, folder: Path, count: int, number: int, locks: bool) -> None:
    if not locks:
        store_module.FileLock = nothing  # type: ignore[assignment,misc]
    made = parts(300 if what == "race" else 1300)
    if what == "race":
        for _ in range(count):
            print(*race(folder, made, number), flush=True)
        return
    start = time.monotonic()
    assert ended(forked(lambda: extract(folder, made))) == 2
    seconds, expected, rng = time.monotonic() - start, rows_in(folder), Random(number)
    hits = 0
    while hits < count:
        found, well = shoot(folder, made, expected, seconds, rng)
        hits += found
        print(found, well, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]) / "features", int(sys.argv[3]), int(sys.argv[4]), sys.argv[5:] == [])
