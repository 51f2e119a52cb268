"""Scores of raw pixels, kept in the feature store: they are the same for every backbone and layer.

scores, width = scores_of_pixels(subject, compute)      # computed once for a data set and the settings of its metrics
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frostmark.benchmark.labels import protocol, versions
from frostmark.benchmark.subject import Subject
from frostmark.data.files import decoding_of
from frostmark.data.fingerprint import combined, group_digest, label_digest
from frostmark.features.entry import Entry
from frostmark.features.key import RowKey, canonical, digest_of
from frostmark.features.store import FeatureStore
from frostmark.metrics.kinds import split_of
from frostmark.metrics.metric import Scores, Undefined, Value

_SAID = "said"
"""Name of the array that is JSON in bytes; the others are draws, by metric."""

_STRANGE = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError)
"""What is raised by what was kept whole, but not by this version."""


def scores_of_pixels(subject: Subject, compute: Callable[[], tuple[Scores, int]]) -> tuple[Scores, int]:
    """What ``compute`` gives, or gave for the same images, labels, settings and versions; and the number of features.

    Only the values of splits and their draws are kept: all that stands beside a layer. Nothing is kept where a metric
    is not ours: its code may change without a version.
    """
    if not all(type(family).__module__.startswith("frostmark.") for family in subject.families.values()):
        return compute()
    store = FeatureStore(subject.config.mlruns / "features")
    entry = _entry(subject, store)
    with store.using([entry]):
        if entry.missing() or not entry.complete:
            entry.commit({"backbone": "scores of raw pixels", "dataset": subject.source.name})
        kept = entry.derived(f"scores-{digest_of(canonical(_deciding(subject)))}", lambda: _packed(*compute()))
    try:
        return _unpacked(kept, subject)
    except _STRANGE:
        return compute()


def _entry(subject: Subject, store: FeatureStore) -> Entry:
    """Beside no rows at all: those of pixels are kept only of image files."""
    images = combined(*subject.fingerprints.values())
    decoding = " ".join(word for of in subject.splits.values() for word in decoding_of(of))
    return store.entry(RowKey("pixels", "", "", "scores", "", decoding, images, "test", 0, "float64"), width=1)


def _deciding(subject: Subject) -> dict[str, object]:
    """Everything beside the pixels that can change a score."""
    groups = subject.groups
    return {
        "metrics": protocol(subject.config),
        "seed": subject.config.seed,
        "classes": subject.classes,
        "labels": [label_digest(images) for images in subject.splits.values()],
        "groups": None if groups is None else group_digest(groups.values()),
        "search": repr(subject.setting.search),
        "versions": versions(),
    }


def _packed(scores: Scores, width: int) -> dict[str, NDArray[Any]]:
    values = {key: value for key, value in scores.values.items() if split_of(key) is not None}
    said = {
        "width": width,
        "values": {key: value for key, value in values.items() if not isinstance(value, Undefined)},
        "undefined": {key: value.reason for key, value in values.items() if isinstance(value, Undefined)},
    }
    draws = {key: np.asarray(drawn, np.float64) for key, drawn in scores.draws.items()}
    return {_SAID: np.frombuffer(json.dumps(said).encode(), np.uint8), **draws}


def _unpacked(kept: Mapping[str, NDArray[Any]], subject: Subject) -> tuple[Scores, int]:
    """Raises errors of many kinds if that is something else."""
    said = json.loads(kept[_SAID].tobytes())
    scores = Scores({name: kind for family in subject.families.values() for name, kind in family.kinds.items()})
    undefined: dict[str, Value] = {key: Undefined(str(why)) for key, why in said["undefined"].items()}
    scores.values |= {key: float(value) for key, value in said["values"].items()} | undefined
    scores.draws |= {key: drawn for key, drawn in kept.items() if key != _SAID}
    resamples = subject.config.uncertainty.resamples
    if any(drawn.shape != (resamples,) or not np.isfinite(drawn).all() for drawn in scores.draws.values()):
        raise ValueError("draws of another number")
    if not all(isinstance(value, Undefined) or math.isfinite(value) for value in scores.values.values()):
        raise ValueError("a score that is not a number")
    return scores, int(said["width"])
