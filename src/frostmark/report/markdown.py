"""Names and tables as Markdown, with nothing in them that a reader of Markdown would take for its own.

plain("T-shirt | <b>")                          # T-shirt \\| &lt;b&gt;
table(["metric", "test"], [["accuracy", "83 %"]])
"""

from __future__ import annotations

from collections.abc import Sequence

_MARKS = "\\`*[]|#"


def plain(value: object) -> str:
    """A name as text: no Markdown, no HTML, no line breaks."""
    flat = " ".join(str(value).split())
    for mark in _MARKS:
        flat = flat.replace(mark, f"\\{mark}")
    return flat.replace("<", "&lt;").replace(">", "&gt;")


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table whose first column is text and whose others are numbers; cells are plain text already."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, rule, *lines])
