"""A module of one's own: tapped like any other network, told apart by all that it computes, and never changed."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from frostmark.backbones.backbone import Backbone
from frostmark.backbones.extractor import Extractor, Tap
from frostmark.backbones.module import ModuleBackbone
from frostmark.backbones.nodes import Node
from frostmark.backbones.weights import weights_digest
from frostmark.data.preprocess import Official, Resize
from frostmark.errors import ConfigError


class Small(nn.Module):
    """A stem, a body, a classifier; a table that is no buffer, and an option that its forward branches on."""

    def __init__(self, activation: type[nn.Module] = nn.ReLU, stride: int = 2, scale: float = 2.0) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.body = nn.Sequential(nn.Conv2d(4, 8, 3, stride=stride, padding=1), activation())
        self.fc = nn.Linear(8, 3)
        self.scale = torch.tensor(scale)
        self.register_buffer("shift", torch.full((3,), 0.5), persistent=False)

    def forward(self, x: Tensor, with_features: bool = False) -> Tensor | tuple[Tensor, Tensor]:
        x = self.body(torch.relu(self.stem(x * self.scale)))
        out: Tensor = self.fc(x.mean((2, 3))) + self.shift
        return (out, x) if with_features else out


def small(**changes: object) -> Small:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Small(**changes)  # type: ignore[arg-type]


def rows(backbone: Backbone, words: list[str], images: Tensor) -> list[Tensor]:
    survey = backbone.survey(images.shape[-1])
    with torch.inference_mode():
        found: list[Tensor] = Extractor(backbone.load(0), [Tap(survey.resolve(w), "gap") for w in words])(images)
    return found


def test_taps_and_rows_are_those_of_the_module() -> None:
    module = small().eval()
    backbone = ModuleBackbone(module, size=32)
    assert (backbone.name, backbone.weights_name) == ("Small", "given")
    survey = backbone.survey()
    assert list(survey.taps) == ["stage1", "stage2", "last_conv", "embedding", "penultimate", "logits"]
    assert survey.taps["stage1"] == "relu"
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        logits, features = module(images, with_features=True)
    found = rows(backbone, ["last_conv", "logits"], images)
    torch.testing.assert_close(found[0], features.mean((2, 3)), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found[1], logits, rtol=1e-5, atol=1e-6)


def test_the_module_itself_stays_as_it_is() -> None:
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    ).to(torch.float64)
    module.train()
    before = weights_digest(module)
    backbone = ModuleBackbone(module, size=32)
    rows(backbone, ["last_conv"], torch.randn(2, 3, 32, 32))
    assert weights_digest(module) == before
    assert module.training
    assert module[1].training
    assert module[2].inplace
    assert all(p.requires_grad and p.dtype == torch.float64 and not p.is_meta for p in module.parameters())
    assert next(backbone.load(0).parameters()).dtype == torch.float32


def test_without_a_classifier_the_output_is_the_penultimate() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    survey = ModuleBackbone(module, size=16).survey()
    assert survey.taps == {"stage1": "1", "last_conv": "1", "embedding": "1", "penultimate": "3"}


def test_a_convolution_behind_global_pooling_is_no_stage() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Conv2d(4, 5, 1), nn.Flatten())
    assert ModuleBackbone(module, size=16).survey().taps["last_conv"] == "1"


@pytest.mark.parametrize(
    "other",
    [
        lambda: small(activation=nn.ELU),
        lambda: small(stride=1),
        lambda: small(scale=3.0),
        lambda: changed_buffer(small()),
        lambda: changed_setting(small()),
    ],
    ids=["another function", "another stride", "another plain tensor", "another buffer", "another setting"],
)
def test_modules_that_compute_otherwise_are_told_apart_though_their_weights_are_equal(
    other: Callable[[], nn.Module],
) -> None:
    assert weights_digest(small()) == weights_digest(other())
    name = ModuleBackbone(small(), size=32).architecture_name
    assert ModuleBackbone(other(), size=32).architecture_name != name
    assert ModuleBackbone(small(), size=64, name="mine").architecture_name == name  # what it is called decides nothing


def changed_buffer(module: Small) -> Small:
    module.shift[0] = 1.0  # type: ignore[index, operator]
    return module


def changed_setting(module: Small) -> Small:
    module.body[0].padding_mode = "reflect"
    return module


@pytest.mark.parametrize(
    ("tokens", "registers", "prefix", "has_class"),
    [(17, 0, 1, True), (16, 0, 0, False), (580, 4, 4, False), (581, 4, 5, True), (15, 0, 0, False)],
)
def test_tokens_of_unknown_origin_are_told_apart_by_the_square_of_their_patches(
    tokens: int, registers: int, prefix: int, has_class: bool
) -> None:
    node = Node("x", (tokens, 8), 0, registers=registers)
    assert (node.prefix_tokens, node.has_class_token) == (prefix, has_class)


def test_grey_images_and_one_mean_for_all_channels() -> None:
    backbone = ModuleBackbone(small(), name="mine", mean=[0.5], std=[0.25], size=32)
    assert backbone.name == "mine"
    for preprocess in (Resize(32), Official()):
        pipeline = preprocess.pipeline(backbone.preset)
        images = pipeline(torch.full((1, 1, 28, 28), 255, dtype=torch.uint8))
        torch.testing.assert_close(images, torch.full((1, 3, 32, 32), 2.0))
        assert rows(backbone, ["last_conv"], images)[0].shape == (1, 8)


def test_a_forward_that_branches_on_an_image_is_refused_by_name() -> None:
    class Moody(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.conv(x) if x.mean() > 0 else x

    with pytest.raises(ConfigError, match="layers of Moody cannot be identified: its forward pass cannot be traced"):
        ModuleBackbone(Moody(), size=32).survey()


def test_a_module_that_cannot_be_copied_is_refused() -> None:
    module = small()
    module.lock = threading.Lock()  # type: ignore[assignment]
    with pytest.raises(ConfigError, match="Small cannot be copied"):
        ModuleBackbone(module, size=32).survey()


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        (torch.relu, {}),
        (nn.Identity(), {"mean": [0.5, 0.5]}),
        (nn.Identity(), {"std": [0]}),
        (nn.Identity(), {"size": 0}),
        (nn.Identity(), {"size": "96"}),
        (nn.Identity(), {"size": 96.0}),
        (nn.Identity(), {"mean": 0.5}),
        (nn.Identity(), {"mean": "0.5"}),
    ],
)
def test_arguments_that_mean_nothing_are_refused(module: nn.Module, arguments: dict[str, object]) -> None:
    with pytest.raises(ConfigError) as told:
        ModuleBackbone(module, **arguments)  # type: ignore[arg-type]
    assert told.value.fix


class Fixed(nn.Module):
    """A network for images of one size: it reads the flattened map."""

    def __init__(self, cells: int) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 4, stride=4), nn.Linear(4 * cells**2, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.conv(x).relu().flatten(1))


def test_the_size_is_the_one_that_was_given_or_the_only_one_that_fits() -> None:
    assert ModuleBackbone(small()).preset.crop_size == [224]
    assert ModuleBackbone(small(), size=48).preset.crop_size == [48]
    assert ModuleBackbone(Fixed(24)).preset.crop_size == [96]  # it takes no other
    assert ModuleBackbone(Fixed(24)).survey().size == 96
    assert Resize().pipeline(ModuleBackbone(Fixed(24)).preset).size == 96


def test_a_size_that_does_not_fit_is_answered_with_the_one_that_does() -> None:
    with pytest.raises(ConfigError, match="cannot take images of 64 pixels") as told:
        ModuleBackbone(Fixed(24), size=64).survey()
    assert told.value.fix == "benchmark(network, …, size=96)"
    with pytest.raises(ConfigError, match="cannot take images of 224 pixels") as told:
        ModuleBackbone(Fixed(24), size=96).survey(224)
    assert told.value.fix.startswith("preprocess.size=96,")
    with pytest.raises(ConfigError, match="cannot take images of 224 pixels") as told:
        ModuleBackbone(Fixed(17)).survey()
    assert "<pixels that it was trained with>" in told.value.fix


def test_it_cannot_be_built_untrained() -> None:
    with pytest.raises(ConfigError, match="cannot be built untrained") as told:
        ModuleBackbone(small()).untrained()
    assert "controls=[pixels]" in told.value.fix
