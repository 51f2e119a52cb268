"""Names that come from folders, files and command lines, made fit for where they are shown and kept; and times.

visible("a\\x1b[31mb\\nc")              # 'a\\\\x1b[31mb\\\\nc': nothing in it acts on a terminal
visible_lines("problem\\nFix: …")      # the same for texts of several lines
storable("caf\\udce9")                 # 'caf\\\\udce9': UTF-8, which every file and database can hold
quoted("it's")                         # "'it\\'s'": a value on the command line, as Hydra reads it
network_name("alexnet", "best.pth")    # 'alexnet (best.pth)'
titled("alexnet (best.pth)", "stage3") # 'alexnet (best.pth) · stage3'
short_titles(["alexnet (best.pth) · stage3"], 20)       # ['alexn….pth) · stage3']: never the layer
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

WEIGHT_FILES = (".safetensors", ".pth", ".pt", ".ckpt", ".pth.tar", ".bin")
"""Endings of files that may hold weights, in small or capital letters."""

BETWEEN = " · "
"""Stands between the parts of a title: network, layer, data set."""

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


def network_name(backbone: str, *details: str | None) -> str:
    """What a network is called where nobody gave it a label: ``squeezenet1_0 (imagenet.pth, 96 px)``.

    Args:
        backbone: its name; of the path of a folder the last part.
        details: what tells it from others, weights among them; empty ones are left out. A file of weights is written
            without its folder, and without the name of the network that it begins with.
    """
    name = without_folders(backbone.removeprefix("local-dir:"))
    told = ", ".join(_short_weights(without_folders(detail), name) for detail in details if detail)
    return f"{name} ({told})" if told else name


def of_file(weights: str) -> str:
    """The weights where they are a file's, whose name says which they are; empty of published and of initial ones."""
    return weights if weights.lower().endswith(WEIGHT_FILES) else ""


def titled(network: str, *parts: str) -> str:
    """Network · layer, and what follows: the data set, the split."""
    return BETWEEN.join([network, *filter(None, parts)])


def short_titles(titles: Sequence[str], most: int) -> list[str]:
    """Titles of at most so many letters, cut in the middle of the network's name and never in what follows it.

    Titles that would be the same once they are cut stay whole.
    """
    cut = [_cut(title, most) for title in titles]
    return [
        title if len({other for other, words in zip(titles, cut, strict=True) if words == short}) > 1 else short
        for title, short in zip(titles, cut, strict=True)
    ]


_MIN_NETWORK = 9
"""Letters of a network's name that are left, whatever stands behind it."""


def _cut(title: str, most: int) -> str:
    network, between, rest = visible(title).partition(BETWEEN)
    room = max(most - len(between + rest), _MIN_NETWORK)
    if len(network) > room:
        network = f"{network[: room // 2]}…{network[len(network) - (room - 1) // 2 :]}"
    return network + between + rest


def without_folders(text: str) -> str:
    """A text in which every absolute path is its last part: ``weights=/home/ann/best.pth`` → ``weights=best.pth``."""
    return _FOLDERS.sub(r"\1", text)


_FOLDERS = re.compile(r"(?<![^\s=:,;('\"\[])(?:~|[A-Za-z]:)?[/\\](?:[^\s,'\"/\\]+[/\\])*([^\s,'\"/\\]+)[/\\]?")


def told_apart(paths: Sequence[str]) -> list[str]:
    """The ends of paths that tell them from each other: ``a/best.pth`` and ``b/best.pth``."""
    return [_end(Path(path).parts, [Path(other).parts for other in paths]) for path in paths]


def _end(parts: tuple[str, ...], others: Sequence[tuple[str, ...]]) -> str:
    alike = [other for other in others if other != parts]
    count = next((n for n in range(1, len(parts)) if all(o[-n:] != parts[-n:] for o in alike)), len(parts))
    return "/".join(parts[-count:])


def _short_weights(weights: str, backbone: str) -> str:
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
