"""Installed packages that add to Frostmark: classes that may be targets, and a ``conf/`` that is searched.

    [project.entry-points.frostmark]         # in the pyproject.toml of such a package
    flowers = "frostmark_flowers"            # the package that holds the classes and conf/

    plugins()                                # what is installed; nothing of it is imported
    package_of("frostmark_flowers.data.Flowers")       # the plugin whose package that is, or None

Installing a package is the consent to run its code. No word on a command line adds one.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path

GROUP = "frostmark"
"""The entry point group."""


@dataclass(frozen=True)
class Plugin:
    """An installed package that adds to Frostmark.

    Attributes:
        name: of the entry point.
        package: dotted name of what holds the classes.
        distribution, version: as pip calls what is installed.
        conf: its folder of YAMLs, None if it has none.
        problem: why it cannot be used; empty if it can, as far as is known without importing it.
    """

    name: str
    package: str
    distribution: str
    version: str
    conf: Path | None = None
    problem: str = ""


@cache
def plugins() -> tuple[Plugin, ...]:
    """Every installed plugin by name, without importing any of them."""
    points = sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value))
    return tuple(_plugin(point) for point in dict.fromkeys(points))


def package_of(target: str) -> Plugin | None:
    """The plugin in whose package the dotted name ``target`` lies, if there is one that can be used."""
    usable = (plugin for plugin in plugins() if not plugin.problem)
    return next((plugin for plugin in usable if f"{target}.".startswith(f"{plugin.package}.")), None)


def _plugin(point: EntryPoint) -> Plugin:
    package, distribution = point.value.strip(), point.dist
    name, version = (distribution.name, distribution.version) if distribution is not None else ("unknown", "unknown")
    problem = _refused(package)
    folder = None if problem else _folder(package)
    if not problem and folder is None:
        problem = f"there is no package {package}"
    conf = folder / "conf" if folder is not None else None
    return Plugin(point.name, package, name, version, conf if conf is not None and conf.is_dir() else None, problem)


def _refused(package: str) -> str:
    """Why a name is not the package of a plugin; empty if it may be one."""
    if not all(part.isidentifier() for part in package.split(".")):
        return f"its entry point names {package!r}, which is not an importable package"
    top = package.partition(".")[0]
    if top == "frostmark" or top in sys.stdlib_module_names:
        return f"its entry point names {package}, which is not a package of its own"
    return ""


def _folder(package: str) -> Path | None:
    """The folder of a package; of a dotted one too, without importing what is above it."""
    top, *below = package.split(".")
    spec = find_spec(top)
    for place in (spec.submodule_search_locations or ()) if spec is not None else ():
        folder = Path(place).joinpath(*below)
        if folder.is_dir():
            return folder
    return None
