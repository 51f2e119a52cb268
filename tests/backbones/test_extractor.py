"""The cut network: right rows, whatever else is tapped, and nothing behind the deepest tap."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torchvision.models.feature_extraction import create_feature_extractor

from frostmark.backbones.extractor import Extractor, Tap, parameters_used
from frostmark.backbones.load import TorchvisionBackbone
from frostmark.backbones.nodes import Node
from frostmark.backbones.pooling import pool_rows
from frostmark.backbones.taps import survey_backbone
from frostmark.errors import ConfigError

SIZE = 64


def images(count: int = 2, size: int = SIZE) -> torch.Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(0))


# Between them: out += x, F.relu(inplace=True), module activations, in-place dropout, branches.
LARGE = [pytest.param(name, marks=pytest.mark.slow) for name in ("densenet121", "googlenet")]


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_0", "shufflenet_v2_x1_0", *LARGE])
def test_a_tap_alone_reads_the_same_as_with_all_others(name: str) -> None:
    backbone = TorchvisionBackbone(name, "untrained")
    survey = backbone.survey(SIZE)
    taps = [Tap(node, "flatten") for node in survey.nodes.values()][::3]
    with torch.inference_mode():
        together = Extractor(backbone.load(0), taps)(images())
        for tap, expected in list(zip(taps, together, strict=True))[:: max(1, len(taps) // 12)]:
            (alone,) = Extractor(backbone.load(0), [tap])(images())
            torch.testing.assert_close(alone, expected, rtol=0, atol=0, msg=tap.node.name)


def test_a_tap_before_an_activation_keeps_its_negatives() -> None:
    backbone = TorchvisionBackbone("resnet18", "untrained")
    survey = backbone.survey(SIZE)
    taps = [Tap(survey.resolve(n), "flatten") for n in ("layer1.0.bn2", "layer1.0.add", "last_conv")]
    with torch.inference_mode():
        normed, added, _ = Extractor(backbone.load(0), taps)(images())
    assert 0.3 < (normed < 0).float().mean() < 0.7
    assert (added < 0).float().mean() > 0.1
    assert not torch.equal(normed, added)


def with_lived_in_norms(model: nn.Module) -> nn.Module:
    """``model`` with statistics in its batch norms as training leaves them: not zeros and ones."""
    generator = torch.Generator().manual_seed(1)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            with torch.no_grad():
                for tensor, low, high in (
                    (module.weight, 0.5, 1.5),
                    (module.bias, -0.5, 0.5),
                    (module.running_mean, -0.5, 0.5),
                    (module.running_var, 0.5, 2.0),
                ):
                    assert tensor is not None
                    tensor.copy_(torch.empty_like(tensor).uniform_(low, high, generator=generator))
    return model


@pytest.mark.parametrize("name", ["resnet18", "vgg11_bn", "densenet121"])
def test_folded_batch_norms_change_no_row(name: str) -> None:
    backbone = TorchvisionBackbone(name, "untrained")
    survey = backbone.survey(SIZE)
    before_norm = next(n for n in survey.nodes if "conv" in n or n == "features.0")
    taps = [Tap(survey.resolve(word), "flatten") for word in (before_norm, "stage1", "last_conv")]
    with torch.inference_mode():
        extractor = Extractor(with_lived_in_norms(backbone.load(0)), taps)
        convolution, _, last = extractor(images())
        model = with_lived_in_norms(backbone.load(0))
        expected = create_feature_extractor(model, [t.node.name for t in taps])(images())
        (alone,) = Extractor(with_lived_in_norms(backbone.load(0)), taps[2:])(images())
    plain = [expected[t.node.name].flatten(1) for t in taps]
    torch.testing.assert_close(convolution, plain[0], rtol=1e-5, atol=1e-5)
    assert (last - plain[2]).norm() < 1e-5 * plain[2].norm()
    assert torch.equal(last, alone)
    norms = sum(isinstance(m, nn.BatchNorm2d) for m in extractor.body.modules())
    assert norms == {"resnet18": 0, "vgg11_bn": 0, "densenet121": 62}[name]  # DenseNet's stand before a convolution


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_0", "inception_v3"])
def test_the_logits_are_those_of_the_whole_network(name: str) -> None:
    backbone = TorchvisionBackbone(name, "untrained")
    size = 96 if name == "inception_v3" else SIZE
    tap = Tap(backbone.survey(size).resolve("logits"), "gap")
    with torch.inference_mode():
        (rows,) = Extractor(backbone.load(0), [tap])(images(size=size))
        expected = backbone.load(0)(images(size=size))
    # Another memory layout sums in another order: float32 rounding, on the scale of the logits.
    assert (rows - expected).abs().max() < 1e-5 * expected.abs().max()


def test_what_lies_behind_the_deepest_tap_is_cut_off() -> None:
    backbone = TorchvisionBackbone("vgg16")
    extractor = Extractor(backbone.architecture(), [Tap(backbone.survey().resolve("last_conv"), "gap")])
    assert sum(p.numel() for p in extractor.parameters()) == 14_714_688  # of 138 million


def test_parameters_are_counted_as_the_network_has_them() -> None:
    backbone = TorchvisionBackbone("resnet18")
    tap = Tap(backbone.survey().resolve("last_conv"), "gap")
    assert parameters_used(backbone.architecture(), tap) == 11_689_512 - 513_000  # all but the classifier


def test_swin_pools_over_cells_not_channels() -> None:
    backbone = TorchvisionBackbone("swin_t", "untrained")
    node = backbone.survey().resolve("stage2")
    with torch.inference_mode():
        gap, flat = Extractor(backbone.load(0), [Tap(node, "gap"), Tap(node, "flatten")])(images(size=224))
    assert gap.shape == (2, 192)
    torch.testing.assert_close(gap, flat.reshape(2, 192, 28 * 28).mean(2))


def test_pools_by_hand() -> None:
    node = Node("x", (2, 2, 2), 0)
    x = torch.tensor([[[[1.0, 2], [3, 4]], [[-8, 0], [0, 0]]]])
    assert pool_rows(x, node, "gap").tolist() == [[2.5, -2]]
    assert pool_rows(x, node, "max").tolist() == [[4, 0]]
    assert pool_rows(x, node, "flatten").tolist() == [[1, 2, 3, 4, -8, 0, 0, 0]]
    torch.testing.assert_close(pool_rows(x, node, "gem")[0, 0].item(), ((1 + 8 + 27 + 64) / 4) ** (1 / 3))
    assert pool_rows(x.bfloat16(), node, "gap").dtype == torch.float32


def test_pools_are_computed_in_float32_under_autocast_too() -> None:
    x = torch.full((1, 4, 3, 3), 1.001)
    with torch.autocast("cpu", torch.bfloat16):
        rows = pool_rows(x, Node("x", (4, 3, 3), 0), "gap")
    torch.testing.assert_close(rows, torch.full((1, 4), 1.001))


def test_token_pools_by_hand() -> None:
    tokens = torch.arange(10.0).reshape(1, 5, 2)  # a class token and four patches
    node = Node("x", (5, 2), 0)
    assert pool_rows(tokens, node, "cls").tolist() == [[0, 1]]
    assert pool_rows(tokens, node, "mean").tolist() == [[5, 6]]
    assert pool_rows(tokens[:, 1:], Node("x", (4, 2), 0), "mean").tolist() == [[5, 6]]


@pytest.mark.parametrize(("shape", "pool"), [((8, 4, 4), "cls"), ((5, 8), "gap"), ((8, 4, 4), "median")])
def test_a_pool_that_does_not_fit_is_refused(shape: tuple[int, ...], pool: str) -> None:
    with pytest.raises(ConfigError, match=f"layer.pool={pool}"):
        Tap(Node("x", shape, 0), pool)


def test_a_network_of_ones_own_is_surveyed_too() -> None:
    class Small(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Conv2d(3, 4, 3, stride=2, padding=1)
            self.body = nn.Sequential(nn.Conv2d(4, 8, 3, stride=2, padding=1), nn.ReLU(inplace=True))
            self.fc = nn.Linear(8, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = torch.relu(self.stem(x))
            return self.fc(self.body(x).mean((2, 3)))

    with torch.device("meta"):
        survey = survey_backbone(Small(), 32)
    assert survey.taps == {
        "stage1": "relu",
        "stage2": "body",
        "last_conv": "body",
        "embedding": "body",
        "penultimate": "mean",
        "logits": "fc",
    }


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_compiled_network_gives_the_rows_of_the_plain_one_for_batches_of_any_size() -> None:
    backbone = TorchvisionBackbone("resnet18", "untrained")
    taps = [Tap(backbone.survey(SIZE).resolve(word), "gap") for word in ("stage2", "last_conv")]
    plain, compiled = (Extractor(with_lived_in_norms(backbone.load(0)), taps) for _ in range(2))
    compiled.compile_body()
    with torch.inference_mode():
        for count in (4, 3, 1):
            for expected, found in zip(plain(images(count)), compiled(images(count)), strict=True):
                assert found.shape == expected.shape
                assert (found - expected).norm() < 1e-5 * expected.norm()
