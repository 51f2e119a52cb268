"""Compare the numbers of two commits on this machine, bit for bit.

    python scripts/same_numbers.py 2f7d4eb                              # that commit against HEAD
    python scripts/same_numbers.py 2f7d4eb my-branch --data DIR --weights squeezenet1_0-imagenet.pth
    python scripts/same_numbers.py 2f7d4eb --expect-changed 'test/transfer/*' verdict
    python scripts/same_numbers.py --folders before/ after/             # what two earlier calls kept by --keep

Each commit is checked out into a temporary git worktree, and this interpreter runs its quickstart, a sweep of two
networks and two layers with its comparison, the quickstart again from the stored rows and, where images and weights
are given, an ImageNet SqueezeNet on real FashionMNIST images. Compared are all numbers of metrics.json, the bootstrap
draws, the maps, the stored rows, the tables, comparison.csv and the sentence of the verdict. Only the program's command
line and its files are used, and files are looked for by name, so that the two commits may lay out their code and their
folders as they like. What is not committed is not compared. Exit code 1: a number differs. Exit code 2: a run failed.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pyarrow import parquet

REPOSITORY = Path(__file__).resolve().parents[1]

Facts = dict[str, NDArray[np.generic]]
"""Numbers or words by their key."""

TIMINGS = ("cost/*seconds*", "cost/images_per_second*", "images_per_second", "cost/peak_memory*", "run_id")
"""Differ between any two runs, as the identifier of a run does."""

QUICKSTART = ("experiment=quickstart",)
SQUEEZENET = (
    "backbone=squeezenet1_0", "dataset=fashion_mnist", "dataset.download=false", "dataset.limit.train=1500",
    "dataset.limit.test=600",
)  # fmt: skip
SWEEP = (
    "-m", "backbone=resnet18,squeezenet1_0", "backbone.weights=untrained", "layer=stage2,last_conv", "dataset=digits",
    "dataset.limit.train=300", "dataset.limit.test=150", "preprocess.size=64", "reducer=pca",
    "uncertainty.resamples=100", "uncertainty.permutations=19",
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        what: "quickstart: metrics.json".
        numbers: how many were compared.
        differing: how many of them differ, or are there on one side only.
        first: the first of them, in words.
        expected: how many differ under a key that may.
    """

    what: str
    numbers: int
    differing: int
    first: str
    expected: int


# ---- what a folder holds


def facts_of(root: Path) -> dict[str, Facts]:
    """Everything that is compared, by what it is, of a folder in which the program ran."""
    kinds: dict[str, Facts] = {}
    for run, folder in _folders(root, "metrics.json").items():
        kinds[f"{run}: metrics.json"] = _merged(_metrics(path) for path in _files(folder, "metrics.json"))
        kinds[f"{run}: draws.npz"] = _merged(_archive(path) for path in _files(folder, "draws.npz"))
        kinds[f"{run}: embedding.parquet"] = _merged(_columns(path) for path in _files(folder, "embedding.parquet"))
        kinds[f"{run}: tables"] = _merged(_cells(path) for path in _files(folder, "*.csv"))
    for sweep, folder in _folders(root, "comparison.csv").items():
        kinds[f"{sweep}: comparison.csv"] = _cells(folder / "comparison.csv", key=("network", "layer"))
        kinds[f"{sweep}: verdict"] = _verdict(folder)
    kinds["stored rows (bytes)"] = _stored(root)
    return {what: facts for what, facts in kinds.items() if facts}


def _folders(root: Path, name: str) -> dict[str, Path]:
    """The folders of runs or sweeps, the oldest first; what MLflow copied is left out."""
    paths = sorted(p for p in root.rglob(name) if "artifacts" not in p.relative_to(root).parts)
    word = "run" if name == "metrics.json" else "sweep"
    folders = (path.parent.parent if path.parent.name == "raw" else path.parent for path in paths)
    return {f"{word} {n}": folder for n, folder in enumerate(folders, start=1)}


def _files(folder: Path, pattern: str) -> list[Path]:
    """The files of that name at any depth, in the order of their names."""
    return sorted(folder.rglob(pattern), key=lambda path: path.name)


def _merged(parts: Iterator[Facts]) -> Facts:
    return {key: value for part in parts for key, value in part.items()}


def _metrics(path: Path) -> Facts:
    """Values, levels of chance, and the keys of what has no value."""
    content = json.loads(path.read_text(encoding="utf-8"))
    numbers = {key: np.asarray(value) for key, value in content["values"].items()}
    numbers |= {f"chance {key}": np.asarray(value) for key, value in content.get("chance", {}).items()}
    words = {f"{kind} {key}": np.asarray(kind) for kind in ("undefined", "skipped") for key in content.get(kind, {})}
    return numbers | words


def _archive(path: Path) -> Facts:
    with np.load(path) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _columns(path: Path) -> Facts:
    table = parquet.read_table(path)
    return {name: table[name].to_numpy() for name in table.column_names}


def _cells(path: Path, key: Sequence[str] = ()) -> Facts:
    """The cells of a table as they are written; a line is known by its ``key`` columns, else by its number."""
    with path.open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    facts = {}
    for n, line in enumerate(lines, start=1):
        name = " · ".join(line[column] for column in key) or f"{path.name}, line {n}"
        facts |= {f"{column} ({name})": np.asarray(cell) for column, cell in line.items()}
    return facts


def _verdict(folder: Path) -> Facts:
    """The sentence in bold type at the top of comparison.md."""
    pages = _files(folder, "comparison.md")
    sentence = re.search(r"^\*\*(.+)\*\*$", pages[0].read_text(encoding="utf-8"), re.MULTILINE) if pages else None
    return {"verdict": np.asarray(sentence[1])} if sentence else {}


def _stored(root: Path) -> Facts:
    """The bytes of the shards by entry and number; the digest in a shard's name follows from them."""
    shards = sorted(root.rglob("features/*/rows-*.safetensors"))
    return {f"{p.parent.name}/{p.name[:11]}": np.frombuffer(p.read_bytes(), np.uint8) for p in shards}


# ---- comparing


def differences(old: Path, new: Path, expected: Sequence[str] = (), keys: Sequence[str] = ()) -> list[Row]:
    """Compare two folders in which the program ran the same commands.

    Args:
        old, new: they hold ``mlruns/``.
        expected: patterns of keys that may differ.
        keys: patterns of the only keys to compare; none for all.
    """
    before, after = facts_of(old), facts_of(new)
    names = list(dict.fromkeys([*before, *after]))
    return [_row(what, before.get(what, {}), after.get(what, {}), expected, keys) for what in names]


def _row(what: str, old: Facts, new: Facts, expected: Sequence[str], keys: Sequence[str]) -> Row:
    numbers = differing = allowed = 0
    first = ""
    for key in dict.fromkeys([*old, *new]):
        if _matches(key, TIMINGS) or (keys and not _matches(key, keys)):
            continue
        count, changed = _changed(old.get(key), new.get(key))
        numbers += count
        if changed and _matches(key, expected):
            allowed += changed
        elif changed:
            differing += changed
            first = first or f"{key}: {_shown(old.get(key), new.get(key))}"
    return Row(what, numbers, differing, first, allowed)


def _matches(key: str, patterns: Sequence[str]) -> bool:
    """Whether a key is meant, with or without the place that stands behind it in brackets."""
    return any(fnmatch(key, pattern) or fnmatch(key.partition(" (")[0], pattern) for pattern in patterns)


def _changed(old: NDArray[np.generic] | None, new: NDArray[np.generic] | None) -> tuple[int, int]:
    """How many numbers there are, and how many of them differ."""
    if old is None or new is None:
        size = max(of.size for of in (old, new) if of is not None)
        return size, size
    if old.shape != new.shape or (old.dtype != new.dtype and old.dtype.kind not in "US"):
        return max(old.size, new.size), max(old.size, new.size, 1)
    return old.size, int(_unlike(old, new).sum())


def _unlike(old: NDArray[np.generic], new: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Which elements differ in any bit: NaN is like NaN, and 0.0 is unlike −0.0."""
    if old.dtype.kind in "USO":
        return np.asarray(old != new).reshape(-1)
    bits = [np.ascontiguousarray(of).reshape(-1, 1).view(np.uint8) for of in (old, new)]
    unlike: NDArray[np.bool_] = (bits[0] != bits[1]).any(axis=1)
    return unlike


def _shown(old: NDArray[np.generic] | None, new: NDArray[np.generic] | None) -> str:
    """The first elements that differ, in full."""
    if old is None or new is None:
        return "only in the new commit" if old is None else "only in the old commit"
    if old.shape != new.shape or (old.dtype != new.dtype and old.dtype.kind not in "US"):
        return f"{old.dtype}{list(old.shape)} → {new.dtype}{list(new.shape)}"
    n = int(np.flatnonzero(_unlike(old, new))[0])
    return f"{old.reshape(-1)[n]!s} → {new.reshape(-1)[n]!s}" + (f" (element {n})" if old.size > 1 else "")


def table(scenes: Mapping[str, Sequence[Row]]) -> str:
    """What was compared, how many numbers, how many differ, and the first of them."""
    lines = [f"{'what':<44}{'numbers':>12}{'differ':>9}{'expected':>10}  first difference"]
    for scene, rows in scenes.items():
        for row in rows:
            what = f"{scene}, {row.what}"
            lines.append(f"{what:<44}{row.numbers:>12,}{row.differing:>9,}{row.expected:>10,}  {row.first}")
    lines.append(f"Left out: {', '.join(TIMINGS)}")
    return "\n".join(lines)


# ---- running


def scenes_of(data: Path | None, weights: Path | None) -> dict[str, list[Sequence[str]]]:
    """The commands by the folder they run in; the second quickstart reads the rows that the first stored."""
    scenes: dict[str, list[Sequence[str]]] = {"quickstart": [QUICKSTART, QUICKSTART]}
    if data is not None and weights is not None:
        places = (f"backbone.weights={weights.absolute()}", f"dataset.root={data.absolute()}")
        scenes["squeezenet"] = [(*SQUEEZENET, *places)]
    return {**scenes, "sweep": [SWEEP]}


@contextmanager
def checkout(commit: str, folder: Path) -> Iterator[Path]:
    """A git worktree of a commit, removed at the end."""
    git = ["git", "-C", str(REPOSITORY), "worktree"]
    subprocess.run([*git, "add", "--quiet", "--detach", str(folder), commit], check=True)
    try:
        yield folder
    finally:
        subprocess.run([*git, "remove", "--force", str(folder)], check=True)


def resolved(commit: str) -> str:
    """The commit that a name means now: branches may move while the runs take their minutes."""
    asked = ["git", "-C", str(REPOSITORY), "rev-parse", "--short", "--verify", f"{commit}^{{commit}}"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"there is no commit '{commit}' in {REPOSITORY}", file=sys.stderr)
        raise SystemExit(2)
    return done.stdout.strip()


def run(tree: Path, words: Sequence[str], folder: Path) -> None:
    """Run the program of a tree in a folder, or end with exit code 2 and what it said."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("FROSTMARK", "HYDRA", "MLFLOW", "PYTHONPATH"))}
    print(f"  {' '.join(words)}", file=sys.stderr, flush=True)
    command = [sys.executable, str(tree / "run.py"), *words]
    variables = kept | {"MLFLOW_DISABLE_TELEMETRY": "true"}
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"exit code {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}", file=sys.stderr)
        raise SystemExit(2)


def produce(commit: str, tree: Path, results: Path, scenes: Mapping[str, Sequence[Sequence[str]]]) -> None:
    """Run every scene of a commit; the numbers lie in a folder a scene."""
    print(commit, file=sys.stderr)
    with checkout(commit, tree):
        for scene, commands in scenes.items():
            for words in commands:
                run(tree, words, results / scene)


def compared(old: Path, new: Path, expected: Sequence[str], keys: Sequence[str]) -> dict[str, list[Row]]:
    """The rows of the table by scene."""
    scenes = sorted({path.name for folder in (old, new) for path in folder.iterdir() if path.is_dir()})
    return {scene: differences(old / scene, new / scene, expected, keys) for scene in scenes}


def parse(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare the numbers of two commits, bit for bit.")
    parser.add_argument("old", help="the commit before")
    parser.add_argument("new", nargs="?", default="HEAD", help="the commit after (default: HEAD)")
    parser.add_argument("--data", type=Path, metavar="DIR", help="holds FashionMNIST/raw")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="of torchvision's squeezenet1_0")
    parser.add_argument("--keys", nargs="+", default=[], metavar="KEY", help="compare these keys alone (* allowed)")
    parser.add_argument("--expect-changed", nargs="+", default=[], metavar="KEY", help="keys that may differ")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the numbers in DIR/old and DIR/new")
    parser.add_argument("--folders", action="store_true", help="OLD and NEW are folders that --keep made")
    chosen = parser.parse_args(words)
    if (chosen.data is None) != (chosen.weights is None):
        parser.error("--data and --weights belong together")
    return chosen


def main(words: Sequence[str]) -> int:
    chosen = parse(words)
    with tempfile.TemporaryDirectory(prefix="same-numbers-") as temporary:
        results = (chosen.keep or Path(temporary) / "results").absolute()
        sides = [results / "old", results / "new"]
        if chosen.folders:
            sides = [Path(chosen.old), Path(chosen.new)]
        else:
            scenes = scenes_of(chosen.data, chosen.weights)
            commits = [resolved(commit) for commit in (chosen.old, chosen.new)]
            for commit, side in zip(commits, sides, strict=True):
                produce(commit, Path(temporary) / f"tree-{side.name}", side, scenes)
        rows = compared(sides[0], sides[1], chosen.expect_changed, chosen.keys)
    print(table(rows))
    differing = sum(row.differing for of in rows.values() for row in of)
    print(f"{differing:,} numbers differ" if differing else "All numbers are the same, bit for bit.")
    return 1 if differing else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
