"""Plugins as an installed distribution shows them: a package, and a dist-info folder beside it.

folder = installed(tmp_path, "flowers", code={"data": "class Flowers: …"}, conf={"dataset/flowers": "_target_: …"})
environment(PYTHONPATH=str(folder))             # a program that sees the plugin
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from support.environment import REPOSITORY

DEMO = REPOSITORY / "tests" / "support" / "demo_plugin"


def dist_info(folder: Path, name: str, package: str, name_of_point: str | None = None) -> None:
    """What pip writes down of a distribution that has the entry point, which is called as it is if not otherwise."""
    info = folder / f"{name.replace('-', '_')}-0.1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text(f"[frostmark]\n{name_of_point or name} = {package}\n")


def installed(
    folder: Path, package: str, code: Mapping[str, str] | None = None, conf: Mapping[str, str] | None = None
) -> Path:
    """A package with modules and YAMLs, and its dist-info; the folder that belongs on the path."""
    dist_info(folder, package.replace("_", "-"), package)
    (folder / package).mkdir()
    (folder / package / "__init__.py").touch()
    for name, text in (code or {}).items():
        (folder / package / f"{name}.py").write_text(text)
    for name, text in (conf or {}).items():
        file = folder / package / "conf" / f"{name}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder
