"""What is exported computes what a run computed: geometry, normalisation, rows and classes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torchvision.transforms import InterpolationMode

from frostmark.backbones.extractor import Extractor
from frostmark.backbones.load import TorchvisionBackbone
from frostmark.backbones.winograd import WinogradConv2d
from frostmark.data.preprocess import Pipeline
from frostmark.errors import ConfigError
from frostmark.export.portable import Head, Portable, fitted
from frostmark.metrics.read_out import Affine, ReadOut, Train, read
from frostmark.stats.projection import SparseProjection

SIZES = ((100, 75), (75, 100), (28, 28), (71, 73), (480, 641), (20, 400), (2000, 50), (64, 65), (99, 101), (1, 1))

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

STRAIGHT = Pipeline((64, 64), None, MEAN, STD)
CROPPED = Pipeline((72,), 64, MEAN, STD, InterpolationMode.BILINEAR, rounded=True)
CUBIC = replace(CROPPED, interpolation=InterpolationMode.BICUBIC)
SQUASHED = Pipeline((72, 72), 64, MEAN, STD, InterpolationMode.BICUBIC, rounded=True)


def noise(*shape: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(sum(shape)).integers(0, 256, shape, np.uint8))


@pytest.mark.parametrize("size", SIZES)
def test_a_straight_resize_is_the_pipelines_but_for_rounding(size: tuple[int, int]) -> None:
    images = noise(2, 3, *size)
    expected = STRAIGHT.geometry(images)
    assert (fitted(images, STRAIGHT) - expected).abs().max() < 1e-3, "float32 has steps of 0.00002 at 255"


@pytest.mark.parametrize("pipeline", [CROPPED, CUBIC, SQUASHED], ids=["bilinear", "bicubic", "squashed"])
@pytest.mark.parametrize("size", SIZES)
def test_official_transforms_crop_the_same_pixels(size: tuple[int, int], pipeline: Pipeline) -> None:
    images = noise(2, 3, *size)
    expected = pipeline.geometry(images).to(torch.float32)
    got = fitted(images, pipeline)
    assert got.shape == expected.shape == (2, 3, 64, 64)
    apart = (got - expected).abs()
    assert apart.max() <= 1, "one pixel more or less of the crop would change noise by far more"
    assert (apart > 0).float().mean() < 1e-3, "only what lies within rounding of a half becomes another level"


@pytest.mark.parametrize("interpolation", [InterpolationMode.NEAREST, InterpolationMode.LANCZOS])
def test_other_interpolations_are_refused(interpolation: InterpolationMode) -> None:
    with pytest.raises(ConfigError, match=f"resized by {interpolation.value}"):
        Portable(extractor(), replace(STRAIGHT, interpolation=interpolation), None)


def test_padding_is_refused() -> None:
    with pytest.raises(ConfigError, match="32 pixels that are padded to 64"):
        Portable(extractor(), replace(CROPPED, resize_to=(32,)), None)


def extractor(name: str = "squeezenet1_0") -> Extractor:
    backbone = TorchvisionBackbone(name, "untrained")
    return Extractor(backbone.load(0), [backbone.survey(64).tap("last_conv")])


def test_rows_are_those_of_the_extractor_and_convolutions_plain() -> None:
    images = noise(3, 3, 50, 70)
    expected = extractor("vgg11")
    assert any(isinstance(module, WinogradConv2d) for module in expected.body.modules())
    portable = Portable(extractor("vgg11"), STRAIGHT, None)
    assert not any(isinstance(module, WinogradConv2d) for module in portable.modules())
    with torch.inference_mode():
        (wanted,), (rows,) = expected(STRAIGHT(images)), portable(images)
    assert float((rows - wanted).norm() / wanted.norm()) < 1e-5


def fitted_to(rows: np.ndarray) -> tuple[ReadOut, np.ndarray]:
    labels = np.arange(len(rows)) % 3
    return read(Train.of(rows, labels), None), labels


def scores_of(read_out: ReadOut, rows: np.ndarray) -> np.ndarray:
    standardised = ((rows - read_out.mean) / read_out.scale).astype(np.float32)
    return standardised @ read_out.weights + read_out.intercepts


def head(affine: Affine, rows: np.ndarray) -> np.ndarray:
    return np.asarray(Head(affine)(torch.from_numpy(rows)).numpy())


def test_a_head_scores_as_the_read_out_also_far_from_zero_and_of_dead_features() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(90, 6)).astype(np.float32)
    rows[:, 1] = rows[:, 1] * 0.01 + 3000  # 30 steps of float32 in a standard deviation
    rows[:, 2] = 7.0
    rows[np.arange(90) % 3 == 1, 0] += 2
    read_out, _ = fitted_to(rows)
    np.testing.assert_allclose(head(read_out.affine, rows), scores_of(read_out, rows), atol=2e-5)
    assert not read_out.affine.weights[2].any()


def test_a_head_of_projected_rows_is_one_of_the_features() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(60, 5000)).astype(np.float32) + 4
    project = SparseProjection(5000, seed=3)
    read_out, labels = fitted_to(project(rows))
    affine = read_out.affine.before(project.matrix, rows.mean(0, dtype=np.float64))
    scores = head(affine, rows)
    np.testing.assert_allclose(scores, scores_of(read_out, project(rows)), atol=1e-3)
    assert (scores.argmax(1) == labels).all()
