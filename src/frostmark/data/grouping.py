"""The group of every image out of its path: what a regular expression with one parenthesis finds there.

    PathGroups("(patient[0-9]+)").of(["a/patient7_1.png", "b/patient7_2.png"])      # ["patient7", "patient7"]

Images of a group (a patient, a video, a site) are not independent of each other: a split keeps them together.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from frostmark.errors import ConfigError, DataError, nearest

MAX_NAMED = 5
"""Paths without a group that an error names."""

EXAMPLE = "'dataset.group=\"([^/_]+)_[^/]*$\"'"
"""The part of a file's name before its last underscore, quoted for a shell and for Hydra."""


@dataclass(frozen=True)
class PathGroups:
    """Groups by the names of files.

    Args:
        pattern: a regular expression with one parenthesis, searched in the path from the folder of the data set.
        columns: of the table, one of which may have been meant.

    Raises:
        ConfigError: if it is no such expression.
    """

    pattern: str
    columns: Sequence[str] = ()

    def __post_init__(self) -> None:
        try:
            count = re.compile(self.pattern).groups
        except re.error as problem:
            raise self._unusable(f"is not a regular expression ({problem})") from problem
        if count != 1:
            raise self._unusable(f"is a regular expression with {count} parentheses instead of one")

    def of(self, names: Sequence[str]) -> list[str]:
        """The group of every name.

        Raises:
            DataError: if some have none; it names and counts them.
        """
        search = re.compile(self.pattern).search
        groups = [None if (match := search(name)) is None else match.group(1) for name in names]
        without = [name for name, group in zip(names, groups, strict=True) if not group]
        if without:
            named = ", ".join(without[:MAX_NAMED]) + (" …" if len(without) > MAX_NAMED else "")
            told = f"dataset.group={self.pattern} finds nothing in {len(without):,} of {len(names):,} paths: {named}"
            raise DataError(told, fix=f"an expression that fits every path, or their folders: {_FOLDERS}")
        return [group for group in groups if group]

    def _unusable(self, told: str) -> ConfigError:
        if not self.columns:
            return ConfigError(f"dataset.group={self.pattern} {told}", fix=EXAMPLE)
        listed = nearest(self.pattern, self.columns)
        problem = f"dataset.group={self.pattern} is not a column, and {told}. Columns: {listed}"
        return ConfigError(problem, fix=f"dataset.group={listed.split(', ')[0].split(' and ')[0]}, or {EXAMPLE}")


_FOLDERS = "'dataset.group=\"^(.*)/\"'"
