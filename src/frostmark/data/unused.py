"""What of a folder is not used, by cause, in one line: no file vanishes silently.

unused("flowers", scanned(Path("flowers")), layout.told, layout.again)
# "not used in flowers: 12 files of other endings (8 .txt, 4 .xml); 2 hidden (.git, .DS_Store)"
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Iterator, Sequence

from frostmark.data.tree import PassedOver, Tree

MAX_NAMED = 4
"""Names that a sentence has of each kind."""

PICTURES = (
    ".3fr", ".apng", ".arw", ".cr2", ".cr3", ".crw", ".czi", ".dcm", ".dds", ".dng", ".eps", ".erf", ".exr", ".fits",
    ".hdr", ".heics", ".ico", ".j2k", ".jp2", ".jpx", ".jxl", ".jxr", ".lsm", ".mrw", ".nd2", ".nef", ".nrw", ".orf",
    ".pcx", ".pef", ".psd", ".qoi", ".raf", ".raw", ".rw2", ".sr2", ".srw", ".svg", ".svs", ".tga", ".xcf",
)  # fmt: skip
"""Endings of pictures that are not read: a class of them alone was meant as one."""


def unused(name: str, tree: Tree, told: Collection[Hashable], again: Sequence[str]) -> str:
    """One line, or nothing where everything is used.

    Args:
        told: identities of the folders whose images are used, or told of elsewhere.
        again: folders that were met a second time through a link.
    """
    total, outside = PassedOver(), Counter[str]()
    for path, place in _walk(tree):
        _add(total, place.passed_over, path)
        if place.identity not in told and place.images:
            outside[path or "the folder itself"] += len(place.images)
    causes = [
        _endings(total.endings),
        _named("hidden", total.hidden),
        _named("left by other programs", total.by_programs),
        _outside(outside),
        _named("of links that lead back to where they lie", total.loops),
        _named("of links to folders that are read already", again),
        _named("of folders that cannot be read", list(total.unreadable)),
    ]
    line = "; ".join(cause for cause in causes if cause)
    return f"not used in {name}: {line}" if line else ""


def first_unreadable(tree: Tree) -> tuple[str, str] | None:
    """The first folder that cannot be read, from ``tree``, and why."""
    for path, place in _walk(tree):
        for reason in place.passed_over.unreadable.values():
            return path, reason
    return None


def without_images(tree: Tree) -> str:
    """What a folder without images has instead."""
    endings: Counter[str] = Counter()
    for _, place in _walk(tree):
        endings += place.passed_over.endings
    return _largest(endings) if endings else "empty"


def is_unread_class(trees: Iterable[Tree]) -> bool:
    """Whether the files of a folder without images are pictures of a kind that is not read."""
    endings = {ending for tree in trees for _, place in _walk(tree) for ending in place.passed_over.endings}
    return bool(endings & set(PICTURES))


def images(count: int) -> str:
    """``1 image``, ``1,200 images``."""
    return "1 image" if count == 1 else f"{count:,} images"


def listed_names(names: Sequence[str], most: int = MAX_NAMED) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _walk(tree: Tree) -> Iterator[tuple[str, Tree]]:
    """Every folder once, with its path from the first."""
    seen, waiting = {tree.identity}, [("", tree)]
    while waiting:
        path, place = waiting.pop()
        yield path, place
        for name, below in reversed([*place.folders.items()]):
            if below.identity not in seen:
                seen.add(below.identity)
                waiting.append((f"{path}/{name}".lstrip("/"), below))


def _add(total: PassedOver, of: PassedOver, path: str) -> None:
    total.endings.update(of.endings)
    total.hidden.extend(of.hidden)
    total.by_programs.extend(of.by_programs)
    total.loops.extend(of.loops)
    total.unreadable.update({path or name: reason for name, reason in of.unreadable.items()})


def _endings(endings: Counter[str]) -> str:
    if not endings:
        return ""
    files = "1 file of another ending" if endings.total() == 1 else f"{endings.total():,} files of other endings"
    return f"{files} ({_largest(endings)})"


def _largest(endings: Counter[str]) -> str:
    listed = [f"{count:,} {ending or 'without an ending'}" for ending, count in endings.most_common()]
    return listed_names(listed)


def _named(what: str, names: Sequence[str]) -> str:
    distinct = sorted(set(names))
    return f"{len(names):,} {what} ({listed_names(distinct)})" if names else ""


def _outside(counts: Counter[str]) -> str:
    if not counts:
        return ""
    folders = [f"{count:,} in {path}" for path, count in counts.most_common(MAX_NAMED)]
    more = f" and {len(counts) - MAX_NAMED:,} more folders" if len(counts) > MAX_NAMED else ""
    return f"{images(counts.total())} outside class folders ({', '.join(folders)}{more})"
