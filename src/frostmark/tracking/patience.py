"""How long a tracking server is waited for, and how much is taken of it: MLflow itself would wait for ever.

    limit()                         # before the first request of this process

A library's timeout is one of silence: whoever sends a byte a second is never late. Here every request has a deadline
from its first byte to its last, and every answer a limit.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from frostmark.waiting import within

DEADLINE_S = 10.0
"""Seconds for one request and its answer, tries in vain among them; a server that is silent is given up after nine."""

HURRIED_S = 1.0
"""The same for the last word to a server that was lost, or of a process that was asked to stop."""

SLOWEST = 100_000
"""Bytes a second below which a file is not worth waiting for: what is sent and what is fetched adds to the deadline."""

MAX_ANSWER = 1 << 26
"""Bytes of an answer that is not a file: a thousand runs with all their metrics take some ten million."""

MAX_FILE = 1 << 31
"""Bytes of a file."""


_hurries: list[bool] = []


@contextmanager
def in_hurry() -> Iterator[None]:
    """Inside, a request has :data:`HURRIED_S` seconds."""
    _hurries.append(True)
    try:
        yield
    finally:
        _hurries.pop()


def limit() -> None:
    """Give every request that MLflow makes from now on in this process a deadline, and every answer a limit."""
    from mlflow.utils import request_utils

    if getattr(request_utils.TCPKeepAliveHTTPAdapter, "limited", False):
        return

    class Patient(request_utils.TCPKeepAliveHTTPAdapter):
        """Sends a request and takes its answer, both in a time that is known."""

        limited = True

        def send(self, request: Any, stream: bool = False, *args: Any, **more: Any) -> Any:
            seconds = (HURRIED_S if _hurries else DEADLINE_S) + _length(request.body) / SLOWEST

            def answered() -> Any:
                response = super(Patient, self).send(request, True, *args, **more)
                if not stream:
                    response._content = b"".join(_no_more_than(MAX_ANSWER, response))
                    response._content_consumed = True
                return response

            response = within(seconds, answered)
            if stream:
                _limit_pieces(response)
            return response

    setattr(request_utils, "TCPKeepAliveHTTPAdapter", Patient)  # noqa: B010 (mypy takes classes for constants)


def _limit_pieces(response: Any) -> None:
    """A file that is fetched in pieces: each of them has a deadline, and all together a limit."""
    pieces_of = response.iter_content

    def iter_content(chunk_size: int = 1, decode_unicode: bool = False) -> Iterator[bytes]:
        pieces = iter(pieces_of(chunk_size, decode_unicode))
        seconds = DEADLINE_S + chunk_size / SLOWEST
        return _no_more_than(MAX_FILE, response, iter(lambda: within(seconds, lambda: next(pieces, b"")), b""))

    response.iter_content = iter_content


def _no_more_than(most: int, response: Any, pieces: Iterator[bytes] | None = None) -> Iterator[bytes]:
    """The pieces of an answer one by one.

    Raises:
        OSError: when they are more than ``most`` bytes; the connection is closed.
    """
    taken = 0
    for piece in response.iter_content(1 << 16) if pieces is None else pieces:
        taken += len(piece)
        if taken > most:
            response.close()
            raise OSError(f"the answer is longer than {most:,} bytes")
        yield piece


def _length(body: Any) -> int:
    """Bytes of what is sent: text, or an open file."""
    if body is None:
        return 0
    if hasattr(body, "seek"):
        here = body.tell()
        end = body.seek(0, 2)
        body.seek(here)
        return int(end - here)
    return len(body)
