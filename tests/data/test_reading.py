"""Batches of all splits: in order, whoever reads them, with as little shared memory as a container has."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from frostmark import faults
from frostmark.data.decode import Decoded, Decoding
from frostmark.data.files import ImageFiles
from frostmark.data.folder import ImageFolder
from frostmark.data.reading import parts, processes_can_talk
from frostmark.data.source import Batch, ImageSet, TensorImages
from frostmark.data.threads import AHEAD, MAX_THREADS, each
from frostmark.errors import ConfigError, DataError
from support.environment import REPOSITORY, environment
from support.mounts import private_mounts

SIZE = 24


def squared(image: torch.Tensor) -> torch.Tensor:
    return image[:, :SIZE, :SIZE].float()


def brightness(picture: Decoded, fitted: torch.Tensor) -> torch.Tensor:
    return picture.pixels.float().mean()[None]


@pytest.fixture
def folder(tmp_path: Path) -> dict[str, ImageSet]:
    """PNGs of one shade each, which is their number among all."""
    for split, count in (("train", 20), ("test", 7)):
        (tmp_path / split / "a").mkdir(parents=True)
        for i in range(count):
            Image.new("RGB", (SIZE + i, SIZE), (3 * i, i, 9)).save(tmp_path / split / "a" / f"{i}.png")
    source = ImageFolder(str(tmp_path))
    return {split: replace(source.split(split), geometry=squared) for split in ("train", "test")}


def in_fours(splits: dict[str, ImageSet]) -> dict[str, list[range]]:
    return {s: [range(i, min(i + 4, len(images))) for i in range(0, len(images), 4)] for s, images in splits.items()}


def gone_through(splits: dict[str, ImageSet], workers: int) -> dict[str, list[Batch]]:
    made = parts(splits, in_fours(splits), workers)
    assert [len(part) for part in made] == [len(of) for of in in_fours(splits).values()]
    return {split: list(part) for split, part in zip(splits, made, strict=True)}


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_batches_are_those_of_the_sets_in_their_order(workers: int, folder: dict[str, ImageSet]) -> None:
    splits = {split: replace(images, observe=(brightness,)) for split, images in folder.items()}
    for split, batches in gone_through(splits, workers).items():
        for positions, batch in zip(in_fours(splits)[split], batches, strict=True):
            expected = splits[split].__getitems__(positions)
            assert batch.indices.tolist() == list(positions)
            assert torch.equal(batch.images, expected.images)
            assert torch.equal(batch.labels, expected.labels)
            assert [of.shape for of in batch.seen] == [(len(positions), 1)]
            assert torch.equal(batch.seen[0], expected.seen[0])


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_of_the_user_comes_through_and_no_process_stays(workers: int, folder: dict[str, ImageSet]) -> None:
    before = len(multiprocessing.active_children())
    images = folder["train"]
    assert isinstance(images, ImageFiles)
    images.paths[9].write_bytes(b"gone")
    first, _ = parts(folder, in_fours(folder), workers)
    with pytest.raises(DataError, match=f"{images.paths[9].name} cannot be read as an image"):
        list(first)
    first.reader.close()
    assert len(multiprocessing.active_children()) == before


def test_a_part_that_is_gone_through_again_begins_again(folder: dict[str, ImageSet]) -> None:
    train, test = parts(folder, in_fours(folder), 2)
    for part in (train, test, test, train):
        assert [int(batch.indices[0]) for batch in part] == [of.start for of in in_fours(folder)["train"]][: len(part)]


class Shooting(TensorImages):
    """Whoever reads it is shot, as a process that needs too much memory is."""

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


def test_a_process_that_is_killed_is_told_of() -> None:
    images = Shooting(torch.zeros(4, 1, 2, 2, dtype=torch.uint8), torch.zeros(4, dtype=torch.long))
    (part,) = parts({"test": images}, {"test": [range(4)]}, 1)
    with pytest.raises(DataError, match="ended unexpectedly") as told:
        list(part)
    assert "trainer.num_workers=0" in told.value.fix


def test_a_mistake_of_another_kind_stays_what_it_is() -> None:
    class Wrong(TensorImages):
        def __getitems__(self, indices: Sequence[int]) -> Batch:
            raise ConfigError("wrong", fix="mend it")

    images = Wrong(torch.zeros(4, 1, 2, 2, dtype=torch.uint8), torch.zeros(4, dtype=torch.long))
    (part,) = parts({"test": images}, {"test": [range(4)]}, 0)
    with pytest.raises(ConfigError, match="wrong"):
        list(part)


# ---------------------------------------------------------------- shared memory


def test_without_semaphores_this_process_reads(folder: dict[str, ImageSet], monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        if name == "reading.semaphore":
            raise OSError(38, "Function not implemented")

    assert processes_can_talk(2)
    monkeypatch.setattr(faults, "armed", absent)
    assert not processes_can_talk(2)
    (train, _) = parts(folder, in_fours(folder), 2)
    assert train.reader.workers == 0
    assert sum(len(batch.indices) for batch in train) == len(folder["train"])


READ = """
import sys
from dataclasses import replace
import torch
from frostmark.data.folder import ImageFolder
from frostmark.data.reading import parts
images = replace(ImageFolder(sys.argv[1]).split("train"), geometry=lambda image: torch.zeros(3, 224, 224))
(part,) = parts({"train": images}, {"train": [range(i, i + 10) for i in (0, 10)]}, 2)
print("workers", part.reader.workers, "images", sum(len(batch.images) for batch in part))
"""


@pytest.mark.skipif(not private_mounts(), reason="this machine lets nobody mount a small /dev/shm of his own")
@pytest.mark.parametrize(
    ("options", "workers"), [("size=64k", 2), ("size=20k", 0), ("size=4k,nr_inodes=1", 0), ("ro", 0)]
)
def test_a_small_or_full_shm_stops_nobody(
    options: str, workers: int, folder: dict[str, ImageSet], tmp_path: Path
) -> None:
    """A batch here has 6 MB. With tensors in shared memory a process was waited for without end, or shot."""
    inside = f"mount -t tmpfs -o {options} tmpfs /dev/shm && exec {sys.executable} -c '{READ}' {tmp_path}"
    command = ["unshare", "-rm", "sh", "-c", inside]
    environs = environment(PYTHONPATH=str(REPOSITORY / "src"))
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environs)
    assert done.stdout == f"workers {workers} images 20\n", done.stderr


# ---------------------------------------------------------------- kinds of images in a batch


def test_of_jpegs_alone_a_batch_is_bytes_and_nobodys_values_depend_on_the_company(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    for name in ("a.jpg", "b.jpg", "c.png"):
        Image.fromarray(noise).save(tmp_path / name)
    paths = [tmp_path / name for name in ("a.jpg", "b.jpg", "c.png")]

    def half(image: torch.Tensor, *, near: bool = False) -> torch.Tensor:
        smaller = torch.nn.functional.avg_pool2d(image.float(), 2)
        return smaller.round().to(torch.uint8) if near else smaller

    files = ImageFiles(paths, torch.zeros(3, dtype=torch.long), tmp_path, geometry=half, decoding=Decoding(64))
    near, mixed = files.__getitems__([0, 1]).images, files.__getitems__([0, 2]).images
    assert near.dtype == torch.uint8
    assert mixed.dtype == torch.float32
    assert torch.equal(near[0].float(), mixed[0])
    assert torch.equal(mixed[1], half(torch.from_numpy(noise).permute(2, 0, 1)))  # lossless files: to the bit
    exact = replace(files, decoding=Decoding()).__getitems__([0, 1]).images
    assert exact.dtype == torch.float32
    assert 0 < (exact - near.float()).abs().max() <= 0.5  # all of it was decoded: only rounded


# ---------------------------------------------------------------- many


def test_work_is_taken_on_as_it_is_asked_for() -> None:
    begun: list[int] = []

    def work(number: int) -> int:
        begun.append(number)
        return number

    def endless() -> Callable[[], int]:
        number = iter(range(10**9))
        return lambda: next(number)

    results = each(work, iter(endless(), None))
    assert [next(results) for _ in range(50)] == list(range(50))
    assert len(begun) <= 50 + MAX_THREADS * AHEAD + 1
    results.close()
    assert list(each(work, [])) == []


def test_the_first_problem_ends_the_work() -> None:
    def work(number: int) -> int:
        return 1 // (7 - number)

    with pytest.raises(ZeroDivisionError):
        list(each(work, range(100)))
