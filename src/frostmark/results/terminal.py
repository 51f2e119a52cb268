"""Names for rich, which would read ``[red]`` as a colour, ``:cat:`` as a picture, and pass escape sequences on.

table.add_row(cell(name))
console.print(linked("Files", folder), soft_wrap=True)     # a link, where the terminal can
"""

from __future__ import annotations

from pathlib import Path

from rich.style import Style
from rich.text import Text

from frostmark.names import visible


def cell(name: str) -> Text:
    """A name as text, whatever is in it."""
    return Text(visible(name))


def linked(words: str, path: Path) -> Text:
    """``Files: /a/b``: the path is a link to itself (OSC 8), and plain text in files, pipes and dumb terminals."""
    return Text.assemble(f"{visible(words)}: ", (visible(str(path)), Style(link=path.absolute().as_uri())))
