"""Names that come from folders, files and command lines, made fit for where they are shown and kept; and times.

visible("a\\x1b[31mb\\nc")              # 'a\\\\x1b[31mb\\\\nc': nothing in it acts on a terminal
visible_lines("problem\\nFix: …")      # the same for texts of several lines
storable("caf\\udce9")                 # 'caf\\\\udce9': UTF-8, which every file and database can hold
quoted("it's")                         # "'it\\'s'": a value on the command line, as Hydra reads it
"""

from __future__ import annotations

import re
from pathlib import Path

_ACTING = "\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
"""Control characters, those that turn the direction of what follows, line ends, halves of a character."""

_ACTS = re.compile(f"[{_ACTING}]")
_ACTS_IN_A_LINE = re.compile(f"(?!\n)[{_ACTING}]")
_NOT_STORABLE = re.compile("[\x00\ud800-\udfff]")


def visible(name: str) -> str:
    """A name with the characters that would act on a terminal, or hide what it says, written as their escapes."""
    return _ACTS.sub(_escaped, name)


def visible_lines(text: str) -> str:
    """The same for a text of ours with names in it: its line ends stay."""
    return _ACTS_IN_A_LINE.sub(_escaped, text)


def storable(name: str) -> str:
    """A name with what UTF-8 or a database refuses written as escapes: file names are bytes, of any kind."""
    return _NOT_STORABLE.sub(_escaped, name)


def _escaped(match: re.Match[str]) -> str:
    return match.group().encode("unicode_escape").decode("ascii")


def short_weights(weights: str, backbone: str) -> str:
    """A file of weights without the name of the network that it begins with, which stands beside it anyway.

    ``squeezenet1_0-imagenet.pth`` of ``squeezenet1_0`` → ``imagenet.pth``.
    """
    rest = weights[len(backbone) :].lstrip("-_. ") if weights.lower().startswith(backbone.lower()) else weights
    return rest if len(rest) > len(Path(weights).suffix) else weights


def span(seconds: float) -> str:
    """A time as a person says it: ``1 min 38 s``."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def quoted(text: str) -> str:
    """A text as a value on the command line, whatever stands in it."""
    return "'" + re.sub(r"(\\*)('|\Z)", _escaped_mark, text) + "'"


def _escaped_mark(found: re.Match[str]) -> str:
    """Hydra reads backslashes as such only where a quotation mark follows."""
    backslashes, mark = found.groups()
    return backslashes * 2 + ("\\'" if mark else "")
