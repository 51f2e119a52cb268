"""The backbone cut behind its deepest tap, with the pools inside: images in, rows out.

extractor = Extractor(model, [Tap(survey.resolve("last_conv"), "gap")])
rows, = extractor(images)            # (N, 3, S, S) float → (N, D) float32
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from frostmark.backbones.forward import Forward
from frostmark.backbones.nodes import Node
from frostmark.backbones.norms import Norm, norm_module
from frostmark.backbones.overwriting import without_inplace
from frostmark.backbones.pooling import check_pool, pool_rows, row_width
from frostmark.backbones.winograd import WinogradConv2d, suits


@dataclass(frozen=True)
class Tap:
    """A node and the pool that makes rows of it.

    Attributes:
        pool: a word of ``layer.pool=``; empty of a vector, which is a row already.
        norm: of the tokens of a block, what they are brought through.

    Raises:
        ConfigError: if the pool does not fit the node.
    """

    node: Node
    pool: str
    norm: Norm | None = None

    def __post_init__(self) -> None:
        check_pool(self.node, self.pool)
        if self.node.kind == "vector":  # whatever was asked for: two layers of equal rows are one
            object.__setattr__(self, "pool", "")

    @property
    def width(self) -> int:
        """Number of features D of a row."""
        return row_width(self.node, self.pool)


class Extractor(nn.Module):
    """Rows of every tap in one forward pass; what lies behind the deepest tap is cut off.

    Args:
        model: the backbone; it is put into eval mode and its in-place activations are switched off.
        taps: what to read, in the order of the rows returned.
    """

    def __init__(self, model: nn.Module, taps: Sequence[Tap]) -> None:
        super().__init__()
        self.taps = tuple(taps)
        self._padded_to = 0  # images that a compiled network takes at once; 0: not compiled, as many as come
        self.body, self.norms = _cut(model, taps)
        _fold_batch_norms(self.body)
        _multiply_less(self.body)
        self.requires_grad_(False).eval()
        _lay_out(self)

    def compile_body(self) -> None:
        """Have torch compile the cut network: the first batch then takes a minute, the others less time."""
        import torch._inductor.config as inductor

        inductor.freezing = True  # weights become constants, laid out once as the kernels want them
        self.body = torch.compile(self.body, dynamic=False)  # type: ignore[assignment]
        self._padded_to = 1

    def forward(self, images: Tensor) -> list[Tensor]:
        """(N, 3, S, S) normalised images → for every tap its rows (N, D), float32."""
        tensors = self._padded(images) if self._padded_to else self._through(images)
        return [self._rows(x, tap) for x, tap in zip(tensors, self.taps, strict=True)]

    def _through(self, images: Tensor) -> Sequence[Tensor]:
        tensors: Sequence[Tensor] = self.body(images.contiguous(memory_format=torch.channels_last))
        return tensors

    def _padded(self, images: Tensor) -> Sequence[Tensor]:
        """What a compiled network makes of images, which it takes in batches of one size."""
        count = len(images)
        if count < self._padded_to:  # another size would be compiled anew
            images = torch.cat([images, images.new_zeros(self._padded_to - count, *images.shape[1:])])
        self._padded_to = 1  # forgotten, should memory not suffice
        tensors = [x[:count] for x in self._through(images)]
        self._padded_to = len(images)
        return tensors

    def with_plain_convolutions(self) -> Self:
        """Every convolution as it is defined, however fast another way may be: for other runtimes. In place."""
        for name, module in list(self.body.named_modules()):
            if isinstance(module, WinogradConv2d):
                self.body.set_submodule(name, module.direct)
        return self

    def _rows(self, tensor: Tensor, tap: Tap) -> Tensor:
        if tap.norm is None:
            return pool_rows(tensor, tap.node, tap.pool)
        norm = self.norms[tap.norm.module.replace(".", "/")]
        if tap.norm.pooled:
            return pool_rows(tensor, tap.node, tap.pool, norm)
        with torch.autocast(tensor.device.type, enabled=False):
            return pool_rows(norm(tensor.to(torch.float32)), tap.node, tap.pool)


def parameters_used(model: nn.Module, tap: Tap) -> int:
    """Number of parameters of ``model`` (which may be on the meta device) up to a tap."""
    used = tensors_used(model, [tap])
    return sum(p.numel() for name, p in model.named_parameters() if name in used)


def tensors_used(model: nn.Module, taps: Sequence[Tap]) -> Set[str]:
    """The names of the parameters and buffers of ``model`` that are needed to make the rows of some taps."""
    body, norms = _cut(model, taps)
    return {name for part in (body, *norms.values()) for name in _tensors_of(part)}


def _tensors_of(part: nn.Module) -> Set[str]:
    assert isinstance(part, fx.GraphModule)
    targets = {str(node.target) for node in part.graph.nodes if node.op in ("call_module", "get_attr")}
    ancestors = {name: {name[:end] for end, c in enumerate(name) if c == "."} | {name} for name in part.state_dict()}
    return {name for name, above in ancestors.items() if not targets.isdisjoint(above)}


def _cut(model: nn.Module, taps: Sequence[Tap]) -> tuple[fx.GraphModule, nn.ModuleDict]:
    """What leads to the taps, and by their paths the norms that their tokens are brought through."""
    forward = Forward.of(without_inplace(model))
    norms = {tap.norm.module.replace(".", "/"): norm_module(forward, tap.norm) for tap in taps if tap.norm is not None}
    wanted = tuple(_source(forward, tap.node) for tap in taps)
    forward.output.args = (wanted,)
    body = fx.GraphModule(model, forward.graph)
    _recompile(body)
    return body, nn.ModuleDict(norms)


def _source(forward: Forward, node: Node) -> fx.Node:
    """The operation of a node; vectors that stand side by side are joined behind the last of them."""
    if not node.parts:
        return forward.by_name[node.name]
    parts = [forward.by_name[name] for name in node.parts]
    with forward.graph.inserting_before(forward.output):
        return forward.graph.call_function(torch.cat, (parts, 1))


def _fold_batch_norms(body: fx.GraphModule) -> None:
    """Put each batch norm's scale and shift into the convolution before it: one pass over the tensor less.

    The folded convolution takes the place of the norm. Where the convolution itself is tapped it stays beside it, so
    that the rows of a layer do not depend, not even in rounding, on what else is read.
    """
    modules = dict(body.named_modules())
    calls = [n for n in body.graph.nodes if n.op == "call_module"]
    uses = Counter(n.target for n in calls)
    for norm in calls:
        source = norm.args[0]
        if not isinstance(source, fx.Node) or source.op != "call_module" or uses[norm.target] > 1:
            continue
        first, second = modules[str(source.target)], modules[str(norm.target)]
        if type(first) is nn.Conv2d and type(second) is nn.BatchNorm2d:
            body.set_submodule(str(norm.target), fuse_conv_bn_eval(first, second))
            norm.args = source.args
    _recompile(body)


def _multiply_less(body: fx.GraphModule) -> None:
    """Put faster convolutions where they suit."""
    for name, module in list(body.named_modules()):
        if suits(module):
            body.set_submodule(name, WinogradConv2d(module))


def _lay_out(model: nn.Module) -> None:
    """Convolutions run about 1.5 times as fast on CPUs with tensor layout N, H, W, C; the numbers are the same."""
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.ndim == 4:  # torch's own way refuses networks that have a tensor of five dimensions
            tensor.data = tensor.data.contiguous(memory_format=torch.channels_last)


def _recompile(body: fx.GraphModule) -> None:
    body.graph.eliminate_dead_code()
    body.recompile()
    body.delete_all_unused_submodules()
