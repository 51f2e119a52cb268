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


class LeakyWhere(nn.Module):
    """PReLU, written out."""

    def __init__(self) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.tensor([0.3]))

    def forward(self, x: Tensor) -> Tensor:
        return torch.where(x > 0, x, self.slope * x)


class SavingSwish(torch.autograd.Function):
    """As EfficientNet's PyTorch port has it: its backward keeps less."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, x: Tensor) -> Tensor:  # type: ignore[override]
        return x * torch.sigmoid(x)


class InPlace(nn.Module):
    """A module that is called for its effect alone."""

    def __init__(self) -> None:
        super().__init__()
        self.act = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        self.act(x)
        return x


def for_its_effect(change: Callable[[Tensor], object]) -> Callable[[Tensor], Tensor]:
    """An activation that overwrites what it is given, and whose result nothing reads."""

    def activation(x: Tensor) -> Tensor:
        change(x)
        return x

    return activation


class Net(nn.Module):
    """Two convolutions with batch norms, one activation for both, a classifier.

    Args:
        pools_first: whether the last activation is that of what was pooled.
        ends: how what the classifier reads is made of the last activation: ``mean``, ``flat``, ``average``.
    """

    def __init__(self, activation: Callable[[Tensor], Tensor], pools_first: bool = False, ends: str = "mean") -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 6, 3, stride=2, padding=1), nn.BatchNorm2d(6)
        self.conv2, self.bn2 = nn.Conv2d(6, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8)
        self.act = activation
        self.pools_first, self.ends = pools_first, ends
        self.fc = nn.LazyLinear(3)

    def stage1(self, x: Tensor) -> Tensor:
        return self.act(self.bn1(self.conv1(x)))

    def last_conv(self, x: Tensor) -> Tensor:
        x = self.bn2(self.conv2(self.stage1(x)))
        return self.act(F.max_pool2d(x, 2)) if self.pools_first else self.act(x)

    def forward(self, x: Tensor) -> Tensor:
        x = self.last_conv(x)
        if self.ends == "average":
            x = F.avg_pool2d(x, 2)
        return self.fc(x.mean((2, 3)) if self.ends == "mean" else x.flatten(1))


SPELLINGS: dict[str, Callable[[], Callable[[Tensor], Tensor]]] = {
    "one module, used twice": nn.ReLU,
    "one module that works in place": lambda: nn.ReLU(inplace=True),
    "a module with a parameter": nn.PReLU,
    "a module of one's own": Swish,
    "a module around another": Wrapped,
    "an expression with parameters": StarReLU,
    "PReLU, written out": LeakyWhere,
    "a function with a backward of its own": lambda: SavingSwish.apply,
    "a module for its effect": InPlace,
}

FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "a function": F.silu,
    "a function in place": lambda x: F.relu(x, inplace=True),
    "a function whose name says so": torch.relu_,
    "a function for its effect": for_its_effect(lambda x: F.relu(x, inplace=True)),
    "a method": lambda x: x.relu(),
    "a method in place": lambda x: x.relu_(),
    "a method for its effect": for_its_effect(lambda x: x.masked_fill_(x < 0, 0)),
    "a product for its effect": for_its_effect(lambda x: x.mul_(x > 0)),
    "an operator of aten": lambda x: torch.ops.aten.relu(x),
    "one of its overloads": lambda x: torch.ops.aten.relu_.default(x),
    "a special function": torch.special.expit,
    "a clamp": lambda x: x.clamp(min=0),
    "a clamp in place": lambda x: x.clamp_min_(0),
    "where": lambda x: torch.where(x > 0, x, 0),
    "where, of a tensor of zeros": lambda x: torch.where(x > 0, x, torch.zeros_like(x)),
    "where, as a method": lambda x: x.where(x > 0, 0),
    "two wheres": lambda x: torch.where(x > 1, 1, torch.where(x < 0, 0, x)),
    "a mask": lambda x: x * (x > 0),
    "a mask of numbers": lambda x: x * (x > 0).type(x.dtype),
    "two masks": lambda x: x * ((x > 0) & (x < 1)),
    "masked_fill": lambda x: x.masked_fill(x < 0, 0),
    "max": lambda x: torch.max(x, torch.zeros_like(x)),
    "maximum": lambda x: torch.maximum(x, x.new_zeros(1)),
    "maximum, of a constant": lambda x: torch.maximum(x, torch.zeros(1)),
    "maximum, of zeros of the shape": lambda x: torch.maximum(x, torch.zeros(x.shape)),
    "ReLU6 in two": lambda x: F.relu(x).clamp(max=6),
    "half the sum with the modulus": lambda x: (x + x.abs()) / 2,
    "a modulus": torch.abs,
    "a sine": lambda x: torch.sin(3 * x),
    "an arc tangent": torch.atan,
    "a square": lambda x: F.relu(x) ** 2,
    "a scaled ReLU": lambda x: F.relu(x) * 1.7139588594436646,
    "leaky ReLU by where": lambda x: torch.where(x >= 0, x, 0.1 * x),
    "leaky ReLU by max": lambda x: torch.max(x, 0.1 * x),
    "leaky ReLU of two ReLUs": lambda x: F.relu(x) - 0.1 * F.relu(-x),
    "ELU, written out": lambda x: torch.where(x > 0, x, torch.exp(x) - 1),
    "softplus, written out": lambda x: torch.log(1 + torch.exp(x)),
    "softsign, written out": lambda x: x / (1 + x.abs()),
    "inverse square root unit": lambda x: x / torch.sqrt(1 + x**2),
    "SiLU, written out": lambda x: x * torch.sigmoid(x),
    "SiLU, written out in place": lambda x: x.mul_(x.sigmoid()),
    "SiLU of expit": lambda x: x * torch.special.expit(x),
    "quick GELU": lambda x: x * torch.sigmoid(1.702 * x),
    "hard swish, written out": lambda x: x * F.relu6(x + 3) / 6,
    "hard swish of a clamp": lambda x: x * torch.clamp(x + 3, 0, 6) / 6,
    "GELU, written out": lambda x: x * 0.5 * (1.0 + torch.erf(x / math.sqrt(2.0))),
    "GELU of special.erf": lambda x: 0.5 * x * (1 + torch.special.erf(x / math.sqrt(2.0))),
    "GELU by tanh": lambda x: 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * torch.pow(x, 3)))),
    "mish, written out": lambda x: x * torch.tanh(F.softplus(x)),
    "mish of logarithms": lambda x: x * torch.tanh(torch.log1p(torch.exp(x))),
    "snake": lambda x: x + torch.sin(x) ** 2,
}
SPELLINGS |= {name: lambda function=function: function for name, function in FUNCTIONS.items()}  # type: ignore[misc]


def rows(backbone: ModuleBackbone | TorchvisionBackbone, words: list[str], size: int) -> list[Tensor]:
    survey = backbone.survey(size)
    images = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    extractor = Extractor(lived_in(backbone.load(0)), [Tap(survey.resolve(word), "gap") for word in words])
    with torch.inference_mode():
        found: list[Tensor] = extractor(images)
    return found


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_stage_is_behind_its_activation(spelling: str) -> None:
    images = torch.randn(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    for pools_first, ends in ((False, "mean"), (False, "flat"), (False, "average"), (True, "mean"), (True, "flat")):
        torch.manual_seed(0)
        net = Net(SPELLINGS[spelling](), pools_first, ends).eval()
        with torch.no_grad():
            net(images)  # the classifier is made by what it reads
            lived_in(net)
            expected = [net.stage1(images).mean((2, 3)), net.last_conv(images).mean((2, 3)), net(images)]
        found = rows(ModuleBackbone(net, size=SIZE), ["stage1", "last_conv", "logits"], SIZE)
        for row, wanted in zip(found, expected, strict=True):
            torch.testing.assert_close(row, wanted, rtol=1e-4, atol=1e-5)


def test_the_same_written_twice_is_one_activation() -> None:
    class Body(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.branch = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3, padding=1)
            self.fc = nn.Linear(4 * 4 * 4, 2)

        def forward(self, x: Tensor) -> Tensor:
            x = self.conv(x)
            x = torch.where(x > 0, x, 0) + self.branch(torch.where(x > 0, x, 0))
            return self.fc(F.adaptive_max_pool2d(x, 4).flatten(1))

    forward = Forward.of(Body().to("meta"))
    after = Activations(forward, measured(forward, SIZE).steps).followed(forward.by_name["conv"])
    assert forward.names[after] == "where"


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


def test_lists_in_lists_are_opened() -> None:
    class Nested(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            first, second, third = (nn.Conv2d(a, b, 3, stride=2) for a, b in ((3, 4), (4, 5), (5, 6)))
            pair = nn.ModuleList([nn.ModuleList([second]), nn.ModuleList([third])])
            self.lists = nn.ModuleList([nn.ModuleList([nn.ModuleList([first])]), pair])
            self.fc = nn.Linear(6, 2)

        def forward(self, x: Tensor) -> Tensor:
            for outer in self.lists:
                for inner in outer:
                    for layer in inner:
                        x = torch.where((x := layer(x)) > 0, x, 0)
            return self.fc(x.mean((2, 3)))

    taps = ModuleBackbone(Nested(), size=64).survey().taps
    assert {tap: node for tap, node in taps.items() if tap.startswith("stage")} == {
        "stage1": "where",
        "stage2": "where_1",
        "stage3": "where_2",
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
