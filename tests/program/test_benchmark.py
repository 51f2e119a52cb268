"""The program as a program: one benchmark, and what MLflow holds of it."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from conftest import Program
from frostmark.backbones.load import TorchvisionBackbone
from frostmark.data.preprocess import Resize
from frostmark.data.torchvision_sets import TorchvisionSet
from support.environment import REPOSITORY, environment
from support.runs import TINY, Tracked, metrics_of

ARTIFACTS = {
    "map.png", "map_train.png", "map_test.png", "pair_variance.png", "class_variance.csv", "pair_variance.csv",
    "summary.md", "config.yaml", "confusability.png", "draws.npz", "map.html", "embedding.parquet", "report.html",
}  # fmt: skip
"""At the root of a run."""

IN_FOLDERS = {
    "report/confusable_pairs.png", "report/shots.png", "tables/confusable_pairs.csv", "tables/shots.csv",
    "tables/class_separability.csv", "tables/class_shift.csv", "tables/knn_confusion.csv", "tables/label_audit.csv",
    "tables/class_recall.csv", "tables/linear_confusion.csv", "tables/linear_shots.csv", "raw/metrics.json",
    "maps/thumbnails.npz", "tables/controls.csv",
}  # fmt: skip
VECTORS = {"maps/map.svg", "report/pair_variance.svg", "report/confusability.svg", "report/shots.svg"}

SEPARABILITY = (
    "fisher_ratio", "eta_squared", "omega_squared", "calinski_harabasz", "davies_bouldin", "silhouette", "nc1", "cdnv",
)  # fmt: skip
KNN = "test/neighbours/knn_accuracy"
GEOMETRY = ("rankme", "effective_rank", "participation_ratio", "intrinsic_dimension", "sparsity")


@pytest.fixture(scope="module")
def quickstart(program: Program, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    root = tmp_path_factory.mktemp("quickstart")
    done = program("experiment=quickstart", cwd=root)
    assert done.returncode == 0, done.stderr
    return root, done


def test_quickstart_tells_progress_a_table_and_how_to_open_it(quickstart: tuple[Path, Any]) -> None:
    root, done = quickstart
    assert "extracting train: " in done.stderr
    assert "t-SNE" in done.stderr
    for word in (
        "resnet18 · last_conv · digits",
        "weights untrained · 1,297 train, 500 test",
        "Linear read-out of resnet18 · last_conv: ",
        "Weakest class: ",
        "k-NN accuracy",
        "Variance within / between classes",
        "train",
    ):
        assert word in done.stdout
    assert len(done.stdout.splitlines()) <= 40
    assert "…" not in done.stdout
    last = done.stdout.strip().splitlines()[-1]
    assert "python run.py ui" in last
    assert Tracked(root).only().info.run_id in last
    assert "Warning" not in done.stderr


def test_the_numbers_of_a_run_follow_their_published_schema(quickstart: tuple[Path, Any]) -> None:
    import jsonschema

    root, _ = quickstart
    schema = json.loads((REPOSITORY / "src/frostmark/results/metrics.schema.json").read_text())
    numbers = metrics_of(root)
    jsonschema.Draft202012Validator(schema).validate(numbers)
    for change in ({"schema": 2}, {"values": {"test/x": "0.5"}}, {"kinds": {"a/b": {"words": "x", "better": "most"}}}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.Draft202012Validator(schema).validate(numbers | change)
    told = (REPOSITORY / "docs/results.md").read_text()
    assert [part for part in schema["properties"] if f"`{part}`" not in told] == []


def test_quickstart_holds_every_key_of_the_contract(quickstart: tuple[Path, Any]) -> None:
    root, _ = quickstart
    run = Tracked(root).only()
    keys = set(run.data.metrics)
    for split in ("train", "test"):
        expected = {f"variance/{n}" for n in ("intra", "inter", "inter_debiased", "total")}
        expected |= {f"separability/{n}" for n in SEPARABILITY} | {"neighbours/knn_accuracy"}
        expected |= {f"separability/{n}_{end}" for n in SEPARABILITY for end in ("p", "z")}
        expected |= {f"separability/{n}_{end}" for n in SEPARABILITY if n != "nc1" for end in ("lo", "hi")}
        expected |= {f"neighbours/knn_accuracy_{end}" for end in ("lo", "hi")}
        expected |= {f"transfer/{n}" for n in ("logme", "h_score_shrunk", "gbc")}
        expected |= {f"geometry/{n}" for n in GEOMETRY}
        expected |= {f"map/{n}" for n in ("variance_intra", "variance_inter", "trustworthiness", "continuity")}
        expected |= {f"map/{n}" for n in ("knn_preservation", "knn_accuracy", "knn_accuracy_excess")}
        expected |= {"map/distance_correlation"}
        expected |= {f"{m}intra_variance/{c}_{c}" for c in range(10) for m in ("", "map/")}
        expected |= {f"{m}pair_variance/{i}-{j}" for j in range(10) for i in range(j) for m in ("", "map/")}
        assert {f"{split}/{k}" for k in expected} <= keys
    assert run.data.metrics["cost/images_forwarded"] == 1797
    expected = {"ncm_accuracy", *(f"shots_{m}" for m in (1, 2, 4, 8, 16))}
    assert {f"test/neighbours/{k}" for k in expected} <= keys
    # 500 test images of 512 features: it would be 9 whatever the labels.
    assert "train/transfer/h_score" in keys
    assert "too few" in run.data.tags["undefined.test/transfer/h_score"]
    assert run.data.metrics["test/neighbours/knn_accuracy"] > 0.9


def test_quickstart_is_tagged_and_described(quickstart: tuple[Path, Any]) -> None:
    root, _ = quickstart
    run = Tracked(root).only()
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "resnet18 · last_conv · digits"
    expected = {
        "backbone": "resnet18", "backbone_family": "resnet", "layer": "last_conv", "node": "layer4", "pool": "gap",
        "dataset": "digits", "train_images": "1297", "test_images": "500", "weights": "untrained",
        "preprocess": "resize", "precision": "32-true",
    }  # fmt: skip
    assert {k: run.data.tags.get(k) for k in expected} == expected
    assert run.data.tags["device"] in ("cpu", "cuda", "mps")
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if commit.returncode == 0:
        assert run.data.tags["mlflow.source.git.commit"] == commit.stdout.strip()
    for tag in ("weights_digest", "dataset_fingerprint", "version.torch", "version.frostmark", "mlflow.runColor"):
        assert run.data.tags[tag], tag
    assert "Tightest class" in run.data.tags["mlflow.note.content"]
    assert run.data.params["backbone.name"] == "resnet18"
    assert run.data.params["reducer.perplexity"] == "30.0"


def test_quickstart_artifacts_stand_at_the_root_of_the_run(quickstart: tuple[Path, Any]) -> None:
    root, _ = quickstart
    tracked = Tracked(root)
    files = tracked.artifacts(tracked.only())
    assert set(files) == ARTIFACTS | IN_FOLDERS
    for name in ARTIFACTS | IN_FOLDERS:
        if name.endswith(".png"):
            with Image.open(files[name]) as picture:
                assert picture.width > 600
                assert np.asarray(picture.convert("L")).std() > 5  # something is drawn
    assert "Do not compare runs by variances in the map" in files["summary.md"].read_text()
    assert "name: resnet18" in files["config.yaml"].read_text()
    lines = files["pair_variance.csv"].read_text().splitlines()
    assert len(lines) == 1 + 2 * 2 * 45  # two spaces, two splits


def test_draws_give_the_intervals_and_outcomes_the_values(quickstart: tuple[Path, Any]) -> None:
    root, _ = quickstart
    tracked = Tracked(root)
    run = tracked.only()
    values = run.data.metrics
    with np.load(tracked.artifacts(run)["draws.npz"]) as arrays:
        draws = arrays["draws/test/separability/eta_squared"]
        hits, silhouette = arrays["outcomes/test/knn_hits"], arrays["outcomes/train/silhouette"]
    assert draws.shape == (1000,)
    assert values["test/separability/eta_squared_lo"] == pytest.approx(np.quantile(draws, 0.025))
    assert hits.mean() == pytest.approx(values["test/neighbours/knn_accuracy"])
    assert silhouette.mean() == pytest.approx(values["train/separability/silhouette"])
    assert values["test/neighbours/knn_accuracy_lo"] < hits.mean() < values["test/neighbours/knn_accuracy_hi"]


def test_everything_lies_inside_mlruns(quickstart: tuple[Path, Any]) -> None:
    root, _ = quickstart
    assert {p.name for p in root.iterdir()} == {"mlruns"}


# ---------------------------------------------------------------- real images, real weights


def rows_by_hand(weights: Path, data: Path, limits: dict[str, int]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Rows (float64) and labels of both splits, by the plainest loop over torchvision's own model."""
    from torchvision.models import squeezenet1_0

    model = squeezenet1_0()
    model.load_state_dict(torch.load(weights, weights_only=True))
    model.eval()
    pipeline = Resize(224).pipeline(TorchvisionBackbone("squeezenet1_0").preset)
    found = {}
    for split, limit in limits.items():
        images = TorchvisionSet("FashionMNIST", str(data), download=False).split(split)  # type: ignore[arg-type]
        with torch.inference_mode():
            rows = [
                model.features(pipeline(images.images[i : min(i + 50, limit)])).mean((2, 3))
                for i in range(0, limit, 50)
            ]
        found[split] = torch.cat(rows).double().numpy(), images.labels[:limit].numpy()
    return found


def check_by_numpy(values: dict[str, float], rows: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    for split, (x, y) in rows.items():
        means = np.stack([x[y == c].mean(0) for c in range(10)])
        variances = np.array([((x[y == c] - means[c]) ** 2).sum(1).mean() for c in range(10)])
        within = sum(((x[y == c] - means[c]) ** 2).sum() for c in range(10))
        total = ((x - x.mean(0)) ** 2).sum()
        expected = {
            "variance/intra": variances.mean(),
            "variance/inter": ((means - means.mean(0)) ** 2).sum(1).mean(),
            "variance/total": total / len(x),
            "separability/fisher_ratio": (total - within) / within,
            "separability/eta_squared": (total - within) / total,
            "intra_variance/6_Shirt": variances[6],
        }
        for i, j in ((2, 6), (0, 9)):
            pair = x[np.isin(y, (i, j))]
            expected[f"pair_variance/{i}-{j}"] = ((pair - pair.mean(0)) ** 2).sum(1).mean()
        for key, value in expected.items():
            # Two ways through float32 convolutions: their rounding, not that of the metrics.
            assert values[f"{split}/{key}"] == pytest.approx(value, rel=1e-4), key
    (bank, labels), (queries, truth) = rows["train"], rows["test"]
    unit = [r / np.linalg.norm(r, axis=1, keepdims=True) for r in (bank, queries)]
    similarity = unit[1] @ unit[0].T
    hits = 0
    for line, answer in zip(similarity, truth, strict=True):
        nearest = np.argsort(-line)[:20]
        votes = np.bincount(labels[nearest], np.exp(line[nearest] / 0.07), minlength=10)
        hits += votes.argmax() == answer
    assert values["test/neighbours/knn_accuracy"] == pytest.approx(hits / len(truth), abs=1.5 / len(truth))


def squeezenet(program: Program, weights: Path, data: Path, root: Path, *more: str, timeout: float = 240) -> Any:
    return program(
        "backbone=squeezenet1_0", f"backbone.weights={weights}", f"dataset.root={data}", *more,
        cwd=root, timeout=timeout,
    )  # fmt: skip


def test_real_weights_on_real_images_recomputed_by_numpy(
    program: Program, shared_weights: Path, shared_data: Path, tmp_path: Path
) -> None:
    limits = {"train": 160, "test": 80}
    words = [f"dataset.limit.{s}={n}" for s, n in limits.items()]
    done = squeezenet(
        program,
        shared_weights,
        shared_data,
        tmp_path,
        "reducer=none",
        "controls=[untrained,pixels]",
        "uncertainty.permutations=20",
        *words,
    )
    assert done.returncode == 0, done.stderr
    values = metrics_of(tmp_path)["values"]
    check_by_numpy(values, rows_by_hand(shared_weights, shared_data, limits))
    tags = Tracked(tmp_path).only().data.tags
    assert (tags["node"], tags["weights"]) == ("features.12", "squeezenet1_0-imagenet.pth")
    assert str(shared_weights) not in tags.values()
    assert values["test/neighbours/knn_accuracy"] > 0.5  # of ten classes, from 160 images
    check_controls(tmp_path, values)


def check_controls(root: Path, values: dict[str, float]) -> None:
    """Both controls stand beside the layer: in the table, in MLflow and in words."""
    (file,) = root.glob("mlruns/_hydra/runs/*/tables/controls.csv")
    with file.open(newline="") as lines:
        table = {(line["control"], line["metric"]): line for line in csv.DictReader(lines)}
    for control in ("untrained", "pixels"):
        line = table[control, "test/neighbours/knn_accuracy"]
        assert float(line["of_layer"]) == values["test/neighbours/knn_accuracy"]
        assert float(line["of_control"]) == values[f"control/{control}/test/neighbours/knn_accuracy"]
        assert float(line["lo"]) < float(line["difference"]) < float(line["hi"])
        assert (control, "test/variance/intra") not in table  # scales with the features
        of_width = (control, "test/geometry/rankme") in table
        assert of_width is (control == "untrained")  # which has 512 features, the pixels have 784
        assert (f"control/{control}/test/geometry/rankme" in values) is of_width
    assert "Raw pixels: " in (file.parents[1] / "summary.md").read_text()
    assert values["cost/images_forwarded"] == 240  # the untrained network's are not the layer's cost


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_imagenet_features_beat_untrained_ones_and_raw_pixels(
    program: Program, shared_weights: Path, shared_data: Path, tmp_path: Path
) -> None:
    words = ("dataset.limit.train=2000", "dataset.limit.test=1000", "controls=[untrained,pixels]", "reducer=none")
    done = squeezenet(program, shared_weights, shared_data, tmp_path, *words, timeout=900)
    assert done.returncode == 0, done.stderr
    (file,) = tmp_path.glob("mlruns/_hydra/runs/*/tables/controls.csv")
    with file.open(newline="") as lines:
        table = {line["control"]: line for line in csv.DictReader(lines) if line["metric"] == KNN}
    assert all(float(table[control]["lo"]) > 0 for control in ("untrained", "pixels")), table


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_the_whole_of_the_shared_images_agrees_with_the_independent_measurement(
    program: Program, shared_weights: Path, shared_data: Path, tmp_path: Path
) -> None:
    done = squeezenet(program, shared_weights, shared_data, tmp_path, timeout=1800)
    assert done.returncode == 0, done.stderr
    values = metrics_of(tmp_path)["values"]
    check_by_numpy(values, rows_by_hand(shared_weights, shared_data, {"train": 8000, "test": 4000}))
    # Measured elsewhere on the first 8,226 and 4,443 images.
    assert values["test/neighbours/knn_accuracy"] == pytest.approx(0.83, abs=0.01)
    measured = {"8_Bag": 22_400, "6_Shirt": 21_500, "1_Trouser": 6_900, "7_Sneaker": 7_600}
    classes = {k.rpartition("/")[2]: v for k, v in values.items() if k.startswith("train/intra_variance/")}
    assert sorted(classes, key=classes.__getitem__)[:2] == ["1_Trouser", "7_Sneaker"]
    assert sorted(classes, key=classes.__getitem__)[-2:] == ["6_Shirt", "8_Bag"]
    for name, value in measured.items():
        assert classes[name] == pytest.approx(value, rel=0.02)  # 226 train images fewer


def test_the_report_in_one_command(program: Program, shared_weights: Path, shared_data: Path, tmp_path: Path) -> None:
    done = squeezenet(
        program, shared_weights, shared_data, tmp_path, "experiment=report",
        "dataset.limit.train=200", "dataset.limit.test=100",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    tracked = Tracked(tmp_path)
    parent, child = sorted(tracked.runs(), key=lambda r: "mlflow.parentRunId" in r.data.tags)
    assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert child.data.params["reducer.max_points"] == "None"
    summary = tracked.artifacts(child)["summary.md"].read_text()
    for words in (
        "Tightest class",
        "Closest pair",
        "between the class means",
        "fitted on each split",
        "Do not compare runs",
    ):
        assert words in summary
    assert {"test/map/pair_variance/2-6", "train/map/intra_variance/6_Shirt"} <= set(child.data.metrics)


# ---------------------------------------------------------------- devices, folders, degenerate images


def test_two_processes_give_the_rows_and_moments_of_one(program: Program, tmp_path: Path) -> None:
    roots = [tmp_path / "one", tmp_path / "two"]
    # Two shards and one for two ranks: an uneven share.
    words = [*TINY, "dataset.train=300", "trainer.batch_size=8", "metrics=[variance]", "reducer=none"]
    devices = ["trainer=cpu"], ["trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2"]
    for root, trainer in zip(roots, devices, strict=True):
        root.mkdir()
        done = program(*words, *trainer, cwd=root)
        assert done.returncode == 0, done.stderr
        assert len(Tracked(root).runs()) == 1
    one, two = (metrics_of(root)["values"] for root in roots)
    assert one.keys() == two.keys()
    assert {k: v for k, v in one.items() if not k.startswith("cost/")} == {
        k: v for k, v in two.items() if not k.startswith("cost/")
    }
    assert two["cost/images_forwarded"] == 361
    shards = [sorted(p.name for p in root.glob("mlruns/features/*/rows-*")) for root in roots]
    assert shards[0] == shards[1]  # names carry the digests of the bytes


@pytest.mark.slow  # a minute, nearly all of it imports
def test_processes_that_stream_give_the_metrics_of_one_whatever_their_share(program: Program, tmp_path: Path) -> None:
    """Wide rows that nothing keeps; one process has less than another, nothing of a split, nothing at all."""
    roots = [tmp_path / "one", tmp_path / "three"]
    # Two shards of train and one of test: 256 + 61 images, 44 + 0, and a process that only keeps the others company.
    words = [
        *TINY, "reducer=none", "dataset.train=300", "layer=stage2", "layer.pool=flatten", "features.max_bytes=0",
        "trainer.batch_size=8", "uncertainty.resamples=40", "uncertainty.permutations=20",
    ]  # fmt: skip
    trainers = (
        ["trainer=cpu", "tracking=none"],
        ["trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=3"],
    )
    for root, trainer in zip(roots, trainers, strict=True):
        root.mkdir()
        done = program(*words, *trainer, cwd=root, OMP_NUM_THREADS="1")
        assert done.returncode == 0, done.stderr
        assert not list(root.glob("mlruns/features/**/*"))
    one, three = (metrics_of(root) for root in roots)
    assert one["undefined"] == three["undefined"]
    assert one["values"].keys() == three["values"].keys()
    expected, found = ({k: v for k, v in of["values"].items() if not k.startswith("cost/")} for of in (one, three))
    # The rows are the same to the last bit. The moments of train are not: each process sums those of its own shards,
    # and sums of float64 in another order differ by some 1e-16 of their size.
    assert found == pytest.approx(expected, rel=1e-11)
    assert {k: v for k, v in found.items() if "/neighbours/" in k} == {
        k: v for k, v in expected.items() if "/neighbours/" in k
    }
    assert one["values"]["cost/images_forwarded"] == three["values"]["cost/images_forwarded"] == 361
    run = Tracked(roots[1]).only()
    assert run.info.status == "FINISHED"
    assert "random projection" in run.data.tags["projection"]


NAMES = ["=cmd()", "<script>alert(1)</script>", "é犬", "a b.c", "x.."]


def test_ones_own_folder_with_images_of_any_size_and_names_of_any_kind(program: Program, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for c, name in enumerate(NAMES):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for i in range(14):
            pixels = rng.integers(0, 80, (20 + i, 40 - i, 3), dtype=np.uint8) + np.uint8(35 * c)
            Image.fromarray(pixels).save(tmp_path / "pets" / name / f"{i}.{'png' if i % 2 else 'jpg'}")
    done = program(*TINY[:2], "dataset=./pets", "preprocess.size=48", "reducer=pca", "figures.svg=true", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "a hash of each path says which images are test (dataset.test_share=0.2)" in done.stdout
    tracked = Tracked(tmp_path)
    run = tracked.only()
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "squeezenet1_0 · last_conv · pets"
    assert len([k for k in run.data.metrics if k.startswith("train/intra_variance/")]) == len(NAMES)
    files = tracked.artifacts(run)
    assert {name for name in files if name.endswith(".svg")} == VECTORS
    assert "<script>" not in files["summary.md"].read_text()
    assert "'=cmd()" in files["class_variance.csv"].read_text()


def test_damaged_images_are_named_before_anything_is_forwarded_or_skipped(program: Program, tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for i in range(40):
            Image.new("RGB", (20, 20), (i, i, i)).save(tmp_path / "pets" / name / f"{i}.png")
    for i in range(23):
        (tmp_path / "pets" / "dog" / f"{i}.png").write_bytes(b"no image")
    words = (
        *TINY[:2],
        "dataset=folder",
        "dataset.root=pets",
        "preprocess.size=32",
        "reducer=none",
        "metrics=[geometry]",
    )
    done = program(*words, cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    assert "23 files are not readable images" in done.stderr
    assert done.stderr.count("cannot be read as an image") == 20
    assert "… and 3 more" in done.stderr
    assert "Fix: repair or remove them, or leave them out: dataset.on_bad_image=skip" in done.stderr
    assert "Traceback" not in done.stderr
    assert "extracting" not in done.stderr
    (listed,) = tmp_path.glob("mlruns/_hydra/runs/*/bad_images.txt")
    assert len(listed.read_text().splitlines()) == 23
    skipping = program(*words, "dataset.on_bad_image=skip", cwd=tmp_path)
    assert skipping.returncode == 0, skipping.stderr
    tags = Tracked(tmp_path).only().data.tags
    assert int(tags["train_images"]) + int(tags["test_images"]) == 57
    assert "left out, because no image can be read" in skipping.stdout


def test_images_without_any_difference_end_well(program: Program, tmp_path: Path) -> None:
    for split in ("train", "test"):
        (tmp_path / "same" / split / "only").mkdir(parents=True)
        for i in range(6):
            Image.new("L", (16, 16), 100).save(tmp_path / "same" / split / "only" / f"{i}.png")
    done = program(*TINY[:2], "dataset=folder", "dataset.root=same", "preprocess.size=32", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    run = Tracked(tmp_path).only()
    assert run.info.status == "FINISHED"
    assert run.data.tags["undefined.test/separability/fisher_ratio"] == "the split holds one class only"
    assert run.data.tags["skipped.map.png"] == "train: all rows are equal: there is nothing to map"
    assert "undefined: test/separability/fisher_ratio (the split holds one class only)" in done.stdout
    assert all(np.isfinite(v) for v in run.data.metrics.values())


def test_layers_are_listed_without_weights(program: Program, tmp_path: Path) -> None:
    done = program("layers", "backbone=vgg16", cwd=tmp_path, TORCH_HOME=str(tmp_path / "empty"))
    assert done.returncode == 0, done.stderr
    for words in ("stage5, last_conv", "features.29", "512 × 14 × 14", "embedding, penultimate", "15.47", "99.2%"):
        assert words in done.stdout
    assert "vgg16 at 224 pixels" in done.stdout
    assert "Embedding: what the last weight layer reads (classifier.5)" in done.stdout
    assert not (tmp_path / "empty").exists()
    everything = program("layers", "backbone=vgg16", "--nodes", cwd=tmp_path)
    assert "features.28" in everything.stdout
    tokens = program("layers", "backbone=vit_b_16", cwd=tmp_path).stdout
    assert "Tokens: 1 class token, 196 patches (14 × 14)" in tokens
    assert "Final norm: encoder.ln, of all tokens" in tokens
    assert "Embedding: the class token after the final norm (encoder.ln)" in tokens


def test_the_installed_command_works_from_any_folder_with_ones_own_configuration(tmp_path: Path) -> None:
    """The wheel, unpacked: its packaged configuration, and a folder of one's own beside it."""
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "dist")],
        cwd=REPOSITORY, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    assert (tmp_path / "site" / "frostmark" / "conf" / "config.yaml").is_file()
    (tmp_path / "mine" / "experiment").mkdir(parents=True)
    settings = dict(word.split("=", 1) for word in TINY)
    (tmp_path / "mine" / "experiment" / "tiny.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /backbone: squeezenet1_0\n  - override /dataset: synthetic\n"
        "  - override /reducer: pca\n  - override /tracking: none\n"
        f"backbone: {{weights: untrained}}\ndataset: {{size: {settings['dataset.size']}, train: 40, test: 30}}\n"
        "preprocess: {size: 32}\n"
    )
    work = tmp_path / "anywhere"
    work.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", "from frostmark.cli import main; main()", "--config-dir", "../mine", "experiment=tiny"],
        cwd=work, env=environment(PYTHONPATH=str(tmp_path / "site")), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "squeezenet1_0 · last_conv · synthetic" in done.stdout
    (metrics,) = work.glob("mlruns/_hydra/runs/*/raw/metrics.json")
    assert json.loads(metrics.read_text())["values"]["cost/images_forwarded"] == 70


def test_a_train_split_above_the_limit_says_whose_neighbours_are_told(program: Program, tmp_path: Path) -> None:
    words = [
        *TINY, "dataset.train=1200", "neighbours.exact_up_to=1000", "metrics=[neighbours,geometry]", "reducer=none",
        "decide=knn", "tracking=none", "trainer=cpu",
    ]  # fmt: skip
    done = program(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = metrics_of(tmp_path)["values"]
    assert found["train/neighbours/knn_accuracy_images"] == 1000**2 // 2400
    assert "test/neighbours/knn_accuracy_images" not in found
    (summary,) = tmp_path.glob("mlruns/_hydra/runs/*/summary.md")
    assert "416 of the 1,200 train images" in summary.read_text()
