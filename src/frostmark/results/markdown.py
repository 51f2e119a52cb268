"""Names and tables as Markdown, with nothing in them that a reader of Markdown would take for its own.

plain("T-shirt | <b>")                          # T-shirt \\| &lt;b&gt;
code("layer=stage1,stage2")                     # `layer=stage1,stage2`
table(["metric", "test"], [["accuracy", "83 %"]])

Whoever names a class or a folder must not decide what the page fetches that a colleague opens.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from frostmark.names import visible

_MARKS = re.compile(r"[\\`*\[\]|#~$]|(?<![^\W_])_|_(?![^\W_])")
"""What Markdown reads as its own; lines below only at the ends of words, so that ``last_conv`` stays as it is."""


MAX_CODE = 2_000
"""Characters of a command: code that is cut in the middle is none, and what stands in it would be read as Markdown."""


def plain(value: object) -> str:
    """A name as text: no Markdown, no HTML, no line breaks."""
    flat = _MARKS.sub(r"\\\g<0>", visible(" ".join(str(value).split())))
    return flat.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def code(text: str) -> str:
    """What was typed, as code: one line without an empty one, which would end it, and short enough to stay whole."""
    line = visible(" ".join(text.split())).replace("`", "'")
    return f"`{line[:MAX_CODE]}{'…' if len(line) > MAX_CODE else ''}`" if line else ""


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table whose first column is text and whose others are numbers; whatever the cells hold is shown as text."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    shown = [[plain(cell) for cell in line] for line in (head, *lines)]
    return "\n".join(f"| {' | '.join(line)} |" for line in [shown[0], rule, *shown[1:]])
