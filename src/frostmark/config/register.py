"""What Hydra must know before it composes: the schema, the counted layers, the folders of plugins, and the guard.

register()                      # any number of times; before hydra.main and before compose
"""

from __future__ import annotations

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.search_path_plugin import SearchPathPlugin

from frostmark.config import guard
from frostmark.config.layers import LAYERS, LayerSource
from frostmark.config.plugins import plugins
from frostmark.config.schema import Config


class SearchedFolders(SearchPathPlugin):
    """Tells Hydra the counted layers and the ``conf/`` of every plugin: searched after ours, so that our words stay."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        search_path.append("frostmark", LAYERS)
        for plugin in plugins():
            if plugin.conf is not None:
                search_path.append(f"frostmark plugin {plugin.name}", f"file://{plugin.conf}")


def register() -> None:
    """Tell Hydra what is ours, and let it call nothing foreign."""
    store = ConfigStore.instance()
    store.store(name="frostmark_schema", node=Config)
    for plugin in (LayerSource, SearchedFolders):
        Plugins.instance().register(plugin)
    guard.install()
