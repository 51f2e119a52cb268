from __future__ import annotations

import time
from dataclasses import dataclass

import pytest
from rich.console import Console

from frostmark.cli.commands.cache import age_seconds, cache_table, size_bytes, sized


def test_sizes_and_ages_are_read_with_their_units() -> None:
    assert [size_bytes(t) for t in ("7", "1kB", "1.5MB", "10GB", "2 TB")] == [7, 1000, 1500000, 10**10, 2 * 10**12]
    assert [age_seconds(t) for t in ("90s", "2m", "1h", "30d", "1w")] == [90, 120, 3600, 2592000, 604800]
    for wrong in ("", "ten", "10 potatoes", "-3d", "d"):
        with pytest.raises(ValueError, match="is not one of"):
            age_seconds(wrong)
        with pytest.raises(ValueError, match="is not one of"):
            size_bytes(wrong)


def test_sizes_are_shown_in_the_unit_that_suits_them() -> None:
    assert [sized(n) for n in (0, 5, 1234, 12_300_000, 8_000_000_000)] == ["0 B", "5 B", "1.23 kB", "12.3 MB", "8 GB"]


@dataclass
class Shown:
    name: str = "0123456789abcdef"
    size: int = 2_000_000
    used: float = 0.0
    words: str = "resnet18 · [b]odd[/b] name"


def test_the_table_shows_what_when_and_how_much() -> None:
    console = Console(width=120, record=True)
    console.print(cache_table([Shown(used=time.time() - 7300)]))
    shown = console.export_text()
    for part in ("01234567", "2 MB", "2 h ago", "resnet18 · [b]odd[/b] name"):
        assert part in shown
