"""The store of rows, told to a person.

console.print(cache_table(store.stored()))
size_bytes("10GB"), age_seconds("30d"), sized(12_300_000)       # 10000000000, 2592000.0, '12.3 MB'
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Sequence
from typing import Protocol

from rich import box
from rich.table import Table

from frostmark.results.terminal import cell

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_BYTES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


class StoredRows(Protocol):
    """What is shown of an entry."""

    @property
    def name(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def used(self) -> float: ...
    @property
    def words(self) -> str: ...


def cache_table(entries: Sequence[StoredRows]) -> Table:
    """One line an entry: its name, size, time since its last use, and what it is."""
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("entry")
    table.add_column("size", justify="right")
    table.add_column("last used", justify="right")
    table.add_column("rows")
    now = time.time()
    for entry in entries:
        table.add_row(entry.name[:8], sized(entry.size), f"{_aged(now - entry.used)} ago", cell(entry.words))
    return table


def sized(count: int) -> str:
    """A number of bytes in the unit that suits it."""
    for unit in reversed(_BYTES):
        if count >= _BYTES[unit]:
            return f"{count / _BYTES[unit]:.3g} {unit.replace('K', 'k')}"
    return "0 B"


def _aged(seconds: float) -> str:
    unit = next((u for u in reversed(_SECONDS) if seconds >= _SECONDS[u]), "s")
    return f"{int(seconds // _SECONDS[unit])} {unit}"


def age_seconds(text: str) -> float:
    """``30d`` in seconds.

    Raises:
        ValueError: if it is no age.
    """
    return _times(text, _SECONDS)


def size_bytes(text: str) -> int:
    """``10GB`` in bytes; a bare number is one of bytes.

    Raises:
        ValueError: if it is no size.
    """
    return int(_times(text.upper() if not text.isdigit() else f"{text}B", _BYTES))


def _times(text: str, units: dict[str, int]) -> float:
    match = re.fullmatch(r"([0-9.]+)\s*([A-Za-z]+)", text.strip())
    if match is None or match.group(2) not in units:
        raise ValueError(f"{text} is none of {', '.join(f'1{unit}' for unit in units)}")
    value = float(match.group(1)) * units[match.group(2)]
    if math.isinf(value):
        raise ValueError("that many digits are no number")
    return value
