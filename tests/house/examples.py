"""The examples in docstrings of modules, read as a reader would: does every call fit what it calls?

    for problem in problems(importlib.import_module("frostmark.tracking.tracker")):
        print(problem)                     # "line 3: store.run(name, parnt=None): got an unexpected keyword …"

Nothing is run. A name is what the module calls by it, or what another module of ours does; the type of a variable
follows from what was assigned to it: a class that was called, or what a function says it returns.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import inspect
import re
import textwrap
import typing
from collections.abc import Iterator
from functools import cache
from types import ModuleType, UnionType

from house.source import files

Known = dict[str, object]
"""Variable → its type, where it is known."""

UNKNOWN = object()

OF_OTHERS = frozenset({"Path", "Scatter", "Trainer", "statistic"})
"""Names in examples that are not ours, or stand for what a reader brings."""


def example_of(module: ModuleType) -> list[ast.stmt]:
    """The statements of a module's example; lines that are no Python are left out."""
    blocks = re.findall(r"(?:^(?: {4}.*\n| *\n)+)|(?:^\S.*\n)", f"{module.__doc__ or ''}\n", re.MULTILINE)
    statements: list[ast.stmt] = []
    for block in blocks:
        text = textwrap.dedent(block).replace("…", "...")
        for piece in [text] if _parsed(text) else text.splitlines():
            statements += _parsed(piece) or _parsed(f"{piece}\n    ...")
    return statements


def _parsed(text: str) -> list[ast.stmt]:
    try:
        return ast.parse(text).body
    except SyntaxError:
        return []


@cache
def public() -> dict[str, object]:
    """Every public function and class of ours by its name; the first module that defines it counts."""
    names: dict[str, object] = {}
    for file in files():
        for node in file.tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                names.setdefault(node.name, getattr(importlib.import_module(file.module), node.name, UNKNOWN))
    return names


def problems(module: ModuleType) -> list[str]:
    """What does not fit in the example of a module."""
    known: Known = {}
    return [problem for statement in example_of(module) for problem in _of_statement(module, statement, known)]


def calls(module: ModuleType) -> int:
    """How many calls of its example were checked."""
    known: Known = {}
    count = 0
    for statement in example_of(module):
        count += sum(_called(module, c.func, known) is not UNKNOWN for c in _calls(statement))
        _learn(module, statement, known)
    return count


def _of_statement(module: ModuleType, statement: ast.stmt, known: Known) -> Iterator[str]:
    for call in _calls(statement):
        _learn_loops(module, statement, known)
        target = _called(module, call.func, known)
        if target is None:
            yield f"{ast.unparse(call)}: there is no {ast.unparse(call.func)}"
        elif target is not UNKNOWN and (told := _misfit(target, call)):
            yield f"{ast.unparse(call)}: {told}"
    _learn(module, statement, known)


def _calls(statement: ast.stmt) -> list[ast.Call]:
    return [node for node in ast.walk(statement) if isinstance(node, ast.Call)]


def _misfit(target: object, call: ast.Call) -> str:
    """Why the arguments do not bind; nothing where some are left out by an ellipsis or starred."""
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    if any(isinstance(a, ast.Starred) or (isinstance(a, ast.Constant) and a.value is ...) for a in given):
        return ""
    if any(keyword.arg is None for keyword in call.keywords):
        return ""
    try:
        signature = inspect.signature(typing.cast(typing.Any, target))
    except (TypeError, ValueError):
        return ""
    try:
        signature.bind(*call.args, **{str(keyword.arg): keyword.value for keyword in call.keywords})
    except TypeError as problem:
        return str(problem)
    return ""


def _called(module: ModuleType, func: ast.expr, known: Known) -> object:
    """What is called: None if it should be there and is not, UNKNOWN if nothing can be said."""
    if isinstance(func, ast.Name):
        if func.id in known or func.id in OF_OTHERS or hasattr(builtins, func.id):
            return UNKNOWN
        return getattr(module, func.id, public().get(func.id, UNKNOWN if func.id in _imported(module) else None))
    if isinstance(func, ast.Attribute):
        owner = _type_of(module, func.value, known)
        if owner is UNKNOWN:
            return UNKNOWN
        return _member(owner, func.attr)
    return UNKNOWN


def _imported(module: ModuleType) -> set[str]:
    """Names that a module imports somewhere, for types or in functions."""
    nodes = ast.walk(ast.parse(inspect.getsource(module)))
    return {a.asname or a.name for n in nodes if isinstance(n, ast.ImportFrom) for a in n.names}


def _member(owner: object, name: str) -> object:
    """A method bound as an instance, a class or a module has it; None if there is none of that name."""
    if isinstance(owner, type) and not isinstance(owner, _Itself):
        found = inspect.getattr_static(owner, name, None)
        if found is None:
            return UNKNOWN if name in _annotated(owner) else None
        if isinstance(found, staticmethod | classmethod):
            return getattr(owner, name)
        return found.__get__(object(), owner) if inspect.isfunction(found) else UNKNOWN
    target = owner.of if isinstance(owner, _Itself) else owner
    return getattr(target, name, None)


class _Itself:
    """A class or module that is named, as opposed to an instance of it."""

    def __init__(self, of: object) -> None:
        self.of = of


def _type_of(module: ModuleType, node: ast.expr, known: Known) -> object:
    """The class of what an expression gives, `_Itself` for a named class or module, UNKNOWN for all else."""
    if isinstance(node, ast.Name):
        if node.id in known:
            return known[node.id]
        named = getattr(module, node.id, public().get(node.id, UNKNOWN))
        ours = getattr(named, "__module__", getattr(named, "__name__", "")) or ""
        is_named = isinstance(named, type | ModuleType) and str(ours).startswith("frostmark")
        return _Itself(named) if is_named else UNKNOWN
    if isinstance(node, ast.Call):
        target = _called(module, node.func, known)
        if isinstance(target, type):
            return target if target.__module__.startswith("frostmark") else UNKNOWN
        owner = _type_of(module, node.func.value, known) if isinstance(node.func, ast.Attribute) else UNKNOWN
        return _plain(_hints(target).get("return", UNKNOWN), owner)
    if isinstance(node, ast.Attribute):
        owner = _type_of(module, node.value, known)
        return UNKNOWN if owner is UNKNOWN or isinstance(owner, _Itself) else _attribute(owner, node.attr)
    return UNKNOWN


def _attribute(owner: object, name: str) -> object:
    if name in _annotated(owner):
        return _plain(_hints(owner).get(name, UNKNOWN), owner)
    found = inspect.getattr_static(owner, name, None)
    getter = getattr(found, "fget", None) or getattr(found, "func", None)
    return _plain(_hints(getter).get("return", UNKNOWN), owner) if getter is not None else UNKNOWN


def _annotated(owner: object) -> set[str]:
    return {name for of in getattr(owner, "__mro__", ()) for name in getattr(of, "__annotations__", {})}


def _hints(of: object) -> dict[str, object]:
    try:
        return typing.get_type_hints(of)  # type: ignore[arg-type]
    except Exception:  # names that are there for the type checker alone
        return {}


def _plain(hint: object, owner: object) -> object:
    """The class that a hint means: ``Self``, ``X | None`` and classes of ours are understood."""
    if hint is typing.Self:
        return owner.of if isinstance(owner, _Itself) else owner
    parts = [h for h in typing.get_args(hint) if h is not type(None)] if isinstance(hint, UnionType) else [hint]
    if len(parts) == 1 and isinstance(parts[0], type) and parts[0].__module__.startswith("frostmark"):
        return parts[0]
    return UNKNOWN


def _learn(module: ModuleType, statement: ast.stmt, known: Known) -> None:
    """The variables that a statement makes."""
    if isinstance(statement, ast.Assign):
        for target in statement.targets:
            if isinstance(target, ast.Name):
                known[target.id] = _type_of(module, statement.value, known)
            else:
                known |= {n.id: UNKNOWN for n in ast.walk(target) if isinstance(n, ast.Name)}
    _learn_loops(module, statement, known)
    for child in getattr(statement, "body", []):
        _learn(module, child, known)


def _learn_loops(module: ModuleType, statement: ast.stmt, known: Known) -> None:
    """Variables of loops, of ``with`` and of functions."""
    for node in ast.walk(statement):
        if isinstance(node, ast.For | ast.comprehension):
            known |= {n.id: UNKNOWN for n in ast.walk(node.target) if isinstance(n, ast.Name)}
        elif isinstance(node, ast.withitem) and isinstance(node.optional_vars, ast.Name):
            made = _type_of(module, node.context_expr, known)
            known[node.optional_vars.id] = made if hasattr(made, "__enter__") else UNKNOWN
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            known[node.name] = UNKNOWN
        elif isinstance(node, ast.arg):
            known[node.arg] = UNKNOWN
