from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from omegaconf import OmegaConf

from frostmark.config import Config, flattened, shown_config


@dataclass(frozen=True)
class Shown:
    yaml: str
    params: dict[str, str]


def shown(config: Config, given: Mapping[str, dict[str, str]]) -> Shown:
    made = shown_config(OmegaConf.create({**asdict(config), **given}))
    return Shown(OmegaConf.to_yaml(made), flattened(made))
