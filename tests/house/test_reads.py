"""Below ``mlruns/`` others may have laid pipes, links and endless files: every file is read through one door."""

from __future__ import annotations

import ast
from fnmatch import fnmatch

from house.source import files

OPENS = ("open", "read_text", "read_bytes", "fromfile", "memmap", "read_table", "read_schema", "safe_open", "load_file")
"""What opens a file, whoever it is asked of."""

OPENS_OF = {"np": ("load",), "OmegaConf": ("load",), "json": ("load",), "torch": ("load",), "sqlite3": ("connect",)}
"""What opens a file if it is asked of one library."""

ELSEWHERE = {
    "regular.py": "the door itself",
    "signatures.py": "a file that the user named",
    "backbones/*": "weights: the user's own, or a library's cache",
    "config/*": "files of the package, and candidates that the user named",
    "data/lines.py": "a table of the user's own",
    "data/decode.py": "bytes in memory",
    "features/formats.py": "rows made elsewhere: a file that the user named",
    "features/entry.py": "a folder, to bring a rename to disk",
    "figures/*": "files of the package",
    "results/page.py": "a file of the package",
    "results/lease.py": "a sign of life: nothing is read",
    "comparison/files.py": "an archive in memory",
    "cli/program.py": "files of the package",
    "cli/streams.py": "the terminal",
    "cli/leaving.py": "the null device",
    "cli/commands/backbones.py": "files of the package",
    "tracking/mlflow.py": "the database, which is known to be a file",
    "tracking/models.py": "files that were exported just now",
}
"""Files that read something else than what may lie below ``mlruns/``, and what."""


def opened(tree: ast.Module) -> list[str]:
    """The calls that open a file to read it."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [ast.unparse(call) for call in calls if _opens(call) and not _writes(call)]


def _opens(call: ast.Call) -> bool:
    if isinstance(call.func, ast.Name):
        in_memory = bool(call.args) and ast.unparse(call.args[0]).startswith(("BytesIO(", "io.BytesIO("))
        return call.func.id in OPENS or (call.func.id in ("ZipFile", "ParquetFile") and not in_memory)
    if not isinstance(call.func, ast.Attribute):
        return False
    return call.func.attr in (*OPENS, *OPENS_OF.get(ast.unparse(call.func.value), ()))


def _writes(call: ast.Call) -> bool:
    """Whether it is opened to be written, which a literal mode says."""
    modes = [word.value for word in call.args if isinstance(word, ast.Constant) and isinstance(word.value, str)]
    return any(mode.strip("bt+") in ("w", "x", "a") for mode in modes)


def test_files_that_others_may_have_laid_are_read_through_one_door() -> None:
    found = {file.name: calls for file in files() if (calls := opened(file.tree))}
    beside = {name: calls for name, calls in found.items() if not any(fnmatch(name, known) for known in ELSEWHERE)}
    assert beside == {}, "frostmark.regular.read_regular"
    assert [known for known in ELSEWHERE if not any(fnmatch(name, known) for name in found)] == []


def test_what_opens_a_file_is_seen_and_what_writes_one_is_not() -> None:
    reading = ("open(p)", "p.open('rb')", "p.read_text()", "np.load(p)", "OmegaConf.load(p)", "os.open(p, 0)")
    other = ("open(p, 'w')", "p.open('xb')", "ZipFile(BytesIO(b))", "load(b)", "json.loads(t)", "read_regular(p)")
    assert [opened(ast.parse(code)) != [] for code in (*reading, *other)] == [True] * 6 + [False] * 6
