"""The stages of a network that keeps maps: the last block at every resolution, behind its non-linearity.

    stages_of(activations, nodes, aliases, ending)      # {'stage1': 'relu', 'stage2': 'layer1', …} of ResNet18

Candidates are block outputs: the modules at the top of the network, containers whose parts differ in resolution opened
once; pooling, reshaping and what lies behind the classifier's last weight layer do not count. A network that is a part
of another module (the body of a fine-tuned one) is looked at where its own parts are.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import fx, nn

from frostmark.backbones.activations import Activations
from frostmark.backbones.ending import Ending
from frostmark.backbones.forward import Forward
from frostmark.backbones.nodes import Node

MAX_TO_ONE_CELL = 3
"""Cells of a stage whose successor may be a single cell: of more, a layer over all cells makes one number each."""

_RESHAPING = ("Pool", "Permute", "Flatten", "Dropout", "Identity")


def stages_of(
    activations: Activations, nodes: dict[str, Node], aliases: dict[str, str], ending: Ending, opened: bool = True
) -> dict[str, str]:
    """``stage1`` … → the name of its module, or of the node behind it.

    Args:
        aliases: module → the node that is its output.
        opened: whether to look for the network inside a module that holds it.
    """
    forward = activations.forward
    top = _top(forward.model, nodes) if opened else _parts(forward.model, "")
    order = {name: position for position, name in enumerate(forward.names.values())}
    end = min((order[forward.names[layer]] for layer in ending.layers), default=len(order))
    last_at: dict[int, tuple[str, fx.Node]] = {}
    for path, node in _candidates(top, nodes, aliases):
        if order[node.name] >= end:  # what a classifier puts out
            continue
        if node.resolution == 1 and last_at and min(last_at) > MAX_TO_ONE_CELL:
            continue
        here = forward.by_name[node.name]
        after = activations.followed(here)
        behind = nodes.get(forward.names[after])
        if after is here or behind is None or not behind.is_image or behind.resolution == 1 < node.resolution:
            last_at[node.resolution] = path, here
            continue
        before = last_at.get(node.resolution)
        if behind.resolution != node.resolution and before is not None and forward.users(before[1]) == [here]:
            del last_at[node.resolution]  # the convolution of a norm that is activated after pooling
        last_at[behind.resolution] = behind.name, after
    _end_before_pooling(last_at, forward, nodes, ending)
    return {f"stage{k}": name for k, (name, _) in enumerate(last_at.values(), start=1)}


def _end_before_pooling(
    last_at: dict[int, tuple[str, fx.Node]], forward: Forward, nodes: dict[str, Node], ending: Ending
) -> None:
    """Let the last stage be what is pooled globally, though the forward computes it outside of any module."""
    if ending.pooled is None or not last_at:
        return
    name = ending.pooled.source
    pooled, (_, last) = forward.by_name[name], list(last_at.values())[-1]
    if last < pooled and nodes[name].resolution in last_at:
        last_at[nodes[name].resolution] = name, pooled


def _candidates(
    top: list[tuple[str, nn.Module]], nodes: dict[str, Node], aliases: dict[str, str]
) -> Iterator[tuple[str, Node]]:
    """Block outputs: (module name, its output node), in the order of execution."""

    def output(name: str) -> Node | None:
        return nodes.get(aliases.get(name, name))

    candidates: list[tuple[str, Node]] = []
    order = {name: position for position, name in enumerate(nodes)}
    pooled = len(order)

    def several(parts: list[tuple[str, nn.Module]]) -> bool:
        return len({n.resolution for p, _ in parts if (n := output(p)) is not None and n.kind == "map"}) > 1

    def opened(path: str, module: nn.Module) -> list[tuple[str, nn.Module]]:
        """A list in a list is no block either, if its parts differ in resolution."""
        parts = _parts_of(path, module)
        if not isinstance(module, nn.ModuleList) or not several(parts):
            return [(path, module)]
        return [inner for part in parts for inner in opened(*part)]

    for name, module in top:
        parts = _parts_of(name, module)
        if isinstance(module, nn.ModuleList):
            parts = [inner for part in parts for inner in opened(*part)]
        elif not (isinstance(module, nn.Sequential) and several(parts)):
            parts = [(name, module)]
        for path, child in parts:
            node = output(path)
            if node is not None and node.is_image and not _reshapes(child):
                candidates.append((path, node))
            elif node is not None and (node.kind == "vector" or (node.kind == "map" and node.resolution == 1)):
                pooled = min(pooled, order[node.name])
    # A single cell behind global pooling (the last convolution of timm's MobileNetV3) is no map of the image any more.
    maps = [(path, node) for path, node in candidates if node.resolution > 1 or order[node.name] < pooled]
    yield from sorted(maps, key=lambda item: order[item[1].name])


def _top(model: nn.Module, nodes: dict[str, Node]) -> list[tuple[str, nn.Module]]:
    """The parts of a network, with their paths; of one that is a part of another module, the parts of that part."""
    maps = [name for name, node in nodes.items() if node.is_image and node.resolution > 1]
    path = ""
    while True:
        parts = _parts(model, path)
        holding = [part for part, _ in parts if any(name.startswith(f"{part}.") for name in maps)]
        alone = len(holding) == 1 and all(f"{name}.".startswith(f"{holding[0]}.") for name in maps)
        if not alone or (_is_container(model, holding[0]) and _several_parts_hold(model, holding[0], maps)):
            return parts
        path = holding[0]


def _parts(model: nn.Module, path: str) -> list[tuple[str, nn.Module]]:
    return _parts_of(path, model.get_submodule(path))


def _parts_of(path: str, module: nn.Module) -> list[tuple[str, nn.Module]]:
    prefix = f"{path}." if path else ""
    return [(f"{prefix}{name}", child) for name, child in module.named_children()]


def _is_container(model: nn.Module, path: str) -> bool:
    return isinstance(model.get_submodule(path), nn.Sequential | nn.ModuleList)


def _several_parts_hold(model: nn.Module, path: str, maps: list[str]) -> bool:
    return sum(any(f"{name}.".startswith(f"{part}.") for name in maps) for part, _ in _parts(model, path)) > 1


def _reshapes(module: nn.Module) -> bool:
    return any(word in type(module).__name__ for word in _RESHAPING)
