"""Where the words of the command line come from: the folder of YAMLs, and the layers, which come from code.

conf_dir()                      # conf/ of a checkout, or of the installed package
layer_words()["block7"]         # {"tap": "block7", "pool": "cls"}
known_words("layer")            # every word of layer=, ours and those of plugins
shortened(known_words("layer"))  # ["stage1 … stage9", "block1 … block64", "last_conv" …]
"""

from __future__ import annotations

from pathlib import Path

from omegaconf import OmegaConf

from frostmark.config.plugins import plugins

STAGES = 9
"""``stage1`` … ``stage9``: the resolutions that a network may have. A backbone says itself which of them it has."""

BLOCKS = 64
"""``block1`` … ``block64``: the blocks that a transformer may have."""

_ABSENT = object()


def conf_dir() -> Path:
    """The folder of YAMLs: inside the installed package, or ``conf/`` of a checkout."""
    package = Path(__file__).parents[1]
    packaged = package / "conf"
    return packaged if packaged.is_dir() else package.parents[1] / "conf"


def layer_words() -> dict[str, dict[str, str]]:
    """The words of ``layer=`` that are counted, each with the tap and the pool that it stands for."""
    stages = {f"stage{n}": {"tap": f"stage{n}", "pool": "gap"} for n in range(1, STAGES + 1)}
    blocks = {f"block{n}": {"tap": f"block{n}", "pool": "cls"} for n in range(1, BLOCKS + 1)}
    return stages | blocks


def known_words(group: str) -> list[str]:
    """Every word of ``group=``: YAMLs of ours and of plugins, and the layers that come from code."""
    words = {path.stem for folder in conf_folders() for path in (folder / group).glob("*.yaml")}
    return sorted(words | set(layer_words() if group == "layer" else ()))


def choices_with(word: str) -> list[str]:
    """The words of a group whose YAML has a dotted key: ``reducer.perplexity`` → ``["tsne", "tsne_gpu", …]``."""
    group, _, key = word.partition(".")
    having = []
    for choice in known_words(group) if key else []:
        files = [folder / group / f"{choice}.yaml" for folder in conf_folders()]
        content = [OmegaConf.load(file) for file in files if file.is_file()]
        if any(OmegaConf.select(one, key, default=_ABSENT) is not _ABSENT for one in content):
            having.append(choice)
    return having


def conf_folders() -> list[Path]:
    """The folders of YAMLs: ours, then those of plugins."""
    return [conf_dir(), *(plugin.conf for plugin in plugins() if plugin.conf is not None)]


def shortened(words: list[str]) -> list[str]:
    """The words in order, with the counted layers as ``stage1 … stage9`` and ``block1 … block64``."""
    counted = set(layer_words())
    ranges = [f"stage1 … stage{STAGES}", f"block1 … block{BLOCKS}"] if counted <= set(words) else []
    return ranges + sorted(word for word in words if not ranges or word not in counted)
