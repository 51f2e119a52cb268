"""A file of the user's that holds weights, however it was saved.

    checkpoint = read_checkpoint(Path("run/last.ckpt"))     # tensors alone: pickled code is never run
    checkpoint.states                                       # where in the file → tensors: state_dict, state_dict_ema …
    suited = checkpoint.suited(model.state_dict())          # those that are the network's, under its names
    suited.words                                            # ("chose state_dict_ema over state_dict", …)

A file may hold several sets of weights, and a wrapper of the training leaves a prefix on every name (``module.``,
``model.``, ``backbone.``). The set and the prefix are those under which the most tensors of the network lie. Of sets
that hold the same tensors, averaged weights (EMA, a teacher's) are chosen, as timm and DINO do.
"""

from __future__ import annotations

import re
import warnings
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from numbers import Number
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from frostmark.backbones.pickled import NotWeightsError, command_of, loading_code, refusal
from frostmark.backbones.places import by_place
from frostmark.errors import DataError
from frostmark.names import visible
from frostmark.signatures import LFS_POINTER, WEB_PAGE, kind_of

State = Mapping[str, Tensor]

PLACES = (
    "state_dict", "model_state_dict", "model_state", "model", "module", "net", "network", "backbone", "encoder",
    "student", "current_model_state", "params", "weights", "ema", "ema_state_dict", "state_dict_ema", "model_ema",
    "ema_model", "params_ema", "teacher",
)  # fmt: skip
"""Keys of a file below which weights lie, in whatever nesting."""

MAX_DEPTH = 4
"""Levels of such keys."""

_AVERAGED = frozenset({"ema", "teacher", "swa", "averaged"})
_WORDS = frozenset(word for place in PLACES for word in place.split("_")) | _AVERAGED | {"best", "online"}
"""Of such words other keys below which weights lie are made: ``ema_model_state_dict``, ``model_best``."""

_SECOND = frozenset({"k", "momentum", "target", "current"})
"""Words of sets that stand behind their like: MoCo evaluates ``encoder_q``; Lightning keeps the averaged weights in
``state_dict`` and the others in ``current_model_state``."""

_COUNTER = "num_batches_tracked"
_DENSENET = re.compile(r"^(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\.\w+)$")


@dataclass(frozen=True)
class Suited:
    """The tensors of a file that are a network's.

    Attributes:
        state: under the network's names, with the versions of its modules where the file has them.
        words: what was chosen, removed, left out or converted, a clause each.
    """

    state: State
    words: tuple[str, ...] = ()


class _Choice(NamedTuple):
    """A set of weights below a prefix.

    Attributes:
        place, prefix: where in the file, and what stands before the network's names.
        names: of the network's tensors that it has; ``fitting`` of them have its shape.
        surplus: tensors below the prefix that the network does not have.
    """

    place: str
    prefix: str
    names: frozenset[str] = frozenset()
    fitting: int = 0
    surplus: int = 0

    @property
    def rank(self) -> tuple[int, ...]:
        """The least is chosen: the most of the network and the least beside it; averaged weights first, second last."""
        words = {*re.split(r"[._]", f"{self.place}.{self.prefix}")}
        behind = 0 if words & _AVERAGED else 2 if words & _SECOND else 1
        return -self.fitting, -len(self.names), self.surplus, behind

    def is_most_of(self, expected: State) -> bool:
        """Whether it has over half of the network's tensors."""
        return 2 * len(self.names) > sum(not name.endswith(_COUNTER) for name in expected)


@dataclass(frozen=True)
class Checkpoint:
    """What a file holds.

    Attributes:
        path: the file.
        states: where in the file → tensors, as they lie there; ``""`` is the file itself.
    """

    path: Path
    states: Mapping[str, State]

    def suited(self, expected: State) -> Suited:
        """The set of tensors that is the network's, under the names that it has there.

        Args:
            expected: the network's own tensors (which may be on the meta device).

        Raises:
            DataError: if two sets have the same tensors of the network, and nothing says which is meant.
        """
        choices = [c for place in self.states for c in _choices(place, self._named(place), expected)]
        chosen, *others = sorted(choices, key=lambda choice: (*choice.rank, len(choice.prefix)))
        state = self._named(chosen.place)
        if chosen.is_most_of(expected):
            self._refuse_equals(chosen, others)
        else:
            self._refuse_places(expected)
            below = sum(key.startswith(chosen.prefix) for key in state)
            if 2 * below < len(state):  # names that a part of it happens to share
                chosen = _Choice(chosen.place, _shared_wrappers(state))
        mine = {key.removeprefix(chosen.prefix): v for key, v in state.items() if key.startswith(chosen.prefix)}
        versions = {
            key.removeprefix(chosen.prefix) if key.startswith(chosen.prefix) else "": version
            for key, version in getattr(self.states[chosen.place], "_metadata", {}).items()
            if f"{key}.".startswith(chosen.prefix)
        }
        return Suited(with_versions(mine, versions), tuple(self._told(chosen, mine, state)))

    def _named(self, place: str) -> State:
        """A set under today's names."""
        # torchvision's published DenseNets have dots in names that may have none today (densenet.py, _load_state_dict).
        return {_DENSENET.sub(r"\1\2", key): tensor for key, tensor in self.states[place].items()}

    def _refuse_equals(self, chosen: _Choice, others: list[_Choice]) -> None:
        equal = [c for c in others if c.rank == chosen.rank and c.names == chosen.names]
        if not chosen.names or not equal:
            return
        names = ", ".join(_quoted(f"{c.place}: {c.prefix}" if c.place else c.prefix) for c in [chosen, *equal][:4])
        code = f"torch.save({{k: v for k, v in s.items() if k.startswith({chosen.prefix!r})}}, 'weights.pth')"
        raise DataError(
            f"{self.path} holds several sets of weights that fit the network: {names}",
            fix="save the one that you mean and name that file: "
            f"{command_of(f'import torch; s = {loading_code(self.path, chosen.place)}; {code}')}",
        )

    def _refuse_places(self, expected: State) -> None:
        for place in self.states:
            if found := by_place(self._named(place), expected):
                code = f"import torch; s = {loading_code(self.path, place)}; {found.code}"
                raise DataError(
                    f"{self.path}: its tensors are called by their places ({found.shown}), as "
                    "nn.Sequential(*network.children()) calls them, and not by the network's names",
                    fix=f"if the parts stand in the order of the network, give them its names and name the new file: "
                    f"{command_of(code)}",
                )

    def _told(self, chosen: _Choice, mine: State, state: State) -> Iterator[str]:
        """What a person should know of the choice."""
        others = [place for place in self.states if place != chosen.place]
        if chosen.place and others:
            averaged = " (averaged weights)" if _AVERAGED & {*re.split(r"[._]", chosen.place)} else ""
            yield f"chose {_quoted(chosen.place)}{averaged} over {listed(others)}"
        if chosen.prefix:
            yield f"removed the prefix {_quoted(chosen.prefix)}"
        if beside := [_parted(key, chosen.prefix) for key in state if not key.startswith(chosen.prefix)]:
            yield f"left out {listed(beside)} beside it"
        halves = {v.dtype for v in mine.values() if v.is_floating_point() and v.dtype != torch.float32}
        if halves:
            yield f"converted {', '.join(sorted(str(h).removeprefix('torch.') for h in halves))} to float32"


def _choices(place: str, state: State, expected: State) -> list[_Choice]:
    """A set below every prefix that leaves a name of the network; below what wrappers left, if none does."""
    longest = max(map(len, expected), default=0)
    below: dict[str, list[str]] = {}
    for key in state:
        start = max(0, len(key) - longest - 1)
        for end in [-1, *(position for position in range(start, len(key)) if key[position] == ".")]:
            if key[end + 1 :] in expected:
                below.setdefault(key[: end + 1], []).append(key)
    if not below:  # of another layout
        return [_Choice(place, _shared_wrappers(state))]
    return [_choice(place, prefix, keys, state, expected) for prefix, keys in below.items()]


def _choice(place: str, prefix: str, keys: list[str], state: State, expected: State) -> _Choice:
    names = {key.removeprefix(prefix): key for key in keys if not key.endswith(_COUNTER)}  # torch has those
    fitting = sum(state[key].shape == expected[name].shape for name, key in names.items())
    surplus = sum(key.startswith(prefix) for key in state) - len(keys)
    return _Choice(place, prefix, frozenset(names), fitting, surplus)


_WRAPPERS = ("module.", "_orig_mod.", "model.", "net.", "backbone.", "encoder.", "student.", "teacher.")


def _shared_wrappers(state: State) -> str:
    """What wrappers, in whatever order, left on every name."""
    prefix = ""
    while more := next((w for w in _WRAPPERS if all(key.startswith(prefix + w) for key in state)), None):
        prefix += more
    return prefix


def _parted(key: str, prefix: str) -> str:
    """The module of ``key``, named down to where it parts from the prefix."""
    parts, above = key.split("."), prefix.split(".")
    same = next((depth for depth, (one, other) in enumerate(zip(parts, above, strict=False)) if one != other), 0)
    return ".".join(parts[: same + 1])


def with_versions(state: State, versions: Mapping[str, object] | None) -> State:
    """``state`` with the versions of its modules, from which torch knows how to read what older ones saved."""
    ordered = OrderedDict(state)
    if versions:
        ordered._metadata = versions  # type: ignore[attr-defined]  # torch's own place for them
    return ordered


# ---------------------------------------------------------------- reading


def read_checkpoint(path: Path) -> Checkpoint:
    """What a file of weights holds: .safetensors, or what ``torch.save`` wrote.

    Raises:
        DataError: if the file is missing, damaged, or holds anything but tensors where weights lie (pickled code is
            never run); the message says how to save the tensors alone.
    """
    if not path.is_file():
        told = f"{path} is a folder" if path.is_dir() else f"there is no weights file {path}"
        raise DataError(told, fix="backbone.weights=<an existing file>")
    kind = kind_of(path)
    if kind.words in (WEB_PAGE, LFS_POINTER):
        raise DataError(
            f"{path} is {kind.words}, not weights", fix="download the weights file itself and name that one"
        )
    try:
        return Checkpoint(path, _states(_read(path)))
    except Exception as problem:  # damaged bytes may fail anywhere in whatever parses them
        raise refusal(path, problem) from problem


def _read(path: Path) -> object:
    if path.suffix.lower() == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except SafetensorError as problem:
            raise ValueError(str(problem)) from problem
    with warnings.catch_warnings():
        # Of the pickle's age, not of its content: what is not allowed raises.
        warnings.filterwarnings("ignore", message="Detected pickle protocol")
        warnings.filterwarnings("ignore", message=".*looks like a TorchScript archive")  # with weights_only it raises
        return torch.load(path, map_location="cpu", weights_only=True)


def _states(content: object) -> dict[str, State]:
    """Where in the file → tensors. One that holds anything else is left out, if there is another."""
    states: dict[str, State] = {}
    problems: list[str] = []
    for place, state in _candidates("", content, MAX_DEPTH):
        problem = _strange(state)
        if not problem and isinstance(state, Mapping):
            states[place] = state
        problems.append(problem)
    if not states:
        raise NotWeightsError(problems[0])
    return states


def _candidates(place: str, content: object, depth: int) -> Iterator[tuple[str, object]]:
    """What may be a set of weights: whatever holds none of :data:`PLACES` below it."""
    inside = _places(content)
    if not inside or not depth or not isinstance(content, Mapping):
        yield place, content
        return
    for key in inside:
        yield from _candidates(f"{place}.{key}".lstrip("."), content[key], depth - 1)


def _places(content: object) -> list[str]:
    """The keys of a mapping below which weights may lie, those of :data:`PLACES` first."""
    if not isinstance(content, Mapping):
        return []
    others = (k for k in content if isinstance(k, str) and k not in PLACES and {*k.lower().split("_")} <= _WORDS)
    return [key for key in (*PLACES, *others) if isinstance(content.get(key), Mapping)]


def _strange(state: object) -> str:
    """What makes it no set of weights; nothing is computed with it before that is known."""
    if not isinstance(state, Mapping) or not state:
        what = "nothing" if state is None or isinstance(state, Mapping) else _named(state)
        return f"it holds {what}, not a dictionary of tensors"
    for key, value in state.items():
        if problem := _strange_entry(key, value):
            return f"entry {key!r} is {problem}"
    return ""


_KINDS = {
    str: "a text",
    list: "a list",
    tuple: "a tuple",
    dict: "a dictionary",
    Tensor: "one tensor",
    bool: "a truth value",
}


def _named(value: object) -> str:
    """What a value is, for a person."""
    if value is None:
        return "nothing"
    of_kind = (words for kind, words in _KINDS.items() if isinstance(value, kind))
    return next(of_kind, "a number" if isinstance(value, Number) else f"an object of {type(value).__name__}")


def _strange_entry(key: object, value: object) -> str:
    if not isinstance(value, Tensor):
        return f"{_named(value)}, not a tensor"
    if not isinstance(key, str):
        return "called by something else than a text"
    if value.is_complex() or value.is_quantized or value.layout != torch.strided or value.is_meta:
        return f"a tensor of {value.dtype}, {value.layout} on {value.device}; weights are plain numbers"
    return ""


MAX_SHOWN = 4


def _quoted(name: str) -> str:
    shown = visible(name)
    return f"'{shown if len(shown) <= 60 else shown[:59] + '…'}'"


def listed(names: list[str]) -> str:
    """The first names, quoted, and how many more there are."""
    distinct = list(dict.fromkeys(names))
    more = f" and {len(distinct) - MAX_SHOWN} more" if len(distinct) > MAX_SHOWN else ""
    return ", ".join(map(_quoted, distinct[:MAX_SHOWN])) + more
