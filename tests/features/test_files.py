"""Whatever lies in a store that others can write to: nothing hangs, nothing outside is read, changed or removed."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from frostmark.errors import DataError
from frostmark.features.entry import MANIFEST, SHARD, Entry, read_manifest
from frostmark.features.files import problem_of
from frostmark.features.key import RowKey, canonical, digest_of
from frostmark.features.store import FeatureStore
from frostmark.regular import MAX_FILE, read_regular

COUNT = 2 * SHARD + 5
KEY = RowKey("a", "l", "w", "n", "gap", "p", "i", "train", COUNT, "32-true")
OLD = time.time() - 10 * 86400


def filled(store: FeatureStore) -> Entry:
    entry = store.entry(KEY, 3)
    for shard in entry.missing():
        entry.write(shard, np.full((len(shard), 3), shard.start, np.float32))
    entry.commit({})
    return entry


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def store(tmp_path: Path, told: list[str]) -> FeatureStore:
    return FeatureStore(tmp_path / "features", told.append)


def theirs(folder: Path) -> dict[str, bytes]:
    """Somebody's own files, as old as one likes."""
    folder.mkdir()
    for name in (".bashrc", ".rows-mine", "manifest.json", "thesis.txt"):
        (folder / name).write_bytes(name.encode())
        os.utime(folder / name, (OLD, OLD))
    return contents(folder)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_an_entry_that_is_a_link_is_refused_and_what_it_leads_to_stays(
    store: FeatureStore, tmp_path: Path, told: list[str]
) -> None:
    before = theirs(tmp_path / "home")
    store.folder.mkdir()
    entry = store.entry(KEY, 3)
    entry.folder.symlink_to(tmp_path / "home")
    for use in (entry.missing, lambda: entry.write(range(SHARD), np.zeros((SHARD, 3), np.float32))):
        with pytest.raises(DataError, match="is a link to") as refused:
            use()
        assert refused.value.fix is not None
        assert refused.value.fix.startswith(f"rm {entry.folder}")
    assert store.stored() == []
    assert list(store.verify()) == []
    assert told == [f"{entry.folder} is a link: it is left alone"] * 2
    assert store.to_prune(older_than=0, max_size=0) == []
    assert store.find(entry.folder.name) is None
    assert contents(tmp_path / "home") == before


def test_hidden_files_that_are_not_ours_stay(store: FeatureStore) -> None:
    entry = filled(store)
    ours = entry.folder / f".rows-000000-{'0' * 32}.safetensors.{'a' * 32}"
    other = entry.folder / ".nfs0000001"
    for path in (ours, other):
        path.write_bytes(b"")
        os.utime(path, (OLD, OLD))
    assert entry.intact()
    assert other.exists()
    assert not ours.exists()


def test_a_pipe_in_the_place_of_a_shard_is_not_waited_for(store: FeatureStore, told: list[str]) -> None:
    entry = filled(store)
    first = next(entry.folder.glob("rows-000000-*"))
    first.unlink()
    os.mkfifo(first)
    (stored,) = store.stored()
    assert stored.problems() == [f"{first.name} cannot be read (it is not a file)"]
    assert entry.missing() == [range(SHARD)]
    assert "cannot be read (it is not a file)" in told[0]


def test_what_is_larger_than_it_can_be_is_not_read(store: FeatureStore) -> None:
    entry = filled(store)
    first = next(entry.folder.glob("rows-000000-*"))
    for path, size in ((first, 2**20), (entry.folder / MANIFEST, 3 * 2**30)):
        with path.open("r+b") as file:
            file.truncate(size)
    start = time.perf_counter()
    assert "are read" in problem_of(first, KEY.digest(), SHARD * 3 * 4)
    assert read_manifest(entry.folder / MANIFEST) is None
    with pytest.raises(OSError, match="are read"):
        read_regular(entry.folder / MANIFEST)
    assert MAX_FILE < 3 * 2**30
    assert time.perf_counter() - start < 1


def test_a_shard_that_is_a_link_is_not_read(store: FeatureStore, tmp_path: Path) -> None:
    entry = filled(store)
    first = next(entry.folder.glob("rows-000000-*"))
    (tmp_path / "elsewhere").write_bytes(first.read_bytes())
    first.unlink()
    first.symlink_to(tmp_path / "elsewhere")
    assert problem_of(first, KEY.digest()).startswith("cannot be read")


@pytest.mark.parametrize(
    "change",
    [
        {"about": None}, {"shards": "rows"}, {"shards": [1]}, {"width": "3"}, {"key": {}}, {"key": {"unknown": 1}},
        {"created": None}, None,
    ],
)  # fmt: skip
def test_a_sealed_manifest_of_another_layout_is_not_taken(
    store: FeatureStore, change: dict[str, object] | None
) -> None:
    entry = filled(store)
    manifest = entry.folder / MANIFEST
    body = json.loads(manifest.read_bytes())["body"]
    assert read_manifest(manifest) is not None
    body = [] if change is None else body | change
    manifest.write_bytes(canonical({"body": body, "digest": digest_of(canonical(body))}))
    assert read_manifest(manifest) is None
    assert [stored.words for stored in store.stored()] == ["unfinished"]
    assert not entry.intact()


def test_the_folder_is_listed_once_however_many_shards_are_read(
    store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = filled(store)
    assert entry.intact()
    listed = []
    listing = Path.glob
    monkeypatch.setattr(Path, "glob", lambda self, pattern: listed.append(pattern) or listing(self, pattern))
    rows = np.concatenate([entry.read(shard) for shard in entry.shards])
    assert rows[:, 0].tolist() == [float(i // SHARD * SHARD) for i in range(COUNT)]
    assert len(listed) == 1


def test_a_shard_that_was_written_anew_is_found(store: FeatureStore) -> None:
    entry = filled(store)
    entry.read(range(SHARD))
    next(entry.folder.glob("rows-000000-*")).unlink()
    entry.write(range(SHARD), np.full((SHARD, 3), 7, np.float32))
    assert entry.read(range(SHARD))[0, 0] == 7


FORGED: list[tuple[str, dict[str, object]]] = [
    ("key", {"count": "many"}), ("key", {"count": -1}), ("key", {"count": True}), ("key", {"count": 10**40}),
    ("key", {"weights": None}), ("key", {"node": ["x"]}), ("", {"width": -3}), ("", {"width": True}),
    ("", {"width": 10**40}), ("", {"shards": [1]}), ("", {"about": []}),
]  # fmt: skip


@pytest.mark.parametrize(("part", "forged"), FORGED)
def test_a_sealed_manifest_of_other_parts_is_none(
    part: str, forged: dict[str, object], store: FeatureStore, told: list[str]
) -> None:
    """Whoever can write there can seal one: the digest of a manifest proves no more than that it is whole."""
    entry = filled(store)
    body = json.loads((entry.folder / MANIFEST).read_text())["body"]
    (body[part] if part else body).update(forged)
    (entry.folder / MANIFEST).write_bytes(canonical({"body": body, "digest": digest_of(canonical(body))}))
    (stored,) = store.stored()
    assert stored.words == "unfinished"
    assert stored.problems() == [f"{MANIFEST} is not what was written"]
    assert store.find(entry.folder.name) is None
    assert entry.missing() == []
    assert "is not what was written" in told[0]


def test_using_an_entry_touches_nothing_outside(store: FeatureStore, tmp_path: Path) -> None:
    entry = filled(store)
    victim = tmp_path / "theirs"
    victim.write_text("")
    os.utime(victim, (OLD, OLD))
    (entry.folder / MANIFEST).unlink()
    (entry.folder / MANIFEST).symlink_to(victim)
    with store.using([entry]):
        pass
    assert victim.stat().st_mtime == pytest.approx(OLD)


def test_locks_that_lead_elsewhere_are_refused(store: FeatureStore, tmp_path: Path) -> None:
    entry = filled(store)
    before = theirs(tmp_path / "home")
    shutil.rmtree(store.folder / ".locks", ignore_errors=True)
    (store.folder / ".locks").symlink_to(tmp_path / "home")
    with pytest.raises(DataError, match="is a link to"), store.using([entry]):
        pass
    assert contents(tmp_path / "home") == before
