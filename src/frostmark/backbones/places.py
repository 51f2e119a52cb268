"""Weights whose tensors are called by places: what is left of a network that was put into an ``nn.Sequential``.

    found = by_place(state, expected)       # of nn.Sequential(*resnet.children()): "0.weight", "4.0.conv1.weight" …
    found.names                             # {"0": "conv1", "1": "bn1", "4": "layer1", …}

The places of modules without tensors are not in a file. So the parts of the network are taken in their order, and every
name must then be one of the network's. What is found is proposed, never applied: an order does not identify a tensor.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class ByPlace:
    """How tensors are called, and how the network calls them.

    Attributes:
        prefix: before the places.
        names: place → the network's name of the part.
    """

    prefix: str
    names: Mapping[str, str]

    @property
    def shown(self) -> str:
        """The first parts, for a person."""
        pairs = [f"'{self.prefix}{place}' is {name}" for place, name in list(self.names.items())[:3]]
        return f"by their order {', '.join(pairs)}{' …' if len(self.names) > 3 else ''}"

    @property
    def code(self) -> str:
        """A statement that saves the tensors of ``s`` by their names, in ``weights.pth``."""
        parted = f"(*k[{len(self.prefix)}:].split('.', 1), v) for k, v in s.items() if k.startswith({self.prefix!r})"
        named = f"{{n[a] + '.' + b: v for a, b, v in ({parted})}}"
        return f"n = {dict(self.names)!r}; torch.save({named}, 'weights.pth')"


def by_place(state: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> ByPlace | None:
    """How places become names, if that finds most of the network and leaves nothing below the prefix."""
    for prefix in _prefixes(state):
        below = [key.removeprefix(prefix) for key in state if key.startswith(prefix)]
        places, parts = (list(dict.fromkeys(_first(key) for key in keys)) for keys in (below, expected))
        names = dict(zip(places, parts, strict=False))
        if len(places) > len(parts) or not all(place.isdecimal() for place in places):
            continue
        renamed = {key: names[_first(key)] + key.removeprefix(_first(key)) for key in below}
        fitting = [
            key for key, name in renamed.items() if name in expected and fits(state[prefix + key], expected[name])
        ]
        if all(name in expected for name in renamed.values()) and 2 * len(fitting) > len(expected):
            return ByPlace(prefix, names)
    return None


def _prefixes(state: Mapping[str, Tensor]) -> Iterator[str]:
    """What stands before a number in a name, the shortest first."""
    found = set()
    for key in state:
        parts = key.split(".", 8)
        found |= {
            ".".join([*parts[:depth], ""]) if depth else "" for depth, part in enumerate(parts) if part.isdecimal()
        }
    yield from sorted(found, key=lambda prefix: (len(prefix), prefix))[:32]


def _first(key: str) -> str:
    return key.partition(".")[0]


def fits(tensor: Tensor, expected: Tensor) -> bool:
    """Whether two tensors have one shape."""
    return tensor.shape == expected.shape
