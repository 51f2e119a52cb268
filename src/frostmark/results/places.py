"""Where each file of a run lies: the same in every run, in its folder as in the tracking store.

place("map.png")                        # 'map.png': MLflow compares files at the root of runs, and no others
place("shots.csv")                      # 'tables/shots.csv'
found(folder, "metrics.json")           # its path; at the root in runs of before there were folders
"""

from __future__ import annotations

from pathlib import Path

AT_ROOT = frozenset({
    "map.png", "map_train.png", "map_test.png", "map.html", "class_variance.csv", "pair_variance.csv",
    "pair_variance.parquet", "pair_variance.png", "confusability.png", "embedding.parquet", "draws.npz", "summary.md",
    "report.html", "config.yaml",
})  # fmt: skip
"""What is looked at first, and set side by side."""

MAPS = frozenset({"map.svg", "thumbnails.npz"})
"""What belongs to the maps beside those."""

_FOLDERS = {".png": "report", ".svg": "report", ".html": "report", ".csv": "tables", ".parquet": "tables"}
"""Ending → folder of every other file; ``raw`` for what programs alone read."""


def place(name: str) -> str:
    """Where the file lies below the run's folder, with ``/`` between folder and name."""
    if name in AT_ROOT or "/" in name:
        return name
    return f"{'maps' if name in MAPS else _FOLDERS.get(Path(name).suffix, 'raw')}/{name}"


def room_for(folder: Path, name: str) -> Path:
    """Where the file goes in the run's ``folder``, with the folders on the way made."""
    path = folder / place(name)
    path.parent.mkdir(exist_ok=True)
    return path


def found(folder: Path, name: str) -> Path:
    """Where a finished run has the file: in its place, or at the root, as earlier versions wrote it."""
    placed = folder / place(name)
    return placed if placed.exists() or not (folder / name).exists() else folder / name


def both_places(name: str) -> tuple[str, ...]:
    """Where the file may be in a tracking store: in its place, or at the root, as earlier versions wrote it."""
    return tuple(dict.fromkeys((place(name), name)))
