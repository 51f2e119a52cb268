"""What people call their splits: ``Train``, ``training_set``, ``val2017``, ``seg_test``.

split_name("Training Set")      # SplitWord(kind="train", rest=())
split_name("seg_test")          # SplitWord(kind="test", rest=("seg",))
split_name("cat")               # None
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Literal, NamedTuple

Kind = Literal["train", "test", "validation"]

Pair = dict[Kind, list[str]]
"""The folders of each kind, of which there are a train split and another one."""

KINDS: dict[Kind, tuple[str, ...]] = {
    "train": ("train", "training", "trn", "trainval"),
    "test": ("test", "testing", "tests", "tst"),
    "validation": ("val", "valid", "validation", "validate", "dev", "eval", "evaluation", "holdout"),
}
"""Names in any case. A validation split is the test split where there is no other."""

NOISE = (
    "set", "sets", "data", "dataset", "image", "images", "img", "imgs", "photo", "photos", "picture", "pictures",
    "split", "files", "folder",
)  # fmt: skip
"""Words beside the name of a split that say nothing: ``training_set``, ``TestData``."""

_WORDS = {word: kind for kind, words in KINDS.items() for word in words}
_GLUED = re.compile(f"({'|'.join(_WORDS)})(?:{'|'.join(NOISE)})")
_TOKENS = re.compile(r"[^\W\d_]+|\d+")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")


class SplitWord(NamedTuple):
    """What a name says of a split: its ``kind``, and the ``rest`` of the name, which its partner shares."""

    kind: Kind
    rest: tuple[str, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether the name says nothing else; numbers (``train2017``, ``test1``) aside."""
        return all(token.isdigit() for token in self.rest)


def split_name(name: str) -> SplitWord | None:
    """The split that a folder is called after; None if its name is not one of a split."""
    text = _CAMEL.sub(" ", unicodedata.normalize("NFKC", name)).casefold()
    kinds: set[Kind] = set()
    rest = []
    for token in _TOKENS.findall(text):
        glued = _GLUED.fullmatch(token)
        kind = _WORDS.get(glued.group(1) if glued else token)
        if kind is not None:
            kinds.add(kind)
        elif token not in NOISE:
            rest.append(token)
    if kinds == {"train", "validation"}:  # train_val: both, to be trained on
        kinds = {"train"}
    return SplitWord(kinds.pop(), tuple(rest)) if len(kinds) == 1 else None


def is_split(name: str, kind: Kind | None = None) -> bool:
    """Whether a name says that something is a split, of one kind if one is asked for, and says nothing else."""
    word = split_name(name)
    return word is not None and not word.rest and kind in (None, word.kind)


def pairs_among(folders: Mapping[str, int]) -> list[Pair]:
    """The pairs of splits among folders: those whose names are alike but for the split.

    ``train`` goes with ``test`` and ``seg_train`` with ``seg_test``; where nothing goes with anything, numbers do not
    count (``train``, ``test1``). Plain names go before all others.

    Args:
        folders: name → images in it; of two of one kind, one of which is empty, the other is meant.
    """
    words = {name: word for name in folders if (word := split_name(name)) is not None}
    numberless = {n: word._replace(rest=tuple(t for t in word.rest if not t.isdigit())) for n, word in words.items()}
    pairs = _pairs(words, folders) or _pairs(numberless, folders)
    return [pairs[()]] if () in pairs else [*pairs.values()]


def _pairs(words: Mapping[str, SplitWord], folders: Mapping[str, int]) -> dict[tuple[str, ...], Pair]:
    pairs: dict[tuple[str, ...], Pair] = {}
    for name, word in words.items():
        pairs.setdefault(word.rest, {"train": [], "test": [], "validation": []})[word.kind].append(name)
    for kinds in pairs.values():
        kinds.update({kind: [name for name in names if folders[name]] or names for kind, names in kinds.items()})
    return {rest: kinds for rest, kinds in pairs.items() if kinds["train"] and (kinds["test"] or kinds["validation"])}
