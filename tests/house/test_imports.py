"""Who may import whom, as the table of the design says; frameworks in one place, no circles, lazy imports at doors."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass
from fnmatch import fnmatch

import pytest

from house.source import File, Import, files, module_names

FOUNDATIONS = {"errors", "names", "faults", "download", "regular", "signatures", "waiting", "__init__"}
"""Files at the root that every room may import; they import nothing but each other."""

ALL = {
    "cli", "config", "benchmark", "analysis", "results", "comparison", "lit", "backbones", "data", "features", "stats",
    "metrics", "reducers", "figures", "tracking", "choosing", "export", "api",
}  # fmt: skip


@dataclass(frozen=True)
class Rights:
    """What a room may import, beside the standard library, NumPy, the foundations and itself.

    Attributes:
        third: packages of others.
        rooms: rooms, or single modules of rooms (``tracking.tracker``).
        late: packages of others that are imported where they are used, never at the top of a file.
    """

    third: frozenset[str]
    rooms: frozenset[str]
    late: frozenset[str]


def may(third: str = "", rooms: str = "", late: str = "") -> Rights:
    return Rights(frozenset(third.split()), frozenset(rooms.split()), frozenset(late.split()))


RECORDING = may("matplotlib bokeh jinja2 rich pyarrow", "stats metrics figures features tracking.tracker results")

TABLE = {
    "stats": may("scipy sklearn faiss threadpoolctl torch"),
    "metrics": may("scipy sklearn faiss", "stats"),
    "features": may("safetensors filelock pyarrow"),
    "reducers": may("scipy sklearn numba torch", "stats", late="openTSNE umap pacmap torchdr"),
    "figures": may("matplotlib bokeh jinja2", "stats metrics.kinds"),
    "backbones": may("torch torchvision safetensors filelock PIL", late="timm open_clip huggingface_hub"),
    "data": may("torch torchvision sklearn PIL pyarrow", late="datasets pillow_heif"),
    "analysis": may("", "stats metrics reducers"),
    "results": RECORDING,
    "comparison": RECORDING,
    "lit": may(
        "pytorch_lightning lightning_fabric torch",
        "features backbones data stats.moments analysis results.record tracking.tracker",
    ),
    "tracking": may("filelock psutil sqlalchemy", late="mlflow onnx"),
    "config": may("hydra omegaconf", "tracking.tracker"),
    "choosing": may("", "stats benchmark comparison config"),
    "export": may("torch", "backbones data features metrics results stats.moments", late="onnxruntime"),
    "benchmark": may("", " ".join(ALL - {"cli", "choosing", "export", "api"})),
    "api": may("", "benchmark comparison config data backbones export choosing", late="pandas"),
    "cli": may("hydra omegaconf rich filelock", " ".join(ALL)),
    # Doors: the package hands out api's functions when they are asked for, and -m is the command line.
    "__init__": may("", "api"),
    "__main__": may("", "cli"),
} | {name: may() for name in FOUNDATIONS - {"__init__"}}  # fmt: skip

FRAMEWORKS = {
    "pytorch_lightning": "lit",
    "lightning_fabric": "lit",
    "mlflow": "tracking",
    "timm": "backbones",
    "open_clip": "backbones",
}
"""They touch the code in one room."""

TRACKING_WITHOUT_MLFLOW = {f"tracking/{name}.py" for name in ("__init__", "tracker", "steady", "memory")}
"""What the other rooms use of tracking: it works where MLflow is not installed."""

DOORS = ("cli/commands/*", "cli/main.py", "cli/entry.py", "cli/problems.py", "__init__.py")
"""Files that import modules of ours inside functions, so that the command line starts within a second."""

FRAMEWORK_DOORS = {
    "reducers/tsne.py": "numba, which compiles the parts of t-SNE: most reducers do without it",
}
"""Files that import a module of ours late because it brings a framework, and why."""

MAX_LAZY = 40


def room_of(name: str) -> str:
    """``stats.moments`` of ``frostmark.stats.moments``; the package itself is ``__init__``."""
    return name.partition(".")[2] or "__init__"


@pytest.mark.parametrize("file", files(), ids=lambda file: file.name)
def test_a_room_imports_only_what_the_table_allows(file: File) -> None:
    rights = TABLE[file.room]
    for found in file.imports:
        where = f"{file.name}, line {found.line}: {found.name}"
        if found.top == "frostmark":
            target = room_of(found.name)
            room = target.partition(".")[0]
            near = room in FOUNDATIONS or room == file.room or room in rights.rooms
            assert near or any(target == r or target.startswith(f"{r}.") for r in rights.rooms), where
        elif found.top not in sys.stdlib_module_names | {"numpy"}:
            assert found.top in rights.third | rights.late, where
            assert found.top not in rights.late or found.lazy or found.typing, f"{where} at the top of the file"


def test_every_room_has_its_line_in_the_table() -> None:
    assert {file.room for file in files()} <= set(TABLE)


def test_torch_is_imported_by_one_file_of_stats_at_most() -> None:
    users = {file.name for file in files() if file.room == "stats" for found in file.imports if found.top == "torch"}
    assert len(users) <= 1, users


def test_frameworks_touch_the_code_in_one_room() -> None:
    users = {
        top: {file.room for file in files() for found in file.imports if found.top == top and not found.typing}
        for top in FRAMEWORKS
    }
    assert users == {top: {room} for top, room in FRAMEWORKS.items() if users[top]}


def test_mlflow_is_imported_by_trackings_own_files_alone() -> None:
    users = {file.name for file in files() for found in file.imports if found.top == "mlflow"}
    assert not users & TRACKING_WITHOUT_MLFLOW
    assert {name.partition("/")[0] for name in users} == {"tracking"}


def test_every_file_in_lit_imports_lightning_and_no_other_file_does() -> None:
    lightning = {"pytorch_lightning", "lightning_fabric"}
    users = {file.name for file in files() if any(found.top in lightning for found in file.imports)}
    lit = {file.name for file in files() if file.room == "lit" and (file.imports or file.path.stem != "__init__")}
    assert users == lit


def graph() -> dict[str, set[str]]:
    """Every module and those of ours that it imports, in functions and for types as well."""
    edges = {file.module: {found.name for found in file.imports if found.top == "frostmark"} for file in files()}
    # The package's file holds the version, and hands out api's functions: nobody in the package asks it for those.
    edges["frostmark"] = set()
    return {module: {name for name in names if name != module} for module, names in edges.items()}


def circles(edges: dict[str, set[str]]) -> list[str]:
    """What is left when modules that import nothing, or are imported by nobody, are taken away again and again."""
    left = dict(edges)
    while True:
        imported = {name for names in left.values() for name in names}
        outside = {m for m, names in left.items() if not names & left.keys() or m not in imported}
        if not outside:
            return sorted(left)
        left = {module: names for module, names in left.items() if module not in outside}


def test_no_circle_of_imports_between_files() -> None:
    edges = graph()
    left = circles(edges)
    arrows = [f"{module} → {', '.join(sorted(edges[module] & set(left)))}" for module in left]
    assert not left, "\n".join(arrows)


def test_circles_are_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": set()}) == []
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == ["b", "c"]


def lazy_imports() -> list[tuple[str, Import]]:
    return [(file.name, found) for file in files() for found in file.imports if found.lazy and found.top == "frostmark"]


def test_modules_of_ours_are_imported_late_at_doors_alone() -> None:
    inside = [
        f"{name}, line {found.line}: {found.name}"
        for name, found in lazy_imports()
        if name not in FRAMEWORK_DOORS and not any(fnmatch(name, door) for door in DOORS)
    ]
    assert not inside, "\n".join(inside)


def test_few_imports_of_ours_are_late() -> None:
    found = lazy_imports()
    assert len(found) <= MAX_LAZY, Counter(name for name, _ in found)


def test_every_framework_door_is_one() -> None:
    assert set(FRAMEWORK_DOORS) <= {name for name, _ in lazy_imports()}


def test_modules_of_ours_that_are_imported_are_there() -> None:
    missing = {found.name for file in files() for found in file.imports if found.top == "frostmark"} - module_names()
    assert not missing
