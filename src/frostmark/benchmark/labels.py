"""What a run is, in words: its tags, the settings that its numbers depend on, and the lines above its summary.

tags(subject, weights_digest)["dataset_fingerprint"]
identity(config)                        # by which the result of a configuration is known to hold still
"""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

import frostmark
from frostmark.backbones.network import Network
from frostmark.benchmark.subject import Given, Subject, resolve
from frostmark.config.schema import Config
from frostmark.data.fingerprint import combined, label_digest
from frostmark.figures.palette import name_colour

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


def tags(subject: Subject, weights: str) -> dict[str, str]:
    """What the run is.

    Args:
        weights: digest of the tensors of the network.
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
        "weights_digest": weights,
        **backbone.provenance,
        "dataset": subject.source.name,
        "dataset_fingerprint": combined(*subject.fingerprints.values()),
        "label_digest": combined(*map(label_digest, subject.splits.values())),
        **{f"{split}_images": str(len(images)) for split, images in subject.splits.items()},
        "preprocess": subject.preprocess,
        "image_size": str(subject.pipeline.size),
        "precision": config.trainer.precision + (" compiled" if config.trainer.compile else ""),
        **_map_tags(subject),
        "seed": str(config.seed),
        "protocol": protocol(config),
        "mlflow.runColor": name_colour(backbone.name),
        **versions(),
    }


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
        "Map": "none"
        if subject.reducer is None
        else f"{type(subject.reducer).__name__}, fit on {subject.reducer.fit_on}",
        "Seed": str(subject.config.seed),
    }
