"""Names of image files beside the numbers of the images, in every table that tells of single images.

    with_files({"split": ["test"], "image": [3]}, {"test": names})      # … and "file": ["cats/017.jpg"]

Of arrays, which have no files, a table stays as it is: there the number is the name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from frostmark.stats.moments import Array

_FILE_OF = {"image": "file", "index": "file", "image_i": "file_i", "image_j": "file_j"}
"""Columns of positions in a split → the column of names that stands beside each."""


def with_files(table: Mapping[str, Sequence[object]], files: Mapping[str, Array]) -> dict[str, list[object]]:
    """A table with a ``split`` column, and the file of every image that it numbers.

    Args:
        files: split → (N,) names; empty where the images are not files.
    """
    if not files or "split" not in table:
        return {name: list(column) for name, column in table.items()}
    return dict(_columns(table, files))


def _columns(table: Mapping[str, Sequence[object]], files: Mapping[str, Array]) -> Iterator[tuple[str, list[object]]]:
    for name, column in table.items():
        yield name, list(column)
        if name in _FILE_OF and _FILE_OF[name] not in table:
            yield _FILE_OF[name], [_name(files, *place) for place in zip(table["split"], column, strict=True)]


def _name(files: Mapping[str, Array], split: object, position: object) -> str:
    known = files.get(str(split))
    return "" if known is None else str(known[int(str(position))])
