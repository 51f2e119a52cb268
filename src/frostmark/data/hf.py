"""Data sets in Hugging Face's format, on disk or from its hub: the extra ``hf`` reads them.

    HubImages("beans").split("train")                       # from the hub, or from its cache
    HubImages("/data/pets", label="species").split("test")  # what save_to_disk wrote

Images stay where they are: each is taken out, and decoded like any other file, when it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from frostmark.data.decode import Decoding, Held
from frostmark.data.files import ImageFiles, check_reading
from frostmark.data.grouping import PathGroups
from frostmark.data.hub_rows import opened, packed
from frostmark.data.lines import MAX_NAMED, text_of
from frostmark.data.source import Limits, SplitName
from frostmark.data.splitting import HashSplit, parted
from frostmark.errors import ConfigError, DataError, nearest
from frostmark.names import storable

if TYPE_CHECKING:
    from datasets import Dataset


@dataclass(frozen=True)
class HubImages:
    """A data set in Hugging Face's format.

    Args:
        name: a folder, a file, or a name on the hub: ``beans``, ``owner/name``.
        subset, revision: of a data set on the hub that has several.
        only: one of its splits, which is then split by a hash; by default its own train and test splits are used.
        image, label: columns; where there is only one of the kind it is found.
        group: a column, or a regular expression with one parenthesis that is searched in the name of every image.
        limit: how many images of each split to use.
        test_share, split_seed: of the split by a hash.
        on_bad_image: ``error``: what is no readable image is named and refused; ``skip``: it is left out.
        bits: that samples use in files of 16 bits that do not say so themselves.

    Raises:
        ConfigError: if ``name`` is not given, or a value is not one of its kind.
    """

    name: str = ""
    subset: str | None = None
    revision: str | None = None
    only: str | None = None
    image: str | None = None
    label: str | None = None
    group: str | None = None
    limit: Limits = field(default_factory=Limits)
    test_share: float = 0.2
    split_seed: int = 0
    on_bad_image: str = "error"
    bits: int | None = None
    where: str = field(init=False, default="")

    def __post_init__(self) -> None:
        if not self.name:
            raise ConfigError("dataset=hf needs to know which data set", fix="dataset.name=beans, or a folder")
        HashSplit(self.test_share, self.split_seed)
        check_reading(self.on_bad_image, self.bits)
        object.__setattr__(self, "where", self.name)
        own = Path(self.name).expanduser().absolute().name
        object.__setattr__(self, "name", storable(own if self.label is None else f"{own} ({self.label})"))

    def classes(self) -> tuple[str, ...]:
        return tuple(map(storable, self._content.classes))

    def split(self, split: SplitName) -> ImageFiles:
        content, chosen = self._content, self._content.positions[split]
        return ImageFiles(
            [content.images[i] for i in chosen],
            torch.tensor([content.labels[i] for i in chosen], dtype=torch.long),
            self._folder,
            skip_bad=self.on_bad_image == "skip",
            groups=None if content.groups is None else [content.groups[i] for i in chosen],
            decoding=Decoding(bits=self.bits),
        )

    @property
    def remarks(self) -> list[str]:
        """Which splits are used, where that is not plain."""
        return list(self._content.remarks)

    @property
    def _folder(self) -> Path:
        return Path(self.where).expanduser().absolute()

    @cached_property
    def _content(self) -> _Content:
        splits = self._splits()
        columns = _Columns(self.where, next(iter(splits.values())))
        image, label = columns.image(self.image), columns.label(self.label)
        images = [one for split, rows in splits.items() for one in packed(rows, image, split, self._folder)]
        names = [str(one.relative_to(self._folder)) if isinstance(one, Path) else one.name for one in images]
        own = [split for split, rows in splits.items() for _ in range(len(rows))]
        groups = self._groups(names, columns, splits)
        hashed, fix = (
            HashSplit(self.test_share, self.split_seed),
            f"dataset.only={next(iter(splits))} splits it by a hash",
        )
        positions, remarks = parted(hashed, names, groups, None if len(splits) == 1 else own, self.where, fix)
        texts = columns.texts(label, splits.values())
        used = sorted(i for of in positions.values() for i in of)
        if empty := [names[i] for i in used if texts[i] is None]:
            told = f"{len(empty):,} of {len(used):,} images of {self.where} have no label in column {label}"
            shown = ", ".join(empty[:MAX_NAMED])
            raise DataError(f"{told}: {shown}", fix=f"dataset.only={next(iter(splits))}, or another dataset.label=")
        classes = columns.names(label) or sorted({texts[i] or "" for i in used})
        numbers = {name: number for number, name in enumerate(classes)}
        return _Content(images, [numbers.get(t or "", -1) for t in texts], tuple(classes), groups, positions, remarks)

    def _splits(self) -> Mapping[str, Dataset]:
        """The data set's own, or the one that is asked for."""
        splits = opened(self.where, self.subset, self.revision)
        if self.only is None:
            return splits
        if self.only not in splits:
            listed = nearest(self.only, splits)
            told = f"{self.where} has no split {self.only}. Its splits: {listed}"
            raise ConfigError(told, fix=f"dataset.only={listed.split(', ')[0]}")
        return {self.only: splits[self.only]}

    def _groups(self, names: Sequence[str], columns: _Columns, splits: Mapping[str, Dataset]) -> list[str] | None:
        if self.group is None:
            return None
        if self.group not in columns.known:
            return PathGroups(self.group, columns.known).of(names)
        texts = columns.texts(self.group, splits.values())
        if empty := texts.count(None):
            told = f"{empty:,} of {len(texts):,} images of {self.where} have no group in column {self.group}"
            raise DataError(told, fix="a name of its own for each")
        return [text or "" for text in texts]


@dataclass(frozen=True)
class _Content:
    """What the data set holds; see :class:`frostmark.data.table.ImageTable`, which has the same of a table."""

    images: Sequence[Path | Held]
    labels: Sequence[int]
    classes: tuple[str, ...]
    groups: Sequence[str] | None
    positions: Mapping[SplitName, list[int]]
    remarks: Sequence[str]


@dataclass(frozen=True)
class _Columns:
    """The columns of a data set, by what they hold."""

    where: str
    rows: Dataset

    @property
    def known(self) -> tuple[str, ...]:
        """All names."""
        return tuple(self.rows.features)

    def image(self, asked: str | None) -> str:
        """The column of images."""
        return self._chosen("image", asked, "Image", ("image", "img"))

    def label(self, asked: str | None) -> str:
        """The column of labels."""
        if asked in self.known:
            return str(asked)
        return self._chosen("label", asked, "ClassLabel", ("label", "labels"))

    def names(self, column: str) -> list[str]:
        """The names of the classes of a column that holds their numbers; none of other columns."""
        feature = self.rows.features[column]
        return list(feature.names) if type(feature).__name__ == "ClassLabel" else []

    def texts(self, column: str, splits: Iterable[Dataset]) -> list[str | None]:
        """The values of a column as text, one split after the other."""
        names = self.names(column)
        values = [value for rows in splits for value in rows[column]]
        if names:
            return [None if value is None or value < 0 else names[value] for value in values]
        try:
            return [text_of(value) for value in values]
        except ValueError:
            told = f"column {column} of {self.where} holds no names"
            raise DataError(told, fix="a column of texts or whole numbers") from None

    def _chosen(self, key: str, asked: str | None, kind: str, usual: Sequence[str]) -> str:
        of_kind = [name for name, feature in self.rows.features.items() if type(feature).__name__ == kind]
        if asked in of_kind:
            return str(asked)
        usual_ones = [name for name in usual if name in (of_kind if key == "image" else self.known)]
        if asked is None and (usual_ones or len(of_kind) == 1):
            return (usual_ones or of_kind)[0]
        told = "it does not say which column holds" if asked is None else f"there is no column {asked} of"
        raise DataError(
            f"{self.where}: {told} {key}s. Columns: {', '.join(self.known)}",
            fix=f"dataset.{key}={(of_kind or list(self.known))[0]}",
        )
