"""What open_clip knows of a model and of the tag of its weights.

model = ClipModel("ViT-B-32", "laion2b_s34b_b79k")
model.preset, model.quick_gelu          # the images that the weights were made for, and their activation
model.fetch()                           # the file, from the hub or its cache
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from torchvision.transforms import InterpolationMode

from frostmark.backbones.backbone import Preset
from frostmark.backbones.hub import address, cached, card, commit_of, fetched
from frostmark.download import UnreachableError

FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
"""What open_clip calls its files on the hub; the first of them that is there is read."""


def tags_of(name: str) -> list[str]:
    """The tags of a model's published weights."""
    from open_clip.pretrained import list_pretrained_tags_by_model

    return [str(tag) for tag in list_pretrained_tags_by_model(name)]


@dataclass(frozen=True)
class ClipModel:
    """A model of open_clip.

    Attributes:
        name: of the model.
        tag: of its weights; None if none are published: then the images are taken to be those of CLIP.
    """

    name: str
    tag: str | None

    @cached_property
    def _cfg(self) -> Mapping[str, object]:
        from open_clip.pretrained import _pcfg, get_pretrained_cfg

        return dict(get_pretrained_cfg(self.name, self.tag) if self.tag else _pcfg())

    @property
    def quick_gelu(self) -> bool:
        """Whether the weights were trained with OpenAI's approximation of GELU."""
        return bool(self._cfg.get("quick_gelu"))

    @cached_property
    def native_size(self) -> int:
        """Edge in pixels of the images that the tower was made for."""
        from open_clip import get_model_config

        size = get_model_config(self.name)["vision_cfg"]["image_size"]
        return int(size if isinstance(size, int) else size[0])

    @cached_property
    def preset(self) -> Preset:
        """The transforms that open_clip evaluates the weights with."""
        edges = 2 if self._cfg["resize_mode"] == "squash" else 1
        mean, std = (list(map(float, self._cfg[key])) for key in ("mean", "std"))  # type: ignore[call-overload]
        how = InterpolationMode(str(self._cfg["interpolation"]))
        return Preset([self.native_size], [self.native_size] * edges, mean, std, how)

    @property
    def repository(self) -> str:
        """Where the weights are on the hub; empty if they are not there."""
        return str(self._cfg.get("hf_hub", "")).rpartition("/")[0]

    @property
    def _files(self) -> tuple[str, ...]:
        file = str(self._cfg.get("hf_hub", "")).rpartition("/")[2]
        return (Path(file).with_suffix(".safetensors").name, file) if file else FILES

    @property
    def here(self) -> Path | None:
        """The weights, if they are on this machine."""
        return cached(self.repository, self._files) if self.repository else None

    @property
    def provenance(self) -> Mapping[str, str]:
        """Repository, commit and licence of the weights, the latter two once they are on this machine."""
        here = self.here
        if here is None:
            return {"weights_source": f"hf-hub:{self.repository}" if self.repository else str(self._cfg["url"])}
        pinned = f"{self.repository}@{commit_of(here)}"
        licence = str(card(pinned, ask=False).get("license") or "")
        return {"weights_source": f"hf-hub:{pinned}", **({"weights_license": licence} if licence else {})}

    @property
    def page(self) -> str:
        """What a person downloads, and where."""
        return f"{FILES[0]} elsewhere from {address(self.repository)}" if self.repository else f"{self._cfg['url']}"

    def fetch(self) -> Path:
        """The file of the weights, downloaded if it is not here.

        Raises:
            UnreachableError: if it cannot be.
            DataError: if what is here is damaged, or the repository may not be read.
        """
        if not self.repository:
            raise UnreachableError("open_clip has them at an address of their own, not on the hub")
        path = fetched(self.repository, self._files)
        card(f"{self.repository}@{commit_of(path)}")  # kept beside the weights, for their licence
        return path
