"""What rows made elsewhere say of their images beside the features: labels, classes, groups, files.

labels, classes = labels_of(contents)               # split → (N,) int64, names in the order of the labels
groups = per_image(contents, "groups", labels)      # split → (N,); empty if the key is not there
about = about_of(contents)                          # {"dataset": "pets"}
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from frostmark.errors import DataError, nearest
from frostmark.features.entry import Array
from frostmark.features.formats import ABOUT, CLASSES, FIX, SPLITS, Contents
from frostmark.names import storable

Labels = Mapping[str, NDArray[np.int64]]
"""Split → (N,) in 0 … C − 1."""

KNOWN_ABOUT = (
    "backbone",
    "weights",
    "dataset",
    "preprocess",
    "image_size",
    "precision",
    "train_fingerprint",
    "test_fingerprint",
)
"""What may be said of all rows, each a text: how the network, its weights and the data set are called, how images were
preprocessed and forwarded, and what identifies the images of each split (``cache export`` writes all of it)."""


def labels_of(contents: Contents) -> tuple[Labels, tuple[str, ...]]:
    """The label of every image as a number, and the names of the classes.

    Labels are whole numbers from 0, or names of classes; the names are then sorted, unless ``classes`` orders them.

    Raises:
        DataError: if labels are missing, or are not of that kind.
    """
    for split in SPLITS:
        if f"{split}_labels" not in contents.keys:
            raise DataError(f"{contents.name} has no '{split}_labels', only {', '.join(contents.keys)}", fix=FIX)
    given = {split: _flat(contents, f"{split}_labels") for split in SPLITS}
    for split, of in given.items():
        if not len(of):
            raise DataError(f"{contents.name}: the {split} split has no image", fix="rows and labels of both splits")
    named = tuple(map(str, _flat(contents, CLASSES).tolist())) if CLASSES in contents.keys else None
    if named is not None and len(set(named)) < len(named):
        raise DataError(f"{contents.name}: 'classes' names a class twice", fix="one name per class, all different")
    if all(of.dtype.kind == "U" for of in given.values()):
        return _by_name(contents.name, given, named)
    return _by_number(contents.name, given, named)


def _by_name(file: str, given: Mapping[str, Array], named: tuple[str, ...] | None) -> tuple[Labels, tuple[str, ...]]:
    classes = named or tuple(sorted({str(name) for of in given.values() for name in of.tolist()}))
    number = {name: label for label, name in enumerate(classes)}
    for split, of in given.items():
        if unknown := [name for name in dict.fromkeys(of.tolist()) if name not in number]:
            told = (
                f"'{split}_labels' holds {unknown[0]!r}, which is not among 'classes': {nearest(unknown[0], classes)}"
            )
            raise DataError(f"{file}: {told}", fix="correct the label, or leave 'classes' out: labels are then names")
    labels = {split: np.array([number[name] for name in of.tolist()], np.int64) for split, of in given.items()}
    return labels, tuple(map(storable, classes))


def _by_number(file: str, given: Mapping[str, Array], named: tuple[str, ...] | None) -> tuple[Labels, tuple[str, ...]]:
    for split, of in given.items():
        if of.dtype.kind not in "iu":
            raise DataError(
                f"{file}: '{split}_labels' are {of.dtype.name}, not whole numbers and not texts",
                fix="labels.astype('int64'), or the names of the classes of both splits as texts",
            )
    highest = max(int(of.max()) for of in given.values())
    classes = named or tuple(str(label) for label in range(min(highest, MAX_UNNAMED) + 1))
    for split, of in given.items():
        low, high = int(of.min()), int(of.max())
        if low < 0 or high >= len(classes):
            told = f"'{split}_labels' reach from {low} to {high}, and there are {len(classes):,} classes"
            raise DataError(
                f"{file}: {told}",
                fix=f"labels from 0 to {len(classes) - 1}: np.unique(labels, return_inverse=True) numbers any labels",
            )
    return {split: of.astype(np.int64) for split, of in given.items()}, tuple(map(storable, classes))


MAX_UNNAMED = 100_000
"""Classes that need no names; a label beyond is an identifier of something else."""


def per_image(contents: Contents, what: str, labels: Labels) -> dict[str, Array]:
    """Split → one value for every image; empty if no split has the key ``<split>_<what>``.

    Raises:
        DataError: if a split has too many or too few, or one split alone has them.
    """
    keys = {split: f"{split}_{what}" for split in SPLITS}
    there = [key for key in keys.values() if key in contents.keys]
    if not there:
        return {}
    if len(there) < len(keys):
        lacking = next(key for key in keys.values() if key not in contents.keys)
        raise DataError(
            f"{contents.name} has {there[0]!r} and no {lacking!r}", fix=f"add {lacking!r}, or leave out both"
        )
    values = {split: _flat(contents, key) for split, key in keys.items()}
    for split, of in values.items():
        if len(of) != len(labels[split]):
            told = f"{len(of):,} values in {keys[split]!r} for {len(labels[split]):,} images of {split}"
            raise DataError(f"{contents.name}: there are {told}", fix="one value per image, in the order of the rows")
        if of.dtype.kind not in "iuU":
            told = f"{keys[split]!r} holds {of.dtype.name}, not texts and not whole numbers"
            raise DataError(f"{contents.name}: {told}", fix="np.array(values, dtype=str)")
    return values


def about_of(contents: Contents) -> dict[str, str]:
    """What is said of all rows.

    Raises:
        DataError: if it is not a JSON object of texts with keys of :data:`KNOWN_ABOUT`.
    """
    if ABOUT not in contents.keys:
        return {}
    try:
        about = json.loads(str(contents.read(ABOUT)))
    except (ValueError, RecursionError):
        about = None
    if not isinstance(about, dict) or not all(isinstance(value, str) and value for value in about.values()):
        raise DataError(f"{contents.name}: 'about' is not a JSON object of texts", fix='about=\'{"dataset": "pets"}\'')
    if unknown := [key for key in about if key not in KNOWN_ABOUT]:
        told = f"'about' has the key {unknown[0]!r}. Nearest: {nearest(unknown[0], KNOWN_ABOUT)}"
        raise DataError(f"{contents.name}: {told}", fix=f"keys of {', '.join(KNOWN_ABOUT)}")
    for key in (f"{split}_fingerprint" for split in SPLITS):
        if re.fullmatch("[0-9a-f]{32}", about.get(key, "0" * 32)) is None:
            told = f"the {key} in 'about' is not 32 hexadecimal digits"
            raise DataError(f"{contents.name}: {told}", fix="leave it out: it is then made of files or labels")
    return {key: storable(value) for key, value in about.items()}


def _flat(contents: Contents, key: str) -> Array:
    values = contents.read(key)
    if values.ndim != 1:
        shape = tuple(values.shape)
        raise DataError(
            f"{contents.name}: {key!r} has the shape {shape}, not one value per entry", fix="values.ravel()"
        )
    return values
