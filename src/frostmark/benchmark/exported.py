"""The rows of finished benchmarks as one file, for other tools and for backbone=rows.

written = export_rows(runs, FeatureStore(Path("mlruns/features")), Path("out.safetensors"))
written.layers, written.size

Every run becomes a layer. With the rows go labels, classes, groups, names of files and what identifies the images, so
that a benchmark of the file has the numbers of the runs, to the bit.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from frostmark.comparison.groups import differences
from frostmark.comparison.runs import Run
from frostmark.errors import ConfigError, DataError
from frostmark.features.declared import KNOWN_ABOUT
from frostmark.features.entry import Entry
from frostmark.features.formats import SPLITS, write_safetensors
from frostmark.features.store import FeatureStore
from frostmark.stats.moments import Array

SUFFIX = ".safetensors"


@dataclass(frozen=True)
class Exported:
    """A file that was written.

    Attributes:
        path: where.
        layers: their names in it.
        size: in bytes.
    """

    path: Path
    layers: tuple[str, ...]
    size: int


def export_rows(runs: Sequence[Run], store: FeatureStore, path: Path) -> Exported:
    """Write the rows of ``runs``, all of one network and the same images.

    Args:
        store: where the rows are.
        path: of the file, which ends in ``.safetensors``.

    Raises:
        ConfigError: if the file is to be of another kind, or the runs do not go into one.
        DataError: if rows or labels of a run are not kept any more, or the disk is full.
    """
    if path.suffix != SUFFIX:
        raise ConfigError(f"{path} does not end in {SUFFIX}", fix=f"name the file {path.with_suffix(SUFFIX)}")
    _require_one_network(runs)
    named = dict(zip(_layers(runs), runs, strict=True))
    tensors = {f"{name}/{split}": _rows(run, store, split) for name, run in named.items() for split in SPLITS}
    first = runs[0]
    for split in SPLITS:
        if split not in first.labels:
            raise DataError(f"{first.title} did not keep its labels", fix=_AGAIN)
        tensors[f"{split}_labels"] = np.asarray(first.labels[split], np.int64)
        if split in first.groups:
            tensors[f"{split}_groups"] = np.asarray(first.groups[split], np.int64)
    texts = {"classes": json.dumps(first.classes), "about": json.dumps(_about(first, store))}
    texts |= {f"{split}_files": json.dumps(of.tolist()) for split, of in first.files.items()}
    write_safetensors(path, tensors, texts)
    return Exported(path, tuple(named), path.stat().st_size)


_AGAIN = "run that benchmark again with the same words, then export it"


def _require_one_network(runs: Sequence[Run]) -> None:
    for other in runs[1:]:
        if unlike := differences(runs[0], other):
            told = f"{runs[0].title} and {other.title} differ in {'; '.join(unlike)}"
            raise ConfigError(told, fix="name runs of the same images and settings")
        if other.tags.get("weights_digest") != runs[0].tags.get("weights_digest") and not _of_rows(other):
            told = f"{runs[0].title} and {other.title} are not of one network with the same weights"
            raise ConfigError(told, fix="export the runs of each network into a file of its own")


def _of_rows(run: Run) -> bool:
    """Whether the rows were made elsewhere: every layer of these has a digest of its own."""
    return run.tags.get("backbone_family") == "rows"


def _layers(runs: Sequence[Run]) -> list[str]:
    """A name for every run: its layer, with the pool where that alone would not do."""
    names = [run.layer for run in runs]
    if len(set(names)) < len(names):
        names = [f"{run.layer} {run.tags.get('pool', '')}".strip() for run in runs]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ConfigError(f"two runs are of the layer {twice[0]}", fix="name one of them")
    return names


def _entry(run: Run, store: FeatureStore, split: str) -> Entry:
    entry = store.find(run.tags.get(f"rows_{split}", ""))
    if entry is None:
        raise DataError(f"the {split} rows of {run.title} are not in {store.folder}", fix=_AGAIN)
    return entry


def _rows(run: Run, store: FeatureStore, split: str) -> Array:
    entry = _entry(run, store, split)
    return np.concatenate([entry.read(shard) for shard in entry.shards])


def _about(run: Run, store: FeatureStore) -> dict[str, str]:
    """What identifies network and images: from the tags, and from the keys of the rows."""
    known = {tag: run.tags[tag] for tag in KNOWN_ABOUT if run.tags.get(tag)}
    if _of_rows(run):  # whose weights are those that their own file told of
        known = {**known, "weights": run.tags.get("rows_weights", run.tags["weights"])}
    return known | {f"{split}_fingerprint": _entry(run, store, split).key.images for split in SPLITS}
