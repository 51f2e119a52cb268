"""Frostmark from Python: objects in, objects out, and the numbers of the command line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from conftest import Program
from frostmark import benchmark, compare
from frostmark.data.given import GivenImages
from frostmark.errors import ConfigError, DataError
from support.environment import REPOSITORY
from support.runs import TINY, metrics_of

SMALL = ("preprocess.size=32", "reducer=pca", "uncertainty.permutations=0", "uncertainty.resamples=100")


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(True), nn.Conv2d(8, 16, 3, 2, 1), nn.ReLU(True))
        self.head = nn.Linear(16, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(x).mean((2, 3)))


def images(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    labels = np.arange(count) % 3
    pixels = rng.integers(0, 90, (count, 12, 12), dtype=np.uint8)
    pixels[np.arange(count), labels * 4 + 1] += 120  # a bright line, elsewhere in each class
    return pixels, labels


@pytest.mark.parametrize("before", ["", "import frostmark.benchmark.tracked", "from frostmark import benchmark"])
def test_the_functions_are_there_whatever_was_imported_before(before: str) -> None:
    """One of them has the name of a room."""
    code = f"{before}\nfrom frostmark import benchmark, compare\nassert callable(benchmark) and callable(compare)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=REPOSITORY / "src", timeout=200)


def test_a_module_and_arrays_give_metrics_maps_and_figures(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    module = Small().train()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    data = {"train": images(rng, 60), "test": images(rng, 45), "classes": ("top", "middle", "bottom")}
    results = benchmark(
        module, data, ["stage1", "last_conv"], name="small", root=tmp_path, tracking="none", overrides=SMALL
    )
    assert [r.title for r in results] == ["small · stage1 · small", "small · last_conv · small"]
    assert results[1].values["test/neighbours/knn_accuracy"] > 0.9
    assert [r.values["cost/images_forwarded"] for r in results] == [105, 0]  # one pass for both layers
    assert [m.coordinates.shape for m in results[0].maps] == [(60, 2), (45, 2)]
    assert results[0].figures["map.png"].get_size_inches()[0] > 5
    assert (results[0].folder / "map.html").is_file()
    assert module.training
    assert module.body[1].inplace
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())

    compared = compare(results, root=tmp_path)
    assert "small · " in compared.sentence
    assert {"comparison.html", "comparison.png", "comparison.csv", "comparison.md"} <= {p.name for p in compared.files}


@pytest.mark.slow
def test_the_numbers_are_those_of_the_command_line(program: Program, tmp_path: Path) -> None:
    few = "metrics=[neighbours,separability]"
    words = [few, *(word for word in TINY if not word.startswith(("backbone=", "dataset=synth")))]
    (result,) = benchmark("squeezenet1_0", "synthetic", overrides=words, root=tmp_path / "python", tracking="none")
    (tmp_path / "line").mkdir()
    done = program(*TINY, few, "tracking=none", cwd=tmp_path / "line")
    assert done.returncode == 0, done.stderr
    typed = metrics_of(tmp_path / "line")["values"]
    assert {k: v for k, v in result.values.items() if not k.startswith("cost/")} == {
        k: v for k, v in typed.items() if not k.startswith("cost/")
    }


def test_what_is_wrong_is_said_with_the_way_out() -> None:
    with pytest.raises(ConfigError, match="no backbone 'resnt18'"):
        benchmark("resnt18")
    with pytest.raises(ConfigError, match="no layer is named"):
        benchmark("resnet18", layers=[])
    with pytest.raises(ConfigError, match="belong to a module"):
        benchmark("resnet18", mean=(0, 0, 0))
    with pytest.raises(ConfigError, match="no 'test'"):
        benchmark("resnet18", {"train": ([], [])})


@pytest.mark.parametrize("shape", [(6, 5, 7), (6, 5, 7, 1), (6, 5, 7, 3), (6, 3, 5, 7), (6, 1, 5, 7)])
def test_images_of_any_usual_shape_are_taken(shape: tuple[int, ...]) -> None:
    given = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    source = GivenImages("mine", (given, np.arange(6) % 2), (given, np.arange(6) % 2))
    found = source.split("train").images
    assert found.shape[2:] == (5, 7)
    assert found.shape[1] in (1, 3)
    channels_first = len(shape) == 4 and shape[-1] == 7
    assert found[2, 0, 3, 4] == (given[2, 0, 3, 4] if channels_first else given[2].reshape(5, 7, -1)[3, 4, 0])
    assert source.classes() == ("0", "1")


def test_datasets_as_pytorch_knows_them_are_taken() -> None:
    from torchvision.datasets import FakeData

    data = FakeData(5, (3, 8, 9), 4, None)  # PIL images
    source = GivenImages("fake", data, data, ["a", "b", "c", "d"])
    split = source.split("test")
    assert split.images.shape == (5, 3, 8, 9)
    assert split.labels.tolist() == [int(data[i][1]) for i in range(5)]


@pytest.mark.parametrize(
    ("train", "told"),
    [
        ((np.zeros((4, 5, 5)), np.zeros(4, int)), "float64 is no uint8"),
        ((np.zeros((4, 5, 5), np.uint8), np.zeros(3, int)), "labels of shape"),
        ((np.zeros((4, 5, 5), np.uint8), np.zeros(4)), "float64 labels"),
        ((np.zeros((4, 5), np.uint8), np.zeros(4, int)), "no images of shape"),
        ((np.zeros((4, 5, 5), np.uint8), np.array([0, 1, 2, 9])), "label 9 has no name"),
        (7, "cannot be used"),
    ],
)
def test_what_cannot_be_used_is_refused(train: object, told: str) -> None:
    good = (np.zeros((4, 5, 5), np.uint8), np.arange(4))
    with pytest.raises(DataError, match=told):
        GivenImages("mine", train, good, ["a", "b", "c", "d"])
