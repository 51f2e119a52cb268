"""`export` from end to end: a run's network gives its rows and its classes where nothing of Frostmark is installed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from mlflow import MlflowClient
from numpy.typing import NDArray
from PIL import Image, ImageOps
from sklearn.datasets import load_sample_images
from torchvision.datasets import FashionMNIST

from conftest import Program
from frostmark.api import benchmark
from frostmark.comparison.runs import Run
from frostmark.features.store import FeatureStore
from support.environment import free_port, serving
from support.runs import TINY, Tracked

QUICK = ("reducer=none", "uncertainty.permutations=0", "uncertainty.resamples=40", "metrics=[linear]")

TOLERANCE = 1e-4
"""Of a row, in relation to its norm; and of the two best probabilities, below which either class may be named."""

Image3 = NDArray[np.uint8]


def only_run(root: Path) -> Run:
    (file,) = root.glob("mlruns/_hydra/runs/*/raw/metrics.json")
    return Run.read(file.parents[1])


def stored_rows(root: Path, run: Run, split: str = "test") -> NDArray[np.float32]:
    entry = FeatureStore(root / "mlruns" / "features").find(run.tags[f"rows_{split}"])
    assert entry is not None
    return np.concatenate([entry.read(shard) for shard in entry.shards])


def exported(program: Program, root: Path, *words: str) -> Path:
    run = only_run(root)
    done = program("export", str(run.folder), "out", *words, cwd=root)
    assert done.returncode == 0, done.stderr
    return root / "out"


def decoded(path: Path) -> Image3:
    """As the example does."""
    photo = ImageOps.exif_transpose(Image.open(path)).convert("RGBA")
    photo = Image.alpha_composite(Image.new("RGBA", photo.size, "white"), photo).convert("RGB")
    return np.asarray(photo).transpose(2, 0, 1)[None]


def require_the_runs(root: Path, out: Path, images: Sequence[Image3]) -> None:
    """Rows and classes of the first test images are those of the run."""
    run = only_run(root)
    session = onnxruntime.InferenceSession(out / "model.onnx")
    classes = json.loads(session.get_modelmeta().custom_metadata_map["classes"])
    program = torch.export.load(out / "model.pt2").module()
    hits = run.outcomes["test/linear_hits"]
    for position, (image, expected) in enumerate(zip(images, stored_rows(root, run), strict=False)):
        row, (probabilities,) = session.run(None, {"image": image})
        with torch.inference_mode():
            of_program = program(torch.from_numpy(np.ascontiguousarray(image)))[0].numpy()
        for got in (row, of_program):
            assert np.linalg.norm(got[0] - expected) <= TOLERANCE * np.linalg.norm(expected)
        second, best = np.sort(probabilities)[-2:]
        hit = classes[probabilities.argmax()] == run.classes[run.labels["test"][position]]
        assert hit == hits[position] or best - second < TOLERANCE


def test_real_weights_give_the_rows_and_classes_of_100_images(
    program: Program, shared_data: Path, shared_weights: Path, tmp_path: Path
) -> None:
    done = program(
        "backbone=squeezenet1_0", f"backbone.weights={shared_weights}", "dataset=fashion_mnist", "tracking=none",
        f"dataset.root={shared_data}", "dataset.limit.train=300", "dataset.limit.test=100", "preprocess.size=64",
        *QUICK, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    out = exported(program, tmp_path)
    grey = FashionMNIST(shared_data, train=False).data[:100].numpy()
    require_the_runs(tmp_path, out, [np.repeat(image[None, None], 3, 1) for image in grey])
    card = (out / "model_card.md").read_text(encoding="utf-8")
    value, low, high = (only_run(tmp_path).values[f"test/linear/accuracy{end}"] for end in ("", "_lo", "_hi"))
    assert f"| linear accuracy | {100 * value:.1f} | {100 * low:.1f}–{100 * high:.1f} |" in card
    assert "squeezenet1_0-imagenet.pth" in card
    assert "The licence is not known" in card
    assert "300 train, 100 test images" in card


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pieces of two photos, as JPEG files of many sizes, some of them lying on their side."""
    folder, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for split, count in (("train", 20), ("test", 50)):
        for name, whole in zip(("china", "flower"), load_sample_images().images, strict=True):
            of_class = folder / split / name
            of_class.mkdir(parents=True)
            for number in range(count):
                height, width = rng.integers(60, 300, 2)
                top, left = rng.integers(0, 427 - height), rng.integers(0, 640 - width)
                piece = Image.fromarray(whole[top : top + height, left : left + width])
                if number == 0:
                    piece = piece.resize((900, 500))
                orientation = Image.Exif()
                orientation[0x112] = 6 if number % 5 == 2 else 1
                piece.save(of_class / f"{number:03}.jpg", quality=92, exif=orientation)
    return folder


@pytest.mark.parametrize("preprocess", ["resize", pytest.param("official", marks=pytest.mark.slow)])
def test_photos_of_all_sizes_give_the_rows_of_the_run(
    program: Program, photos: Path, shared_weights: Path, tmp_path: Path, preprocess: str
) -> None:
    done = program(
        "backbone=squeezenet1_0", f"backbone.weights={shared_weights}", f"dataset={photos}", "preprocess.size=64",
        f"preprocess={preprocess}", "preprocess.exact_decode=true", "tracking=none", *QUICK, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    out = exported(program, tmp_path)
    files = [photos / "test" / name for name in only_run(tmp_path).files["test"]]
    files = [file if file.is_file() else photos / file.relative_to(photos / "test") for file in files]
    if preprocess == "resize":
        require_the_runs(tmp_path, out, [decoded(file) for file in files[:100]])
    else:  # where one pixel of a picture is rounded the other way, its row is farther away
        apart = distances(tmp_path, out, [decoded(file) for file in files[:100]])
        assert np.mean(apart <= TOLERANCE) >= 0.9
        assert apart.max() <= 100 * TOLERANCE, "one pixel of 64 × 64 more or less by a grey level"
    done = subprocess.run([sys.executable, out / "example.py", files[0]], capture_output=True, text=True, check=True)
    assert re.fullmatch(r"(china|flower) \d+\.\d%\n", done.stdout)


def distances(root: Path, out: Path, images: Sequence[Image3]) -> NDArray[np.float64]:
    session = onnxruntime.InferenceSession(out / "model.onnx")
    rows = np.concatenate([session.run(["row"], {"image": image})[0] for image in images])
    expected = stored_rows(root, only_run(root))[: len(rows)]
    return np.asarray(np.linalg.norm(rows - expected, axis=1) / np.linalg.norm(expected, axis=1))


@pytest.fixture(scope="module")
def tracked(program: Program, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tracked run of images nobody can tell apart by chance."""
    root = tmp_path_factory.mktemp("tracked")
    done = program(*TINY, "metrics=[linear]", cwd=root)
    assert done.returncode == 0, done.stderr
    return root


@pytest.fixture(scope="module")
def model(program: Program, tracked: Path) -> str:
    """The identifier of its exported model in MLflow."""
    run = Tracked(tracked).only()
    done = program("export", run.info.run_id, "out", cwd=tracked)
    assert done.returncode == 0, done.stderr
    (found,) = re.findall(r"models:/(m-\w+)", done.stdout)
    return str(found)


def test_a_tracked_runs_model_is_linked_to_its_run_and_test_images(tracked: Path, model: str) -> None:
    store = Tracked(tracked)
    run, made = store.only(), store.client.get_logged_model(model)
    assert made.status == "READY"
    assert made.source_run_id == run.info.run_id
    assert [of.model_id for of in run.outputs.model_outputs] == [model]
    metrics = {metric.key: metric for metric in made.metrics}
    assert metrics["accuracy"].value == run.data.metrics["test/linear/accuracy"]
    assert metrics["accuracy"].dataset_name == "synthetic test"
    assert metrics["cost/latency_ms_p50"].value <= metrics["cost/latency_ms_p95"].value
    size = (tracked / "out" / "model.onnx").stat().st_size
    assert metrics["cost/exported_mb"].value == pytest.approx(size / 1e6)
    assert run.data.metrics["cost/exported_mb"] == metrics["cost/exported_mb"].value
    assert made.params["head"] == "linear"
    assert made.params["backbone"] == "squeezenet1_0"


@pytest.mark.filterwarnings("ignore:.*Any type hint is inferred:UserWarning")  # MLflow, of its own classes
def test_mlflow_loads_the_model_with_signature_and_example(
    tracked: Path, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import pyfunc

    folder = Path(Tracked(tracked).client.get_logged_model(model).artifact_location.removeprefix("file://"))
    loaded = pyfunc.load_model(str(folder))
    assert [of.name for of in loaded.metadata.signature.inputs] == ["image"]
    assert [of.name for of in loaded.metadata.signature.outputs] == ["row", "probabilities"]
    assert loaded.metadata.model_id == model
    assert {"model_card.md", "example.py", "model.pt2", "input_example.json"} <= {of.name for of in folder.iterdir()}
    image = np.zeros((2, 3, 9, 7), np.uint8)
    session = onnxruntime.InferenceSession(tracked / "out" / "model.onnx")
    expected = session.run(None, {"image": image})
    made = loaded.predict({"image": image})
    np.testing.assert_allclose(made["probabilities"], expected[1], rtol=1e-5)


@pytest.mark.slow
def test_mlflow_serves_the_model(tracked: Path, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # MLflow starts uvicorn by name, as it finds it in an environment that is activated.
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    port = free_port()
    folder = Tracked(tracked).client.get_logged_model(model).artifact_location
    command = [
        sys.executable, "-m", "mlflow", "models", "serve", "-m", folder, "--env-manager", "local",
        "--host", "127.0.0.1", "--port", str(port),
    ]  # fmt: skip
    image = np.random.default_rng(0).integers(0, 256, (1, 3, 20, 30), np.uint8)
    with serving(command, port, tracked) as address:
        asked = urllib.request.Request(
            f"{address}/invocations",
            json.dumps({"inputs": {"image": image.tolist()}}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(asked, timeout=60) as answer:
            predictions = json.load(answer)["predictions"]
    expected = onnxruntime.InferenceSession(tracked / "out" / "model.onnx").run(None, {"image": image})
    np.testing.assert_allclose(predictions["row"], expected[0], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(predictions["probabilities"], expected[1], rtol=1e-4)


def test_without_a_head_the_features_alone_are_written(program: Program, tracked: Path) -> None:
    run = only_run(tracked)
    assert run.folder is not None
    done = program("export", str(run.folder), "features", "head=none", cwd=tracked)
    assert done.returncode == 0, done.stderr
    session = onnxruntime.InferenceSession(tracked / "features" / "model.onnx")
    assert [of.name for of in session.get_outputs()] == ["row"]
    Image.new("RGB", (20, 30), "red").save(tracked / "red.png")
    script = tracked / "features" / "example.py"
    done = subprocess.run([sys.executable, script, tracked / "red.png"], capture_output=True, text=True, check=True)
    assert len(done.stdout.split()) == int(run.tags["features"])
    assert "none: the files give the features alone" in (tracked / "features" / "model_card.md").read_text()


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("out", "head=svm"), 2, "head=svm is unknown"),
        (("out", "seed=1"), 2, "seed=1 is not one of"),
        ((), 2, "out"),
    ],
)
def test_wrong_words_are_refused(words: tuple[str, ...], code: int, told: str, program: Program, tracked: Path) -> None:
    done = program("export", str(only_run(tracked).folder), *words, cwd=tracked)
    assert done.returncode == code
    assert told in done.stderr
    assert "Fix:" in done.stderr


def test_what_has_no_network_is_refused(program: Program, tracked: Path, tmp_path: Path) -> None:
    run = only_run(tracked)
    done = program("cache", "export", str(run.folder), str(tmp_path / "rows.safetensors"), cwd=tracked)
    assert done.returncode == 0, done.stderr
    words = ("backbone=rows", "backbone.file=rows.safetensors", "tracking=none", *QUICK)
    assert program(*words, cwd=tmp_path).returncode == 0
    done = program("export", str(only_run(tmp_path).folder), "out", cwd=tmp_path)
    assert done.returncode == 2
    assert "there is no network to export" in done.stderr


def copied(tracked: Path, tmp_path: Path) -> Path:
    """The files of the run alone, without the store."""
    run = only_run(tracked)
    assert run.folder is not None
    return Path(shutil.copytree(run.folder, tmp_path / "run"))


def test_rows_that_are_gone_leave_the_network(program: Program, tracked: Path, tmp_path: Path) -> None:
    done = program("export", str(copied(tracked, tmp_path)), "out", cwd=tmp_path)
    assert done.returncode == 3
    assert "the train rows of squeezenet1_0 · last_conv · synthetic are not kept" in done.stderr
    assert "head=none" in done.stderr
    assert not (tmp_path / "out").exists()


def test_weights_that_changed_are_refused(program: Program, tracked: Path, tmp_path: Path) -> None:
    config = copied(tracked, tmp_path) / "config.yaml"
    config.write_text(config.read_text(encoding="utf-8").replace("seed: 0", "seed: 1", 1), encoding="utf-8")
    done = program("export", str(config.parent), "out", cwd=tmp_path)
    assert done.returncode == 3
    assert "the weights of squeezenet1_0 · last_conv · synthetic are not what they were" in done.stderr


def test_a_network_handed_over_is_refused(program: Program, tmp_path: Path) -> None:
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU())
    images, labels = np.zeros((20, 3, 16, 16), np.uint8), np.arange(20) % 2
    images[labels == 1] = 200
    quick = ["preprocess.size=16", *QUICK]
    data = {"train": (images, labels), "test": (images, labels)}
    (result,) = benchmark(network, data, "stage1", overrides=quick, root=tmp_path, tracking="none")
    done = program("export", str(result.folder), "out", cwd=tmp_path)
    assert done.returncode == 2
    assert "was handed over from Python" in done.stderr


@pytest.mark.slow
def test_a_model_goes_to_the_server_of_its_run(server: str, program: Program, tmp_path: Path) -> None:
    done = program(*TINY, "metrics=[linear]", "tracking=server", f"tracking.uri={server}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    run = only_run(tmp_path)
    done = program("export", str(run.run_id), "out", f"tracking.uri={server}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (model,) = re.findall(r"models:/(m-\w+)", done.stdout)
    client = MlflowClient(tracking_uri=server)
    made = client.get_logged_model(model)
    assert made.source_run_id == run.run_id
    assert {"MLmodel", "model.onnx", "model_card.md"} <= {of.path for of in client.list_logged_model_artifacts(model)}


def test_a_sweep_is_refused_with_its_runs(program: Program, tmp_path: Path) -> None:
    done = program("-m", *TINY, "layer=stage1,stage2", "metrics=[linear]", "tracking=none", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (sweep,) = tmp_path.glob("mlruns/_hydra/sweeps/*")
    done = program("export", str(sweep), "out", cwd=tmp_path)
    assert done.returncode == 2
    assert "stands for 2 runs" in done.stderr
    assert "squeezenet1_0 · stage1" in done.stderr
