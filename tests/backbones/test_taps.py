"""Taps of twenty networks: derived, and equal to what was read off each of them by hand."""

from __future__ import annotations

import pytest
import torchvision

from frostmark.backbones.load import TorchvisionBackbone
from frostmark.backbones.taps import Survey
from frostmark.errors import ConfigError

# resolution:node(channels) of every stage, at 224 pixels (Inception: 299)
STAGES = {
    "resnet18": "112:relu(64) 56:layer1(64) 28:layer2(128) 14:layer3(256) 7:layer4(512)",
    "resnet50": "112:relu(64) 56:layer1(256) 28:layer2(512) 14:layer3(1024) 7:layer4(2048)",
    "vgg11": "224:features.1(64) 112:features.4(128) 56:features.9(256) 28:features.14(512) 14:features.19(512)",
    "vgg16": "224:features.3(64) 112:features.8(128) 56:features.15(256) 28:features.22(512) 14:features.29(512)",
    "vgg16_bn": "224:features.5(64) 112:features.12(128) 56:features.22(256) 28:features.32(512) 14:features.42(512)",
    "squeezenet1_0": "109:features.1(96) 54:features.5(256) 27:features.10(512) 13:features.12(512)",
    "alexnet": "55:features.1(64) 27:features.4(192) 13:features.11(256)",
    "mobilenet_v2": "112:features.1(16) 56:features.3(24) 28:features.6(32) 14:features.13(96) 7:features.18(1280)",
    "mobilenet_v3_large": "112:features.1(16) 56:features.3(24) 28:features.6(40) 14:features.12(112) "
    "7:features.16(960)",
    "inception_v3": "149:Conv2d_1a_3x3(32) 147:Conv2d_2b_3x3(64) 73:Conv2d_3b_1x1(80) 71:Conv2d_4a_3x3(192) "
    "35:Mixed_5d(288) 17:Mixed_6e(768) 8:Mixed_7c(2048)",
    "googlenet": "112:conv1(64) 56:conv3(192) 28:inception3b(480) 14:inception4e(832) 7:inception5b(1024)",
    "densenet121": "112:features.relu0(64) 56:features.denseblock1(256) 28:features.denseblock2(512) "
    "14:features.denseblock3(1024) 7:relu(1024)",
    "efficientnet_b0": "112:features.1(16) 56:features.2(24) 28:features.3(40) 14:features.5(112) 7:features.8(1280)",
    "convnext_tiny": "56:features.1(96) 28:features.3(192) 14:features.5(384) 7:features.7(768)",
    "regnet_y_400mf": "112:stem(32) 56:trunk_output.block1(48) 28:trunk_output.block2(104) "
    "14:trunk_output.block3(208) 7:trunk_output.block4(440)",
    "shufflenet_v2_x1_0": "112:conv1(24) 28:stage2(116) 14:stage3(232) 7:conv5(1024)",
    "mnasnet1_0": "112:layers.7(16) 56:layers.8(24) 28:layers.9(40) 14:layers.11(96) 7:layers.16(1280)",
    "swin_t": "56:features.1(96) 28:features.3(192) 14:features.5(384) 7:norm(768)",
    "maxvit_t": "112:stem(64) 56:blocks.0(64) 28:blocks.1(128) 14:blocks.2(256) 7:blocks.3(512)",
}


def stages(survey: Survey) -> str:
    nodes = {tap: survey.resolve(tap) for tap in survey.taps if tap.startswith("stage")}
    return " ".join(f"{n.resolution}:{survey.node_name(tap)}({n.channels})" for tap, n in nodes.items())


@pytest.mark.parametrize("name", STAGES)
def test_stages(name: str) -> None:
    survey = TorchvisionBackbone(name).survey()
    assert stages(survey) == STAGES[name]
    last = max((tap for tap in survey.taps if tap.startswith("stage")), key=lambda t: int(t[5:]))
    assert survey.taps["last_conv"] == survey.taps[last]
    assert survey.resolve("logits").shape == (1000,)


def test_a_transformer_has_blocks_and_no_stages() -> None:
    survey = TorchvisionBackbone("vit_b_16").survey()
    assert [t for t in survey.taps if t.startswith("block")] == [f"block{k}" for k in range(1, 13)]
    assert survey.resolve("block12").shape == (197, 768)
    assert survey.resolve("penultimate").shape == (768,)
    with pytest.raises(ConfigError, match=r"no layer 'last_conv'.*block1, block2") as told:
        survey.resolve("last_conv")
    assert "layer=embedding" in told.value.fix


@pytest.mark.parametrize(
    ("name", "node", "shape"),
    [
        ("resnet18", "flatten", (512,)),
        ("vgg16", "classifier.5", (4096,)),
        ("squeezenet1_0", "classifier.0", (512, 13, 13)),
        ("mobilenet_v3_large", "classifier.2", (1280,)),
        ("densenet121", "flatten", (1024,)),
    ],
)
def test_penultimate_is_the_input_of_the_last_weight_layer(name: str, node: str, shape: tuple[int, ...]) -> None:
    survey = TorchvisionBackbone(name).survey()
    assert survey.node_name("penultimate") == node
    assert survey.resolve("penultimate").shape == shape


@pytest.mark.parametrize(
    ("name", "gmacs", "parameters"), [("resnet18", 1.82, 11_689_512), ("vgg16", 15.47, 138_357_544)]
)
def test_compute_and_parameters(name: str, gmacs: float, parameters: int) -> None:
    backbone = TorchvisionBackbone(name)
    survey = backbone.survey()
    assert survey.flops / 2e9 == pytest.approx(gmacs, abs=0.006)
    assert sum(p.numel() for p in backbone.architecture().parameters()) == parameters
    shares = [share for _, _, _, share in survey.rows(all_nodes=False)]
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_exact_nodes_are_reached_by_name() -> None:
    survey = TorchvisionBackbone("vgg16").survey()
    assert survey.resolve("features.28").shape == (512, 14, 14)
    with pytest.raises(ConfigError, match=r"features\.28"):
        survey.resolve("feature.28")


def test_taps_do_not_depend_on_the_size_of_the_images() -> None:
    backbone = TorchvisionBackbone("resnet18")
    small = backbone.survey(32)  # layer4 is 1 × 1 here
    assert small.taps == backbone.survey().taps
    assert small.resolve("stage5").shape == (512, 1, 1)


def test_channels_last_is_known_even_where_the_shape_is_a_cube() -> None:
    node = TorchvisionBackbone("swin_t").survey(384).resolve("stage1")
    assert node.shape == (96, 96, 96)
    assert node.channels_last


def test_a_size_that_the_network_cannot_take_is_refused() -> None:
    with pytest.raises(ConfigError, match="64 pixels"):
        TorchvisionBackbone("vit_b_16").survey(64)


@pytest.mark.slow
def test_every_classification_network_of_torchvision_has_taps() -> None:
    for name in torchvision.models.list_models(module=torchvision.models):
        if not name.startswith("quantized_"):
            survey = TorchvisionBackbone(name).survey()
            assert {"penultimate", "logits"} <= set(survey.taps), name
            assert ("last_conv" in survey.taps) != ("block1" in survey.taps), name
