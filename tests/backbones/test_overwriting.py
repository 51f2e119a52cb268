"""A forward that overwrites its tensors gives the rows of the network itself; no tap is changed after it is read."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from frostmark.backbones.extractor import Extractor, Tap
from frostmark.backbones.module import ModuleBackbone
from support.taps import distance, images, lived_in

SIZE = 16


def with_an_alias(x: Tensor) -> Tensor:
    """What is kept for later is overwritten, too: it is the same tensor."""
    before = x
    x.relu_()
    return x + before


OVERWRITING: dict[str, Callable[[Tensor], object]] = {
    "a method": lambda x: x.relu_(),
    "an alias": with_an_alias,
    "a function": torch.relu_,
    "a function of nn.functional": lambda x: F.elu_(x, 0.5),
    "an option": lambda x: F.hardtanh(x, -0.1, 0.1, inplace=True),
    "an operator of aten": lambda x: torch.ops.aten.clamp_min_.default(x, 0.2),
    "a module": nn.ReLU(inplace=True),
    "a sum": lambda x: x.add_(1).mul_(2),
}


class Net(nn.Module):
    """A convolution whose result is overwritten, and a classifier."""

    def __init__(self, change: Callable[[Tensor], object], takes_the_result: bool) -> None:
        super().__init__()
        self.conv, self.change, self.fc = nn.Conv2d(3, 4, 3), change, nn.Linear(4, 2)
        self.takes_the_result = takes_the_result

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        result = self.change(x)
        if self.takes_the_result:
            x = result  # type: ignore[assignment]
        return self.fc(x.mean((2, 3)))


@pytest.mark.parametrize("takes_the_result", [False, True], ids=["for its effect", "for its result"])
@pytest.mark.parametrize("change", OVERWRITING.values(), ids=OVERWRITING)
def test_rows_are_those_of_the_network_itself(change: Callable[[Tensor], object], takes_the_result: bool) -> None:
    torch.manual_seed(0)
    net = lived_in(Net(change, takes_the_result)).eval()
    assert isinstance(net, Net)
    with torch.inference_mode():
        expected, raw = net(images(SIZE)), net.conv(images(SIZE)).mean((2, 3))
    backbone = ModuleBackbone(net, size=SIZE)
    survey = backbone.survey()
    with torch.inference_mode():
        taps = [survey.tap("logits"), Tap(survey.resolve("conv"), "gap")]
        logits, conv = Extractor(backbone.load(0), taps)(images(SIZE))
    assert distance(logits, expected) < 1e-5
    assert distance(conv, raw) < 1e-5
