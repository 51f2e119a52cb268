"""A torch module of one's own as a backbone, for use from Python.

    backbone = ModuleBackbone(my_network, mean=(0.5,), std=(0.25,), size=96)
    backbone.survey().taps                   # stage1 … last_conv, penultimate, logits, as of any other network
    model = backbone.load(seed=0)            # a copy: what was given stays as it is
    ModuleBackbone(my_network, factory=make_network).untrained()        # the same network, its weights drawn anew

Rows are stored under the digest of the module's tensors and of whatever else decides what it computes: its traced
operations and the settings of its layers. Functions that it calls by ``torch.fx.wrap`` are known by their name alone.
"""

from __future__ import annotations

import copy
import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from frostmark.backbones.backbone import UNTRAINED, Preset
from frostmark.backbones.drawing import drawing
from frostmark.backbones.forward import Forward
from frostmark.backbones.nodes import ImageSizeError, takes
from frostmark.backbones.overwriting import without_inplace
from frostmark.backbones.taps import Survey, survey_at, survey_backbone
from frostmark.backbones.tracing import trace
from frostmark.errors import ConfigError, defined_as, foreign

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

SIZES = (224, 32, 64, 96, 128, 256, 384, 448, 518, 512, 336, 288, 299, 240, 192, 160, 112, 48, 40, 28)
"""Pixels that are tried where nobody says what a network was trained with: the most common first."""


class ModuleBackbone:
    """Any network that takes normalised images (N, 3, S, S); grey images reach it as three equal channels.

    Args:
        module: the network with its weights; it is copied, never changed.
        name: what runs call it; its class if not given.
        mean, std: of each channel, or one for all, for values in [0, 1]: what the network was trained with.
        size: edge in pixels of the images that it was trained with: images are resized to it unless ``preprocess.size``
            is typed, and taps are derived at it. None for 224, or for the one size that the network takes.
        factory: builds the network anew, with initial weights: what ``controls=[untrained]`` needs.
        sized_by: what a caller writes to say the size, for messages.

    Raises:
        ConfigError: if these are no module and no such numbers; later, if the module cannot be copied or traced.
    """

    weights_name: str = "given"

    def __init__(
        self,
        module: nn.Module,
        *,
        name: str | None = None,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
        size: int | None = None,
        factory: Callable[[], nn.Module] | None = None,
        sized_by: str = "benchmark(network, …, size={})",
    ) -> None:
        if not isinstance(module, nn.Module):
            raise ConfigError(
                f"{module!r:.60} is not a torch.nn.Module",
                fix="a network, such as torchvision.models.resnet18(), or a word: benchmark('resnet18')",
            )
        means, stds = _of_channels(mean), _of_channels(std)
        if not (means and stds and min(stds) > 0 and _is_size(size)):
            raise ConfigError(
                f"mean={mean!r}, std={std!r}, size={size!r} do not describe images of three channels",
                fix="mean and std: lists of 1 or 3 numbers, std above 0; size: a whole number above 0",
            )
        if not callable(factory or type(self)):
            told = f"factory={factory!r:.60} is not a function"
            raise ConfigError(told, fix="factory=<function that builds the network with initial weights>")
        self.name = name or type(module).__name__
        self.family = type(module).__name__
        self._size = size
        self._sized_by = sized_by
        self._module = module
        self._factory = factory
        self._mean, self._std = (numbers * (3 // len(numbers)) for numbers in (means, stds))

    @cached_property
    def size(self) -> int:
        """Edge in pixels of the images that the network is for."""
        return self._size or self._fitting_size() or SIZES[0]

    def _fitting_size(self) -> int | None:
        """The first of :data:`SIZES` that the network takes."""
        forward = Forward.of(self.architecture())
        return next((size for size in SIZES if takes(forward, size)), None)

    @cached_property
    def architecture_name(self) -> str:
        """Class of the module, and a digest of what it computes."""
        return f"module/{self.family} {_digest(self._copy('cpu'))}"

    @property
    def library(self) -> str:
        """Torch, with its version."""
        return f"torch {torch.__version__.partition('+')[0]}"

    @property
    def provenance(self) -> Mapping[str, str]:
        """Nothing: only the user knows where the weights are from."""
        return {}

    @property
    def preset(self) -> Preset:
        """The given mean and std; the official preprocessing brings the shorter edge to the given size, and crops."""
        return Preset([self.size], [self.size], self._mean, self._std)

    def missing_weights(self) -> None:
        """Nothing is missing."""

    def check_layer(self, tap: str) -> None:
        """Every tap that the module has means something."""

    def survey(self, size: int | None = None) -> Survey:
        """Nodes and taps; ``size`` gives shapes and costs at another size than the one given.

        Raises:
            ConfigError: if the module cannot be traced, or cannot take images of that size.
        """
        network = self.architecture()
        try:
            survey = survey_backbone(network, self.size)
        except ImageSizeError as problem:
            fitting = self._fitting_size() or "<pixels that it was trained with>"
            raise ImageSizeError(problem.problem, fix=self._sized_by.format(fitting)) from problem
        return survey if size in (None, self.size) else survey_at(network, self.size, network, size or self.size)

    def architecture(self) -> nn.Module:
        """A copy on the meta device: shapes without memory."""
        return self._copy("meta")

    def load(self, seed: int) -> nn.Module:
        """A copy in eval mode, float32, on the CPU; of an untrained network one with weights drawn by ``seed``."""
        return self._prepared(self._anew(seed), "cpu") if self.weights_name == UNTRAINED else self._copy("cpu")

    def untrained(self) -> Self:
        """The network that the factory builds, with weights drawn by the seed of :meth:`load`.

        Raises:
            ConfigError: if there is no factory, or it builds another network.
        """
        if self._factory is None:
            raise ConfigError(
                f"{self.name} was given with its weights and cannot be built untrained without a factory",
                fix="factory=<function that builds the network with initial weights>, in benchmark(network, …) or "
                "ModuleBackbone(network, …); or controls=[pixels]",
            )
        other = copy.copy(self)
        other.__dict__.pop("architecture_name", None)  # a digest of the other network
        other.weights_name = UNTRAINED
        other._module = self._anew(seed=0)
        return other

    def _anew(self, seed: int) -> nn.Module:
        assert self._factory is not None, "whoever has no factory refuses to be untrained"
        with foreign(self._factory, "backbone", "the factory"), drawing(seed):
            built = self._factory()
        mine = self._module.state_dict()
        theirs = built.state_dict() if isinstance(built, nn.Module) else {}
        if not isinstance(built, nn.Module) or _shapes(mine) != _shapes(theirs):
            what = "a network with other weights" if isinstance(built, nn.Module) else f"a {type(built).__name__}"
            told = f"{what}{_first_difference(mine, theirs)}"
            raise ConfigError(
                f"the factory {defined_as(self._factory)} of {self.name} builds {told}",
                fix="factory=<function that builds the network with initial weights>",
            )
        return built

    def _copy(self, device: str) -> nn.Module:
        return self._prepared(self._module, device)

    def _prepared(self, module: nn.Module, device: str) -> nn.Module:
        try:
            model = without_inplace(copy.deepcopy(module)).eval().to(device, torch.float32)
        except Exception as problem:  # whatever a module of unknown origin holds, it may refuse to be copied in any way
            raise ConfigError(
                f"{self.name} cannot be copied: {str(problem).splitlines()[0] if str(problem) else problem!r}",
                fix="give a module that holds no results of a computation, no open files, no locks",
            ) from problem
        for module, name, tensor in _loose_tensors(model):
            setattr(module, name, tensor.to(device, torch.float32 if tensor.is_floating_point() else tensor.dtype))
        return model


def _shapes(state: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in state.items()}


def _first_difference(mine: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> str:
    """The first tensor that differs in shape, or that one of two networks lacks."""
    ours, others = _shapes(mine), _shapes(theirs)
    name = next((name for name in {**ours, **others} if ours.get(name) != others.get(name)), None)
    if not theirs or name is None:
        return ""
    shown = [tuple(shapes[name]) if name in shapes else "missing" for shapes in (ours, others)]
    return f": {name} is {shown[0]} in the network and {shown[1]} in what it builds"


def _digest(model: nn.Module) -> str:
    """BLAKE2b (16 hexadecimal digits) of everything but the state dict: operations, settings, other tensors."""
    graph, _ = trace(model)
    digest = hashlib.blake2b(str(graph).encode(), digest_size=8)
    for name, module in model.named_modules():
        settings = {k: v for k, v in vars(module).items() if isinstance(v, bool | int | float | str | tuple)}
        digest.update(f"{name} {torch.typename(module)} {sorted(settings.items())!r};".encode())
    _update(digest, model)
    return digest.hexdigest()


def loose_digest(model: nn.Module) -> str:
    """BLAKE2b (16 hexadecimal digits) of the tensors that are not in the state dict."""
    digest = hashlib.blake2b(digest_size=8)
    _update(digest, model)
    return digest.hexdigest()


def _update(digest: hashlib.blake2b, model: nn.Module) -> None:
    kept = model.state_dict().keys()
    loose = [(f"{type(m).__name__}.{name}", tensor) for m, name, tensor in _loose_tensors(model)]
    for name, tensor in [*((n, b) for n, b in model.named_buffers() if n not in kept), *loose]:
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)};".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())


def _loose_tensors(model: nn.Module) -> Iterator[tuple[nn.Module, str, Tensor]]:
    """Tensors that are plain attributes, neither parameters nor buffers: (module, attribute, tensor)."""
    for module in model.modules():
        for name, value in list(vars(module).items()):
            if isinstance(value, Tensor):
                yield module, name, value


def _of_channels(given: object) -> list[float]:
    """The numbers that a user gave, one for each channel or one for all; none of what is not numbers."""
    try:
        numbers = [] if isinstance(given, str) or not isinstance(given, Iterable) else [float(of) for of in given]
    except (TypeError, ValueError):
        return []
    return numbers if len(numbers) in (1, 3) and all(map(math.isfinite, numbers)) else []


def _is_size(size: object) -> bool:
    return size is None or (isinstance(size, int | np.integer) and not isinstance(size, bool) and int(size) > 0)
