"""Names and tables as Markdown, with nothing in them that a reader of Markdown would take for its own.

plain("T-shirt | <b>")                          # T-shirt \\| &lt;b&gt;
table(["metric", "test"], [["accuracy", "83 %"]])
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from frostmark.names import visible

_MARKS = re.compile(r"[\\`*\[\]|#~$]|(?<![^\W_])_|_(?![^\W_])")
"""What Markdown reads as its own; lines below only at the ends of words, so that ``last_conv`` stays as it is."""


def plain(value: object) -> str:
    """A name as text: no Markdown, no HTML, no line breaks."""
    flat = _MARKS.sub(r"\\\g<0>", visible(" ".join(str(value).split())))
    return flat.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table whose first column is text and whose others are numbers; cells are plain text already."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, rule, *lines])
