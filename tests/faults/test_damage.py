"""Files of the store with any bit turned, cut anywhere, or left as a crash may leave them: found, and made whole."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from faults.tally import tally
from frostmark.features import entry as entry_module
from frostmark.features.entry import SHARD, Entry, shards_of
from frostmark.features.key import RowKey
from frostmark.features.store import Stored

COUNT, WIDTH = SHARD + 120, 3
KEY = RowKey("torchvision/resnet18", "torchvision 0.29", "w" * 32, "layer4", "gap", "resize", "f" * 32, "train", COUNT, "32-true")  # fmt: skip # noqa: E501
ROWS = np.random.default_rng(0).normal(size=(COUNT, WIDTH)).astype(np.float32)
ARRAYS = {"index": np.random.default_rng(1).integers(0, COUNT, (9, 4)).astype(np.int32)}


def entry_in(folder: Path, told: list[str] | None = None) -> Entry:
    return Entry(folder / KEY.digest(), KEY, WIDTH, ([] if told is None else told).append)


def extract(entry: Entry) -> None:
    """What an extraction does with the store: what is missing, what follows from it, the manifest."""
    for shard in entry.missing():
        entry.write(shard, ROWS[shard.start : shard.stop])
    entry.derived("nearest-4", lambda: ARRAYS)
    if not entry.complete:
        entry.commit({"backbone": "resnet18"})


def is_whole(entry: Entry) -> bool:
    """Complete, to the bit, and nothing wrong in the eyes of ``cache verify``."""
    stored = Stored.at(entry.folder)
    return (
        entry.intact()
        and np.array_equal(np.concatenate([entry.read(shard) for shard in entry.shards]), ROWS)
        and np.array_equal(entry.derived("nearest-4", lambda: {})["index"], ARRAYS["index"])
        and stored is not None
        and not stored.problems()
    )


@pytest.fixture
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of files are written here, none of which is to survive a power cut."""
    monkeypatch.setattr(entry_module.os, "fsync", lambda descriptor: None)


# ---------------------------------------------------------------- bits and cuts


def damages(content: bytes, step: int) -> Iterator[bytes]:
    """``content`` with each single bit turned, and cut at every place."""
    for bit in range(0, 8 * len(content), step):
        turned = bytearray(content)
        turned[bit // 8] ^= 1 << bit % 8
        yield bytes(turned)
    for size in range(0, len(content), step):
        yield content[:size]


def damage_everything(folder: Path, step: int) -> tuple[int, int]:
    """(tried, found and healed), over every file of a small entry."""
    entry = entry_in(folder)
    extract(entry)
    sound = {path.name: path.read_bytes() for path in entry.folder.iterdir()}
    assert len(sound) == 4  # two shards, what follows from them, the manifest
    tried = well = 0
    for name, content in sorted(sound.items()):
        for damaged in damages(content, step):
            told: list[str] = []
            entry = entry_in(folder, told)
            (entry.folder / name).write_bytes(damaged)
            stored = Stored.at(entry.folder)
            noticed = stored is not None and any(problem.startswith(name) for problem in stored.problems())
            extract(entry)
            healed = {p.name: p.read_bytes() for p in entry.folder.iterdir() if not p.name.endswith(".damaged")}
            same = {n: c for n, c in healed.items() if n != "manifest.json"} == {
                n: c for n, c in sound.items() if n != "manifest.json"
            }
            tried += 1
            well += noticed and same and entry.complete and len(told) >= 1 and name in told[0]
            for path in entry.folder.iterdir():
                if path.name.endswith(".damaged"):
                    path.unlink()
            (entry.folder / "manifest.json").write_bytes(sound["manifest.json"])
        assert is_whole(entry_in(folder))
    return tried, well


def test_some_bits_turned_and_some_cuts_are_found_and_healed(tmp_path: Path, quick_disk: None) -> None:
    tried, well = damage_everything(tmp_path, step=97)
    assert tried > 300
    assert well == tried


@pytest.mark.faults
@pytest.mark.timeout(1200)
def test_every_bit_turned_and_every_cut_is_found_and_healed(tmp_path: Path, quick_disk: None) -> None:
    tally("damaged store files detected and healed", *damage_everything(tmp_path, step=1))


# ---------------------------------------------------------------- what a crash leaves


@dataclass(frozen=True)
class Step:
    """One operation on the disk: ``create``, ``write``, ``sync``, ``rename``, ``unlink`` or ``sync folder``."""

    what: str
    file: int = -1
    name: str = ""
    content: bytes = b""


def recorded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[Step]:
    """The steps of one extraction, in their order."""
    steps: list[Step] = []
    files: dict[str, int] = {}
    with monkeypatch.context() as patch:
        path_open, path_replace, path_unlink, fsync = Path.open, Path.replace, Path.unlink, os.fsync

        def opened(self: Path, mode: str = "r", *more: Any, **others: Any) -> Any:
            file = path_open(self, mode, *more, **others)
            if "w" in mode:
                files[str(self)] = len(files)
                steps.append(Step("create", files[str(self)], self.name))
            return file

        def synced(descriptor: int) -> None:
            path = Path(f"/proc/self/fd/{descriptor}").readlink()
            if path.is_dir():
                steps.append(Step("sync folder"))
            else:
                steps.append(Step("write", files[str(path)], content=path.read_bytes()))
                steps.append(Step("sync", files[str(path)]))
            fsync(descriptor)

        def replaced(self: Path, target: Path) -> Path:
            steps.append(Step("rename", files[str(self)], Path(target).name))
            files[str(target)] = files.pop(str(self))
            return path_replace(self, target)

        def unlinked(self: Path, missing_ok: bool = False) -> None:
            path_unlink(self, missing_ok)
            if str(self) in files:
                steps.append(Step("unlink", files[str(self)], self.name))

        patch.setattr(Path, "open", opened)
        patch.setattr(Path, "replace", replaced)
        patch.setattr(Path, "unlink", unlinked)
        patch.setattr(entry_module.os, "fsync", synced)
        extract(entry_in(folder))
    return steps


def torn(content: bytes, step: int) -> list[bytes]:
    """What may be on the disk of a file that was not synced."""
    return [content, bytes(len(content)), *(content[:size] for size in range(0, len(content), step))]


State = tuple[dict[str, bytes], set[str]]


def left_after(done: Sequence[Step], tear: int) -> Iterator[State]:
    """(name → content, names that must have survived) of a crash after ``done``, with un-synced steps lost or torn.

    Of the names that were given or taken since the folder was last synced, any subset may be on the disk.
    """
    kept_up_to = max((i for i, s in enumerate(done) if s.what == "sync folder"), default=-1)
    pending = [i for i, s in enumerate(done) if i > kept_up_to and s.what in ("create", "rename", "unlink")]
    certain = set(_names(done, set(range(kept_up_to + 1))))
    content = {s.file: s.content for s in done if s.what == "write"}
    on_disk = {s.file for s in done if s.what == "sync"}
    for size in range(len(pending) + 1):
        for kept in itertools.combinations(pending, size):
            names = _names(done, set(range(kept_up_to + 1)) | set(kept))
            loose = [file for file in sorted(set(names.values())) if file not in on_disk]
            for chosen in itertools.product(*(torn(content.get(file, b""), tear) for file in loose)):
                held = {**content, **dict(zip(loose, chosen, strict=True))}
                yield {name: held.get(file, b"") for name, file in names.items()}, certain


def _names(steps: Sequence[Step], kept: set[int]) -> dict[str, int]:
    """Which name leads to which file, of the steps that are kept."""
    names: dict[str, int] = {}
    for i, step in enumerate(steps):
        if i not in kept or step.what not in ("create", "rename", "unlink"):
            continue
        for name in [name for name, file in names.items() if file == step.file]:
            del names[name]
        if step.what != "unlink":
            names[step.name] = step.file
    return names


def histories(steps: Sequence[Step], every: int) -> Iterator[Sequence[Step]]:
    """Every beginning of ``steps``; and of two processes that write one entry at once, ``every`` so many steps."""
    for end in range(len(steps) + 1):
        yield steps[:end]
    other = [_of_another(step) for step in steps]
    for i in range(1, len(steps), every):
        for j in range(1, len(other), every):
            yield [*steps[:i], *other[:j]]


def _of_another(step: Step) -> Step:
    """The step as a second process does it: in a file of its own, which gets the same name in the end."""
    name = f"{step.name}0" if step.name.startswith(".") else step.name
    return replace(step, file=step.file + 1000 if step.file >= 0 else -1, name=name)


def recover_from_crashes(folder: Path, monkeypatch: pytest.MonkeyPatch, tear: int, every: int) -> tuple[int, int]:
    """(states, recovered): every file that had been brought to disk is there still, the rest is done again."""
    steps = recorded(folder / "recorded", monkeypatch)
    assert [s.what for s in steps] == ["create", "write", "sync", "rename", "sync folder"] * 4
    monkeypatch.setattr(entry_module.os, "fsync", lambda descriptor: None)
    seen: set[Any] = set()
    well = 0
    for done in histories(steps, every):
        for names, certain in left_after(done, tear if done == steps[: len(done)] else 10**6):
            state = (frozenset(names.items()), frozenset(certain))
            if state not in seen:
                seen.add(state)
                well += recovers(folder / "crashed", names, certain)
    return len(seen), well


def recovers(place: Path, names: dict[str, bytes], certain: set[str]) -> bool:
    shutil.rmtree(place, ignore_errors=True)
    entry = entry_in(place)
    entry.folder.mkdir(parents=True)
    for name, content in names.items():
        (entry.folder / name).write_bytes(content)
    missing = entry.missing()
    lost = [shard for shard in shards_of(COUNT) if shard in missing and _certainly_there(shard, certain)]
    extract(entry)
    return is_whole(entry) and not lost


def _certainly_there(shard: range, certain: set[str]) -> bool:
    return any(name.startswith(f"rows-{shard.start // SHARD:06d}-") for name in certain)


def test_what_some_crashes_leave_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried, well = recover_from_crashes(tmp_path, monkeypatch, tear=100, every=4)
    assert tried >= 100
    assert well == tried


@pytest.mark.faults
@pytest.mark.timeout(1200)
def test_whatever_a_crash_leaves_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried, well = recover_from_crashes(tmp_path, monkeypatch, tear=1, every=1)
    assert tried >= 5000
    tally("crash states of the commit protocol recovered", tried, well)
