"""What a run is, in words: its tags, the settings that its numbers depend on, and the lines above its summary.

tags(subject, network)["dataset_fingerprint"]
identity(config)                        # by which the result of a configuration is known to hold still
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from functools import reduce
from importlib.metadata import PackageNotFoundError, version

import numpy as np

import frostmark
from frostmark.backbones.network import Network
from frostmark.benchmark.remarks import image_remarks
from frostmark.benchmark.subject import Given, Subject, resolve
from frostmark.config.schema import Config
from frostmark.data.fingerprint import combined, group_digest, label_digest
from frostmark.figures.palette import name_colour
from frostmark.metrics.neighbours import Neighbours
from frostmark.stats.grouped import INDEPENDENT, Codes, count_groups, few_groups, largest_share

LIBRARIES = (
    "torch",
    "torchvision",
    "timm",
    "pytorch-lightning",
    "scikit-learn",
    "openTSNE",
    "umap-learn",
    "faiss-cpu",
    "numpy",
    "mlflow",
)
"""What can change a number."""


def tags(subject: Subject, network: Network) -> dict[str, str]:
    """What the run is.

    Args:
        network: the backbone with its weights.
    """
    backbone, tap, config = subject.backbone, subject.tap, subject.config
    return {
        "backbone": backbone.name,
        "backbone_family": backbone.family,
        "layer": subject.word,
        "node": subject.node_name,
        "pool": tap.pool,
        "features": str(tap.width),
        **({"projection": subject.projection} if subject.wide else {}),
        "weights": backbone.weights_name,
        "weights_digest": network.weights,
        "parameters": str(network.parameters),
        **backbone.provenance,
        "dataset": subject.source.name,
        "dataset_fingerprint": combined(*subject.fingerprints.values()),
        "label_digest": combined(*map(label_digest, subject.splits.values())),
        **{f"{split}_images": str(len(images)) for split, images in subject.splits.items()},
        **group_tags(subject.groups),
        "preprocess": subject.preprocess,
        "image_size": str(subject.pipeline.size),
        "precision": config.trainer.precision + (" compiled" if config.trainer.compile else ""),
        **_map_tags(subject),
        "seed": str(config.seed),
        "protocol": protocol(config),
        "decide": config.decide.family,
        "decide_balanced": str(config.decide.balanced).lower(),
        "mlflow.runColor": name_colour(backbone.name),
        **versions(),
    }


def group_tags(groups: Mapping[str, Codes] | None) -> dict[str, str]:
    """How many groups each split has, and which images they hold; none of independent images."""
    if groups is None:
        return {}
    return {"groups": _group_counts(groups), "group_digest": group_digest(groups.values())}


def _group_counts(groups: Mapping[str, Codes]) -> str:
    """``20 train (the largest 5.0 % of the images), 12 test (…)``."""
    of_splits = (f"{count_groups(of):,} {split} (the largest {largest_share(of):.1%}" for split, of in groups.items())
    return " of the images), ".join(of_splits) + " of the images)"


def remarks(subject: Subject) -> list[str]:
    """What must be said beside the metrics: how many images of which classes there are, and how independent."""
    labels = {split: images.labels.numpy() for split, images in subject.splits.items()}
    neighbours = next((family.k for family in subject.families.values() if isinstance(family, Neighbours)), None)
    return [*image_remarks(labels, subject.classes, neighbours), *group_remarks(subject.groups)]


def group_remarks(groups: Mapping[str, Codes] | None) -> list[str]:
    """What must be said of the independence of the images: nothing where all are taken to be independent."""
    if groups is None:
        return []
    said = [f"groups of images: {_group_counts(groups)}; intervals and p values are those of whole groups"]
    for split, of in groups.items():
        said += [f"{split}: {told}" for told in [few_groups(count_groups(of))] if told]
    shared = reduce(np.intersect1d, groups.values())
    if len(shared):
        many = "1 group has" if len(shared) == 1 else f"{len(shared):,} groups have"
        said.append(f"{many} images in train and in test: a layer may recognise the group instead of the class")
    return said


def _map_tags(subject: Subject) -> dict[str, str]:
    if subject.reducer is None:
        return {"reducer": "none"}
    return {"reducer": type(subject.reducer).__name__, "fit_on": subject.reducer.fit_on}


def protocol(config: Config) -> str:
    """What the metrics are made with: numbers made otherwise are not compared."""
    families = {
        name: [f"{key}={value}" for key, value in sorted(node.items()) if key != "_target_"]
        for name, node in sorted(config.metrics.items())
    }
    counts = [f"{count} {what}" for what, count in vars(config.uncertainty).items()]
    return "; ".join([*(" ".join([name, *settings]) for name, settings in families.items()), *counts])


def versions() -> dict[str, str]:
    """Versions of everything that can change a number, as tags."""
    installed = {"version.frostmark": frostmark.__version__, "version.python": platform.python_version()}
    for library in LIBRARIES:
        try:
            installed[f"version.{library}"] = version(library)
        except PackageNotFoundError:
            continue
    return installed


def identity(config: Config) -> dict[str, str]:
    """The tags by which the result of a configuration is known to hold still: images, labels, weights, versions."""
    subject = resolve(config, Given())
    return {
        "dataset_fingerprint": combined(*subject.fingerprints.values()),
        "label_digest": combined(*map(label_digest, subject.splits.values())),
        **({} if subject.groups is None else {"group_digest": group_digest(subject.groups.values())}),
        "weights_digest": Network.loaded(subject.backbone, config.seed).weights,
        **versions(),
    }


def setting(subject: Subject) -> dict[str, str]:
    """What was benchmarked and how: the lines above a summary."""
    return {
        "Backbone": f"{subject.backbone.name}, weights {subject.backbone.weights_name}",
        "Layer": f"{subject.word} (node {subject.node_name}, pool {subject.tap.pool}, "
        f"{subject.tap.width:,} features)" + (f"; {subject.projection}" if subject.wide else ""),
        "Images": ", ".join(f"{len(images):,} {split}" for split, images in subject.splits.items())
        + f" of {subject.source.name}, {subject.preprocess} to {subject.pipeline.size} pixels",
        **({"Groups": INDEPENDENT} if subject.groups is None else {}),
        "Map": "none"
        if subject.reducer is None
        else f"{type(subject.reducer).__name__}, fit on {subject.reducer.fit_on}",
        "Seed": str(subject.config.seed),
    }
