"""Small facts about this machine that are worth keeping between runs, such as the batch size that a probe chose.

    memo = Memo(Path("mlruns/features/batch_sizes.json"))
    size = memo.get("resnet18 on cpu")          # None if it was never measured
    memo.put("resnet18 on cpu", 32)

A file that cannot be read is as good as none: the fact is measured again.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from frostmark.regular import read_regular, write_whole

_MAX_BYTES = 1 << 20
"""Bytes of such a file, at most."""


@dataclass(frozen=True)
class Memo:
    """Whole numbers by name, in one JSON file.

    Attributes:
        path: the file.
    """

    path: Path

    def get(self, name: str) -> int | None:
        """What was put under ``name``; None if nothing was."""
        answer = self._all().get(name)
        return answer if type(answer) is int else None

    def put(self, name: str, value: int) -> None:
        """Keep ``value``, where the disk allows it.

        Of two processes that do so at once one may be forgotten, and its fact measured again.
        """
        with suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self.path, json.dumps(self._all() | {name: value}, indent=1, sort_keys=True))

    def _all(self) -> dict[str, object]:
        try:
            answers = json.loads(read_regular(self.path, _MAX_BYTES))
        except (OSError, ValueError, RecursionError):
            return {}
        return answers if isinstance(answers, dict) else {}
