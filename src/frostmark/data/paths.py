"""Many paths below one folder, kept as their names: a million take a tenth of the memory of as many ``Path`` objects.

paths = Paths.below(Path("flowers"), [Path("flowers/rose/1.jpg"), Path("flowers/rose/2.jpg")])
paths[1]                                # Path("flowers/rose/2.jpg")
paths.names                             # ("rose/1.jpg", "rose/2.jpg")
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload


@dataclass(frozen=True)
class Paths(Sequence[Path]):
    """Paths in an order.

    Attributes:
        folder: that all lie below.
        names: from the folder, as the file system has them.
    """

    folder: Path
    names: Sequence[str]

    @classmethod
    def below(cls, folder: Path, paths: Iterable[Path]) -> Paths:
        """Of paths that are there.

        Raises:
            ValueError: if one does not lie below the folder.
        """
        return cls(folder, tuple(str(path.relative_to(folder)) for path in paths))

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, position: int) -> Path: ...
    @overload
    def __getitem__(self, position: slice) -> Paths: ...
    def __getitem__(self, position: int | slice) -> Path | Paths:
        if isinstance(position, slice):
            return Paths(self.folder, self.names[position])
        return Path(self.folder, self.names[position])

    def at(self, positions: Iterable[int]) -> Paths:
        """Those at some positions."""
        return Paths(self.folder, tuple(self.names[i] for i in positions))
