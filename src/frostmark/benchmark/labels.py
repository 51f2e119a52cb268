"""What a run is, in words: its tags, the settings that its numbers depend on, and the lines above its summary.

tags(subject, network)["dataset_fingerprint"]
identity(config)                        # by which the result of a configuration is known to hold still
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

import frostmark
from frostmark.backbones.network import Network
from frostmark.benchmark.remarks import group_counts, group_remarks, image_remarks
from frostmark.benchmark.subject import Given, Subject, resolve, search_of
from frostmark.config.labelled import label_of
from frostmark.config.schema import Config
from frostmark.data.files import left_out
from frostmark.data.fingerprint import combined, group_digest, label_digest
from frostmark.data.source import said_by
from frostmark.figures.fonts import told_of
from frostmark.figures.palette import name_colour
from frostmark.metrics.neighbours import Neighbours
from frostmark.stats.grouped import INDEPENDENT, Codes

LIBRARIES = (
    "torch",
    "torchvision",
    "timm",
    "open_clip_torch",
    "pytorch-lightning",
    "scikit-learn",
    "openTSNE",
    "umap-learn",
    "faiss-cpu",
    "numpy",
    "mlflow",
)
"""What can change a number."""


def tags(subject: Subject, network: Network | None) -> dict[str, str]:
    """What the run is.

    Args:
        network: the backbone with its weights; None for rows made elsewhere.
    """
    backbone, config = subject.backbone, subject.config
    return {
        "backbone": backbone.name,
        **({"label": label} if (label := label_of(config)) else {}),
        "backbone_family": backbone.family,
        "layer": subject.word,
        "node": subject.node_name,
        "features": str(subject.tap.width),
        "row_recipe": subject.row_recipe,
        **({"projection": subject.projection} if subject.wide else {}),
        **_made_by(subject, network),
        "dataset": subject.source.name,
        "dataset_fingerprint": combined(*subject.fingerprints.values()),
        "label_digest": combined(*map(label_digest, subject.splits.values())),
        **{f"{split}_images": str(len(images)) for split, images in subject.splits.items()},
        **group_tags(subject.groups),
        "preprocess": subject.preprocess,
        **_map_tags(subject),
        "seed": str(config.seed),
        "protocol": protocol(config),
        "decide": config.decide.family,
        "decide_balanced": str(config.decide.balanced).lower(),
        "mlflow.runColor": name_colour(backbone.name),
        **versions(),
    }


def leading_params(subject: Subject) -> dict[str, str]:
    """What tells runs apart, in capitals: MLflow compares runs by the first three, in the alphabet's order."""
    return {"Backbone": subject.called, "Layer": subject.word, "Weights": subject.backbone.weights_name}


def _made_by(subject: Subject, network: Network | None) -> dict[str, str]:
    """Who made the rows, and how."""
    if network is None:
        return _made_elsewhere(subject)
    backbone, trainer = subject.backbone, subject.config.trainer
    return {
        **layer_tags(subject),
        "weights": backbone.weights_name,
        "weights_digest": network.weights,
        **({"weights_read": network.reading.words} if network.reading.words else {}),
        "parameters": str(network.parameters),
        **backbone.provenance,
        "image_size": str(subject.pipeline.size),
        "precision": trainer.precision + (" compiled" if trainer.compile else ""),
    }


def layer_tags(subject: Subject) -> dict[str, str]:
    """How rows are made of the node: the pool, unless the node is a vector, and whether tokens go through the norm."""
    tap, survey = subject.tap, subject.survey
    of_blocks = survey.norm is not None and survey.is_of_blocks(subject.word)
    normed = tap.norm is not None or (survey.norm is not None and tap.node.name == survey.norm.node)
    return {
        **({"pool": tap.pool} if tap.pool else {}),
        **({"norm": "final" if normed else "none"} if of_blocks or normed else {}),
    }


def _made_elsewhere(subject: Subject) -> dict[str, str]:
    assert subject.rows is not None, "a network makes the rows, or they were made elsewhere"
    rows, about = subject.rows, subject.rows.given.about
    return {
        "weights": subject.backbone.weights_name,
        "weights_digest": rows.layer.digest,
        "rows_kind": rows.layer.kind,
        **({"rows_weights": about["weights"]} if "weights" in about else {}),
        **{tag: about[tag] for tag in ("image_size", "precision") if tag in about},
    }


def group_tags(groups: Mapping[str, Codes] | None) -> dict[str, str]:
    """How many groups each split has, and which images they hold; none of independent images."""
    if groups is None:
        return {}
    return {"groups": group_counts(groups), "group_digest": group_digest(groups.values())}


def remarks(subject: Subject, network: Network | None) -> list[str]:
    """What must be said beside the metrics: how weights, rows and images were read, how many images there are."""
    read = "" if network is None else network.reading.words
    of_weights = [f"weights {subject.backbone.weights_name}: {read}"] if read else []
    of_rows = [] if subject.rows is None else subject.rows.remarks
    labels = {split: images.labels.numpy() for split, images in subject.splits.items()}
    neighbours = next((family.k for family in subject.families.values() if isinstance(family, Neighbours)), None)
    of_images = [
        *said_by(subject.source),
        *left_out(subject.splits),
        *image_remarks(labels, subject.classes, neighbours, search_of(subject.config)),
        *group_remarks(subject.groups),
        *filter(None, [told_of(subject.classes)]),
    ]
    return [*of_weights, *subject.idle, *of_images, *of_rows]


def _map_tags(subject: Subject) -> dict[str, str]:
    if subject.reducer is None:
        return {"reducer": "none"}
    return {"reducer": subject.reducer.words, "fit_on": subject.reducer.fit_on}


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
        "weights_digest": Network.loaded(subject.backbone, config.seed).weights
        if subject.rows is None
        else subject.rows.layer.digest,
        **versions(),
    }


def setting(subject: Subject) -> dict[str, str]:
    """What was benchmarked and how: the lines above a summary."""
    tap, rows = subject.tap, subject.rows
    pool = f"pool {tap.pool}, " if tap.pool else ""
    weights = f"weights {subject.backbone.weights_name}" if rows is None else rows.origin
    place = f"node {subject.node_name}, {pool}" if rows is None else ""
    seen = f"{subject.preprocess} to {subject.pipeline.size} pixels" if rows is None else rows.seen
    sizes = ", ".join(f"{len(images):,} {split}" for split, images in subject.splits.items())
    return {
        "Backbone": f"{subject.backbone.name}, {weights}",
        "Layer": f"{subject.word} ({place}{tap.width:,} features)"
        + (f"; {subject.projection}" if subject.wide else ""),
        "Row": subject.row_recipe,
        "Images": f"{sizes} of {subject.source.name}, {seen}",
        **({"Groups": INDEPENDENT} if subject.groups is None else {}),
        "Map": _map(subject),
        "Seed": str(subject.config.seed),
    }


def _map(subject: Subject) -> str:
    if subject.reducer is None:
        return "none"
    return f"{subject.reducer.words}, fitted on {'train' if subject.reducer.fit_on == 'train' else 'each split'}"
