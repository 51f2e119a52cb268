"""Which images are train and which are test: by a hash of their names, or as a data set says itself.

    HashSplit(share=0.2, seed=0).parted(["a/1.png", "a/2.png", "b/1.png"])      # {"train": [2, 0], "test": [1]}
    Chosen.of({"train": 800, "val": 200}, "a.csv", "rename them").test          # "val"

The hash of a name is of the name alone: an image stays in its split when others come and go. Images are taken in the
order of that hash: the first N of a split are a fair sample of all classes.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frostmark.data.source import SplitName
from frostmark.data.split_names import KINDS, is_split
from frostmark.errors import ConfigError, DataError

_SEEDS = 1_000
"""Seeds that are tried for a fix."""


@dataclass(frozen=True)
class HashSplit:
    """A split by a seeded hash.

    Args:
        share: of the images, or of the groups, that become the test split.
        seed: of the hash.

    Raises:
        ConfigError: if ``share`` is not between 0 and 1, or ``seed`` does not fit into 63 bits.
    """

    share: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise ConfigError(f"dataset.test_share={self.share} is not a share", fix="dataset.test_share=0.2")
        if not 0 <= self.seed < 2**63:
            raise ConfigError(f"dataset.split_seed={self.seed} is not a seed", fix="dataset.split_seed=0")

    def hash(self, name: str) -> bytes:
        """Eight bytes of a name."""
        # Macs write accents as signs of their own: the same name, in whichever form it came to this machine.
        text = unicodedata.normalize("NFC", name).encode("utf-8", "surrogateescape")
        return hashlib.blake2b(text, digest_size=8, salt=self.seed.to_bytes(8, "little")).digest()

    def is_test(self, name: str) -> bool:
        """Whether what has this name belongs to the test split."""
        return bool(self._in_test(self._hashes([name]))[0])

    def order(self, names: Sequence[str]) -> list[int]:
        """The positions of the names in the order of their hashes."""
        order: list[int] = np.argsort(self._hashes(names), kind="stable").tolist()
        return order

    def parted(self, names: Sequence[str], groups: Sequence[str] | None = None) -> dict[SplitName, list[int]]:
        """The positions of each split, in the order of their hashes; groups stay whole.

        Raises:
            DataError: if all groups would be in one split.
        """
        hashes = self._hashes(names)
        if groups is None:
            in_test = self._in_test(hashes)
        else:
            of_group = {group: self.is_test(group) for group in dict.fromkeys(groups)}
            if len(set(of_group.values())) < 2:
                raise self._one_sided(tuple(of_group))
            in_test = np.array([of_group[group] for group in groups])
        order = np.argsort(hashes, kind="stable")
        return {"train": order[~in_test[order]].tolist(), "test": order[in_test[order]].tolist()}

    def _hashes(self, names: Sequence[str]) -> NDArray[np.uint64]:
        """Numbers in the order of the hashes: of a million names they take a few megabytes."""
        return np.fromiter((int.from_bytes(self.hash(name)) for name in names), np.uint64, len(names))

    def _in_test(self, hashes: NDArray[np.uint64]) -> NDArray[np.bool_]:
        # The last bytes decide the split and the first the order, so that the one does not bias the other.
        last = (hashes & np.uint64(2**32 - 1)).astype(np.uint32).byteswap()
        return np.asarray(last < self.share * 2**32)

    def _one_sided(self, groups: Sequence[str]) -> DataError:
        if len(groups) < 2:
            told = f"all images are of one group ({', '.join(groups)}): a split into train and test would cut it"
            return DataError(told, fix="group by something that differs between images, or leave dataset.group out")
        others = (HashSplit(self.share, seed) for seed in range(_SEEDS))
        seed = next((o.seed for o in others if len({o.is_test(group) for group in groups}) == 2), None)
        told = f"none of the {len(groups):,} groups falls into one of the splits with split_seed={self.seed}"
        return DataError(told, fix="dataset.test_share=0.5" if seed is None else f"dataset.split_seed={seed}")


@dataclass(frozen=True)
class Chosen:
    """The splits that a data set has of its own, as it calls them.

    Attributes:
        train, test: the names of the two that are used.
        left_out: name → images of those that are not.
    """

    train: str
    test: str
    left_out: Mapping[str, int]

    @classmethod
    def of(cls, sizes: Mapping[str, int], where: str, fix: str) -> Chosen:
        """The two that are used, of the sizes of all.

        Args:
            where: what has these splits, for messages.
            fix: the way out where they are not a train and a test split.

        Raises:
            DataError: if there is no train split, no other one, or several of one kind.
        """
        kinds = {kind: [name for name in sizes if is_split(name, kind)] for kind in KINDS}
        if twice := next((names for names in kinds.values() if len(names) > 1), None):
            raise DataError(f"{where} has the splits {' and '.join(twice)}, which mean one and the same", fix=fix)
        tests = kinds["test"] or kinds["validation"]
        if not kinds["train"] or not tests:
            listed = ", ".join(f"{name or '(empty)'} ({count:,})" for name, count in _largest(sizes))
            valid = f"train, and test or one of {', '.join(KINDS['validation'])}"
            raise DataError(f"{where} has the splits {listed}; needed are {valid}", fix=fix)
        used = {kinds["train"][0], tests[0]}
        return cls(kinds["train"][0], tests[0], {name: count for name, count in sizes.items() if name not in used})

    @property
    def remarks(self) -> list[str]:
        """What must be said of it: nothing where the two are called train and test, and are all."""
        said = []
        if not is_split(self.test, "test"):
            said.append(f"the split {self.test} is used as the test split")
        if self.left_out:
            listed = ", ".join(f"{name or '(empty)'} ({count:,} images)" for name, count in _largest(self.left_out))
            said.append(f"splits that are not used: {listed}")
        return said


def parted(
    hashed: HashSplit,
    names: Sequence[str],
    groups: Sequence[str] | None,
    splits: Sequence[str] | None,
    where: str,
    fix: str,
) -> tuple[dict[SplitName, list[int]], list[str]]:
    """The positions of each split, in the order of their hashes, and what must be said of it.

    Args:
        splits: of every image as the data set calls it; None: by the hash, groups stay whole.
        where, fix: see :meth:`Chosen.of`.

    Raises:
        DataError: if there are not two splits.
    """
    if splits is None:
        return hashed.parted(names, groups), []
    chosen = Chosen.of(Counter(splits), where, fix)
    order = hashed.order(names)
    train, test = ([i for i in order if splits[i] == name] for name in (chosen.train, chosen.test))
    return {"train": train, "test": test}, chosen.remarks


def _largest(sizes: Mapping[str, int], most: int = 8) -> list[tuple[str, int]]:
    return sorted(sizes.items(), key=lambda item: (-item[1], item[0]))[:most]
