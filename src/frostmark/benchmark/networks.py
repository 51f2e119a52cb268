"""The networks of a benchmark with their weights: the same command gives the same weights, or none.

network = network_of(subject, given)        # of the run
network = untrained_network(subject)        # of the control
"""

from __future__ import annotations

from frostmark.backbones.backbone import Backbone
from frostmark.backbones.contract import CheckedBackbone
from frostmark.backbones.module import ModuleBackbone
from frostmark.backbones.network import Network
from frostmark.benchmark.subject import Given, Subject, backbone_of
from frostmark.errors import ConfigError


def network_of(subject: Subject, given: Given) -> Network | None:
    """The network of the run; None for rows made elsewhere.

    Raises:
        ConfigError: if a class that is not ours gives other weights when it is made a second time.
        DataError: if the weights are missing or refused, or lack what the layer needs.
    """
    if subject.rows is not None:
        return None
    network = Network.loaded(subject.backbone, subject.config.seed)
    network.require(subject.tap, subject.survey, subject.word)
    if isinstance(subject.backbone, CheckedBackbone):
        _require_steady(network, backbone_of(subject.config, given), subject.config.seed)
    return network


def untrained_network(subject: Subject) -> Network:
    """The same network with seeded initial weights.

    Raises:
        ConfigError: if it cannot be built anew, or has other weights when it is built a second time.
    """
    backbone = subject.backbone.untrained()
    network = Network.loaded(backbone, subject.config.seed)
    if isinstance(backbone, CheckedBackbone | ModuleBackbone):
        _require_steady(network, backbone, subject.config.seed)
    return network


def _require_steady(network: Network, again: Backbone, seed: int) -> None:
    """Weights that a class draws as it likes would give other numbers every time.

    Only code that is not ours is tried twice: it costs the making and a digest, a second for a ResNet-50.
    """
    second = Network.loaded(again, seed)
    # The name of an architecture digests the tensors outside the state dict.
    if second.weights == network.weights and again.architecture_name == network.backbone.architecture_name:
        return
    if isinstance(again, CheckedBackbone):
        raise again.unsteady()
    raise ConfigError(
        f"the factory of {again.name} builds other weights each time with one seed",
        fix="a factory that draws from the global generator of torch, NumPy or Python: Frostmark seeds it",
    )
