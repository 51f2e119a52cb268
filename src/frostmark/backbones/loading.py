"""Weights into a network: every tensor that a layer needs has the file's values, and none has random ones.

    suited = read_checkpoint(path).suited(model.state_dict())
    load_weights(model, suited, origin=str(path), body=lambda: body_tensors(survey, model))
    reading_of(model).lacking           # {"fc.weight": "is (10, 512) in it, (1000, 512) in the network"}
    reading_of(model).words             # "removed the prefix 'model.'; …"

A fine-tuned network has another head than the one it was made from, or none. Tensors of the head that a file lacks get
no values: they stay on the meta device, where nothing can be computed with them, and no layer that needs them is read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor, nn

from frostmark.backbones.checkpoint import State, Suited, listed, read_checkpoint, with_versions
from frostmark.backbones.extractor import tensors_used
from frostmark.backbones.taps import Survey
from frostmark.errors import DataError
from frostmark.names import visible

HEADS = frozenset({
    "fc", "fc_norm", "classifier", "head", "heads", "head_dist", "head_drop", "last_linear", "pre_logits", "AuxLogits",
    "aux1", "aux2", "aux_head", "projector", "projection_head", "proj_head", "mlp_head", "predictor", "prototypes",
    "queue", "queue_ptr", "mask_token", "decoder",
})  # fmt: skip
"""Names at the top of a file that are heads of any training: no layer before the head needs what stands there."""

_BEHIND_THE_BODY = ("tokens", "penultimate", "logits", "embedding", "projection")

_READING = "frostmark_reading"


@dataclass(frozen=True)
class WeightsRead:
    """What became of a file on its way into a network.

    Attributes:
        origin: the file.
        clauses: what was chosen, removed, left out or converted.
        lacking: tensor of the network that has no values → why.
    """

    origin: str = ""
    clauses: Sequence[str] = ()
    lacking: Mapping[str, str] = field(default_factory=dict)

    @property
    def words(self) -> str:
        """One line for a person; empty if the file was taken as it is."""
        return "; ".join(self.clauses)


def reading_of(model: nn.Module) -> WeightsRead:
    """How the weights of a network were read; of one that no file was read for, nothing."""
    reading = vars(model).get(_READING, WeightsRead())
    assert isinstance(reading, WeightsRead)
    return reading


def load_file(model: nn.Module, path: Path, survey: Callable[[], Survey]) -> None:
    """Put the weights of the user's file into ``model``; its head alone may be another one, or none.

    Args:
        survey: gives the layers of the network; asked for only where something is missing.

    Raises:
        DataError: if the file cannot be read, or does not hold what the layers before the head need.
    """
    suited = read_checkpoint(path).suited(model.state_dict())
    load_weights(model, suited, str(path), body=lambda: body_tensors(survey(), model))


def load_weights(model: nn.Module, suited: Suited, origin: str, body: Callable[[], Set[str]] | None = None) -> None:
    """Put weights into ``model`` (which may be on the meta device), every name and shape exactly.

    What torch and torchvision know of older layouts (missing batch counters, renamed layers) is applied first.

    Args:
        body: gives the tensors that must be there; without it all of them must.

    Raises:
        DataError: naming the first missing, unexpected and mis-shaped tensors.
    """
    expected = model.state_dict()
    modern = _modern(suited.state, expected)
    kept = {k: v.long() if _counts(k) and v.is_floating_point() else v for k, v in modern.items()}
    state = with_versions(kept, getattr(modern, "_metadata", None))
    strange = misfits(state, expected)
    # What is not asked for is left as it is: a few bytes may claim to be a tensor of any size.
    known = {k: v.float() if v.is_floating_point() else v for k, v in state.items() if k in expected.keys() - strange}
    fitting = {k: known.get(k, v) for k, v in state.items() if k not in strange}
    loaded = model.load_state_dict(with_versions(fitting, getattr(state, "_metadata", None)), strict=False, assign=True)
    missing = [k for k in loaded.missing_keys if k not in strange]
    unexpected = list(loaded.unexpected_keys)
    if (missing or strange or unexpected) and not _of_the_head([*missing, *strange], unexpected, body):
        raise _misfit(origin, missing, unexpected, strange)
    lacking = dict.fromkeys(missing, "is not in it")
    lacking |= {k: f"is {tuple(state[k].shape)} in it, {tuple(expected[k].shape)} in the network" for k in strange}
    for name in lacking:
        _empty(model, name)
    noted(model, WeightsRead(origin, [*suited.words, *_clauses(lacking, unexpected)], lacking))


def body_tensors(survey: Survey, model: nn.Module) -> Set[str]:
    """The tensors of ``model`` that its layers before the head need; all of a network that has no such layers."""
    taps = [survey.tap(tap, norm="none") for tap in survey.taps if tap not in _BEHIND_THE_BODY]
    return tensors_used(model, taps) if taps else model.state_dict().keys()


def _of_the_head(lacking: Sequence[str], unexpected: Sequence[str], body: Callable[[], Set[str]] | None) -> bool:
    """Whether what does not fit belongs to heads: the file's, and the network's."""
    if body is None or not all(name.partition(".")[0] in HEADS for name in unexpected):
        return False
    return not lacking or body().isdisjoint(lacking)


class OtherArchitectureError(DataError):
    """A file holds the weights of another network."""


def _misfit(
    origin: str, missing: Sequence[str], unexpected: Sequence[str], strange: Sequence[str]
) -> OtherArchitectureError:
    problems = [
        f"{len(keys)} {word} (first: {', '.join(keys[:3])})"
        for word, keys in (
            ("missing", missing),
            ("unexpected", unexpected),
            ("of another shape or kind", strange),
        )
        if keys
    ]
    return OtherArchitectureError(
        f"{origin} does not hold the weights of this architecture: {'; '.join(problems)}",
        fix="backbone=<the architecture the file was saved from>, or another file",
    )


def _clauses(lacking: Mapping[str, str], unexpected: Sequence[str]) -> list[str]:
    clauses = [f"left out {listed(sorted({k.partition('.')[0] for k in unexpected}))}"] if unexpected else []
    if lacking:
        name, why = next(iter(lacking.items()))
        more = f" (and {len(lacking) - 1} more)" if len(lacking) > 1 else ""
        norms = [".".join(key.split(".")[:-1]).endswith("norm") for key in lacking]
        what = "head" if not any(norms) else "final norm" if all(norms) else "final norm and head"
        clauses.append(f"without its {what}: {visible(name)} {why}{more}")
    return clauses


def _empty(model: nn.Module, name: str) -> None:
    """Take the values from a tensor of the network."""
    path, _, attribute = name.rpartition(".")
    module = model.get_submodule(path)
    tensor = getattr(module, attribute).detach().to("meta")
    if attribute in dict(module.named_parameters(recurse=False)):
        setattr(module, attribute, nn.Parameter(tensor, requires_grad=False))
    else:
        module.register_buffer(attribute, tensor)


def noted(model: nn.Module, reading: WeightsRead) -> nn.Module:
    """The same network, which knows from now on how its weights were read."""
    setattr(model, _READING, reading)
    return model


def _counts(name: str) -> bool:
    """Whether a tensor counts batches: no layer needs it, and casting a whole file has made a broken number of it."""
    return name.rpartition(".")[2] == "num_batches_tracked"


def misfits(state: State, expected: State) -> list[str]:
    """The tensors of a network that a file has in another shape or kind, in the network's order."""
    return [name for name in expected if name in state and not _fits(state[name], expected[name])]


def _fits(tensor: Tensor, expected: Tensor) -> bool:
    """Whether shapes agree, and whole numbers do not stand for broken ones."""
    return tensor.shape == expected.shape and tensor.is_floating_point() == expected.is_floating_point()


def _modern(state: State, expected: State) -> State:
    """Versions as today's networks write them."""
    versions = getattr(state, "_metadata", None)
    of_the_body = (k for k in expected if k.partition(".")[0] not in HEADS)
    if versions is None and all(k in state for k in of_the_body):
        versions = getattr(expected, "_metadata", None)  # a file without versions in today's layout
    return with_versions(state, versions)
