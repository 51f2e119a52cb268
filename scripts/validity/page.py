"""docs/validity.md, whose tables a script writes between markers.

page = written(page, "published", published_markdown())         # what stands between the markers is replaced
"""

from __future__ import annotations

from collections.abc import Sequence

BEGIN = "<!-- {part}: written by scripts/validate.py -->"
END = "<!-- end of {part} -->"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose first column is text and whose others are numbers."""
    rule = ["---", *["--:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))


def written(page: str, part: str, text: str) -> str:
    """``page`` with ``text`` between the markers of ``part``.

    Raises:
        ValueError: if the page has no such markers.
    """
    begin, end = BEGIN.format(part=part), END.format(part=part)
    before, there, rest = page.partition(begin)
    _, also, after = rest.partition(end)
    if not there or not also:
        raise ValueError(f"the page has no markers {begin} and {end}")
    return f"{before}{begin}\n\n{text}\n\n{end}{after}"
