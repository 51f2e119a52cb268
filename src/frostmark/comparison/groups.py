"""Which benchmarks may be compared with each other, and what sets each of them apart.

    for group in comparable(runs):                  # the same images, labels, preprocessing, seed and settings
        group.runs, group.titles, group.setting
    differences(one, other)                         # ["seed: 0 and 1"]

Numbers are compared only within a group: between groups they differ by more than the network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from frostmark.comparison.runs import Run
from frostmark.metrics.kinds import Kind, base_of, kind_of
from frostmark.metrics.lookup import compares
from frostmark.names import network_name, titled

SAME = {
    "dataset": "data set",
    "dataset_fingerprint": "images",
    "label_digest": "labels",
    "group_digest": "groups of the images",
    "train_images": "number of train images",
    "test_images": "number of test images",
    "preprocess": "preprocessing",
    "seed": "seed",
    "protocol": "settings of the metrics",
}
"""Tags that runs must share to be compared, and how a person calls them."""

NAMING = ("weights", "image_size", "precision", "reducer")
"""Tags that tell networks of one backbone apart: a name holds the ones that differ."""

OWN_POOL = ("embedding", "penultimate", "logits")
"""Layers that are one vector per image as the network makes it: nobody chose their pool."""

LABEL = "label"
"""The tag that holds what a person calls the network of a run."""

UNTRAINED = "untrained"
"""What the tag ``weights`` says of a network with seeded initial weights."""


@dataclass(frozen=True)
class Group:
    """Runs that may be compared with each other.

    Attributes:
        names: of every run, what sets its network apart, without the layer: ``resnet18``.
        layers: of every run, its layer, with the pool where these differ.
    """

    runs: tuple[Run, ...]
    names: tuple[str, ...]
    layers: tuple[str, ...]

    @property
    def titles(self) -> tuple[str, ...]:
        """Network and layer of every run."""
        return tuple(titled(name, layer) for name, layer in zip(self.names, self.layers, strict=True))

    @cached_property
    def kinds(self) -> dict[str, Kind]:
        """What the metrics of all runs are."""
        return {name: kind for run in self.runs for name, kind in run.kinds.items()}

    def compares(self, key: str) -> bool:
        """Whether the runs may be compared by a metric, or by a number that says more of one."""
        declared = key if kind_of(key, self.kinds) is not None else base_of(key, self.kinds) or key
        widths = [run.tags.get("features", "") for run in self.runs]
        return compares(kind_of(declared, self.kinds), widths, self.names)

    @property
    def dataset(self) -> str:
        """The data set's name."""
        return self.runs[0].tags.get("dataset", "")

    @property
    def counted(self) -> str:
        """How many layers of how many networks."""
        of = {"layer": len(self.runs), "network": len(set(self.names))}
        return " of ".join(f"{count} {word}{'' if count == 1 else 's'}" for word, count in of.items())

    @property
    def setting(self) -> str:
        """What all runs share, in words."""
        tags = self.runs[0].tags
        known = {run.tags["image_size"] for run in self.runs if "image_size" in run.tags}
        sizes = sorted(known, key=lambda size: (len(size), size))
        return (
            f"{self.dataset}: {int(tags['train_images']):,} train and {int(tags['test_images']):,} test images, "
            f"{_preprocessed(tags, sizes)}, seed {tags['seed']}"
        )


def comparable(runs: Sequence[Run]) -> list[Group]:
    """The runs in groups whose members may be compared; the largest group first, runs in their order.

    Of several runs of the same node of the same network the last counts, under all the words it was asked for by: the
    last stage of some networks is their ``last_conv``.
    """
    alike: dict[tuple[str, ...], dict[tuple[str, ...], list[Run]]] = {}
    for run in runs:
        what = tuple(run.tags.get(tag, "") for tag in ("backbone", *NAMING, "weights_digest", "node", "pool", "norm"))
        alike.setdefault(tuple(_sameness(run).values()), {}).setdefault(what, []).append(run)
    groups = sorted((list(group.values()) for group in alike.values()), key=len, reverse=True)
    return [
        Group(tuple(same[-1] for same in group), network_names([same[-1] for same in group]), _layers(group))
        for group in groups
    ]


def differences(one: Run, other: Run) -> list[str]:
    """What keeps two runs from being compared, in words: ``seed: 0 and 1``; empty if nothing does."""
    first, second = _sameness(one), _sameness(other)
    unlike = {tag: (first[tag], second[tag]) for tag in first if first[tag] != second[tag]}
    if "dataset" in unlike:  # then the images differ, too
        unlike = {"dataset": unlike["dataset"]}
    return [f"{SAME[tag]}: {_short(tag, a)} and {_short(tag, b)}" for tag, (a, b) in unlike.items()]


def _short(tag: str, value: str) -> str:
    """A digest by its beginning, everything else whole."""
    absent = "none" if tag == "group_digest" else "not known"
    return (value[:8] if tag.endswith(("fingerprint", "digest")) else value) or absent


def _sameness(run: Run) -> dict[str, str]:
    return {tag: run.tags.get(tag, "") for tag in SAME}


def _preprocessed(tags: Mapping[str, str], sizes: Sequence[str]) -> str:
    """``resize to 96 or 224 pixels``; of rows made elsewhere the size may not be known."""
    known = tags.get("preprocess", "")
    return f"{known} to {' or '.join(sizes)} pixels" if sizes else f"preprocessed {known}"


def network_names(runs: Sequence[Run]) -> tuple[str, ...]:
    """Of every run the tags that tell its network from the others', the backbone always among them.

    A network with a label is called by it. Beside trained networks an untrained one is called so. Runs of several data
    sets may be named together: a network has one name in all of them.
    """
    telling = [tag for tag in NAMING if _differ_within_backbone(runs, tag)]
    mixed = "weights" not in telling and len({run.tags.get("weights") == UNTRAINED for run in runs}) > 1
    names = []
    for run in runs:
        if LABEL in run.tags:
            names.append(run.tags[LABEL])
            continue
        told = [_word(run, tag) for tag in telling if run.tags.get(tag)]
        told += [UNTRAINED] if mixed and run.tags.get("weights") == UNTRAINED else []
        names.append(network_name(run.backbone, *told))
    return _with_digests(names, runs)


def _word(run: Run, tag: str) -> str:
    """What a tag says in the name of a network."""
    return run.tags[tag] + (" px" if tag == "image_size" else "")


def _with_digests(names: Sequence[str], runs: Sequence[Run]) -> tuple[str, ...]:
    """Names that several networks share, with the beginning of their weights' digest: two checkpoints ``last.ckpt``."""
    digests: dict[tuple[str, tuple[str, ...]], set[str]] = {}
    for name, run in zip(names, runs, strict=True):
        digests.setdefault((name, _part(run)), set()).add(run.tags.get("weights_digest", ""))
    several = {name for (name, _), of in digests.items() if len(of) > 1}
    return tuple(
        f"{name} {run.tags.get('weights_digest', '')[:6]}".rstrip() if name in several else name
        for name, run in zip(names, runs, strict=True)
    )


def _part(run: Run) -> tuple[str, ...]:
    """What a digest of weights is of: of rows made elsewhere each layer of each data set has its own."""
    return (run.tags.get("node", ""), _images(run)) if "rows_kind" in run.tags else ()


def _images(run: Run) -> str:
    return run.tags.get("dataset_fingerprint", "")


def _differ_within_backbone(runs: Sequence[Run], tag: str) -> bool:
    """Whether a tag differs among the runs of a backbone; other than weights, on the same images."""
    of_backbone: dict[tuple[str, str], set[str]] = {}
    for run in runs:
        anywhere = tag == "weights" and "rows_kind" not in run.tags
        of_backbone.setdefault((run.backbone, "" if anywhere else _images(run)), set()).add(run.tags.get(tag, ""))
    return any(len(values) > 1 for values in of_backbone.values())


def _layers(group: Sequence[Sequence[Run]]) -> tuple[str, ...]:
    """Of every node the words it was asked for by, its pool where these differ, and ``raw`` of tokens not normed."""
    pools = [_chosen(same, "pool") for same in group]
    norms = [_chosen(same, "norm") for same in group]
    several_pools, several_norms = (len(set(filter(None, of))) > 1 for of in (pools, norms))
    names = []
    for same, pool, norm in zip(group, pools, norms, strict=True):
        words = [" = ".join(dict.fromkeys(run.layer for run in same))]
        words += [pool] if several_pools and pool else []
        words += ["raw"] if several_norms and norm == "none" else []
        names.append(" ".join(words))
    return tuple(names)


def _chosen(same: Sequence[Run], tag: str) -> str:
    """How rows are made of a node, where the user chose it."""
    return "" if all(run.layer in OWN_POOL for run in same) else same[-1].tags.get(tag, "")
