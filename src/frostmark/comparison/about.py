"""What belongs to a comparison beside its numbers.

about = About(missing=["layer=stage9: no such layer"], command="python run.py -m layer=stage2,stage9")
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class About:
    """Where a comparison comes from, and what a reader must know of it.

    Attributes:
        missing: jobs without a result, and why.
        remarks: what a reader must know: runs left out, maps that could not be aligned.
        links: words → place in MLflow's pages.
        command: what was typed, to be pasted; empty of a comparison that Python asked for.
    """

    missing: Sequence[str] = ()
    remarks: Sequence[str] = ()
    links: Mapping[str, str] = field(default_factory=dict)
    command: str = ""
