"""Write the tables of docs/ that follow from the code, between their markers.

python scripts/write_tables.py            # writes docs/reading.md
python scripts/write_tables.py --check    # exit code 1 if it is not current
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from frostmark.metrics.kinds import Across, Kind
from frostmark.metrics.lookup import known_kinds

PAGE = Path(__file__).parents[1] / "docs" / "reading.md"
BEGIN = "<!-- metrics: written by scripts/write_tables.py -->"
END = "<!-- metrics: end -->"
HEAD = ("key", "metric", "better", "compares", "range", "what it says")
COMPARES = {
    Across.RUN: "this run",
    Across.LAYERS: "layers of one network",
    Across.EQUAL_WIDTH: "rows of equal width",
    Across.NETWORKS: "any networks",
}
FAMILIES = (
    "linear",
    "neighbours",
    "separability",
    "transfer",
    "geometry",
    "variance",
    "intra_variance",
    "pair_variance",
    "map",
)
"""The order of the page; other families follow, costs last."""


def metrics_table(kinds: Mapping[str, Kind]) -> str:
    """One line a declared metric, as Markdown."""
    lines = [_line(HEAD), "|" + "---|" * len(HEAD)]
    return "\n".join([*lines, *(_line(_cells(name, kinds[name])) for name in sorted(kinds, key=_place))])


def _place(name: str) -> int:
    family = name.partition("/")[0]
    last = len(FAMILIES) + (family == "cost")
    return FAMILIES.index(family) if family in FAMILIES else last


def _cells(name: str, kind: Kind) -> Iterator[str]:
    yield f"`{name}`"
    yield re.sub(r"<(\w+)>", r"*\1*", kind.words)
    yield kind.better if kind.better != "neither" else ""
    yield COMPARES[kind.across]
    yield _range(kind)
    yield kind.meaning


def _range(kind: Kind) -> str:
    low, high = (f"{100 * end:g}%" if kind.share else f"{end:g}" for end in kind.range)
    if all(math.isinf(end) for end in kind.range):
        return ""
    if math.isinf(kind.range[1]):
        return f"from {low}"
    return f"up to {high}" if math.isinf(kind.range[0]) else f"{low} to {high}"


def _line(cells: Iterator[str] | tuple[str, ...]) -> str:
    return "| " + " | ".join(cells) + " |"


def current(text: str) -> str:
    """The page with its table as it should be."""
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n{metrics_table(known_kinds())}\n{END}{rest.partition(END)[2]}"


def main() -> int:
    text = PAGE.read_text(encoding="utf-8")
    if "--check" in sys.argv:
        if text != current(text):
            print(f"{PAGE.name} is not current.\nFix: python scripts/write_tables.py")
            return 1
        return 0
    PAGE.write_text(current(text), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
