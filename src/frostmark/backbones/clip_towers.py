"""The image towers of open_clip, and where the projection begins that brings them beside the texts.

tower = build_tower("ViT-B-32", quick_gelu=False)              # the text tower is never built
before, after = projection_of(tower)                           # names of nodes: what encode_image projects, and gives
"""

from __future__ import annotations

import copy
import operator
from collections.abc import Mapping
from types import SimpleNamespace

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from frostmark.backbones.checkpoint import State, with_versions
from frostmark.backbones.overwriting import without_inplace
from frostmark.backbones.tracing import trace


def build_tower(name: str, quick_gelu: bool, size: int | None = None) -> nn.Module:
    """The image tower with initial weights.

    Args:
        name: open_clip's name of the model.
        quick_gelu: of the weights; open_clip only warns where its configuration says otherwise.
        size: edge in pixels of the images that position embeddings are made for; None for the model's own. Towers of
            timm are resized by :func:`resize_tower` instead, once they have their weights.
    """
    from open_clip import get_model_config
    from open_clip.model import _build_vision_tower

    config = get_model_config(name)
    vision = {**config["vision_cfg"], "timm_model_pretrained": False, "output_tokens": False}
    if size is not None and "timm_model_name" not in vision:
        vision["image_size"] = size
    tower = _build_vision_tower(config["embed_dim"], vision, quick_gelu or bool(config.get("quick_gelu")))
    for parent, attribute, pool in _attention_pools(tower):
        setattr(parent, attribute, AttentionPool.of(pool))
    return without_inplace(tower).eval()


def resize_tower(tower: nn.Module, size: int) -> nn.Module:
    """A tower of timm's for images of another size; the others were built for it."""
    resize = getattr(getattr(tower, "trunk", None), "set_input_size", None)
    if callable(resize):
        resize((size, size))
    return tower


def resized_positions(state: State, tower: nn.Module) -> State:
    """The weights of a tower with its position embeddings resampled to the images that it was built for."""
    from open_clip.model import resize_pos_embed

    whole = {"visual.positional_embedding": state["positional_embedding"]} if "positional_embedding" in state else {}
    resize_pos_embed(whole, SimpleNamespace(visual=tower))
    resized = {key.removeprefix("visual."): value for key, value in whole.items()}
    return with_versions({**state, **resized}, getattr(state, "_metadata", None))


def projection_of(tower: nn.Module) -> tuple[str, str]:
    """Names of the nodes before and after the projection of a tower; the same twice if it has none."""
    graph, names = trace(tower)
    (output,) = [node for node in graph.nodes if node.op == "output"]
    after = output.args[0]
    assert isinstance(after, fx.Node)
    return names[_before(after, dict(tower.named_modules()), names)], names[after]


def _before(after: fx.Node, modules: Mapping[str, nn.Module], names: Mapping[fx.Node, str]) -> fx.Node:
    node = after
    while node.op == "call_module" and isinstance(modules[str(node.target)], nn.Dropout | nn.Identity):
        node = _input(node)
    of_head = next((other for other in names if names[other].startswith("head.")), None)
    if of_head is not None and names[node].startswith("head."):  # of a tower of timm's, in whatever number of layers
        return _input(of_head)
    projects = node.op == "call_module" and isinstance(modules[str(node.target)], nn.Linear)
    return _input(node) if projects or node.target in (operator.matmul, torch.matmul) else after


def _input(node: fx.Node) -> fx.Node:
    first = node.args[0]
    assert isinstance(first, fx.Node)
    return first


def _attention_pools(tower: nn.Module) -> list[tuple[nn.Module, str, nn.Module]]:
    """The attention pools of CLIP's ResNets: (parent, attribute, pool)."""
    from open_clip.modified_resnet import AttentionPool2d

    children = [(parent, *child) for parent in tower.modules() for child in parent.named_children()]
    return [(parent, name, child) for parent, name, child in children if isinstance(child, AttentionPool2d)]


class AttentionPool(nn.Module):
    """CLIP's attention pool, its last projection apart: open_clip computes both in one call that nothing can part."""

    @classmethod
    def of(cls, pool: nn.Module) -> AttentionPool:
        """The same pool, with the same parameters under the same names."""
        made = cls()
        made.heads = int(pool.num_heads)  # type: ignore[arg-type]
        made.positional_embedding = pool.positional_embedding  # type: ignore[assignment]
        for name in ("q_proj", "k_proj", "v_proj", "c_proj"):
            made.add_module(name, copy.copy(pool.get_submodule(name)))
        return made

    heads: int
    positional_embedding: nn.Parameter
    q_proj: nn.Linear
    k_proj: nn.Linear
    v_proj: nn.Linear
    c_proj: nn.Linear

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → (N, D)."""
        cells = x.flatten(2).transpose(1, 2)
        tokens = torch.cat([cells.mean(1, keepdim=True), cells], 1) + self.positional_embedding
        query, key, value = (
            layer(of).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for layer, of in ((self.q_proj, tokens[:, :1]), (self.k_proj, tokens), (self.v_proj, tokens))
        )
        pooled = F.scaled_dot_product_attention(query, key, value)
        projected: Tensor = self.c_proj(pooled.transpose(1, 2).flatten(1))
        return projected
