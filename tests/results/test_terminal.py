"""What the terminal is given: names as they are, and places as links where it can show them."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from frostmark.results.terminal import linked

PLACE = Path("/a b") / "deep" / ("n" * 150)


def shown(*, tty: bool, **environ: str) -> str:
    console = Console(width=60, file=StringIO(), force_terminal=tty, _environ=environ)
    console.print(linked("Files", PLACE), soft_wrap=True)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("more", [{}, {"NO_COLOR": "1"}])
def test_a_place_is_a_link_where_the_terminal_can(more: dict[str, str]) -> None:
    told = shown(tty=True, TERM="xterm-256color", **more)
    assert told.startswith("Files: \x1b]8;")
    assert f"file:///a%20b/deep/{'n' * 150}\x1b\\{PLACE}\x1b]8;;" in told


@pytest.mark.parametrize(("tty", "term"), [(True, "dumb"), (False, "xterm-256color")])
def test_elsewhere_it_is_plain_text_on_one_line(tty: bool, term: str) -> None:
    assert shown(tty=tty, TERM=term) == f"Files: {PLACE}\n"
