"""What the program prints to, made fit: closed streams, and encodings that lack what a name or a sentence holds.

prepare()               # before anything is printed or opened
"""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper


def prepare() -> None:
    """Give closed streams a place, and write what an encoding lacks as its escapes, here and in every process below."""
    for number in range(3):
        _open_if_closed(number)
    sys.stdin = sys.stdin or open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 (open as long as the process is)
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    stream = sys.stdout
    if isinstance(stream, TextIOWrapper) and not stream.encoding.lower().startswith("utf"):
        stream.reconfigure(errors="backslashreplace")
        os.environ["PYTHONIOENCODING"] = f"{stream.encoding}:backslashreplace"


def _open_if_closed(number: int) -> None:
    """Else the next file that is opened would get the number, and what a library prints would go into it."""
    try:
        os.fstat(number)
    except OSError:
        os.open(os.devnull, os.O_RDWR)
