"""Frostmark from Python: objects in, objects out, and the numbers of the command line."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from conftest import Program
from frostmark import benchmark, compare
from frostmark.data.given import GivenImages
from frostmark.errors import ConfigError, DataError
from support.environment import REPOSITORY, environment
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


OWN_PROGRAM = """
from pathlib import Path

import hydra

from frostmark import benchmark, compare

ROOT = Path("it's here")


@hydra.main(version_base="1.1", config_path="conf", config_name="mine")
def main(config):
    words = ["dataset.train=60", "dataset.test=30", "backbone.weights=untrained", "preprocess.size=32", "reducer=none"]
    words += ["metrics=[linear]", "uncertainty.resamples=0", "uncertainty.permutations=0"]
    root = Path(hydra.utils.get_original_cwd()) / ROOT
    results = benchmark("squeezenet1_0", "synthetic", ["stage1", "last_conv"], overrides=words, root=root)
    print(f"width {config.width}, {len(results)} results, job {hydra.core.hydra_config.HydraConfig.get().job.name}")
    runs = root / "mlruns" / "_hydra" / "runs"
    runs.rename(runs.with_name("moved"))  # what is compared comes from MLflow
    print(compare([result.run_id for result in results], root=root).sentence)


if __name__ == "__main__":
    main()
    with hydra.initialize(config_path="conf", version_base="1.3"):  # a key of the caller's own, which we would refuse
        print("accuracy", hydra.compose("mine", ["accuracy=0.9"]).accuracy)
"""


def test_a_program_of_one_s_own_with_hydra_goes_on_as_before(tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "mine.yaml").write_text("width: 3\naccuracy: 0.5\n", encoding="utf-8")
    (tmp_path / "own.py").write_text(OWN_PROGRAM, encoding="utf-8")
    command = [sys.executable, "own.py", "width=5", "hydra.run.dir=."]
    variables = environment(PYTHONPATH=str(REPOSITORY / "src"))
    done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    assert "width 5, 2 results, job own" in done.stdout
    assert "squeezenet1_0 · stage1" in done.stdout
    assert "accuracy 0.9" in done.stdout
    assert "Downloading artifacts" not in done.stderr
    assert (tmp_path / "it's here" / "mlruns" / "mlflow.db").is_file()


def test_calls_from_several_threads_give_what_one_after_the_other_gives(tmp_path: Path) -> None:
    def accuracy(seed: int, root: str) -> float:
        words = [*SMALL, "metrics=[linear]", "dataset.train=60", "dataset.test=30", "backbone.weights=untrained"]
        words += [f"seed={seed}", f"dataset.seed={seed}"]
        (result,) = benchmark("squeezenet1_0", "synthetic", overrides=words, root=tmp_path / root, tracking="none")
        return result.values["test/linear/accuracy"]

    with ThreadPoolExecutor(3) as threads:
        together = list(threads.map(accuracy, range(3), ["together"] * 3))
    assert together == [accuracy(seed, "alone") for seed in range(3)]
    assert len(set(together)) > 1


def test_the_root_among_overrides_is_refused_with_the_argument() -> None:
    with pytest.raises(ConfigError) as refused:
        benchmark(overrides=["paths.root=it's"])
    assert refused.value.fix.startswith('root="it\'s" ')


def test_what_is_wrong_is_said_with_the_way_out() -> None:
    with pytest.raises(ConfigError, match="no backbone 'resnt18'"):
        benchmark("resnt18")
    with pytest.raises(ConfigError, match="no layer is named"):
        benchmark("resnet18", layers=[])
    with pytest.raises(ConfigError, match="belong to a module"):
        benchmark("resnet18", mean=(0, 0, 0))
    with pytest.raises(ConfigError, match="no 'test'"):
        benchmark("resnet18", {"train": ([], [])})


class NotRunError(Exception):
    """A benchmark would have begun."""


@pytest.fixture
def never_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def begun(*arguments: object) -> None:
        raise NotRunError

    monkeypatch.setattr("frostmark.api.run_benchmark", begun)


def arrays() -> dict[str, object]:
    rng = np.random.default_rng(0)
    return {"train": images(rng, 6), "test": images(rng, 6)}


def given_rows() -> dict[str, object]:
    rows = np.ones((4, 3), np.float32)
    return {"train": rows, "test": rows, "train_labels": np.arange(4) % 2, "test_labels": np.arange(4) % 2}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"backbone": 5}, "5 is not a torch.nn.Module"),
        ({"backbone": None}, "None is not a torch.nn.Module"),
        ({"backbone": Small}, "is not a torch.nn.Module"),
        ({"backbone": Path("w.pth")}, "is not a torch.nn.Module"),
        ({"dataset": 5}, "dataset=5 is not a data set"),
        ({"dataset": None}, "dataset=None is not a data set"),
        ({"dataset": [([], []), ([], [])]}, "is not a data set"),
        ({"layers": 3}, "layers=3 is not the name of a layer"),
        ({"layers": [3]}, r"layers=\[3\] is not the name"),
        ({"layers": {"stage1", "stage2"}}, "is not the name of a layer, or a list"),
        ({"layers": {"stage1": 1}}, "is not the name of a layer, or a list"),
        ({"layers": [None]}, "is not the name of a layer, or a list"),
        ({"overrides": "seed=1"}, "overrides='seed=1' is not a list of texts"),
        ({"overrides": [1]}, r"overrides=\[1\] is not a list of texts"),
        ({"overrides": None}, "overrides=None is not a list of texts"),
        ({"root": 5}, "root=5 is not a folder"),
        ({"root": None}, "root=None is not a folder"),
        ({"tracking": None}, "tracking=None is not a word"),
        ({"tracking": "nothing"}, "nothing"),
        ({"name": 5}, "name=5 is not a text"),
        ({"name": ""}, "name='' is not a text"),
        ({"rows": 5}, "rows=5 is neither a file nor a mapping"),
        ({"rows": np.ones((3, 3))}, "is neither a file nor a mapping"),
        ({"rows": "none.npz"}, "there is no file none.npz"),
        ({"sise": 96}, "no argument 'sise'. Nearest: size"),
        ({"backbone": Small(), "sise": 96}, "no argument 'sise'. Nearest: size"),
        ({"backbone": Small(), "size": "96"}, "size='96' do not describe images"),
        ({"backbone": Small(), "size": True}, "size=True do not describe images"),
        ({"backbone": Small(), "mean": "123"}, "mean='123'"),
        ({"backbone": Small(), "mean": (float("nan"),)}, "mean=.nan,.*do not describe images"),
        ({"backbone": Small(), "factory": 3}, "factory=3 is not a function"),
        ({"dataset": {**arrays(), "classes": "abc"}}, "classes given are not a list of names: 'abc'"),
        ({"dataset": {**arrays(), "classes": 3}}, "classes given are not a list of names: 3"),
        # What contradicts, and what would have no effect.
        ({"name": "mine"}, "name='mine' would have no effect"),
        ({"name": "mine", "dataset": Path("folder")}, "name='mine' would have no effect"),
        ({"size": 96}, "size belong to a module"),
        (
            {"layers": "stage1", "overrides": ["layer=stage2"]},
            "layer=stage2 would have no effect: the argument layers decides",
        ),
        ({"overrides": ["layer.node=x"]}, "layer.node=x would have no effect: the argument layers decides"),
        ({"overrides": ["paths.root=/tmp"]}, "would have no effect: the argument root decides"),
        (
            {"backbone": "vgg11", "overrides": ["backbone=resnet18"]},
            "would have no effect: the argument backbone decides",
        ),
        (
            {"backbone": Small(), "overrides": ["backbone.weights=x.pth"]},
            "would have no effect: the argument backbone decides",
        ),
        (
            {"dataset": arrays(), "overrides": ["dataset.limit.train=3"]},
            "would have no effect: the argument dataset decides",
        ),
        ({"dataset": arrays(), "overrides": ["+dataset=digits"]}, "would have no effect: the argument dataset decides"),
        (
            {"dataset": "digits", "overrides": ["dataset=synthetic"]},
            "would have no effect: the argument dataset decides",
        ),
        ({"dataset": Path("a"), "overrides": ["dataset.root=b"]}, "would have no effect: the argument dataset decides"),
        ({"rows": given_rows(), "backbone": "resnet18"}, "in the place of backbone and dataset"),
        ({"rows": given_rows(), "dataset": "fashion_mnist"}, "in the place of backbone and dataset"),
        ({"rows": given_rows(), "size": 96}, "in the place of backbone and dataset"),
        ({"rows": given_rows(), "overrides": ["backbone=vgg11"]}, "would have no effect: the argument rows decides"),
        ({"rows": given_rows(), "overrides": ["layer=stage1"]}, "would have no effect: the argument layers decides"),
    ],
)
def test_arguments_of_another_kind_and_those_that_contradict_are_refused(
    arguments: dict[str, object], told: str, never_run: None
) -> None:
    with pytest.raises((ConfigError, DataError), match=told) as refused:
        benchmark(**arguments)  # type: ignore[arg-type]
    assert refused.value.fix


@pytest.mark.parametrize(
    "arguments",
    [
        {"overrides": ("backbone=vgg11", "dataset=digits", "tracking=none")},
        {"backbone": "vgg11", "overrides": ["backbone.weights=untrained", "layer.pool=max"]},
        {"dataset": "digits", "overrides": ["dataset.limit.train=9"]},
        {"dataset": arrays(), "name": "mine", "overrides": ["preprocess.size=32"]},
        {"dataset": {**arrays(), "classes": np.array(["a", "b", "c"])}},
        {"rows": given_rows(), "name": "mine", "layers": ["rows"]},
        {"backbone": Small(), "size": np.int64(96), "mean": np.array([0.5]), "layers": ("last_conv",)},
    ],
)
def test_arguments_that_do_not_contradict_begin_a_benchmark(
    arguments: dict[str, object], never_run: None, tmp_path: Path
) -> None:
    with pytest.raises(NotRunError):
        benchmark(root=tmp_path, **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("layers", ["last_conv", ["stage1"]])
@pytest.mark.parametrize("saved", [True, False])
def test_a_layer_that_rows_do_not_have_is_refused(layers: object, saved: bool, tmp_path: Path) -> None:
    """``last_conv``, too, which stands for the only layer where nobody names one."""
    np.savez(tmp_path / "ok.npz", **given_rows())  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"has no layer '(last_conv|stage1)'\. Its layers: rows"):
        benchmark(
            rows=tmp_path / "ok.npz" if saved else given_rows(),  # type: ignore[arg-type]
            layers=layers, root=tmp_path, tracking="none",  # type: ignore[arg-type]
        )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"results": "run"}, "results='run' is not a list"),
        ({"results": 5}, "results=5 is not a list"),
        ({"results": []}, "nothing to compare"),
        ({"results": [5]}, "5 is not a finished benchmark"),
        ({"results": [{"title": "x"}]}, "is not a finished benchmark"),
        ({"results": ["a", "b"], "root": 5}, "root=5 is not a folder"),
        ({"results": ["a", "b"], "decide": "both"}, "both"),
        ({"results": ["a", "b"], "decide": ""}, "decide"),
        ({"results": ["a", "b"], "decide": 5}, "5"),
    ],
)
def test_what_cannot_be_compared_is_refused(arguments: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError, match=told) as refused:
        compare(**arguments)  # type: ignore[arg-type]
    assert refused.value.fix


def test_an_image_size_that_a_module_does_not_take_is_mended_by_the_argument() -> None:
    fixed = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 48 * 48, 10))
    with pytest.raises(ConfigError, match="cannot take images of 64 pixels") as refused:
        benchmark(fixed, "digits", size=64, tracking="none")
    assert refused.value.fix == "benchmark(network, …, size=96)"


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
        ((np.zeros((4, 5, 5)), np.zeros(4, int)), "float64 is not uint8"),
        ((np.zeros((4, 5, 5), np.uint8), np.zeros(3, int)), "labels of shape"),
        ((np.zeros((4, 5, 5), np.uint8), np.zeros(4)), "float64 labels"),
        ((np.zeros((4, 5), np.uint8), np.zeros(4, int)), "is not a shape of images"),
        ((np.zeros((4, 5, 5), np.uint8), np.array([0, 1, 2, 9])), "label 9 has no name"),
        (7, "cannot be used"),
    ],
)
def test_what_cannot_be_used_is_refused(train: object, told: str) -> None:
    good = (np.zeros((4, 5, 5), np.uint8), np.arange(4))
    with pytest.raises(DataError, match=told):
        GivenImages("mine", train, good, ["a", "b", "c", "d"])
