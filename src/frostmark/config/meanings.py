"""What the keys of a configuration mean: the comments of the YAMLs that it was made of.

    meanings({"reducer": ["tsne"], "dataset": ["folder"]})["dataset.test_share"]

A key is explained where its default stands, and nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from frostmark.config.words import conf_folders

_LINE = re.compile(r"^(?P<indent> *)(?P<key>[\w.]+):(?P<value>[^#]*?)(?: +# *(?P<meaning>.*))?$")


def meanings(choices: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Dotted key → what it means, of every key that has a comment.

    Args:
        choices: group → the words chosen of it.
    """
    files = [
        ("", "config.yaml"),
        *((group, f"{group}/{word}.yaml") for group, words in choices.items() for word in words),
    ]
    return {
        f"{group}.{key}".lstrip("."): meaning
        for group, name in files
        for folder in conf_folders()
        if (folder / name).is_file()
        for key, meaning in explained_keys(folder / name)
    }


def explained_keys(file: Path) -> Iterator[tuple[str, str]]:
    """(key from the top of the file, comment behind it)."""
    above: list[tuple[int, str]] = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if (found := _LINE.match(line)) is None:
            continue
        indent = len(found["indent"])
        above = [*(part for part in above if part[0] < indent), (indent, found["key"])]
        if found["meaning"]:
            yield ".".join(key for _, key in above), found["meaning"]
