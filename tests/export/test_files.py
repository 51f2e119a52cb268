"""The files of an export: ONNX and torch.export program give the rows of the network, whatever the layer."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from frostmark.backbones.backbone import Backbone
from frostmark.backbones.clip_models import OpenClipBackbone
from frostmark.backbones.extractor import Extractor
from frostmark.backbones.load import TorchvisionBackbone
from frostmark.backbones.module import ModuleBackbone
from frostmark.backbones.timm_models import TimmBackbone
from frostmark.data.preprocess import Pipeline
from frostmark.errors import ConfigError, DataError
from frostmark.export.files import ONNX, PROGRAM, TOLERANCE, require_onnx, write_models
from frostmark.export.portable import Portable
from frostmark.metrics.read_out import Affine

CLASSES = ("T-shirt/top", "cañón", "x")

ALONE = """
import sys
from importlib.abc import MetaPathFinder

class Alone(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "torchvision", "onnx", "onnxscript", "frostmark", "mlflow", "scipy"):
            raise ImportError(f"{name} is not one of onnxruntime, NumPy and Pillow")

sys.meta_path.insert(0, Alone())
sys.argv = sys.argv[1:]
exec(compile(open(sys.argv[0], encoding="utf-8").read(), sys.argv[0], "exec"), {"__file__": sys.argv[0]})
"""
"""Runs a script where nothing but onnxruntime, NumPy and Pillow can be imported."""


def portable_of(
    backbone: Backbone, tap: str, pool: str | None = None, norm: str = "final", size: int = 32, *, head: bool = False
) -> Portable:
    layer = backbone.survey(size).tap(tap, pool, norm)
    pipeline = Pipeline((size, size), None, (0.5, 0.4, 0.3), (0.2, 0.3, 0.25))
    return Portable(Extractor(backbone.load(0), [layer]), pipeline, affine(layer.width) if head else None)


def affine(width: int) -> Affine:
    rng = np.random.default_rng(0)
    return Affine(rng.normal(size=width), rng.normal(size=(width, 3)), rng.normal(size=3), np.arange(3))


def require_equal(portable: Portable, folder: Path, outputs: int) -> None:
    """Of images of another number and other sizes than those that it was recorded with."""
    session = onnxruntime.InferenceSession(folder / ONNX)
    program = torch.export.load(folder / PROGRAM).module()
    for shape in ((1, 3, 40, 31), (3, 3, 10, 200), (1, 3, 32, 32)):
        images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        with torch.inference_mode():
            expected = [of.numpy() for of in portable(torch.from_numpy(images))]
            of_program = [of.numpy() for of in program(torch.from_numpy(images))]
        assert len(expected) == outputs
        for got in (session.run(None, {"image": images}), of_program):
            for one, wanted in zip(got, expected, strict=True):
                assert np.linalg.norm(one - wanted) <= TOLERANCE * np.linalg.norm(wanted)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("exported") / "of a network"


@pytest.fixture(scope="module")
def squeezenet(folder: Path) -> Portable:
    portable = portable_of(TorchvisionBackbone("squeezenet1_0", "untrained"), "last_conv", head=True)
    exported = write_models(portable, CLASSES, folder)
    assert exported.error < 1e-5
    assert exported.size == (folder / ONNX).stat().st_size
    assert 0 < exported.latency.p50 <= exported.latency.p95
    return portable


def test_onnx_and_program_give_rows_and_probabilities(squeezenet: Portable, folder: Path) -> None:
    require_equal(squeezenet, folder, outputs=2)
    session = onnxruntime.InferenceSession(folder / ONNX)
    assert json.loads(session.get_modelmeta().custom_metadata_map["classes"]) == list(CLASSES)
    assert [(of.name, of.type) for of in session.get_inputs()] == [("image", "tensor(uint8)")]
    assert [of.name for of in session.get_outputs()] == ["row", "probabilities"]


@pytest.mark.usefixtures("squeezenet")
def test_the_example_has_15_lines_and_needs_onnxruntime_numpy_and_pillow_alone(folder: Path, tmp_path: Path) -> None:
    script = folder / "example.py"
    assert len(script.read_text(encoding="utf-8").splitlines()) <= 15
    pixels = np.random.default_rng(1).integers(0, 256, (30, 50, 3), np.uint8)
    photo = tmp_path / "a photo.png"
    Image.fromarray(pixels).save(photo)
    done = subprocess.run([sys.executable, "-c", ALONE, script, photo], capture_output=True, text=True, check=True)
    session = onnxruntime.InferenceSession(folder / ONNX)
    _, ((*probabilities,),) = session.run(None, {"image": pixels.transpose(2, 0, 1)[None]})
    best = int(np.argmax(probabilities))
    assert done.stdout == f"{CLASSES[best]} {probabilities[best]:.1%}\n"


def test_a_network_that_cannot_be_recorded_is_refused_in_words(tmp_path: Path) -> None:
    class Recorded(nn.Module):
        def forward(self, image: Tensor) -> tuple[Tensor, ...]:
            return (torch.stack([image[i].float().mean((1, 2)) for i in range(len(image))]),)

    portable = portable_of(TorchvisionBackbone("squeezenet1_0", "untrained"), "stage1")
    portable.forward = Recorded().forward  # type: ignore[method-assign]
    with pytest.raises(ConfigError, match=r"torch\.export cannot record this network") as raised:
        write_models(portable, (), tmp_path)
    assert "cache export" in raised.value.fix


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    portable = portable_of(TorchvisionBackbone("squeezenet1_0", "untrained"), "stage1")
    with pytest.raises(DataError, match="out"):
        write_models(portable, (), tmp_path / "out")


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    require_onnx()
    monkeypatch.setattr("frostmark.export.files.NEEDED", ("onnx", "no_such_package"))
    with pytest.raises(ConfigError, match="export needs no_such_package") as raised:
        require_onnx()
    assert raised.value.fix == "pip install 'frostmark[onnx]'"


TINY_VIT = {"name": "vit_tiny_patch16_224", "weights": "untrained", "size": 32}

LAYERS: Sequence[tuple[str, Backbone, str, str | None, str]] = [
    *((f"squeezenet {pool}", TorchvisionBackbone("squeezenet1_0", "untrained"), "stage2", pool, "final")
      for pool in ("gap", "max", "gem", "flatten")),
    *((f"resnet {tap}", TorchvisionBackbone("resnet18", "untrained"), tap, None, "final")
      for tap in ("stage1", "embedding", "logits")),
    ("densenet", TorchvisionBackbone("densenet121", "untrained"), "last_conv", None, "final"),
    ("efficientnet", TimmBackbone("tf_efficientnet_lite0", "untrained"), "last_conv", None, "final"),
    *((f"vit block {pool} {norm}", TimmBackbone(**TINY_VIT), "block3", pool, norm)  # type: ignore[arg-type]
      for pool, norm in (("cls", "final"), ("mean", "none"), ("cls_mean", "final"), ("flatten", "final"))),
    *((f"vit {tap}", TimmBackbone(**TINY_VIT), tap, None, "final")  # type: ignore[arg-type]
      for tap in ("tokens", "embedding", "logits")),
    ("deit", TimmBackbone("deit_tiny_distilled_patch16_224", "untrained", size=32), "embedding", None, "final"),
    ("swin", TorchvisionBackbone("swin_t", "untrained"), "last_conv", "gap", "final"),
    ("convnext", TimmBackbone("convnext_atto", "untrained"), "embedding", None, "final"),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("backbone", "tap", "pool", "norm"), [of[1:] for of in LAYERS], ids=[of[0] for of in LAYERS])
def test_every_kind_of_layer_is_exported(
    backbone: Backbone, tap: str, pool: str | None, norm: str, tmp_path: Path
) -> None:
    size = 64 if backbone.family == "densenet" else 32
    portable = portable_of(backbone, tap, pool, norm, size)
    write_models(portable, (), tmp_path)
    require_equal(portable, tmp_path, outputs=1)


@pytest.mark.slow
def test_torchvisions_vit_is_exported(tmp_path: Path) -> None:
    portable = portable_of(TorchvisionBackbone("vit_b_16", "untrained"), "embedding", size=224, head=True)
    write_models(portable, CLASSES, tmp_path)
    require_equal(portable, tmp_path, outputs=2)


@pytest.mark.slow
def test_clips_image_tower_is_exported(tmp_path: Path) -> None:
    backbone = OpenClipBackbone("ViT-B-32", weights="untrained", size=64)
    portable = portable_of(backbone, "projection", size=64)
    write_models(portable, (), tmp_path)
    require_equal(portable, tmp_path, outputs=1)


@pytest.mark.slow
def test_a_module_of_ones_own_is_exported(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    portable = portable_of(ModuleBackbone(module, name="mine"), "stage1")
    write_models(portable, (), tmp_path)
    require_equal(portable, tmp_path, outputs=1)
