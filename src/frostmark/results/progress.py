"""What the program is doing, for whoever waits.

    with ProgressLine() as progress:
        progress("extracting train: 2,000 of 8,000 images · 61 images/s · 1 min 38 s left")

On a terminal one line that changes; elsewhere a line every few seconds, so that logs stay short.
"""

from __future__ import annotations

import sys
import time
from types import TracebackType

from rich.console import Console

from frostmark.names import visible
from frostmark.results.terminal import cell

EVERY_S = 5.0
"""Seconds between lines where there is no terminal."""


class ProgressLine:
    """Call it with a few words as often as you like."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._status = console.status("") if console.is_terminal else None
        self._last_time, self._last_topic = 0.0, ""

    def __enter__(self) -> ProgressLine:
        if self._status:
            self._status.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._status:
            self._status.stop()

    def __call__(self, text: str) -> None:
        if self._status:
            self._status.update(cell(text))
            return
        topic, now = text.split(":")[0], time.monotonic()
        if topic != self._last_topic or now - self._last_time >= EVERY_S:
            print(f"  {visible(text)}", file=sys.stderr, flush=True)
            self._last_topic, self._last_time = topic, now
