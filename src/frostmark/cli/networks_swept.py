"""A sweep makes every combination: networks that have names or weights of their own do not go into one.

with_two_commands(error, ["-m", "backbone=vgg16,timm", "backbone.name=x"])     # the error with that way out
"""

from __future__ import annotations

from collections.abc import Sequence

from frostmark.backbones.loading import OtherArchitectureError
from frostmark.backbones.unknown import UnknownNameError

TWO_COMMANDS = (
    "run each network with its own name and weights as one command without -m, then "
    "`python run.py compare <run folder> <run folder>`; or list the networks in a YAML of candidates: "
    "`python run.py choose candidates=mine.yaml`"
)
"""The way out; docs/choosing.md shows such a YAML."""


def with_two_commands(error: Exception, typed: Sequence[str]) -> Exception:
    """The error of a job; where a combination that nobody meant caused it, with the way out of that.

    Args:
        typed: the words of the whole sweep.
    """
    swept = {word.partition("=")[0] for word in typed if "," in word}
    if isinstance(error, UnknownNameError) and "backbone" in swept:
        return UnknownNameError(error.problem, fix=TWO_COMMANDS)
    if isinstance(error, OtherArchitectureError) and swept & {"backbone", "backbone.name", "backbone.weights"}:
        return OtherArchitectureError(error.problem, fix=TWO_COMMANDS)
    return error
