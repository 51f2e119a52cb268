"""How long files, classes and functions may be, how often ``Any`` may stand, what lies at the root."""

from __future__ import annotations

import ast

from house.source import SOURCE, files

MAX_ROOT_FILES = 10
MAX_MODULE, MAX_CLASS, MAX_FUNCTION = 350, 200, 40
"""Lines; of a function those of code: without docstring, blank lines and comments."""

MAX_ANY = 80
"""Lines with ``Any``, where a library leaves no choice; they were 190."""


def test_few_files_stand_at_the_root() -> None:
    names = {path.name for path in SOURCE.glob("*.py")}
    assert len(names) <= MAX_ROOT_FILES, sorted(names)


def test_no_module_is_long() -> None:
    lines = {file.name: file.text.count("\n") for file in files()}
    assert {name: count for name, count in lines.items() if count > MAX_MODULE} == {}


def test_no_class_is_long() -> None:
    lines = {
        f"{file.name}: {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for file in files()
        for node in ast.walk(file.tree)
        if isinstance(node, ast.ClassDef)
    }
    assert {name: count for name, count in lines.items() if count > MAX_CLASS} == {}


def test_no_function_is_long() -> None:
    lines = {f"{file.name}: {node.name}": count for file in files() for node, count in file.functions()}
    assert {name: count for name, count in lines.items() if count > MAX_FUNCTION} == {}


def test_any_is_rare() -> None:
    uses = {file.name: len(file.lines_with("Any")) for file in files()}
    assert sum(uses.values()) <= MAX_ANY, dict(sorted(uses.items(), key=lambda use: -use[1]))


def test_limits_begin_with_max_or_min() -> None:
    names = [
        f"{file.name}: {target.id}"
        for file in files()
        for node in file.tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name) and {"MOST", "FEWEST", "LEAST"} & set(target.id.strip("_").split("_"))
    ]
    assert names == []


def test_two_classes_never_have_one_name() -> None:
    places: dict[str, list[str]] = {}
    for file in files():
        for node in file.tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(file.name)
    assert {name: where for name, where in places.items() if len(where) > 1} == {}
