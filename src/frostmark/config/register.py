"""What Hydra must know before it composes: the schema, the counted layers, the folders of plugins, and the guard.

register()                      # any number of times; before hydra.main and before compose
with hydra_of(conf_dir()):      # Hydra composes our YAMLs; a program of the caller's own that Hydra started goes on
    hydra.compose("config", ["seed=1"])
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import hydra
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.plugins import Plugins
from hydra.core.singleton import Singleton
from hydra.plugins.search_path_plugin import SearchPathPlugin
from hydra.version import VersionBase

from frostmark.config import guard
from frostmark.config.layers import LAYERS, LayerSource
from frostmark.config.plugins import plugins
from frostmark.config.schema import Config

_STATE: tuple[type, ...] = (GlobalHydra, VersionBase)
"""What Hydra remembers of the program that it started."""


class SearchedFolders(SearchPathPlugin):
    """Tells Hydra the counted layers and the ``conf/`` of every plugin: searched after ours, so that our words stay."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        search_path.append("frostmark", LAYERS)
        for plugin in plugins():
            if plugin.conf is not None:
                search_path.append(f"frostmark plugin {plugin.name}", f"file://{plugin.conf}")


@contextmanager
def hydra_of(folder: Path) -> Iterator[None]:
    """While Hydra composes the YAMLs of ``folder``: afterwards Hydra's state is as it was before.

    A caller's own ``@hydra.main`` has one too, which Hydra would refuse to replace, and our guard is not meant for it.
    """
    before = {kind: Singleton._instances.pop(kind) for kind in _STATE if kind in Singleton._instances}
    try:
        with guard.kept_to_this():
            register()
            with hydra.initialize_config_dir(str(folder), version_base="1.3"):
                yield
    finally:
        for kind in _STATE:
            Singleton._instances.pop(kind, None)
        Singleton._instances.update(before)


def register() -> None:
    """Tell Hydra what is ours, and let it call nothing foreign."""
    store = ConfigStore.instance()
    store.store(name="frostmark_schema", node=Config)
    for plugin in (LayerSource, SearchedFolders):
        Plugins.instance().register(plugin)
    guard.install()
