"""Finished benchmarks, sorted into groups that may be compared, each of them compared and written.

compared = compare_runs([Run.read(folder) for folder in folders], Path("…"), FeatureStore(…), About(), print)
compared.sentence, compared.parts[0].verdict, compared.files
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from frostmark.comparison.about import About
from frostmark.comparison.comparison import Comparison, compare
from frostmark.comparison.deciding import AS_MADE, Asked
from frostmark.comparison.groups import Group, comparable, differences
from frostmark.comparison.runs import Run
from frostmark.comparison.write import write
from frostmark.errors import ConfigError
from frostmark.features.store import FeatureStore

_FIX = "name two or more runs with the same images, seed, preprocessing and metric settings"


@dataclass(frozen=True, repr=False)
class Compared:
    """Comparisons that were made together, and the files that hold them.

    Attributes:
        parts: one for each group of runs, the largest first.
        files: everything that was written.
    """

    parts: tuple[Comparison, ...]
    files: tuple[Path, ...]

    @property
    def sentence(self) -> str:
        """The verdict on the largest group."""
        return self.parts[0].verdict.sentence

    @property
    def markdown(self) -> str:
        """Every part in words."""
        return "\n\n".join(part.markdown for part in self.parts)

    def __repr__(self) -> str:
        return f"<Compared: {' '.join(map(repr, self.parts))}>"

    def _repr_markdown_(self) -> str:
        """What a notebook shows that takes no HTML."""
        return self.markdown

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return "\n".join(part._repr_html_() for part in self.parts)


def compare_runs(
    runs: Sequence[Run],
    into: Path,
    store: FeatureStore,
    about: About,
    progress: Callable[[str], None],
    asked: Asked = AS_MADE,
) -> Compared:
    """Compare finished benchmarks and write what comes out.

    Args:
        runs: two or more of the same images at least; others are set apart in groups of their own.
        into: a folder for ``comparison.html``, ``.png``, ``.csv``, ``.md`` and ``depth.png``; those of further groups
            end in ``_2``, ``_3`` …
        store: where the rows are, for similarities.
        about: what belongs to it beside the numbers.
        asked: what decides, in place of what the runs were made with.

    Raises:
        ConfigError: if no two of the runs may be compared, naming what they differ in.
    """
    groups = comparable(runs)
    if not groups or len(groups[0].runs) < 2:
        raise ConfigError("\n".join([f"nothing can be compared: {_why_not(groups)}", *about.remarks]), fix=_FIX)
    about = replace(about, remarks=[*about.remarks, *_set_apart(groups)])
    parts: list[Comparison] = []
    files: list[Path] = []
    for number, group in enumerate((g for g in groups if len(g.runs) > 1), 1):
        parts.append(compare(group, store, about, progress, asked))
        progress("comparing: the page and its pictures")
        files += write(parts[-1], into, "" if number == 1 else f"_{number}")
    return Compared(tuple(parts), tuple(files))


def _why_not(groups: Sequence[Group]) -> str:
    if len(groups) < 2:
        return f"there is only one run, {groups[0].runs[0].title}" if groups else "there is no finished run"
    one, other = groups[0].runs[0], groups[1].runs[0]
    return f"{one.title} and {other.title} differ in {'; '.join(differences(one, other))}"


def _set_apart(groups: Sequence[Group]) -> list[str]:
    """What is not compared with the largest group, and why."""
    first = groups[0].runs[0]
    return [
        f"left out of the comparison: {', '.join(group.titles)} ({'; '.join(differences(first, group.runs[0]))})"
        for group in groups[1:]
    ]
