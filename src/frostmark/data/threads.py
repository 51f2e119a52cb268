"""The same work on many files, some at a time.

for digest in each(digest_of_file, paths):      # in order
    ...
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import TypeVar

from frostmark.waiting import pool

MAX_THREADS = 8
AHEAD = 4
"""Pieces of work that wait for a thread, for every thread: however many there are, few are known at a time."""

A = TypeVar("A")
B = TypeVar("B")


def each(work: Callable[[A], B], of: Iterable[A]) -> Iterator[B]:
    """``work`` of every item, in order. Reading, decoding and digests leave the interpreter to other threads."""
    threads = min(MAX_THREADS, os.cpu_count() or 1)
    with pool(threads) as running:
        under_way: deque[Future[B]] = deque()
        for item in of:
            under_way.append(running.submit(work, item))
            if len(under_way) > threads * AHEAD:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
