"""Rows made elsewhere from end to end: as a program and from Python, exported and read again."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from conftest import Program
from frostmark.api import benchmark, compare
from frostmark.benchmark.result import Result
from frostmark.comparison.runs import Run
from frostmark.errors import ConfigError, DataError
from support.environment import REPOSITORY
from support.runs import TINY, Tracked, metrics_of, rows_in

QUICK = (
    "reducer=pca",
    "metrics=[linear,neighbours,variance]",
    "uncertainty.resamples=50",
    "uncertainty.permutations=0",
)
TRAIN, TEST = 120, 80


def digits(groups: bool = False) -> dict[str, np.ndarray]:
    """Two layers of digits: all pixels, and the upper half of them."""
    data = load_digits()
    rows, labels = data.data.astype(np.float16), data.target
    split = {"train": slice(0, TRAIN), "test": slice(TRAIN, TRAIN + TEST)}
    of = {f"{name}_labels": labels[part] for name, part in split.items()}
    of |= {f"all/{name}": rows[part] for name, part in split.items()}
    of |= {f"upper half/{name}": rows[part, :32] for name, part in split.items()}
    if groups:
        of |= {f"{name}_groups": np.arange(part.start, part.stop) // 5 for name, part in split.items()}
    return of


def numbers(values: dict[str, float]) -> dict[str, float]:
    """Without what it took, and without copies among the images, which rows come without."""
    return {key: value for key, value in values.items() if not key.startswith(("cost/", "test/leaks/"))}


@pytest.fixture(scope="module")
def swept(program: Program, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a sweep over both layers of a file, with groups and everything else."""
    root = tmp_path_factory.mktemp("swept")
    np.savez(root / "digits.npz", **digits(groups=True))  # type: ignore[arg-type]
    words = ("backbone=rows", "backbone.file=digits.npz", "backbone.label=mine", "controls=[untrained,pixels]")
    done = program(*words, *QUICK, cwd=root)
    assert done.returncode == 0, done.stderr
    assert "mine · all (linear accuracy" in done.stdout
    return root


def jobs(root: Path) -> list[Path]:
    return sorted(file.parents[1] for file in root.glob("mlruns/_hydra/sweeps/*/*/raw/metrics.json"))


def test_a_file_of_several_layers_is_a_sweep_with_a_verdict(swept: Path) -> None:
    runs = [Run.read(folder) for folder in jobs(swept)]
    assert [run.title for run in runs] == ["mine · all · unnamed", "mine · upper half · unnamed"]
    assert runs[0].values["test/linear/accuracy"] > runs[1].values["test/linear/accuracy"] > 0.5
    assert {"map.png", "map.html", "embedding.parquet"} <= {path.name for path in jobs(swept)[0].iterdir()}
    (sweep,) = swept.glob("mlruns/_hydra/sweeps/*")
    assert (sweep / "comparison.html").is_file()
    assert not (sweep / "depth.png").is_file()  # how deep the layers are, the file does not tell
    page = (sweep / "comparison.md").read_text()
    assert "is better than mine · upper half" in page
    assert "over 16 groups" in page


def test_what_asks_for_a_network_has_no_value_and_says_why(swept: Path) -> None:
    record = json.loads((jobs(swept)[0] / "raw" / "metrics.json").read_text())
    network = {
        "images_forwarded", "images_checked", "images_per_second", "extract_seconds", "gmacs", "gmacs_share", "params",
    }  # fmt: skip
    assert {key: record["undefined"][key] for key in record["undefined"] if key.startswith("cost/")} == {
        f"cost/{name}": "rows made elsewhere have no network" for name in network
    }
    assert record["skipped"]["control untrained"] == "rows made elsewhere have no network"
    assert record["skipped"]["control pixels"] == "rows made elsewhere come without pixels"
    assert "images of the rows are not known" in record["skipped"]["maps/thumbnails.npz"]
    tags = record["tags"]
    assert (tags["weights"], tags["rows_kind"], tags["features"]) == ("rows of digits.npz", "float16", "64")
    assert not {"pool", "parameters", "image_size", "imagenet_top1"} & set(tags)
    assert "identified only by their labels" in (jobs(swept)[0] / "summary.md").read_text()


def test_nothing_of_the_default_data_set_is_touched(swept: Path) -> None:
    config = (jobs(swept)[0] / "config.yaml").read_text()
    assert "FashionMNIST" not in config
    assert "fashion_mnist" not in config
    assert {path.name for path in swept.iterdir()} == {"digits.npz", "mlruns"}
    params = Tracked(swept).runs()[1].data.params
    assert params["dataset.given"] == params["preprocess.given"] == "rows"


def test_the_same_sweep_once_more_reads_the_store_and_gives_the_same_numbers(program: Program, swept: Path) -> None:
    before, rows = [Run.read(folder) for folder in jobs(swept)], rows_in(swept)
    words = ("backbone=rows", "backbone.file=digits.npz", "layer=all", *QUICK, "tracking=none")
    assert program(*words, cwd=swept).returncode == 0
    assert numbers(metrics_of(swept)["values"]) == numbers(dict(before[0].values))
    assert rows_in(swept) == rows


def test_exported_and_read_again_all_numbers_are_equal_to_the_bit(
    program: Program, swept: Path, tmp_path: Path
) -> None:
    (sweep,) = swept.glob("mlruns/_hydra/sweeps/*")
    file = tmp_path / "out.safetensors"
    done = program("cache", "export", str(sweep), str(file), f"paths.root={swept}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "all, upper half" in done.stdout
    before = [Run.read(folder) for folder in jobs(swept)]
    again = program("backbone=rows", f"backbone.file={file}", *QUICK, "tracking=none", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    after = {run.layer: run for run in map(Run.read, jobs(tmp_path))}
    for run in before:
        other = after[run.layer]
        assert numbers(dict(other.values)) == numbers(dict(run.values))
        assert {name: of.tobytes() for name, of in other.draws.items()} == {
            n: of.tobytes() for n, of in run.draws.items()
        }
        for tag in ("backbone", "dataset", "dataset_fingerprint", "label_digest", "group_digest"):
            assert other.tags[tag] == run.tags[tag], tag
        for split, shown in run.shown.items():
            np.testing.assert_array_equal(other.shown[split].coordinates, shown.coordinates)


def test_a_networks_rows_exported_and_read_again_are_those_of_the_run(program: Program, tmp_path: Path) -> None:
    """Of files, too: they are named, and beside the images the maps show them."""
    images = tmp_path / "images"
    generator = np.random.default_rng(0)
    for split, count in (("train", 20), ("test", 12)):
        for name, grey in (("dark", 60), ("light", 150)):
            (images / split / name).mkdir(parents=True)
            for i in range(count):
                pixels = generator.integers(grey, grey + 90, (40, 30), dtype=np.uint8)
                Image.fromarray(pixels).save(images / split / name / f"{i}.png")
    words = [word for word in TINY if not word.startswith(("dataset", "uncertainty", "reducer"))]
    done = program(*words, "dataset=folder", f"dataset.root={images}", *QUICK, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (run,) = Tracked(tmp_path).runs()
    file = images / "rows.safetensors"
    assert program("cache", "export", run.info.run_id, str(file), cwd=tmp_path).returncode == 0
    (tmp_path / "again").mkdir()
    again = program("backbone=rows", f"backbone.file={file}", *QUICK, "tracking=none", cwd=tmp_path / "again")
    assert again.returncode == 0, again.stderr
    before, after = metrics_of(tmp_path), metrics_of(tmp_path / "again")
    assert numbers(after["values"]) == numbers(before["values"])
    assert after["title"] == before["title"] == "squeezenet1_0 · last_conv · images"
    (folder,) = (tmp_path / "again").glob("mlruns/_hydra/runs/*")
    with np.load(folder / "maps" / "thumbnails.npz") as shown:
        assert shown["test/images"].shape == (24, 48, 48, 3)
        bright = shown["test/images"].mean((1, 2, 3)) > 150
    np.testing.assert_array_equal(bright, Run.read(folder).labels["test"] == 1)  # the right images
    assert "test/dark/0.png" in Run.read(folder).files["test"]
    (images / "test" / "dark" / "0.png").unlink()
    gone = program("backbone=rows", f"backbone.file={file}", *QUICK, "tracking=none", cwd=tmp_path / "again")
    assert gone.returncode == 0, gone.stderr
    assert "maps show no images: 1 of 64 files are missing, such as test/dark/0.png" in " ".join(gone.stdout.split())


def test_layers_lists_what_is_in_a_file(program: Program, swept: Path) -> None:
    done = program("layers", "backbone=rows", "backbone.file=digits.npz", cwd=swept)
    assert done.returncode == 0, done.stderr
    assert "digits.npz: 120 train, 80 test" in done.stdout
    assert re.search(r"upper half\s+32\s+float16", done.stdout)


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["backbone=rows"], 2, "backbone=rows needs the file of the rows"),
        (["backbone=rows", "backbone.file=no.npz"], 3, "there is no file no.npz"),
        (["backbone=rows", "backbone.file=digits.npz", "layer=al"], 2, "digits.npz has no layer 'al'. Its layers: all"),
        (["backbone=rows", "backbone.file=digits.npz", "dataset=digits"], 2, "dataset=digits has no effect beside"),
        (["cache", "export", "x", "out.npz"], 2, "holds no run|stands for|no run"),
        (["cache", "export", "out.safetensors"], 2, "export needs a run and a file"),
    ],
)
def test_what_is_wrong_is_told_with_a_fix(
    program: Program, swept: Path, words: list[str], code: int, told: str
) -> None:
    done = program(*words, *(() if words[0] == "cache" else ("tracking=none",)), cwd=swept)
    assert done.returncode == code, done.stderr
    assert re.search(told, done.stderr)
    assert "\nFix: " in done.stderr


def test_runs_that_do_not_go_into_one_file_are_refused(program: Program, swept: Path, tmp_path: Path) -> None:
    one, two = jobs(swept)
    for words, told in (
        ([str(one), str(one), "out.safetensors"], "two runs are of the layer all"),
        ([str(one), "out.npz"], "does not end in .safetensors"),
        ([str(one), str(two), str(tmp_path / "no" / "out.safetensors")], "no folder"),
    ):
        done = program("cache", "export", *words, f"paths.root={swept}", cwd=tmp_path)
        assert done.returncode in (2, 3)
        assert told in done.stderr
    done = program("cache", "export", str(one), "out.safetensors", cwd=tmp_path)  # another mlruns
    assert done.returncode == 3
    assert "rows of mine · all · unnamed are not in" in done.stderr
    assert not list(tmp_path.rglob("*.safetensors"))


# ---------------------------------------------------------------- from Python


def run(folder: Path, **more: object) -> list[Result]:
    return benchmark(root=folder, tracking="none", overrides=QUICK, **more)  # type: ignore[arg-type]


def test_arrays_are_benchmarked_as_their_file_is(swept: Path, tmp_path: Path) -> None:
    results = run(tmp_path, rows=digits(groups=True), name="mine")
    assert [result.title for result in results] == ["mine · all · unnamed", "mine · upper half · unnamed"]
    for result, folder in zip(results, jobs(swept), strict=True):
        assert numbers(dict(result.values)) == numbers(dict(Run.read(folder).values))
    (of_file,) = run(tmp_path, rows=swept / "digits.npz", layers="all")
    assert of_file.title == "digits · all · unnamed"
    assert numbers(dict(of_file.values)) == numbers(dict(results[0].values))


def test_rows_of_two_networks_are_compared_where_their_images_are_the_same(tmp_path: Path) -> None:
    of = digits()
    labels = {key: value for key, value in of.items() if key.endswith("labels")}
    first = {split: of[f"all/{split}"] for split in ("train", "test")} | labels
    second = {split: of[f"upper half/{split}"] for split in ("train", "test")} | labels
    results = [run(tmp_path, rows=rows, name=name)[0] for name, rows in (("all", first), ("half", second))]
    assert compare(results, root=tmp_path).sentence.startswith("all · rows (")
    other = run(tmp_path, rows=second | {"test_labels": of["test_labels"][::-1]}, name="half")
    with pytest.raises(ConfigError, match="differ in"):
        compare([results[0], *other], root=tmp_path)
    named = run(tmp_path, rows=second | {"about": {"dataset": "pets"}}, name="half")
    with pytest.raises(ConfigError, match="data set: unnamed and pets"):
        compare([results[0], *named], root=tmp_path)


def test_rows_that_are_too_large_to_keep_give_the_same_numbers(tmp_path: Path) -> None:
    words = [*QUICK, "features.max_bytes=100"]
    rows = {key: value for key, value in digits().items() if not key.startswith("upper")}
    (kept,) = run(tmp_path / "kept", rows=rows)
    (streamed,) = benchmark(rows=rows, root=tmp_path / "streamed", tracking="none", overrides=words)
    assert numbers(dict(streamed.values)) == numbers(dict(kept.values))
    assert not rows_in(tmp_path / "streamed")
    with pytest.raises(DataError, match=r"51,200 bytes, features.max_bytes is 100"):
        streamed.rows["train"]


def test_what_is_named_beside_rows_is_refused(tmp_path: Path) -> None:
    for more in ({"backbone": "vgg16"}, {"dataset": "digits"}, {"mean": (0, 0, 0)}):
        with pytest.raises(ConfigError, match="stand in the place of backbone and dataset"):
            run(tmp_path, rows=digits(), **more)
    with pytest.raises(ConfigError, match=r"preprocess.size=64 has no effect beside rows"):
        benchmark(rows=digits(), overrides=["preprocess.size=64"])
    with pytest.raises(ConfigError, match="the mapping of rows has no layer 'last'"):
        run(tmp_path, rows=digits(), layers="last")


def test_the_example_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (REPOSITORY / "docs" / "python.md").read_text(encoding="utf-8")
    (block,) = [block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "np.savez" in block]
    monkeypatch.chdir(tmp_path)

    def quick(**more: object) -> list[Result]:
        return run(tmp_path, **more)

    of = digits()
    names = {key.replace("all/", ""): value for key, value in of.items()}
    left: dict[str, object] = {**names, "benchmark": quick}
    exec(block, left)
    assert left["results"][0].title == "rows · rows · unnamed"  # type: ignore[index]
    assert [path.parent for path in tmp_path.glob("*.npz")] == [tmp_path]
