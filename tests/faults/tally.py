"""What the faults came to, for docs/reliability.md: every test says how much it tried and how much ended well.

tally("fault point × action", tried=156, well=156)

``scripts/reliability.py`` reads the lines; without it nothing is written.
"""

from __future__ import annotations

import json
import os
from pathlib import Path


def tally(figure: str, tried: int, well: int, note: str = "") -> None:
    """Write one line behind those of the other tests, and fail unless everything tried ended well."""
    file = os.environ.get("FROSTMARK_TALLY")
    if file:
        line = json.dumps({"figure": figure, "tried": tried, "well": well, "note": note}) + "\n"
        with Path(file).open("a", encoding="utf-8") as lines:
            lines.write(line)  # one write: lines of several processes do not mix
    assert tried > 0, f"{figure}: nothing was tried"
    assert well == tried, f"{figure}: {well} of {tried} ended well. {note}"
