"""The time of a network of zeros: it grows with the work, and no weights are asked for."""

from __future__ import annotations

import pytest

from frostmark.backbones.backbone import Backbone
from frostmark.backbones.load import TorchvisionBackbone
from frostmark.backbones.timing import seconds_to_forward


def seconds(backbone: Backbone, word: str, size: int) -> float:
    tap = backbone.survey(size).tap(word)
    return seconds_to_forward(backbone.architecture(), tap, size, "cpu")


def test_it_grows_with_the_work() -> None:
    """A thousand times the multiplications, measured on a machine that does other things as well."""
    small = seconds(TorchvisionBackbone("squeezenet1_0", "untrained"), "stage2", 64)
    large = seconds(TorchvisionBackbone("vgg11", "untrained"), "last_conv", 224)
    assert 0 < 5 * small < large


@pytest.mark.parametrize("name", ["swin_t", "densenet121", "vit_b_16"])
def test_networks_with_tables_and_tokens_run_on_zeros(name: str) -> None:
    backbone = TorchvisionBackbone(name, "untrained")
    assert seconds(backbone, "penultimate", 224) > 0
