"""The configuration that a run kept, read back.

config = kept(Path("mlruns/_hydra/runs/…/config.yaml"))
config.backbone, config.layer.word

It is what :mod:`frostmark.config.shown` wrote: resolved, and without the secrets of a tracking address.
"""

from __future__ import annotations

from io import StringIO
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from frostmark.config.compose import typed
from frostmark.config.schema import Config
from frostmark.errors import DataError
from frostmark.regular import read_regular

MAX_BYTES = 1 << 20
"""Bytes of a configuration, at most."""


def kept(path: Path) -> Config:
    """The configuration in ``path``, checked.

    Raises:
        DataError: if the file is missing or damaged.
        ConfigError: if this version does not know a key of it.
    """
    try:
        text = StringIO(read_regular(path, MAX_BYTES).decode())
        merged = OmegaConf.merge(OmegaConf.structured(Config), OmegaConf.load(text))
    except Exception as problem:  # also what the parser of YAML raises, which is not ours to import
        told = f"the configuration of the run cannot be read: {type(problem).__name__} in {path}"
        raise DataError(told, fix="run that benchmark again; rows in the store are not extracted again") from problem
    assert isinstance(merged, DictConfig)
    return typed(merged)
