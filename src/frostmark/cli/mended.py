"""The line behind ``Fix:`` as a whole command: what was typed, with the words that mend it.

fix_lines("layer=stage5, or layer=node layer.node=<node>", ["layer=stage9", "seed=1"])
# "python run.py layer=stage5 seed=1\n     layer=node layer.node=<node>"
fix_lines("repair its files", ["seed=1"])       # as it is: that is not a command

An error names the words that mend it, which is all that a caller from Python needs. A reader of a terminal pastes the
first line; alternatives and reasons stand on a line of their own.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from io import StringIO

from frostmark.cli.program import program
from frostmark.config.dataset_paths import PATH_KEYS, with_paths
from frostmark.config.mistaken import LISTS, pasted
from frostmark.config.schema import CONTROLS, Config
from frostmark.config.words import choices_with, known_words
from frostmark.tracking.tracker import without_secrets

_WORD = re.compile(r"""["']?[+~]{0,2}[a-z][\w./@]*=|-m\b""")
"""How an override begins, in quotation marks of a shell as well; and what makes a sweep of some."""

_KEYS = {field.name for field in fields(Config)} | {"hydra", "experiment", "candidates", "budget", "head"}
"""What the key of a word of ours begins with: ``range=(0, 1)`` is Python."""

_COMMAND = re.compile(r"python run\.py\b|frostmark(?= )|python -m |pip install |uv ")

_REST = re.compile(r", or |; | \(")
"""What stands behind a command and is no part of it."""

_BARE = re.compile(r"""(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|\[[^\]]*\]|\{[^}]*\}|[,;](?=\S)|[^\s'"\[{,;])+""")
"""A word without quotation marks of a shell: those within it are Hydra's, and may have blanks in them."""

_OPEN = ("<", "…")
"""What a reader has to fill in."""

_BELOW = 5 * " "


def fix_lines(fix: str, typed: Sequence[str], wrong: Sequence[str] = ()) -> str:
    """What is printed behind ``Fix: ``; its first line can be pasted, if the fix is a command or words of one.

    Args:
        typed: the words of the command that went wrong.
        wrong: those of them that the fix replaces, beside words of the same keys.
    """
    if _COMMAND.match(fix):
        end = found.start() if (found := _REST.search(fix)) else len(fix)
        return _with_rest(fix[:end], fix[end:])
    ends = list(_words(fix))
    words, end = [word for word, _ in ends], ends[-1][1] if ends else 0
    if not words or any(mark in fix[:end] for mark in _OPEN) or any(without_secrets(word) != word for word in typed):
        return fix  # no words, something to be filled in, or a password beside them
    return _with_rest(f"{program()} {pasted(*mended(typed, words, wrong))}", fix[end:])


def mended(typed: Sequence[str], words: Sequence[str], wrong: Sequence[str] = ()) -> list[str]:
    """The typed words without the wrong ones, those of a key that ``words`` have replaced, the others of them added.

    Keys that a new choice of their group does not have are left out.
    """
    keys = {_key(word): word for word in words}
    if not keys.keys().isdisjoint(PATH_KEYS.values()):
        typed = with_paths(typed)  # dataset=<path> names the place, too
    right = [word for word in typed if word not in wrong and not _left_behind(word, keys)]
    kept = [_in_list(word, keys.get(_key(word), word)) for word in right]
    there = {_key(word) for word in kept}
    return list(dict.fromkeys([*kept, *(word for word in words if _key(word) not in there)]))


def _in_list(word: str, new: str) -> str:
    """``metrics=[linear,neighbours]`` of ``metrics=[linear,knn]`` and ``metrics=neighbours``: what was right stays."""
    key, _, value = word.partition("=")
    if key not in LISTS or word == new or not value.startswith("["):
        return new
    known = CONTROLS if key == "controls" else known_words(key)
    right = [name for name in value.strip("[]").replace(" ", "").split(",") if name in known]
    meant = new.partition("=")[2].strip("[]").split(",")
    return f"{key}=[{','.join(dict.fromkeys([*right, *meant]))}]" if right else new


def _left_behind(word: str, keys: Mapping[str, str]) -> bool:
    """Whether a key belongs to the choice that was replaced; to a path in its place what names another path."""
    group = _key(word).partition(".")[0]
    new = keys.get(group, "").partition("=")[2]
    if not new or group == _key(word):
        return False
    having = choices_with(_key(word))
    return new not in having and bool(having) if new in known_words(group) else _key(word) in PATH_KEYS.values()


def _key(word: str) -> str:
    return word.lstrip("+~").partition("=")[0] if "=" in word else word


def _words(fix: str) -> Iterator[tuple[str, int]]:
    """The overrides that a fix begins with, as the program gets them, each with the place where it ends."""
    start = 0
    while _WORD.match(fix, start):
        if fix[start] in "'\"":
            text = StringIO(fix[start:])
            lexer = shlex.shlex(text, posix=True)
            lexer.whitespace_split, lexer.commenters = True, ""
            read = lexer.get_token() or ""
            word, end = read.rstrip(",;"), start + text.tell()
            end -= (len(read) - len(word)) + (end < len(fix) or fix[-1:] == " ")
        else:
            found = _BARE.match(fix, start)
            assert found is not None
            word, end = _plain(found.group()), found.end()
        if not word.startswith("-") and re.split(r"[./@=]", _key(word))[0] not in _KEYS:
            return
        yield word, end
        start = end + 1 if fix[end : end + 1] == " " else len(fix)


def _plain(word: str) -> str:
    """Without quotation marks that a plain text does not need."""
    return re.sub(r"='([A-Za-z_./][\w./-]*)'$", r"=\1", word)


def _with_rest(command: str, rest: str) -> str:
    told = re.sub(r"^(?:[,;] ?| )", "", rest)
    return f"{command}\n{_BELOW}{told}" if told else command
