"""Rows made elsewhere: the features of labelled images, in one layer or several, as a file or arrays hold them.

given = read_rows(Path("features.npz"))
given.layers, given.classes, given.labels["train"]          # ("rows",), ("cat", "dog"), (N,) int64
given.layer("rows").rows["train"]                           # (N, D) float32, checked

Keys: ``train`` and ``test``, (N, D) float16, float32 or float64, or ``<layer>/train`` and ``<layer>/test`` of several
layers; ``train_labels``, ``test_labels``, (N,) whole numbers from 0 or names of classes. Optional: ``classes``, names
in the order of their labels; ``train_groups``, ``test_groups``, which images are not independent of each other;
``train_files``, ``test_files``, the image files; ``about``, see :data:`frostmark.features.declared.KNOWN_ABOUT`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from frostmark.errors import ConfigError, DataError, nearest
from frostmark.features.declared import about_of, labels_of, per_image
from frostmark.features.entry import Array
from frostmark.features.formats import ABOUT, CLASSES, FIX, SPLITS, Contents, contents_of, read_contents
from frostmark.features.key import digest_of
from frostmark.features.rows import not_finite
from frostmark.names import storable, visible

PLAIN = "rows"
"""The layer whose keys are ``train`` and ``test`` alone."""

FLOATS = ("float16", "float32", "float64")
"""Kinds of numbers that rows may come in; they become float32."""


@dataclass(frozen=True)
class LayerRows:
    """The rows of one layer.

    Attributes:
        name: of the layer.
        rows: split → (N, D) float32, finite.
        kind: the kind of numbers that they came in.
    """

    name: str
    rows: Mapping[str, NDArray[np.float32]]
    kind: str

    @property
    def width(self) -> int:
        """Features D of a row."""
        return int(self.rows["train"].shape[1])

    @cached_property
    def digest(self) -> str:
        """BLAKE2b of the rows of both splits, 32 hexadecimal digits."""
        digest = hashlib.blake2b(digest_size=16)
        for split, rows in self.rows.items():
            digest.update(f"{split} {rows.shape}".encode())
            digest.update(np.ascontiguousarray(rows).data)
        return digest.hexdigest()


@dataclass(frozen=True)
class GivenRows:
    """Rows made elsewhere, with everything that is known of their images.

    Attributes:
        contents: where rows are read from.
        keys: layer → split → key of its rows.
        labels: split → (N,) int64.
        classes: names in the order of the labels.
        groups: split → (N,) ids; empty if all images are taken to be independent.
        files: split → N names of image files; empty if they are not known.
        about: what is said of all rows; see :data:`frostmark.features.declared.KNOWN_ABOUT`.
    """

    contents: Contents = field(repr=False)
    keys: Mapping[str, Mapping[str, str]]
    labels: Mapping[str, NDArray[np.int64]]
    classes: tuple[str, ...]
    groups: Mapping[str, Array]
    files: Mapping[str, tuple[str, ...]]
    about: Mapping[str, str]

    @property
    def layers(self) -> tuple[str, ...]:
        """Names, in the order of the file."""
        return tuple(self.keys)

    def layer(self, name: str) -> LayerRows:
        """The rows of a layer.

        Raises:
            ConfigError: if there is no such layer; the message lists them.
            DataError: if they are not finite (N, D) with one row per label.
        """
        if name not in self.keys:
            listed = nearest(name, self.layers)
            raise ConfigError(
                f"{self.contents.name} has no layer {name!r}. Its layers: {listed}",
                fix=f"layer=node layer.node='{listed.split(', ')[0].split(' and ')[0]}'",
            )
        read = {split: self.contents.read(key) for split, key in self.keys[name].items()}
        rows = {split: self._checked(array, self.keys[name][split], split) for split, array in read.items()}
        widths = {split: of.shape[1] for split, of in rows.items()}
        if len(set(widths.values())) > 1:
            told = " and ".join(f"{width:,} features in {split}" for split, width in widths.items())
            raise DataError(
                f"{self.contents.name}: layer {name} has {told}", fix="give rows of both splits by one network"
            )
        return LayerRows(name, rows, read["train"].dtype.name)

    def fingerprint(self, split: str) -> str:
        """What identifies the images of a split.

        What the file says of them, else the names of their files, else their labels and groups.
        """
        if said := self.about.get(f"{split}_fingerprint"):
            return said
        groups = self.groups.get(split)
        known = self.files.get(split) or [self.labels[split].tolist(), None if groups is None else groups.tolist()]
        return digest_of(json.dumps(["rows", split, known], ensure_ascii=True).encode())

    def _checked(self, array: Array, key: str, split: str) -> NDArray[np.float32]:
        where = f"{self.contents.name}: {key!r}"
        if array.dtype.name not in FLOATS:
            raise DataError(f"{where} is {array.dtype.name} (valid: {', '.join(FLOATS)})", fix="rows.astype('float32')")
        if array.ndim != 2 or 0 in array.shape:
            shape = tuple(array.shape)
            raise DataError(f"{where} has the shape {shape}, which is not (images, features)", fix=FIX)
        if len(array) != len(self.labels[split]):
            told = f"{len(array):,} rows for {len(self.labels[split]):,} labels in '{split}_labels'"
            raise DataError(f"{where} has {told}", fix=f"one row and one label per image of {split}, in one order")
        with np.errstate(over="ignore"):  # what float32 cannot hold is told of as not finite
            rows = np.array(array, dtype=np.float32, order="C")
        bad = not_finite(rows)
        if len(bad):
            first = ", ".join(str(i) for i in bad[:5])
            raise DataError(
                f"{where}: {len(bad):,} of {len(rows):,} rows are not finite float32 numbers; first rows: {first}",
                fix="keep = np.isfinite(rows).all(1); rows, labels = rows[keep], labels[keep]",
            )
        return rows


def read_rows(path: Path) -> GivenRows:
    """The rows in a file: .npz, .safetensors or .parquet.

    Raises:
        DataError: if it is missing or damaged, or lacks something; the message says what it has.
    """
    return _made(read_contents(path))


def rows_of(arrays: Mapping[str, object]) -> GivenRows:
    """The same of arrays in memory, by the same keys.

    Raises:
        DataError: if something is missing or does not fit.
    """
    return _made(contents_of(arrays))


def _made(contents: Contents) -> GivenRows:
    keys = _layers(contents)
    known = {CLASSES, ABOUT, *(f"{split}_{what}" for split in SPLITS for what in ("labels", "groups", "files"))}
    known |= {key for of_layer in keys.values() for key in of_layer.values()}
    for key in contents.keys:
        if key not in known:
            raise DataError(
                f"{contents.name} has {key!r}, which nothing reads. Nearest: {nearest(key, known)}",
                fix="leave it out, or correct its name; docs/python.md lists the keys",
            )
    labels, classes = labels_of(contents)
    groups, files = (per_image(contents, what, labels) for what in ("groups", "files"))
    names = {split: tuple(storable(str(name)) for name in of.tolist()) for split, of in files.items()}
    return GivenRows(contents, keys, labels, classes, groups, names, about_of(contents))


def _layers(contents: Contents) -> dict[str, dict[str, str]]:
    """Layer → split → key."""
    keys: dict[str, dict[str, str]] = {}
    for key in contents.keys:
        layer, _, split = key.rpartition("/")
        if split not in SPLITS:
            continue
        if visible(layer) != layer or "${" in layer:  # it becomes a word of the command line
            raise DataError(f"{contents.name}: the name of the layer {layer!r} cannot be typed", fix="rename it")
        of_layer = keys.setdefault(layer or PLAIN, {})
        if split in of_layer:
            raise DataError(f"{contents.name} has {of_layer[split]!r} and {key!r}: one layer twice", fix="rename one")
        of_layer[split] = key
    for layer, of_layer in keys.items():
        if lacking := [split for split in SPLITS if split not in of_layer]:
            there = next(iter(of_layer.values()))
            raise DataError(
                f"{contents.name} has {there!r} and no rows of {lacking[0]} beside it (layer {layer})", fix=FIX
            )
    if not keys:
        listed = ", ".join(contents.keys) or "nothing"
        raise DataError(f"{contents.name} has no rows 'train' and 'test', only {listed}", fix=FIX)
    return {layer: {split: of_layer[split] for split in SPLITS} for layer, of_layer in keys.items()}
