"""A backbone of one's own: its weights follow from the seed wherever they are drawn, and what it gives is checked."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from frostmark.api import benchmark
from frostmark.backbones.backbone import UNTRAINED, Backbone
from frostmark.backbones.contract import CheckedBackbone, checked_backbone
from frostmark.backbones.drawing import drawing
from frostmark.backbones.load import TorchvisionBackbone
from frostmark.backbones.module import ModuleBackbone
from frostmark.backbones.network import Network
from frostmark.backbones.own import BuiltBackbone
from frostmark.backbones.weights import weights_digest
from frostmark.errors import ConfigError, DataError
from support import backbone_kit
from support.fixtures import SeePlugins
from support.plugin import installed

QUICK = (
    "dataset.limit.train=60", "dataset.limit.test=40", "metrics=[neighbours,variance]", "reducer=none",
    "preprocess.size=32", "uncertainty.resamples=0", "uncertainty.permutations=0",
)  # fmt: skip


def network(channels: int = 8) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, channels, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 4)
    )


def seeded(seed: int = 7) -> nn.Sequential:
    with drawing(seed):
        return network()


@dataclass(frozen=True, kw_only=True)
class Tiny(BuiltBackbone):
    channels: int = 8
    size: int = 32

    def build(self) -> nn.Module:
        return network(self.channels)


def test_it_is_what_a_backbone_must_be() -> None:
    assert backbone_kit.problems(Tiny()) == []
    tiny = Tiny()
    assert (tiny.name, tiny.weights_name, tiny.family) == ("Tiny", UNTRAINED, "Sequential")
    assert list(tiny.survey().taps) == ["stage1", "last_conv", "embedding", "penultimate", "logits"]
    assert tiny.architecture_name == Tiny().architecture_name != Tiny(channels=4).architecture_name
    assert weights_digest(tiny.load(0)) != weights_digest(tiny.load(1))


def test_weights_come_from_a_file(tmp_path: Path) -> None:
    torch.save(seeded().state_dict(), tmp_path / "tiny.pth")
    tiny = Tiny(weights=str(tmp_path / "tiny.pth"))
    assert tiny.weights_name == "tiny.pth"
    assert weights_digest(tiny.load(0)) == weights_digest(tiny.load(1)) == weights_digest(seeded())
    assert tiny.architecture_name == Tiny().architecture_name
    assert backbone_kit.problems(tiny) == []
    with pytest.raises(DataError, match="of another shape"):
        Tiny(weights=str(tmp_path / "tiny.pth"), channels=4).load(0)
    with pytest.raises(ConfigError, match="has no weights 'DEFAULT'"):
        Tiny(weights="DEFAULT")


def test_global_generators_are_seeded_and_left_as_they_were() -> None:
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[2]
    with drawing(3):
        first = torch.rand(2).tolist(), random.random(), np.random.random()
    with drawing(3):
        assert (torch.rand(2).tolist(), random.random(), np.random.random()) == first
    with pytest.raises(ZeroDivisionError), drawing(3):
        1 / torch.rand(2).mul(0).int().sum().item()
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (random.getstate(), np.random.get_state()[2]) == before[1:]


class Loose(nn.Module):
    """A random tensor that no state dict knows."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.noise = torch.rand(4, 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.conv(x) * self.noise
        return out


@dataclass(frozen=True, kw_only=True)
class Building(BuiltBackbone):
    """Builds whatever a function makes."""

    make: Callable[[], object]

    def build(self) -> nn.Module:
        return self.make()  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: [1], "Building gave a list as build(); it must give a torch.nn.Module"),
        (lambda: 1 / 0, "Building: build() raised ZeroDivisionError"),
        (Loose, "builds a network with random tensors outside its state dict"),
    ],
)
def test_what_is_built_is_looked_at(make: Callable[[], object], sentence: str) -> None:
    with pytest.raises(ConfigError) as told:
        Building(make=make, size=32).load(1)
    assert sentence in told.value.problem


class Custom(ModuleBackbone):
    """A subclass that is not ours, with one member replaced."""

    def __init__(self, **members: object) -> None:
        super().__init__(seeded(), size=32)
        self._members = members

    def __getattribute__(self, name: str) -> object:
        members = object.__getattribute__(self, "__dict__").get("_members", {})
        return members[name] if name in members else object.__getattribute__(self, name)


def on_meta(seed: int) -> nn.Module:
    return network().to("meta")


@pytest.mark.parametrize(
    ("members", "use", "sentence"),
    [
        ({"family": 7}, lambda b: b.family, "Custom gave family=7; it must give a text that is not empty"),
        ({"weights_name": ""}, lambda b: b.weights_name, "gave weights_name=''"),
        ({"provenance": {"a": 1}}, lambda b: b.provenance, "gave provenance={'a': 1}"),
        ({"preset": None}, lambda b: b.preset, "gave a preset of type NoneType with crop_size=None"),
        ({"survey": lambda size: {}}, lambda b: b.survey(32), "gave a dict as survey()"),
        ({"survey": lambda size: 1 / 0}, lambda b: b.survey(32), "Custom: survey() raised ZeroDivisionError"),
        ({"architecture": lambda: None}, lambda b: b.architecture(), "gave a NoneType as architecture()"),
        ({"load": lambda seed: {}}, lambda b: b.load(0), "gave a dict as load(); it must give a torch.nn.Module"),
        ({"load": on_meta}, lambda b: b.load(0), "gave a network whose 0.weight has no values as load()"),
        ({"load": lambda seed: network().half()}, lambda b: b.load(0), "a network whose 0.weight is torch.float16"),
        ({"missing_weights": lambda: 3}, lambda b: b.missing_weights(), "gave missing_weights()=3"),
    ],
)
def test_what_a_backbone_gives_is_looked_at(
    members: dict[str, object], use: Callable[[Backbone], object], sentence: str
) -> None:
    backbone = checked_backbone(Custom(**members))
    assert isinstance(backbone, CheckedBackbone)
    with pytest.raises(ConfigError) as told:
        use(backbone)
    assert sentence in told.value.problem
    assert told.value.code == 2


def test_our_own_backbones_are_taken_as_they_are() -> None:
    ours = TorchvisionBackbone("resnet18", UNTRAINED)
    assert checked_backbone(ours) is ours


def test_a_factory_builds_the_untrained_network() -> None:
    backbone = ModuleBackbone(seeded(), size=32, factory=network)
    control = backbone.untrained()
    assert (control.weights_name, backbone.weights_name) == (UNTRAINED, "given")
    assert weights_digest(control.load(1)) == weights_digest(control.load(1)) != weights_digest(control.load(2))
    assert weights_digest(backbone.load(1)) == weights_digest(seeded())
    assert control.architecture_name == backbone.architecture_name
    assert backbone_kit.problems(backbone) == []


@pytest.mark.parametrize(
    ("factory", "sentence"),
    [
        (lambda: network(4), "builds a network with other weights: 0.weight is (8, 3, 3, 3) in the network and (4,"),
        (lambda: None, "builds a NoneType"),
        (lambda: 1 / 0, "the factory raised ZeroDivisionError"),
    ],
)
def test_a_factory_of_something_else_is_refused(factory: Callable[[], nn.Module], sentence: str) -> None:
    with pytest.raises(ConfigError) as told:
        ModuleBackbone(seeded(), size=32, factory=factory).untrained()
    assert sentence in told.value.problem


def test_the_control_of_a_network_handed_over(tmp_path: Path) -> None:
    def unsteady() -> nn.Module:
        made = network()
        made[0].weight.data.fill_(random.SystemRandom().random())
        return made

    def run(name: str, **preset: object) -> dict[str, float]:
        words = [*QUICK, "controls=[untrained]"]
        (result,) = benchmark(
            seeded(), "digits", "stage1", overrides=words, root=tmp_path / name, tracking="none", size=32, **preset
        )
        return dict(result.values)

    key = "control/untrained/test/neighbours/knn_accuracy"
    first, again = run("first", factory=network), run("again", factory=network)
    assert first[key] == again[key]
    assert key not in run("without")
    assert key not in run("unsteady", factory=unsteady)


DRAWN = """
from torch import nn
from frostmark.backbones.module import ModuleBackbone

class Drawn(ModuleBackbone):
    def __init__(self):
        super().__init__(nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)), size=32)
"""


def test_weights_drawn_in_a_constructor_follow_from_the_seed(tmp_path: Path, see_plugins: SeePlugins) -> None:
    """The same command gave 0.698 and then 0.724."""
    yaml = {"backbone/drawn": "_target_: plugin_drawn.made.Drawn"}
    see_plugins(installed(tmp_path, "plugin_drawn", {"made": DRAWN}, yaml))

    def variance(name: str, seed: int) -> float:
        torch.rand(len(name))  # whatever was drawn before
        words = [*QUICK, f"seed={seed}"]
        (result,) = benchmark("drawn", "digits", "stage1", overrides=words, root=tmp_path / name, tracking="none")
        return float(result.values["test/variance/intra"])

    assert variance("one", 0) == variance("another", 0) != variance("third", 1)


def test_the_digest_of_a_network_is_that_of_its_weights() -> None:
    assert Network.loaded(Tiny(), 0).weights == weights_digest(Tiny().load(0))
