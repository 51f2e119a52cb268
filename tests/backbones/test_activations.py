"""An activation is followed whatever its spelling, and nothing else is taken for one."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from frostmark.backbones.activations import Activations
from frostmark.backbones.extractor import Extractor, Tap
from frostmark.backbones.forward import Forward
from frostmark.backbones.load import TorchvisionBackbone
from frostmark.backbones.module import ModuleBackbone
from frostmark.backbones.nodes import measured
from support.taps import early, lived_in

SIZE = 32


class Swish(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(x)


class StarReLU(nn.Module):
    """Of MetaFormer: a learned multiple of the squared ReLU, moved by a learned number."""

    def __init__(self) -> None:
        super().__init__()
        self.scale, self.bias = nn.Parameter(torch.tensor([0.9])), nn.Parameter(torch.tensor([-0.4]))

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * F.relu(x) ** 2 + self.bias


class Wrapped(nn.Module):
    """A module that holds the activation, and nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Hardswish()

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x)


class Net(nn.Module):
    """Two convolutions with batch norms, one activation for both, global pooling, a classifier."""

    def __init__(self, activation: Callable[[Tensor], Tensor], pools_first: bool = False) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 6, 3, stride=2, padding=1), nn.BatchNorm2d(6)
        self.conv2, self.bn2 = nn.Conv2d(6, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8)
        self.act = activation
        self.pools_first = pools_first
        self.fc = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.bn1(self.conv1(x)))
        x = self.bn2(self.conv2(x))
        x = self.act(F.max_pool2d(x, 2)) if self.pools_first else self.act(x)
        return self.fc(x.mean((2, 3)))


SPELLINGS: dict[str, Callable[[], Callable[[Tensor], Tensor]]] = {
    "one module, used twice": nn.ReLU,
    "one module that works in place": lambda: nn.ReLU(inplace=True),
    "a module with a parameter": nn.PReLU,
    "a function": lambda: F.silu,
    "a function in place": lambda: lambda x: F.relu(x, inplace=True),
    "a method": lambda: lambda x: x.relu(),
    "a method in place": lambda: lambda x: x.relu_(),
    "a clamp": lambda: lambda x: x.clamp(min=0),
    "a module of one's own": Swish,
    "a module around another": Wrapped,
    "an expression with parameters": StarReLU,
    "SiLU, written out": lambda: lambda x: x * torch.sigmoid(x),
    "SiLU, written out in place": lambda: lambda x: x.mul(x.sigmoid()),
    "hard swish, written out": lambda: lambda x: x * F.relu6(x + 3) / 6,
    "GELU, written out": lambda: lambda x: x * 0.5 * (1.0 + torch.erf(x / math.sqrt(2.0))),
    "mish, written out": lambda: lambda x: x * torch.tanh(F.softplus(x)),
}


def rows(backbone: ModuleBackbone | TorchvisionBackbone, words: list[str], size: int) -> list[Tensor]:
    survey = backbone.survey(size)
    images = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    extractor = Extractor(lived_in(backbone.load(0)), [Tap(survey.resolve(word), "gap") for word in words])
    with torch.inference_mode():
        found: list[Tensor] = extractor(images)
    return found


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("pools_first", [False, True])
def test_the_last_layer_is_behind_its_activation(spelling: str, pools_first: bool) -> None:
    torch.manual_seed(0)
    backbone = ModuleBackbone(lived_in(Net(SPELLINGS[spelling](), pools_first)), size=SIZE)
    last, penultimate = rows(backbone, ["last_conv", "penultimate"], SIZE)
    torch.testing.assert_close(last, penultimate, rtol=1e-5, atol=1e-6)
    survey = backbone.survey()
    assert survey.resolve("stage2").name == survey.resolve("last_conv").name
    before = backbone.survey().resolve("bn2")
    assert survey.resolve("last_conv").name != before.name


def written_out_softmax(x: Tensor) -> Tensor:
    powers = torch.exp(x)
    return powers / powers.sum(1, keepdim=True)


NOT_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "generalised-mean pooling": lambda x: x.clamp(min=1e-6).pow(3).mean((2, 3)).pow(1 / 3),
    "a root mean square": lambda x: torch.sqrt((x * x).mean((2, 3))),
    "log-sum-exp pooling": lambda x: torch.log(torch.exp(x).flatten(2).sum(2)),
    "a gate that sees the whole map": lambda x: (x * torch.sigmoid(x.mean((2, 3), keepdim=True))).mean((2, 3)),
    "a gate that sees the channels": lambda x: (x * torch.sigmoid(x.mean(1, keepdim=True))).mean((2, 3)),
    "softmax": lambda x: torch.softmax(x, 1).mean((2, 3)),
    "softmax, written out": lambda x: written_out_softmax(x).mean((2, 3)),
    "a norm of the channels": lambda x: F.normalize(x, dim=1).mean((2, 3)),
    "RMS norm, written out": lambda x: (x * torch.rsqrt((x**2).mean(1, keepdim=True) + 1e-6)).mean((2, 3)),
    "a scale": lambda x: (0.1 * x + 2).mean((2, 3)),
    "a residual sum": lambda x: (x + F.max_pool2d(x, 3, 1, 1)).mean((2, 3)),
    "a sum of activations of two tensors": lambda x: (x * torch.sigmoid(x.roll(1, 1))).mean((2, 3)),
}


@pytest.mark.parametrize("after", NOT_ACTIVATIONS.values(), ids=NOT_ACTIVATIONS)
def test_what_is_no_activation_is_not_followed(after: Callable[[Tensor], Tensor]) -> None:
    class Body(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)
            self.fc = nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(after(self.conv(x)))

    forward = Forward.of(Body().to("meta"))
    activations = Activations(forward, measured(forward, SIZE).steps)
    assert activations.followed(forward.by_name["conv"]) is forward.by_name["conv"]


def test_a_residual_stream_is_read_where_it_is_pooled() -> None:
    class Body(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.branch = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3, padding=1)
            self.fc = nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            x = self.conv(x)
            x = x + self.branch(F.relu(x))
            return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))

    torch.manual_seed(0)
    backbone = ModuleBackbone(Body(), size=SIZE)
    assert backbone.survey().taps["last_conv"] == "add"
    last, penultimate = rows(backbone, ["last_conv", "penultimate"], SIZE)
    torch.testing.assert_close(last, penultimate)


def test_what_asks_for_a_shape_is_no_use_of_a_tensor() -> None:
    class Body(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.act, self.fc = nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            x = self.conv(x)
            count = x.shape[0]
            return self.fc(self.act(x).mean((2, 3)).reshape(count, -1))

    assert ModuleBackbone(Body(), size=SIZE).survey().taps["last_conv"] == "act"


def test_a_network_inside_another_module_has_the_taps_it_has_alone() -> None:
    class Fine(nn.Module):
        """What fine-tuning makes of a network: its body, and a classifier of one's own."""

        def __init__(self) -> None:
            super().__init__()
            self.backbone = torchvision.models.resnet18()
            self.backbone.fc = nn.Identity()
            self.classifier = nn.Linear(512, 7)

        def forward(self, x: Tensor) -> Tensor:
            return self.classifier(self.backbone(x))

    survey = ModuleBackbone(Fine(), size=64).survey()
    alone = TorchvisionBackbone("resnet18").survey(64)
    stages = {tap: f"backbone.{name}" for tap, name in alone.taps.items() if tap.startswith(("stage", "last"))}
    assert stages.items() <= survey.taps.items()
    assert survey.resolve("logits").shape == (7,)


def test_a_class_convolution_of_any_name_is_no_stage() -> None:
    class Squeeze(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.ReLU())
            self.head = nn.Sequential(nn.Conv2d(4, 5, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.body(x))

    assert ModuleBackbone(Squeeze(), size=SIZE).survey().taps == {
        "stage1": "body",
        "last_conv": "body",
        "embedding": "body",
        "penultimate": "body.1",
        "logits": "head.3",
    }


# ---------------------------------------------------------------- every network of torchvision

NOT_POOLED_LAST = ("alexnet", "vgg", "convnext", "maxvit", "mobilenet_v3", "vit")
"""Between global pooling and the last weight layer of these stands a norm or another layer; or they never pool."""

QUICK = {
    "resnet18",
    "squeezenet1_1",
    "mobilenet_v2",
    "shufflenet_v2_x0_5",
    "mnasnet0_5",
    "regnet_y_400mf",
    "densenet121",
}
QUICK |= {"efficientnet_b0", "googlenet", "swin_t"}

NETWORKS = [n for n in torchvision.models.list_models(module=torchvision.models) if not n.startswith("quantized_")]


def some_slow(names: list[str]) -> list[object]:
    return [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in names]


@pytest.mark.parametrize("name", some_slow([n for n in NETWORKS if not n.startswith(NOT_POOLED_LAST)]))
def test_the_last_layer_pooled_is_what_the_classifier_reads(name: str) -> None:
    last, penultimate = rows(TorchvisionBackbone(name, "untrained"), ["last_conv", "penultimate"], 96)
    assert (last - penultimate).norm() < 1e-5 * penultimate.norm()


@pytest.mark.parametrize("name", some_slow(NETWORKS))
def test_no_tap_stands_before_its_activation(name: str) -> None:
    backbone = TorchvisionBackbone(name, "untrained")
    assert early(Forward.of(backbone.architecture()), backbone.survey()) == []
