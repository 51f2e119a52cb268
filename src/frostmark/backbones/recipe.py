"""What a row is, in words, and what a network does with its tokens.

recipe(survey, "block12", tap)      # 'class token after the final norm (norm)'
facts(survey)                       # {'Tokens': '1 class token, 196 patches (14 × 14)', 'Final norm': …, …}
idle(survey, "penultimate", pool="max", norm="final")      # ['layer.pool=max does nothing: …']
"""

from __future__ import annotations

import math

from frostmark.backbones.embedding import EMBEDDING, PENULTIMATE
from frostmark.backbones.extractor import Tap
from frostmark.backbones.nodes import Node
from frostmark.backbones.pooling import BOTH_TOKENS, GEM_POWER
from frostmark.backbones.taps import FINAL, LOGITS, PROJECTION, Survey


def recipe(survey: Survey, word: str, tap: Tap) -> str:
    """How a row comes about, from the tensor that is read on.

    Args:
        word: that the layer was asked for by.
    """
    name = survey.node_name(word, tap)
    if tap.node.parts:
        return f"the vectors {name}, side by side"
    if tap.node.kind == "vector":
        return _vector(survey, word, name)
    return _cells(tap, name) if tap.node.kind == "map" else _tokens(survey, word, tap, name)


def facts(survey: Survey) -> dict[str, str]:
    """Tokens, final norm and embedding of a network, as far as it has them."""
    told = {}
    if survey.last_block:
        told["Tokens"] = _counted(survey.resolve("tokens"))
        told["Final norm"] = "none"
        if survey.norm is not None:
            told["Final norm"] = f"{survey.norm.module}, of {'what was pooled' if survey.norm.pooled else 'all tokens'}"
    if EMBEDDING in survey.taps:
        told["Embedding"] = recipe(survey, EMBEDDING, survey.tap(EMBEDDING))
    return told


def idle(survey: Survey, word: str, pool: str | None, norm: str) -> list[str]:
    """Sentences on what was typed for a layer and does nothing there.

    Args:
        pool, norm: what was typed; None and ``final`` if nothing was.
    """
    told = []
    is_vector = word in survey.readings or survey.resolve(word).kind == "vector"
    if pool is not None and is_vector:
        told.append(f"layer.pool={pool} has no effect: layer={word} is one vector per image without a pool")
    if norm != FINAL and survey.tap(word, norm=norm) == survey.tap(word):
        told.append(
            f"layer.norm={norm} has no effect: it applies to block1 … blockN of a transformer, not for layer={word}"
        )
    return told


def _vector(survey: Survey, word: str, name: str) -> str:
    projects = PROJECTION in survey.readings and survey.readings[PROJECTION] != survey.readings[EMBEDDING]
    if projects and word == PROJECTION:
        return f"what the projection makes of the embedding ({name})"
    headless = LOGITS not in survey.taps
    if projects and word == EMBEDDING:
        said = f"what the projection reads ({name})"
    elif word == LOGITS or (headless and word in survey.readings):
        said = f"the output of the network ({name})"
    elif word in (EMBEDDING, PENULTIMATE):
        said = f"what the last weight layer reads ({name})"
    else:
        said = f"the vector {name}"
    own = survey.readings[word].pooling if word in survey.readings else ""
    return f"{said}, pooled by the network itself ({own})" if own else said


def _cells(tap: Tap, name: str) -> str:
    edge = tap.node.resolution
    cells = f"the {edge} × {edge} cells of {name}" if tap.node.is_image else f"the cells of {name}"
    pools = {"gap": "mean", "max": "maximum", "gem": f"generalised mean (power {GEM_POWER:g})"}
    return f"{pools[tap.pool]} over {cells}" if tap.pool in pools else f"all of {cells}, one after the other"


def _tokens(survey: Survey, word: str, tap: Tap, name: str) -> str:
    count = tap.node.shape[0]
    patches = f"the mean of the {count - tap.node.prefix_tokens:,} patch tokens"
    said = {
        "cls": "the class token",
        "mean": patches,
        "cls_mean": f"the class token beside {patches}",
        BOTH_TOKENS: "the mean of the class token and the distillation token",
    }.get(tap.pool, f"all {count:,} tokens, one after the other,")
    norm = survey.norm
    if norm is not None and tap.node.name == norm.node:
        return f"{said} after the final norm ({norm.module})"
    if tap.norm is not None:
        return f"{said} of {name}, {'then' if tap.norm.pooled else 'after'} the final norm ({tap.norm.module})"
    if survey.is_of_blocks(word):
        return f"{said} of {name}, {'without a' if norm is None else 'before the'} final norm"
    return f"{said} of {name}"


def _counted(node: Node) -> str:
    """``1 class token, 4 registers, 256 patches (16 × 16)``."""
    first, registers, prefix = int(node.has_class_token), node.registers, node.prefix_tokens
    patches = node.shape[0] - prefix
    edge = math.isqrt(patches)
    counts = {"class token": first, "distillation token": prefix - first - registers, "register": registers}
    said = [f"{count} {what}{'s' if count > 1 else ''}" for what, count in counts.items() if count > 0]
    return ", ".join([*said, f"{patches:,} patches" + (f" ({edge} × {edge})" if edge**2 == patches else "")])
