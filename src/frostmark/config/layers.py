"""The counted layers as files that Hydra reads, though no file is there.

search_path.append("frostmark", LAYERS)         # from now on layer=stage3, layer=glob(block*), completion …

Hydra's ConfigStore would not do: what lies in it is searched last, and a file of a plugin would take its place.
"""

from __future__ import annotations

from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigLoadError, ConfigResult, ConfigSource
from omegaconf import OmegaConf

from frostmark.config.words import layer_words

LAYERS = "frostmark://layers"


class LayerSource(ConfigSource):
    """One group, ``layer``, with the words of :func:`frostmark.config.words.layer_words`."""

    @staticmethod
    def scheme() -> str:
        return "frostmark"

    def available(self) -> bool:
        return True

    def is_group(self, config_path: str) -> bool:
        return config_path in ("", "layer")

    def is_config(self, config_path: str) -> bool:
        return _word(config_path) in layer_words()

    def load_config(self, config_path: str) -> ConfigResult:
        if not self.is_config(config_path):
            raise ConfigLoadError(f"there is no {config_path}")
        node = OmegaConf.create(dict(layer_words()[_word(config_path)]))
        return ConfigResult(self.provider, f"{LAYERS}/{config_path}", node, {"package": None})

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        if config_path == "layer" and results_filter != ObjectType.GROUP:
            return sorted(layer_words())
        return ["layer"] if config_path == "" and results_filter != ObjectType.CONFIG else []


def _word(config_path: str) -> str:
    group, _, word = config_path.removesuffix(".yaml").rpartition("/")
    return word if group == "layer" else ""
