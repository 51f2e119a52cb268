"""``backbone.label``: what runs call a network, in place of the name that its authors gave it.

label_of(config)                    # "our baseline"; empty where nobody named it
without_label(config.backbone)      # what the class of the backbone takes

A label is for people. Rows, weights and comparisons know the network by its name and its weights' digest, so a network
that gets a label is not forwarded again.
"""

from __future__ import annotations

from collections.abc import Mapping
from inspect import signature

from frostmark.config.build import allowed
from frostmark.config.schema import Config
from frostmark.errors import ConfigError
from frostmark.names import visible

KEY = "label"

MAX_LABEL = 60
"""Characters: a longer one leaves no room for the layer in a heading."""


def label_of(config: Config) -> str:
    """The label; empty without one, and where the backbone is named by it anyway.

    Raises:
        ConfigError: if it is too long, or has no letter or digit.
    """
    label = config.backbone.get(KEY)
    if label is None or KEY in without_label(config.backbone):
        return ""
    text = visible(str(label)).strip()
    if len(text) > MAX_LABEL or not any(character.isalnum() for character in text):
        raise ConfigError(
            f"backbone.label={text!r} is not a name of 1 to {MAX_LABEL} characters", fix="backbone.label='our baseline'"
        )
    return text


def without_label(node: Mapping[str, object]) -> dict[str, object]:
    """The keys of the group that the class itself takes: those of rows made elsewhere have a label of their own."""
    keys = dict(node)
    if KEY in keys and KEY not in signature(allowed(keys.get("_target_"))).parameters:
        del keys[KEY]
    return keys
