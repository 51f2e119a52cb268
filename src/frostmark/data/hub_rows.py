"""The lines of a data set in Hugging Face's format, and the images that they hold.

    splits = opened("beans", None, None)                    # {"train": …, "validation": …, "test": …}
    packed(splits["train"], "image", "train", None)[0].held()     # the bytes of the first image

Nothing of a data set is run: versions of the library that ran a data set's own script are not accepted.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.compute as pc

from frostmark.download import UnreachableError, impatient, require_reachable
from frostmark.errors import DataError, MissingExtraError

if TYPE_CHECKING:
    from datasets import Dataset

ON_DISK = ("dataset_dict.json", "state.json")
"""What save_to_disk writes beside the data."""

FILES = {".parquet": "parquet", ".arrow": "arrow"}
"""Files of a data set that are read alone, and what reads them."""

_NAMES = "dataset.name=<folder, or name on the hub>"

SINGLE = "all"
"""The split of a data set that has none."""


@dataclass(frozen=True)
class Packed:
    """An image in a line of a data set: its bytes, or the path of its file."""

    rows: Dataset = field(repr=False)
    column: str
    position: int
    name: str

    def __str__(self) -> str:
        return f"image {self.name}"

    def held(self) -> bytes | Path:
        """What the line holds.

        Raises:
            OSError: if that is nothing.
        """
        value = self.rows[self.position][self.column]
        if value is None or (value["bytes"] is None and value["path"] is None):
            raise OSError("the line has no image")
        return Path(value["path"]) if value["bytes"] is None else bytes(value["bytes"])


def opened(where: str, subset: str | None, revision: str | None) -> Mapping[str, Dataset]:
    """The splits of a data set: a folder that save_to_disk wrote, a parquet file, or what the library knows as a name.

    Raises:
        ConfigError: if the library is not installed.
        DataError: if there is no such data set, or it cannot be read.
    """
    try:
        import datasets
    except ImportError:
        raise MissingExtraError("dataset=hf", "the package datasets", "hf") from None
    path = Path(where).expanduser()
    if not path.exists():
        _require_reachable(where, datasets.config)
    try:
        with warnings.catch_warnings(), impatient():
            warnings.simplefilter("ignore")
            datasets.disable_progress_bars()
            if any((path / name).is_file() for name in ON_DISK):
                made = datasets.load_from_disk(str(path))
            elif path.suffix.lower() in FILES and path.is_file():
                made = datasets.load_dataset(FILES[path.suffix.lower()], data_files=str(path))
            else:
                known = str(path) if path.exists() else where
                made = datasets.load_dataset(known, subset, revision=revision)
    except Exception as problem:  # whatever the library raises of damaged files, unknown names, missing subsets
        told = (str(problem) or type(problem).__name__).splitlines()[0]
        fix = (
            "dataset.subset=<one that is named there>"
            if "onfig" in told
            else "dataset.name=<folder, or name on the hub>"
        )
        raise DataError(f"the data set {where} cannot be read: {told}", fix=fix) from problem
    return {str(name): of for name, of in made.items()} if isinstance(made, dict) else {SINGLE: made}


def packed(rows: Dataset, column: str, split: str, folder: Path | None) -> list[Packed | Path]:
    """The images of a split: files below ``folder`` as such, others by name, by number where names are not unique."""
    import datasets

    bare = rows.select_columns([column]).cast_column(column, datasets.Image(decode=False)).flatten_indices()
    paths: Sequence[str | None] = pc.struct_field(bare.data.column(column), "path").to_pylist()
    inside = [path for path in paths if path is not None and folder is not None and Path(path).is_relative_to(folder)]
    if len(inside) == len(paths):
        return [Path(path) for path in inside]
    names = [Path(path).name if path else "" for path in paths]
    unique = all(names) and len(set(names)) == len(names)
    called = names if unique else [f"{i}" for i in range(len(names))]
    return [Packed(bare, column, i, f"{split}/{name}") for i, name in enumerate(called)]


def _require_reachable(where: str, config: object) -> None:
    """Let the library look into its cache alone where the hub does not answer: it would wait for half a minute."""
    if where.startswith(("/", ".", "~")) or where.count("/") > 1:
        raise DataError(f"there is no folder or file {where}", fix=_NAMES)
    try:
        require_reachable(f"{getattr(config, 'HF_ENDPOINT', '')}/datasets/{where}", answered=True)
    except UnreachableError:
        setattr(config, "HF_HUB_OFFLINE", True)  # noqa: B010 (a module, of which mypy knows nothing)
