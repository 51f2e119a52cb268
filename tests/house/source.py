"""The source as the tests of the house read it: its files, their imports, the size of their functions.

    for file in files():
        file.name                          # 'metrics/variance.py'
        [found.name for found in file.imports]     # ['__future__', 'numpy', 'frostmark.stats.moments', …]

An import is told with what it means: ``from frostmark.stats import moments`` imports the module
``frostmark.stats.moments``, whatever the spelling.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from support.environment import REPOSITORY

SOURCE = REPOSITORY / "src" / "frostmark"
CONF = REPOSITORY / "conf"

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Import:
    """One imported module.

    Attributes:
        name: "numpy", "frostmark.stats.moments".
        line: where it is imported.
        lazy: inside a function.
        typing: under ``if TYPE_CHECKING``.
    """

    name: str
    line: int
    lazy: bool
    typing: bool

    @property
    def top(self) -> str:
        """``scipy`` of ``scipy.stats``."""
        return self.name.partition(".")[0]


@dataclass(frozen=True)
class File:
    """A Python file of the package."""

    path: Path

    @property
    def name(self) -> str:
        """``metrics/variance.py``."""
        return self.path.relative_to(SOURCE).as_posix()

    @property
    def module(self) -> str:
        """``frostmark.metrics.variance``."""
        return ".".join(("frostmark", *self.path.relative_to(SOURCE).with_suffix("").parts)).removesuffix(".__init__")

    @property
    def room(self) -> str:
        """``metrics``; of a file at the root its own name, ``api``."""
        return self.name.partition("/")[0].removesuffix(".py")

    @property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def imports(self) -> list[Import]:
        return list(_imports(self.tree, self.name))

    def functions(self) -> Iterator[tuple[Function, int]]:
        """Every function and its lines of code: docstring, blank lines and comments left out."""
        lines = self.text.splitlines()
        for node in ast.walk(self.tree):
            if isinstance(node, Function):
                yield node, _code_lines(node, lines)

    def lines_with(self, word: str) -> set[int]:
        """The lines on which a name stands as code; words and comments do not count."""
        tokens = tokenize.generate_tokens(io.StringIO(self.text).readline)
        return {token.start[0] for token in tokens if token.type == tokenize.NAME and token.string == word}


@cache
def files() -> tuple[File, ...]:
    """All of them."""
    return tuple(File(path) for path in sorted(SOURCE.rglob("*.py")))


@cache
def module_names() -> frozenset[str]:
    """Of all files and of their packages."""
    names = {file.module for file in files()}
    return frozenset(names | {name.rpartition(".")[0] for name in names} - {""})


def _imports(node: ast.AST, where: str, lazy: bool = False, typing: bool = False) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, child.lineno, lazy, typing) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, f"{where}, line {child.lineno}: a relative import"
            names = {_meant(str(child.module), alias.name) for alias in child.names}
            yield from (Import(name, child.lineno, lazy, typing) for name in sorted(names))
        elif isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            yield from _imports(child, where, lazy, typing=True)
        else:
            yield from _imports(child, where, lazy or isinstance(child, Function | ast.Lambda), typing)


def _meant(module: str, name: str) -> str:
    """What ``from module import name`` imports: the module of that name, if there is one."""
    return f"{module}.{name}" if f"{module}.{name}" in module_names() else module


def _code_lines(node: Function, lines: list[str]) -> int:
    first = node.body[0]
    described = ast.get_docstring(node, clean=False) is not None
    docstring = range(first.lineno, (first.end_lineno or 0) + 1) if described else range(0)
    kept = (lines[n - 1].strip() for n in range(node.lineno, (node.end_lineno or 0) + 1) if n not in docstring)
    return sum(1 for line in kept if line and not line.startswith("#"))
