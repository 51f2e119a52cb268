"""The store: what is written is read, what is damaged is found, what is interrupted goes on."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from frostmark.errors import DataError
from frostmark.features import entry as entry_module
from frostmark.features.entry import MANIFEST, SHARD, Entry, read_manifest, shards_of
from frostmark.features.key import RowKey
from frostmark.features.store import FeatureStore
from frostmark.features.writer import HOST, host
from support.environment import REPOSITORY

COUNT, WIDTH = 2 * SHARD + 50, 3
KEY = RowKey("torchvision/resnet18", "torchvision 0.29", "w" * 32, "layer4", "gap", "resize", "f" * 32, "train", COUNT, "32-true")  # fmt: skip # noqa: E501
ROWS = np.random.default_rng(0).normal(size=(COUNT, WIDTH)).astype(np.float32)


def fill(entry: Entry, only: slice = slice(None)) -> None:
    for shard in entry.missing()[only]:
        entry.write(shard, ROWS[shard.start : shard.stop])


def stored(folder: Path, told: list[str] | None = None) -> tuple[FeatureStore, Entry]:
    """A complete entry."""
    store = FeatureStore(folder, (told if told is not None else []).append)
    entry = store.entry(KEY, WIDTH)
    fill(entry)
    entry.commit({"backbone": "resnet18", "dataset": "digits"})
    return store, entry


def rows_of(entry: Entry) -> Any:
    return np.concatenate([entry.read(shard) for shard in entry.shards])


def test_shards_cover_every_row_once() -> None:
    assert shards_of(0) == []
    assert shards_of(SHARD) == [range(SHARD)]
    assert [i for shard in shards_of(COUNT) for i in shard] == list(range(COUNT))


def test_the_key_is_the_same_for_the_same_rows_and_no_others() -> None:
    digests = {KEY.digest(), replace(KEY).digest()}
    assert len(digests) == 1
    for field in fields(KEY):
        value = getattr(KEY, field.name)
        digests.add(replace(KEY, **{field.name: value + (1 if isinstance(value, int) else "x")}).digest())
    assert len(digests) == 1 + len(fields(KEY))


def test_the_key_does_not_move_between_versions() -> None:
    """Rows of yesterday are found tomorrow: a changed digest wants a new SCHEMA."""
    assert KEY.digest() == "a30bb05f875585fb988289d83b027a87"


def test_rows_come_back_bitwise(tmp_path: Path) -> None:
    _, entry = stored(tmp_path)
    assert entry.intact()
    assert np.array_equal(rows_of(entry), ROWS)
    assert {p.name.split("-")[0] for p in entry.folder.iterdir()} == {"rows", MANIFEST}
    body = read_manifest(entry.folder / MANIFEST)
    assert body is not None
    assert body["key"]["node"] == "layer4"
    assert body["about"] == {"backbone": "resnet18", "dataset": "digits", HOST: host()}


def test_an_entry_is_there_only_once_it_is_committed(tmp_path: Path) -> None:
    entry = FeatureStore(tmp_path).entry(KEY, WIDTH)
    assert entry.missing() == entry.shards
    with pytest.raises(ValueError, match="0 of 3 shards"):
        entry.commit({})
    fill(entry, slice(0, 2))
    assert entry.missing() == entry.shards[2:]
    assert not entry.intact()
    fill(entry)
    assert entry.missing() == []
    assert not entry.intact()
    entry.commit({})
    assert entry.intact()


@pytest.mark.parametrize("rows", [np.zeros((SHARD, 2), np.float32), np.zeros((SHARD, WIDTH)), ROWS[:5]])
def test_rows_that_are_no_shard_are_refused(rows: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no shard"):
        FeatureStore(tmp_path).entry(KEY, WIDTH).write(range(SHARD), rows)


def shard_files(entry: Entry) -> list[Path]:
    return sorted(entry.folder.glob("rows-*.safetensors"))


@pytest.mark.parametrize("where", ["header", "metadata", "first value", "last value"])
def test_a_flipped_byte_is_found_named_and_healed(where: str, tmp_path: Path) -> None:
    told: list[str] = []
    store, entry = stored(tmp_path, told)
    victim = shard_files(entry)[1]
    content = bytearray(victim.read_bytes())
    header = int.from_bytes(content[:8], "little")
    place = {"header": 1, "metadata": 30, "first value": 8 + header, "last value": -1}[where]
    content[place] ^= 1
    victim.write_bytes(content)
    ((_, problems),) = store.verify()
    assert len(problems) == 1
    assert victim.name in problems[0]
    assert entry.missing() == [entry.shards[1]]
    assert victim.name in told[0]
    assert "damaged" in told[0]
    assert not entry.complete
    assert victim.with_name(f"{victim.name}.damaged").exists()
    fill(entry)
    entry.commit({})
    assert np.array_equal(rows_of(entry), ROWS)
    assert [problems for _, problems in store.verify()] == [[]]


@pytest.mark.parametrize("size", [0, 7, 100, -1])
def test_a_truncated_shard_is_found(size: int, tmp_path: Path) -> None:
    _, entry = stored(tmp_path)
    victim = shard_files(entry)[0]
    victim.write_bytes(victim.read_bytes()[:size])
    assert entry.missing() == [entry.shards[0]]


def test_swapped_shards_are_found(tmp_path: Path) -> None:
    _, entry = stored(tmp_path)
    first, second, _ = shard_files(entry)
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)
    assert entry.missing() == entry.shards[:2]


def test_a_sound_shard_of_another_entry_or_place_is_found(tmp_path: Path) -> None:
    told: list[str] = []
    store, entry = stored(tmp_path, told)
    other = store.entry(replace(KEY, node="layer3"), WIDTH)
    fill(other)
    shard_files(entry)[0].unlink()
    moved = shard_files(other)[0]
    (entry.folder / moved.name).write_bytes(moved.read_bytes())
    own = shard_files(entry)[1]
    own.rename(own.with_name(own.name.replace("rows-000001", "rows-000002")))
    assert entry.missing() == entry.shards[:2]  # the third has two files, and the sound one is left
    assert sum("belongs elsewhere" in line for line in told) == 2


def test_a_missing_shard_and_a_missing_manifest_are_found(tmp_path: Path) -> None:
    store, entry = stored(tmp_path)
    shard_files(entry)[2].unlink()
    ((_, problems),) = store.verify()
    assert "is missing" in problems[0]
    assert entry.missing() == [entry.shards[2]]
    fill(entry)
    assert not entry.intact()


@pytest.mark.parametrize("position", [0, 20, 100, 200, -2])
def test_every_byte_of_the_manifest_counts(position: int, tmp_path: Path) -> None:
    store, entry = stored(tmp_path)
    manifest = entry.folder / MANIFEST
    content = bytearray(manifest.read_bytes())
    content[position] ^= 1
    manifest.write_bytes(content)
    assert read_manifest(manifest) is None
    ((_, problems),) = store.verify()
    assert problems == [f"{MANIFEST} is not what was written"]
    assert entry.missing() == []  # the rows prove themselves
    assert not entry.complete
    entry.commit({})
    assert entry.intact()


@pytest.mark.parametrize("garbage", [b"", b"{}", b"[]", b"null", b"\xff\xfe", b'{"body": 3}'])
def test_a_manifest_of_garbage_is_no_manifest(garbage: bytes, tmp_path: Path) -> None:
    _, entry = stored(tmp_path)
    (entry.folder / MANIFEST).write_bytes(garbage)
    assert not entry.intact()


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = FeatureStore(tmp_path).entry(KEY, WIDTH)
    fill(entry, slice(0, 1))

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(entry_module.os, "fsync", full)
    with pytest.raises(DataError, match=r"too full: [\d,]+ bytes are needed and [\d,]+ are free") as told:
        fill(entry)
    assert "cache prune" in told.value.fix
    assert len(list(entry.folder.iterdir())) == 1
    monkeypatch.undo()
    assert entry.missing() == entry.shards[1:]


def test_what_the_disk_cannot_hold_is_refused_with_numbers(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"9,000,000,000,000,000 bytes are needed and [\d,]+ are free"):
        FeatureStore(tmp_path / "features").require_room(9 * 10**15)
    FeatureStore(tmp_path / "features").require_room(1)


def test_every_file_is_brought_to_disk_before_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Written, synced, renamed, the folder synced: in this order, for every file."""
    steps: list[str] = []
    fsync, replace_path = os.fsync, Path.replace

    def synced(descriptor: int) -> None:
        steps.append("folder" if Path(f"/proc/self/fd/{descriptor}").is_dir() else "file")
        fsync(descriptor)

    def renamed(self: Path, target: Path) -> Path:
        steps.append("rename")
        return replace_path(self, target)

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("what a descriptor is cannot be asked here")
    monkeypatch.setattr(entry_module.os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", renamed)
    stored(tmp_path)
    assert steps == ["file", "rename", "folder"] * 4


def test_what_a_dead_process_left_half_written_goes(tmp_path: Path) -> None:
    _, entry = stored(tmp_path)
    old, new = (entry.folder / f".rows-000000-{'0' * 32}.safetensors.{mark * 32}" for mark in "ab")
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 7200,) * 2)
    assert entry.missing() == []
    assert [old.exists(), new.exists()] == [False, True]  # the new one may be another process's


# ---------------------------------------------------------------- what follows from the rows

ARRAYS = {
    "index": np.random.default_rng(1).integers(0, COUNT, (COUNT, 9)).astype(np.int32),
    "similarity": np.random.default_rng(2).random((COUNT, 9)).astype(np.float32),
}


def never() -> Any:
    raise AssertionError("computed although it was kept")


def derived_files(entry: Entry) -> list[Path]:
    return sorted(entry.folder.glob("derived-*.safetensors"))


def assert_bitwise(found: Any, expected: Any = ARRAYS) -> None:
    assert set(found) == set(expected)
    for name, array in expected.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        assert found[name].tobytes() == array.tobytes()


def test_what_follows_from_the_rows_is_computed_once(tmp_path: Path) -> None:
    store, entry = stored(tmp_path)
    assert_bitwise(entry.derived("nearest-90", lambda: ARRAYS))
    assert_bitwise(entry.derived("nearest-90", never))
    assert_bitwise(store.entry(KEY, WIDTH).derived("nearest-90", never))
    assert len(derived_files(entry)) == 1


def test_arrays_that_lie_apart_in_memory_come_back_as_they_look(tmp_path: Path) -> None:
    _, entry = stored(tmp_path)
    parts = {"columns": ARRAYS["index"][:, :4], "turned": ARRAYS["similarity"].T, "back": np.arange(5.0)[::-1]}
    entry.derived("parts", lambda: parts)
    assert_bitwise(entry.derived("parts", never), parts)


@pytest.mark.parametrize("where", ["header", "metadata", "first value", "last value"])
def test_a_flipped_byte_of_what_follows_is_found_and_it_is_computed_anew(where: str, tmp_path: Path) -> None:
    told: list[str] = []
    store, entry = stored(tmp_path, told)
    entry.derived("nearest-90", lambda: ARRAYS)
    (victim,) = derived_files(entry)
    content = bytearray(victim.read_bytes())
    header = int.from_bytes(content[:8], "little")
    content[{"header": 1, "metadata": 30, "first value": 8 + header, "last value": -1}[where]] ^= 1
    victim.write_bytes(content)
    ((_, problems),) = store.verify()
    assert len(problems) == 1
    assert problems[0].startswith(f"{victim.name} is damaged")
    assert victim.exists()  # who verifies changes nothing
    assert told == []
    calls: list[int] = []
    assert_bitwise(entry.derived("nearest-90", lambda: calls.append(1) or ARRAYS))  # type: ignore[func-returns-value]
    assert calls == [1]
    (line,) = told
    assert str(victim) in line
    assert "is damaged" in line
    assert "computed again" in line
    assert victim.with_name(f"{victim.name}.damaged").read_bytes() == bytes(content)
    assert_bitwise(entry.derived("nearest-90", never))
    assert [problems for _, problems in store.verify()] == [[]]


@pytest.mark.parametrize("size", [0, 7, 100, -1])
def test_what_follows_is_found_truncated(size: int, tmp_path: Path) -> None:
    told: list[str] = []
    _, entry = stored(tmp_path, told)
    entry.derived("nearest-90", lambda: ARRAYS)
    (victim,) = derived_files(entry)
    victim.write_bytes(victim.read_bytes()[:size])
    assert_bitwise(entry.derived("nearest-90", lambda: ARRAYS))
    assert len(told) == 1


NAMES = ("nearest-90", "nearest-90-in-abc", "nearest-9", "nearest", f"nearest-90-in-{'a' * 32}", f"nearest-{'0' * 32}")


@pytest.mark.parametrize("order", [1, -1])
def test_a_name_is_not_taken_for_one_that_it_begins(order: int, tmp_path: Path) -> None:
    _, entry = stored(tmp_path)
    contents = {name: {"x": np.full(3, number)} for number, name in enumerate(NAMES)}
    for name in NAMES[::order]:
        assert_bitwise(entry.derived(name, lambda name=name: contents[name]), contents[name])  # type: ignore[misc]
    for name in NAMES:
        assert_bitwise(entry.derived(name, never), contents[name])
    assert len(derived_files(entry)) == len(NAMES)


def test_what_follows_from_other_rows_is_set_aside(tmp_path: Path) -> None:
    """Also under another name: sound bytes in the wrong place."""
    told: list[str] = []
    store, entry = stored(tmp_path, told)
    other = store.entry(replace(KEY, node="layer3"), WIDTH)
    other.derived("nearest-90", lambda: {"x": np.zeros(3)})
    (foreign,) = derived_files(other)
    (entry.folder / foreign.name).write_bytes(foreign.read_bytes())
    assert [p for found, problems in store.verify() if found.folder == entry.folder for p in problems] == [
        f"{foreign.name} belongs elsewhere"
    ]
    assert_bitwise(entry.derived("nearest-90", lambda: ARRAYS))
    (own,) = derived_files(entry)
    own.rename(own.with_name(own.name.replace("nearest-90", "nearest-20")))
    assert_bitwise(entry.derived("nearest-20", lambda: {"x": np.ones(3)}), {"x": np.ones(3)})
    assert sum("belongs elsewhere" in line for line in told) == 2


def test_rows_and_what_follows_from_them_do_not_disturb_each_other(tmp_path: Path) -> None:
    told: list[str] = []
    store, entry = stored(tmp_path, told)
    entry.derived("nearest-90", lambda: ARRAYS)
    assert entry.intact()
    assert np.array_equal(rows_of(entry), ROWS)
    shard_files(entry)[1].unlink()
    assert entry.missing() == [entry.shards[1]]
    assert_bitwise(entry.derived("nearest-90", never))
    ((_, problems),) = store.verify()
    assert problems == []  # an unfinished entry
    fill(entry)
    entry.commit({})
    (victim,) = derived_files(entry)
    victim.write_bytes(b"no arrays")
    assert entry.intact()  # damage to what can be computed forwards no image
    assert_bitwise(entry.derived("nearest-90", lambda: ARRAYS))
    victim.unlink()
    assert entry.intact()
    assert [problems for _, problems in store.verify()] == [[]]


def test_what_follows_counts_and_goes_with_the_entry(tmp_path: Path) -> None:
    store, entry = stored(tmp_path)
    (before,) = store.stored()
    entry.derived("nearest-90", lambda: ARRAYS)
    (after,) = store.stored()
    assert after.size == before.size + derived_files(entry)[0].stat().st_size
    assert store.remove(after)
    assert not entry.folder.exists()


def test_a_disk_too_full_for_what_follows_costs_only_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    _, entry = stored(tmp_path, told)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(entry_module.os, "fsync", full)
    assert_bitwise(entry.derived("nearest-90", lambda: ARRAYS))
    assert derived_files(entry) == []
    assert "too full" in told[0]
    assert "nearest-90 is not kept" in told[0]
    monkeypatch.undo()
    assert entry.intact()


# ---------------------------------------------------------------- several processes


def run_beside(code: str, *words: str) -> subprocess.Popen[str]:
    """A process of its own that knows this file's names."""
    start = f"import sys; sys.path[:0] = [{str(REPOSITORY / 'src')!r}, {str(REPOSITORY / 'tests')!r}, "
    start += f"{str(Path(__file__).parent)!r}]\nfrom test_store import *\n"
    return subprocess.Popen([sys.executable, "-c", start + code, *words], stdout=subprocess.PIPE, text=True)


EXTRACT = """
store = FeatureStore(Path(sys.argv[1]))
entry = store.entry(KEY, WIDTH)
with store.extracting([entry]):
    missing = entry.missing()
    for shard in missing:
        time.sleep(0.2)
        entry.write(shard, ROWS[shard.start : shard.stop])
    if not entry.complete:
        entry.commit({})
print(len(missing))
"""


def test_two_processes_extract_an_entry_once(tmp_path: Path) -> None:
    both = [run_beside(EXTRACT, str(tmp_path)) for _ in range(2)]
    assert sorted(process.communicate(timeout=60)[0].strip() for process in both) == ["0", "3"]


def test_without_locks_two_processes_still_leave_the_right_rows(tmp_path: Path) -> None:
    code = "from contextlib import nullcontext\nFeatureStore.extracting = lambda self, entries: nullcontext()\n"
    both = [run_beside(code + EXTRACT, str(tmp_path)) for _ in range(2)]
    for process in both:
        process.communicate(timeout=60)
        assert process.returncode == 0
    entry = FeatureStore(tmp_path).entry(KEY, WIDTH)
    assert entry.intact()
    assert np.array_equal(rows_of(entry), ROWS)
    assert len(shard_files(entry)) == 3


HOLD = """
store = FeatureStore(Path(sys.argv[1]))
with store.using([store.entry(KEY, WIDTH)]):
    print("held", flush=True)
    time.sleep(60)
"""


@contextmanager
def held(how: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the entry, killed at the end."""
    with run_beside(HOLD.replace("using", how), str(folder)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_an_entry_in_use_is_not_removed_until_its_process_is_gone(tmp_path: Path) -> None:
    store, entry = stored(tmp_path)
    (found,) = store.stored()
    with held("using", tmp_path):
        assert not store.remove(found)
        assert entry.intact()
    assert store.remove(found)
    assert store.stored() == []
    assert not list((tmp_path / ".locks").glob("*.use"))


def test_an_entry_being_extracted_is_not_removed(tmp_path: Path) -> None:
    store, _ = stored(tmp_path)
    (found,) = store.stored()
    with held("extracting", tmp_path):
        assert not store.remove(found)
    assert store.remove(found)


# ---------------------------------------------------------------- pruning


def several(folder: Path, ages: list[float]) -> FeatureStore:
    store = FeatureStore(folder)
    for number, age in enumerate(ages):
        entry = store.entry(replace(KEY, node=f"layer{number}"), WIDTH)
        fill(entry)
        entry.commit({})
        then = time.time() - age
        os.utime(entry.folder / MANIFEST, (then, then))
    return store


def nodes(found: list[Any]) -> list[str]:
    return [entry.manifest["key"]["node"] for entry in found]


def test_pruning_goes_by_the_last_use(tmp_path: Path) -> None:
    store = several(tmp_path, [3000, 2000, 1000])
    assert nodes(store.stored()) == ["layer0", "layer1", "layer2"]
    assert nodes(store.to_prune(older_than=1500, max_size=None)) == ["layer0", "layer1"]
    with store.using([store.entry(replace(KEY, node="layer0"), WIDTH)]):
        pass
    assert nodes(store.to_prune(older_than=1500, max_size=None)) == ["layer1"]


def test_pruning_keeps_as_many_of_the_latest_as_fit(tmp_path: Path) -> None:
    store = several(tmp_path, [3000, 2000, 1000])
    _, older, newer = (entry.size for entry in store.stored())
    assert nodes(store.to_prune(None, 10**9)) == []
    assert nodes(store.to_prune(None, older + newer)) == ["layer0"]
    assert nodes(store.to_prune(None, older + newer - 1)) == ["layer0", "layer1"]
    assert nodes(store.to_prune(1500, newer)) == ["layer0", "layer1"]


def test_an_unfinished_entry_is_listed_and_can_go(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    fill(store.entry(KEY, WIDTH), slice(0, 1))
    (found,) = store.stored()
    assert found.words == "unfinished"
    assert found.problems() == []
    assert store.remove(found)


def test_an_entry_is_told_in_words(tmp_path: Path) -> None:
    store, _ = stored(tmp_path)
    assert store.stored()[0].words == "resnet18 · wwwwwwww · layer4 gap · digits · train 562 · 32-true"
    assert json.dumps(store.stored()[0].manifest)
