"""Named places where a test can make something go wrong; elsewhere they do nothing.

point("rows.synced")        # in the code: between one step and the next
faults.armed = act          # in a test: act(name) is called at every point, and may raise, or shoot the process
"""

from __future__ import annotations

from collections.abc import Callable

armed: Callable[[str], None] | None = None
"""What happens at the points; nothing, unless a test says otherwise."""


def point(name: str) -> None:
    """A step is done, or about to be."""
    if armed is not None:
        armed(name)
