"""`choose` as a person types it: a race, the reports of who is left, one run with its children, and going on."""

from __future__ import annotations

import csv
import json
import re
import shlex
from pathlib import Path

import pytest

from conftest import Program
from frostmark.config.candidates import read_candidates
from support.leaky_images import a_folder
from support.runs import TINY, Tracked

WORDS = (
    *(word for word in TINY if not word.startswith(("backbone", "reducer"))),
    "dataset.train=300", "metrics=[linear]", "reducer=none",
)  # fmt: skip

LIST = """
- {backbone: squeezenet1_0, weights: untrained, layer: last_conv}
- {backbone: squeezenet1_0, weights: untrained, layer: stage1}
- {backbone: mobilenet_v2, weights: untrained}
"""

PUBLISHED = "- {backbone: resnet18, layer: last_conv}\n- {backbone: vgg11}\n"

NOBODY = "http://127.0.0.1:9"
NO_NETWORK = {"http_proxy": NOBODY, "https_proxy": NOBODY, "no_proxy": "127.0.0.1"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "mine.yaml").write_text(LIST)
    return tmp_path


def photos(root: Path, *broken: str) -> tuple[str, ...]:
    """The words of a choice among two layers for 100 photos, of which some end in the middle."""
    a_folder(root / "my photos")
    for name in broken:
        file = root / "my photos" / name
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    (root / "two.yaml").write_text("".join(LIST.splitlines(keepends=True)[:3]))
    shared = [word for word in WORDS if not word.startswith("dataset")]
    return ("choose", "candidates=two.yaml", "dataset=folder", "dataset.root=my photos", *shared)


def rounds(folder: Path) -> list[dict[str, str]]:
    with (folder / "rounds.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_budget_ends_the_race_and_the_same_command_goes_on(program: Program, root: Path) -> None:
    words = ("choose", "candidates=mine.yaml", *WORDS)
    stopped = program(*words, "budget.minutes=0.000001", cwd=root)
    assert stopped.returncode == 0, stopped.stderr
    assert "The budget ended the race in the first round: 3 of 3 candidates are left" in stopped.stdout
    assert "is not known" in stopped.stdout
    (first,) = root.glob("mlruns/_hydra/sweeps/*")
    assert rounds(first) == []
    parent = Tracked(root).only()

    done = program(*words, cwd=root)
    assert done.returncode == 0, done.stderr
    assert f"Continuing the choice in {first}" in done.stderr
    runs = Tracked(root).runs()
    children = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
    (again,) = [run for run in runs if run not in children]
    assert again.info.run_id == parent.info.run_id
    assert again.info.status == "FINISHED"
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}
    assert {"choice.md", "rounds.csv"} <= set(Tracked(root).artifacts(again))

    (second,) = [folder for folder in root.glob("mlruns/_hydra/sweeps/*") if folder != first]
    lines = rounds(second)
    assert [line["images"] for line in lines[:3]] == ["75"] * 3
    left = 3 - sum(int(line["dropped"]) for line in lines)
    assert len(children) == left
    page = (second / "choice.md").read_text()
    sentence = next(line for line in page.splitlines() if line.startswith("**"))
    assert sentence.strip("*") in " ".join(done.stdout.split())
    assert ("is the best of 3" in sentence) == (left == 1)
    assert "of the full grid" in page
    assert page.strip() in again.data.tags["mlflow.note.content"]

    # The same once more is a new choice, which forwards nothing: every row is stored.
    anew = program(*words, "tracking=none", cwd=root)
    assert anew.returncode == 0, anew.stderr
    assert "were already stored" in anew.stdout


def test_candidates_without_weights_are_named_and_skipped(program: Program, root: Path) -> None:
    (root / "more.yaml").write_text(LIST + PUBLISHED)
    words = ("choose", "candidates=more.yaml", *WORDS, "tracking=none", "budget.minutes=0.000001")
    done = program(*words, cwd=root, TORCH_HOME=str(root), **NO_NETWORK)
    assert done.returncode == 0, done.stderr
    assert "skipped: resnet18 · last_conv; missing here: resnet18-" in done.stderr
    assert "skipped: vgg11 · embedding" in done.stdout
    assert "choose candidates=more.yaml" in done.stdout
    assert "--fetch" in done.stdout
    assert "3 of 3 candidates are left" in done.stdout


def test_a_race_of_absent_candidates_is_refused_and_fetching_says_what_is_missing(program: Program, root: Path) -> None:
    (root / "published.yaml").write_text(PUBLISHED)
    words = ("choose", "candidates=published.yaml", *WORDS, "tracking=none")
    done = program(*words, cwd=root, TORCH_HOME=str(root), **NO_NETWORK)
    assert done.returncode == 3
    assert "0 of 2 candidates can race" in done.stderr
    assert "--fetch" in done.stderr
    fetched = program(*words, "--fetch", cwd=root, TORCH_HOME=str(root), **NO_NETWORK)
    assert fetched.returncode == 3
    assert "missing: resnet18 · last_conv" in fetched.stdout
    assert "0 of 2 candidates have their weights on this machine" in fetched.stdout


def test_a_photo_that_breaks_off_is_refused_before_the_race(program: Program, root: Path) -> None:
    words = photos(root, "test/dark/04.jpg")
    done = program(*words, cwd=root)
    assert done.returncode == 3
    assert "1 file is not a readable image:\n  " in done.stderr
    assert "test/dark/04.jpg" in done.stderr
    (fix,) = re.findall(r"^Fix: (.*)$", done.stderr, re.MULTILINE)
    assert "dataset.on_bad_image=skip" in fix
    assert "candidates race on" not in done.stderr
    assert done.stdout == ""
    assert not (root / "mlruns" / "_hydra").exists()
    assert not list(root.glob("mlruns/features/*/rows-*"))  # nothing was forwarded

    left_out = program(*words, "dataset.on_bad_image=skip", "tracking=none", "budget.minutes=0.000001", cwd=root)
    assert left_out.returncode == 0, left_out.stderr


def test_the_line_of_a_failed_job_names_the_file(program: Program, root: Path) -> None:
    words = [word for word in photos(root, "test/dark/04.jpg") if not word.startswith(("choose", "candidates"))]
    network = ("backbone=squeezenet1_0", "backbone.weights=untrained", "layer=last_conv,stage1")
    done = program("-m", *network, *words, "tracking=none", cwd=root)
    assert done.returncode == 3
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("#0: ")]
    file = root / "my photos/test/dark/04.jpg"
    assert line.startswith(f"#0: 1 file is not a readable image: {file} cannot be read")


def test_no_choice_is_announced_if_every_report_fails(program: Program, root: Path) -> None:
    words = (*photos(root, "test/dark/04.jpg"), "tracking=none")
    assert program(*words, cwd=root).returncode == 3
    for note in root.glob("mlruns/features/.inspected/*.json"):
        note.write_text("{}")  # the file breaks only now, as far as anyone knows
    done = program(*words, cwd=root)
    assert done.returncode == 3
    assert "candidates race on" in done.stderr
    (folder,) = root.glob("mlruns/_hydra/sweeps/*")
    assert f"No choice: every report failed. The race: {folder / 'choice.md'}" in done.stdout
    assert "04.jpg" in done.stdout
    assert "\nChoice: " not in done.stdout
    assert " export " not in done.stdout


def test_a_tie_is_answered_with_the_cheapest_and_its_export_is_pasted_anywhere(program: Program, root: Path) -> None:
    place = root / "a place"
    words = photos(place)
    (place / "two.yaml").write_text(LIST.replace("last_conv", "stage2").partition("- {backbone: mobilenet_v2")[0])
    done = program(*words, cwd=place)
    assert done.returncode == 0, done.stderr
    assert "There is no significant difference between the best 2 of 2" in done.stdout
    (cheapest,) = [line for line in done.stdout.splitlines() if line.startswith("Among the candidates")]
    assert "on train, squeezenet1_0 (untrained) · stage1 costs least (" in cheapest
    assert "of the reports are on test images" in done.stdout
    (page,) = place.glob("mlruns/_hydra/sweeps/*/choice.md")
    assert cheapest in page.read_text()

    first, _ = re.findall(r"with you: python run.py (export .*)", done.stdout)
    assert shlex.split(first)[-1] == f"paths.root={place}"
    exported = program(*shlex.split(first), cwd=root)
    assert exported.returncode == 0, exported.stderr
    assert (root / "out/model.onnx").is_file()


def test_a_benchmark_sends_a_list_of_candidates_to_choose(program: Program, tmp_path: Path) -> None:
    done = program("candidates=base", cwd=tmp_path)
    assert done.returncode == 2
    assert "candidates belongs to choose" in done.stderr
    assert "Fix: python run.py choose candidates=base" in done.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "choose needs a list of candidates. Valid: base, edge, large, report, selfsupervised"),
        (("candidates=bas",), "candidates=base"),
        (("candidates=none.yaml",), "there is no such file"),
        (("candidates=mine.yaml", "budget.minutes=soon"), "budget.minutes=soon is not a number of minutes above 0"),
        (("candidates=mine.yaml", "budget.minutes=0"), "is not a number of minutes above 0"),
        (("candidates=mine.yaml", "budget.hours=1"), "Valid: budget.minutes"),
        (("candidates=mine.yaml", "backbone=resnet18"), "the candidates name their own backbone"),
        (("candidates=mine.yaml", "layer.pool=max"), "the candidates name their own layer"),
        (("candidates=mine.yaml", "dataset=digit"), "dataset"),
        (("candidates=one.yaml", "dataset=digits"), "a race needs two"),
        (("candidates=wrong.yaml", "dataset=digits"), "candidate resnet18 (untrained) · block3"),
    ],
)
def test_wrong_words_are_refused(words: tuple[str, ...], told: str, program: Program, root: Path) -> None:
    (root / "one.yaml").write_text("- {backbone: resnet18, weights: untrained}\n")
    (root / "wrong.yaml").write_text("- {backbone: resnet18, weights: untrained, layer: block3}\n- resnet18\n")
    done = program("choose", *words, cwd=root)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Fix:" in done.stderr
    assert not (root / "mlruns" / "_hydra").exists()


REAL = """
- {{backbone: squeezenet1_0, weights: {weights}/squeezenet1_0-imagenet.pth}}
- {{backbone: timm, name: tf_efficientnet_lite0, weights: {weights}/tf_efficientnet_lite0-imagenet.safetensors}}
- {{backbone: resnet18, weights: untrained}}
- {{backbone: squeezenet1_0, weights: untrained}}
- {{backbone: mobilenet_v2, weights: untrained}}
- {{backbone: alexnet, weights: untrained}}
- {{backbone: efficientnet_b0, weights: untrained}}
- {{backbone: timm, name: convnext_atto, weights: untrained}}
"""


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_real_networks_have_the_winner_of_the_full_grid_for_fewer_forward_passes(
    program: Program, tmp_path: Path, shared_data: Path, shared_weights: Path
) -> None:
    pytest.importorskip("timm", reason="pip install 'frostmark[timm]'")
    (tmp_path / "eight.yaml").write_text(REAL.format(weights=shared_weights.parent))
    words = (
        "dataset=fashion_mnist", f"dataset.root={shared_data}", "dataset.download=false", "dataset.limit.train=4000",
        "dataset.limit.test=1000", "metrics=[linear]", "reducer=none", "uncertainty.permutations=0", "tracking=none",
        "preprocess.size=224",
    )  # fmt: skip
    done = program("choose", "candidates=eight.yaml", *words, cwd=tmp_path, timeout=3600)
    assert done.returncode == 0, done.stderr
    share = re.search(r"forward passes \(([\d.]+)% of the 40,000", done.stdout)
    assert share is not None
    assert float(share[1]) <= 40
    last = rounds(next(tmp_path.glob("mlruns/_hydra/sweeps/*")))
    winner = next(line["candidate"] for line in last if line["images"] == last[-1]["images"])

    accuracies = {}
    for candidate in read_candidates(str(tmp_path / "eight.yaml")):
        alone = program(*candidate.words, *words, cwd=tmp_path, timeout=3600)
        assert alone.returncode == 0, alone.stderr
        newest = max(tmp_path.glob("mlruns/_hydra/runs/*/raw/metrics.json"))
        accuracies[candidate.title] = json.loads(newest.read_text())["values"]["test/linear/accuracy"]
    assert max(accuracies, key=lambda title: accuracies[title]) == winner
