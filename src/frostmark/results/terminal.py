"""Names for rich, which would read ``[red]`` as a colour, ``:cat:`` as a picture, and pass escape sequences on.

table.add_row(cell(name))
"""

from __future__ import annotations

from rich.text import Text

from frostmark.names import visible


def cell(name: str) -> Text:
    """A name as text, whatever is in it."""
    return Text(visible(name))
