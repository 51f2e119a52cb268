"""The network and the read-out of a finished run, made once more from what the run kept.

    of = rebuilt(run)                       # its network, cut at its layer, and what is done to the images
    read_out = affine_of(run, of, store)    # the linear read-out of its stored train rows

The data set is not opened, and nothing is forwarded: rows and labels were kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from frostmark.analysis.observed import Setting
from frostmark.backbones.extractor import Tap
from frostmark.backbones.network import Network
from frostmark.backbones.rows import RowsBackbone
from frostmark.backbones.taps import Survey
from frostmark.benchmark.extraction import KeptArrays
from frostmark.benchmark.subject import Given, backbone_of, too_wide
from frostmark.comparison.runs import Run
from frostmark.config.build import build
from frostmark.config.kept import kept
from frostmark.config.schema import Config
from frostmark.data.contract import checked_pipeline
from frostmark.data.preprocess import Pipeline, Preprocess
from frostmark.errors import ConfigError, DataError
from frostmark.features.entry import Entry
from frostmark.features.store import FeatureStore
from frostmark.metrics.linear import Linear
from frostmark.metrics.metric import Metric
from frostmark.metrics.read_out import Affine
from frostmark.stats.moments import Float
from frostmark.stats.projection import SparseProjection

CONFIG = "config.yaml"
"""The resolved configuration, as every run keeps it."""

_AGAIN = "run that benchmark again with the same words, then export it"


@dataclass(frozen=True)
class Rebuilt:
    """What makes the rows of a run.

    Attributes:
        config: what was asked for.
        network: with its weights.
        survey, tap: the layer.
        pipeline: what is done to the images.
    """

    config: Config
    network: Network
    survey: Survey
    tap: Tap
    pipeline: Pipeline

    @property
    def wide(self) -> bool:
        """Whether the metrics saw a projection of the rows."""
        return too_wide(self.tap.width, too_large_to_keep=False)


def rebuilt(run: Run) -> Rebuilt:
    """The network of a run.

    Raises:
        ConfigError: if there is none to rebuild: it was handed over from Python, or only its rows were there.
        DataError: if the weights or the configuration are missing, or are not those of the run.
    """
    assert run.folder is not None, "a run that was read has a folder"
    config = kept(run.folder / CONFIG)
    if "given" in config.backbone:
        raise ConfigError(
            f"the network of {run.title} was handed over from Python: no file says how it is made",
            fix="a YAML of your own for it (docs/extending.md), and run that",
        )
    backbone = backbone_of(config, Given())
    if isinstance(backbone, RowsBackbone):
        told = f"{run.title} is of rows made elsewhere: there is no network to export"
        raise ConfigError(told, fix="export the run of a network")
    pipeline = checked_pipeline(build(config.preprocess, "preprocess", Preprocess), backbone.preset)
    survey = backbone.survey(pipeline.size)
    layer = config.layer
    tap = survey.tap(layer.word, layer.pool, layer.norm)
    network = Network.loaded(backbone, config.seed)
    network.require(tap, survey, layer.word)
    _require_same(run, network, survey.node_name(layer.word, tap))
    return Rebuilt(config, network, survey, tap, pipeline)


def _require_same(run: Run, network: Network, node: str) -> None:
    """Refuse weights or a layer that are others by now."""
    for what, tag, now in (("weights", "weights_digest", network.weights), ("node", "node", node)):
        before = run.tags.get(tag)
        if before != now:
            raise DataError(f"the {what} of {run.title} are not what they were: {before} then, {now} now", fix=_AGAIN)


def affine_of(run: Run, of: Rebuilt, store: FeatureStore) -> Affine:
    """The linear read-out of a run: the one that was scored where it is kept, else fitted to the stored train rows.

    Raises:
        ConfigError: if all train images are of one class.
        DataError: if rows or labels are not kept any more.
    """
    entry, labels = _train(run, store)
    if len(np.unique(labels)) < 2:
        raise ConfigError("all train images are of one class: there is nothing to tell apart", fix="head=none")
    groups = {"train": run.groups["train"]} if "train" in run.groups else None
    setting = Setting(run.classes, of.config.seed, {"train": entry.key.images}, 0, 0, groups)
    if not of.wide:
        setting = replace(setting, keep=KeptArrays({"train": entry}))
    project = SparseProjection(of.tap.width, of.config.seed) if of.wide else None
    rows = np.concatenate([piece if project is None else project(piece) for piece in _pieces(entry)])
    train = setting.splits({"train": rows}, {"train": labels})["train"]
    affine = _linear(of.config).read_out(train).affine
    return affine if project is None else affine.before(project.matrix, _mean(entry))


def _train(run: Run, store: FeatureStore) -> tuple[Entry, NDArray[np.int64]]:
    entry = store.find(run.tags.get("rows_train", ""))
    if entry is None or "train" not in run.labels:
        lost = "labels" if entry is not None else "rows"
        told = f"the train {lost} of {run.title} are not kept, and the read-out is fitted to them"
        raise DataError(told, fix=f"{_AGAIN}; or head=none for the network alone")
    return entry, np.asarray(run.labels["train"], np.int64)


def _pieces(entry: Entry) -> Iterator[NDArray[np.float32]]:
    return (entry.read(shard) for shard in entry.shards)


def _mean(entry: Entry) -> Float:
    return np.asarray(sum(piece.sum(0, dtype=np.float64) for piece in _pieces(entry)) / entry.key.count)


def _linear(config: Config) -> Linear:
    """The family as the run had it; as it is by default where the run had another one."""
    node = config.metrics.get("linear")
    family = None if node is None else build(node, "metrics.linear", Metric)
    return family if isinstance(family, Linear) else Linear()
