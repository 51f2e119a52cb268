"""Whether a download can begin at all, answered within seconds.

    require_reachable("https://example.org/file.gz")      # UnreachableError after at most 3 s

The libraries' own downloads wait for minutes on a machine without a network; this asks first.
"""

from __future__ import annotations

import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

PATIENCE_S = 3.0
"""Seconds to wait for an answer: the user is told within ten what is missing."""


STALLED_S = 30.0
"""Seconds without a byte after which a download is given up."""


class UnreachableError(Exception):
    """No answer from where a file would come from."""


def require_reachable(url: str, *, answered: bool = False) -> None:
    """Ask the server for the file's head, and give up after :data:`PATIENCE_S` seconds, name look-up included.

    Args:
        answered: any answer will do, a refusal too: who asks next has a token.

    Raises:
        UnreachableError: with the reason in a few words.
    """
    problem: list[str] = [f"no answer within {PATIENCE_S:.0f} s"]

    def ask() -> None:
        try:
            request = urllib.request.Request(url, method="HEAD", headers={"User-Agent": "frostmark"})
            with urllib.request.urlopen(request, timeout=PATIENCE_S):
                problem.clear()
        except urllib.error.HTTPError as error:
            problem[:] = [] if answered else [f"the server answered {error.code}"]
        except (OSError, ValueError) as error:
            problem[0] = str(getattr(error, "reason", error)) or type(error).__name__

    # A thread, because resolving a name has no timeout of its own.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(PATIENCE_S)
    if problem:
        raise UnreachableError(problem[0])


@contextmanager
def impatient() -> Iterator[None]:
    """Downloads of libraries that set no timeout give up after :data:`STALLED_S` seconds of silence."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(STALLED_S)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
