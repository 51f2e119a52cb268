"""List, verify, prune or export the rows kept in mlruns/features.

python run.py cache ls
python run.py cache export <run> rows.safetensors
python run.py cache prune --older-than 30d --max-size 10GB
size_bytes("10GB"), age_seconds("30d"), sized(12_300_000)       # 10000000000, 2592000.0, '12.3 MB'
"""

from __future__ import annotations

import math
import re
import shlex
import time
from argparse import Namespace
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from rich import box
from rich.table import Table

from frostmark.cli.console import console
from frostmark.cli.parser import Parser
from frostmark.cli.program import program
from frostmark.config.schema import Config, Paths, Tracking
from frostmark.errors import DataError
from frostmark.features.store import FeatureStore
from frostmark.names import visible
from frostmark.results.terminal import cell


def run(arguments: list[str]) -> int:
    """Do what the first word says."""
    options = _options(arguments)
    if options.action == "export":
        return _export(options.words)
    store = FeatureStore(Config(paths=Paths(options.root)).mlruns / "features")
    if options.action == "ls":
        return _list(store)
    if options.action == "verify":
        return _verify(store)
    return _prune(store, options.older_than, options.max_size, options.dry_run)


_KEYS = ("paths.root=", "tracking.uri=")

_EXPORTED = (
    "runs of one network or a sweep (identifiers or folders), then the file; every run becomes a layer of it; also "
    "paths.root=<folder that holds mlruns/> and tracking.uri=<server>"
)


def _options(arguments: list[str]) -> Namespace:
    parser, where = Parser.of("cache", __doc__), Parser(add_help=False)
    where.add_root()
    actions = parser.add_subparsers(dest="action", required=True, metavar="ls|verify|prune|export", parser_class=Parser)
    actions.add_parser("ls", parents=[where], help="list the entries by their last use")
    actions.add_parser("verify", parents=[where], help="read every file and check its digest")
    prune = actions.add_parser(
        "prune", parents=[where], help="remove entries that were not used for long; entries in use are kept"
    )
    prune.add_argument(
        "--older-than",
        type=age_seconds,
        metavar="30d",
        help="remove entries that were not used for this long (m, h, d, w)",
    )
    prune.add_argument(
        "--max-size",
        type=size_bytes,
        metavar="10GB",
        help="keep at most this much, the most recently used entries (kB, MB, GB)",
    )
    prune.add_argument("--dry-run", action="store_true", help="print what would be removed, and remove nothing")
    export = actions.add_parser("export", help="write the rows of runs into a file for backbone=rows")
    export.add_argument("words", nargs="+", metavar="<run> <file.safetensors>", help=_EXPORTED)
    options = parser.parse_args(arguments)
    if options.action == "prune" and options.older_than is None and options.max_size is None:
        parser.error("prune needs --older-than or --max-size")
    if options.action == "export" and len([word for word in options.words if not word.startswith(_KEYS)]) < 2:
        parser.error("export needs a run and a file: cache export <run> rows.safetensors")
    return options


def _list(store: FeatureStore) -> int:
    entries = store.stored()
    console().print(cache_table(entries))
    print(f"{len(entries)} entries, {sized(sum(entry.size for entry in entries))} in {store.folder}")
    return 0


def _verify(store: FeatureStore) -> int:
    count = damaged = 0
    for entry, problems in store.verify():
        count += 1
        damaged += bool(problems)
        for problem in problems:
            print(visible(f"{entry.folder}: {problem} ({entry.words})"))
    if damaged:
        raise DataError(
            f"{damaged} of {count} entries of {store.folder} are damaged",
            fix="run the benchmark that uses them again: damaged entries are set aside and extracted again",
        )
    print(f"{count} entries verified, none damaged")
    return 0


def _prune(store: FeatureStore, older_than: float | None, max_size: int | None, dry_run: bool) -> int:
    freed = 0
    for entry in store.to_prune(older_than, max_size):
        gone = dry_run or store.remove(entry)
        what = "in use, kept" if not gone else "would be removed" if dry_run else "removed"
        freed += entry.size if gone else 0
        print(visible(f"{what}: {entry.folder.name[:8]} {sized(entry.size)} {entry.words}"))
    print(f"{'Would free' if dry_run else 'Freed'} {sized(freed)}")
    return 0


def _export(words: list[str]) -> int:
    from frostmark.benchmark.exported import export_rows
    from frostmark.benchmark.tracked import open_existing_store
    from frostmark.comparison.named import read_runs

    keys = dict(word.split("=", 1) for word in words if word.startswith(_KEYS))
    *names, file = (word for word in words if not word.startswith(_KEYS))
    mlruns, uri = Config(paths=Paths(keys.get("paths.root", "."))).mlruns, keys.get("tracking.uri")
    opened = partial(open_existing_store, Tracking(kind="server" if uri else "local", uri=uri), mlruns)
    with TemporaryDirectory() as folder:  # for the records of runs that are elsewhere
        exported = export_rows(read_runs(names, opened, Path(folder)), FeatureStore(mlruns / "features"), Path(file))
    print(visible(f"{exported.path}: {', '.join(exported.layers)} ({sized(exported.size)})"))
    print(visible(f"Benchmark it: {program()} backbone=rows backbone.file={shlex.quote(str(exported.path))}"))
    return 0


_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_BYTES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


class CachedRows(Protocol):
    """What is shown of an entry."""

    @property
    def name(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def used(self) -> float: ...
    @property
    def words(self) -> str: ...


def cache_table(entries: Sequence[CachedRows]) -> Table:
    """One line an entry: its name, size, time since its last use, and what it is."""
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("entry")
    table.add_column("size", justify="right")
    table.add_column("last used", justify="right")
    table.add_column("rows")
    now = time.time()
    for entry in entries:
        table.add_row(entry.name[:8], sized(entry.size), f"{_aged(now - entry.used)} ago", cell(entry.words))
    return table


def sized(count: int) -> str:
    """A number of bytes in the unit that suits it."""
    for unit in reversed(_BYTES):
        if count >= _BYTES[unit]:
            return f"{count / _BYTES[unit]:.3g} {unit.replace('K', 'k')}"
    return "0 B"


def _aged(seconds: float) -> str:
    unit = next((u for u in reversed(_SECONDS) if seconds >= _SECONDS[u]), "s")
    return f"{int(seconds // _SECONDS[unit])} {unit}"


def age_seconds(text: str) -> float:
    """``30d`` in seconds.

    Raises:
        ValueError: if it is no age.
    """
    return _times(text, _SECONDS)


def size_bytes(text: str) -> int:
    """``10GB`` in bytes; a bare number is one of bytes.

    Raises:
        ValueError: if it is no size.
    """
    return int(_times(text.upper() if not text.isdigit() else f"{text}B", _BYTES))


def _times(text: str, units: dict[str, int]) -> float:
    match = re.fullmatch(r"([0-9.]+)\s*([A-Za-z]+)", text.strip())
    if match is None or match.group(2) not in units:
        raise ValueError(f"{text} is not one of {', '.join(f'1{unit}' for unit in units)}")
    value = float(match.group(1)) * units[match.group(2)]
    if math.isinf(value):
        raise ValueError("the number has too many digits")
    return value
