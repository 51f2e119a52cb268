"""Batches of all splits, read by one set of processes: while the last of one split are used, the next are on their way.

train, test = parts({"train": images, "test": others}, {"train": batches, "test": batches}, workers=2)
for batch in train:                     # range after range, as a Batch
    ...

Batches come through pipes, as plain bytes: no process needs room in /dev/shm, of which Docker gives 64 MB. Where the
machine cannot have processes that talk at all, this one reads, in threads.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, get_worker_info
from torch.utils.data import _utils as loader_utils

from frostmark.data.source import Batch, ImageSet
from frostmark.errors import DataError, FrostmarkError
from frostmark.faults import point

SEMAPHORES, MORE_SEMAPHORES = 3, 5
"""Of every queue, of which each process has one and this one another; of the event that ends them."""


_ENDING_S = 0.1
"""Seconds that a process has to end by itself."""


class _Wanted(NamedTuple):
    split: str
    positions: range


_Bytes = tuple[NDArray[np.generic], ...]
"""A batch as arrays, which are pickled as bytes; tensors would go through shared memory."""


def parts(splits: Mapping[str, ImageSet], batches: Mapping[str, Sequence[range]], workers: int) -> list[Part]:
    """The batches of every split, in the order of the splits, in which they must be gone through.

    Args:
        batches: positions of the images of each, by split.
        workers: processes that read; 0 for threads of this one.
    """
    wanted = [_Wanted(split, positions) for split in splits for positions in batches[split]]
    reader = _Reader(_Images(splits), wanted, workers if processes_can_talk(workers) else 0)
    made, start = [], 0
    for split in splits:
        made.append(Part(reader, start, len(batches[split])))
        start += len(batches[split])
    return made


def processes_can_talk(workers: int) -> bool:
    """Whether this machine has what so many processes need to pass batches on: semaphores, a page each in /dev/shm."""
    try:
        point("reading.semaphore")
        _ = [multiprocessing.Lock() for _ in range(SEMAPHORES * (workers + 1) + MORE_SEMAPHORES)]  # all at once
    except (OSError, ImportError):  # no /dev/shm, or it is full
        return False
    return True


class _Images:
    """What the processes are handed: batches of any split, as arrays. A user's error is handed over as if it were one:
    torch would bury it in the traceback of a process."""

    def __init__(self, splits: Mapping[str, ImageSet]) -> None:
        self._splits = dict(splits)

    def __getitem__(self, wanted: _Wanted) -> Batch | _Bytes | FrostmarkError:
        try:
            batch = self._splits[wanted.split].__getitems__(list(wanted.positions))
        except FrostmarkError as error:
            return error
        if get_worker_info() is None:
            return batch
        indices, images, labels, seen = batch
        return tuple(np.ascontiguousarray(tensor.detach().numpy()) for tensor in (indices, images, labels, *seen))


@dataclass
class _Reader:
    """The batches one after the other.

    Attributes:
        position: of the batch that comes next.
    """

    images: _Images
    wanted: Sequence[_Wanted]
    workers: int
    position: int = 0
    _stream: Iterator[Batch | _Bytes | FrostmarkError] | None = field(default=None, repr=False)

    def seek(self, position: int) -> None:
        """Go on at a batch; where that is not the next one, with new processes."""
        if self._stream is None or position != self.position:
            self._stream = iter(
                DataLoader(
                    self.images,  # type: ignore[arg-type]  # reads a whole batch at a time
                    batch_size=None,
                    sampler=self.wanted[position:],
                    num_workers=self.workers,
                    collate_fn=_as_is,
                )
            )
            self.position = position

    def close(self) -> None:
        """Let the processes go: those of an iterator that is collected in a circle are waited for, for seconds."""
        self._stream = None

    def abandon(self) -> None:
        """End the processes in the middle of what they read: torch would wait five seconds for each."""
        patience = loader_utils.MP_STATUS_CHECK_INTERVAL
        setattr(loader_utils, "MP_STATUS_CHECK_INTERVAL", _ENDING_S)  # noqa: B010 (mypy takes it for a constant)
        try:
            getattr(self._stream, "_shutdown_workers", lambda: None)()
        finally:
            setattr(loader_utils, "MP_STATUS_CHECK_INTERVAL", patience)  # noqa: B010
        self._stream = None

    def next(self) -> Batch:
        """The next batch.

        Raises:
            FrostmarkError: that reading it raised.
            DataError: if a process that reads was killed.
        """
        assert self._stream is not None, "seek comes first"
        try:
            got = next(self._stream)
        except RuntimeError as problem:
            if "DataLoader worker" not in str(problem):
                raise
            raise DataError(
                f"a process that reads images ended unexpectedly ({str(problem).splitlines()[0]})",
                fix="trainer.num_workers=0 reads in this process; for want of memory, a smaller trainer.batch_size",
            ) from problem
        self.position += 1
        if isinstance(got, FrostmarkError):
            raise got
        if isinstance(got, Batch):
            return got
        indices, images, labels, *seen = map(torch.from_numpy, got)
        return Batch(indices, images, labels, tuple(seen))


def _as_is(batch: object) -> object:
    """A set puts out whole batches."""
    return batch


@dataclass(frozen=True)
class Part:
    """The batches of one split: an iterable with a length, as Lightning takes it for a loader."""

    reader: _Reader
    start: int
    count: int

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Batch]:
        for position in range(self.start, self.start + self.count):
            self.reader.seek(position)
            yield self.reader.next()
            if self.reader.position == len(self.reader.wanted):
                self.reader.close()
