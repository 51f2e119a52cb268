"""What stands behind ``Fix:`` is pasted, and the program gets further than before.

The line goes through bash, which takes it apart as it does what a user pastes; the words that come out are run.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from PIL import Image

from conftest import Program
from frostmark.cli.mended import fix_lines, mended
from frostmark.errors import MissingExtraError, closest
from support.environment import REPOSITORY, environment

SMALL = (
    "dataset=synthetic", "dataset.train=60", "dataset.test=30", "backbone=squeezenet1_0", "backbone.weights=untrained",
    "preprocess.size=32", "reducer=none", "metrics=[linear]", "tracking=none",
)  # fmt: skip
"""A benchmark of a second or two."""

ALMOST = SMALL[:3] + SMALL[5:]
"""The same with the default network, of which no weights are here."""

# Provoking words, what the message names, what the command behind Fix holds beside the other words, and its exit code.
CASES = [
    ([*SMALL, "dataset.limit=40"], "dataset.limit.train", "dataset.limit.train=40 dataset.limit.test=40", 0),
    ([*SMALL, "dataset.limit=null"], "dataset.limit.train", "dataset.limit.train=null dataset.limit.test=null", 0),
    ([*SMALL, "limit=40"], "dataset.limit.train", "dataset.limit.train=40 dataset.limit.test=40", 0),
    ([*SMALL, "metrics=knn"], "'knn'", "metrics=neighbours", 0),
    ([*SMALL, "metrics=linear,variance"], "list", "'metrics=[linear,variance]'", 0),
    ([*SMALL, "controls=pixels"], "list", "'controls=[pixels]'", 0),
    ([*SMALL, "controls=[pixel]"], "'pixel'", "'controls=[pixels]'", 0),
    ([*SMALL, "layer=stage9"], "'stage9'", "layer=stage4", 0),
    ([*SMALL, "layer=stage1,stage2"], "-m", "layer=stage1,stage2 -m", 0),
    ([*SMALL, "layer=[stage1,stage2]"], "-m", "layer=stage1,stage2 -m", 0),
    ([*SMALL, "trainer.accelerator=x"], "invalid accelerator", "trainer=auto", 0),
    ([*SMALL, "trainer.strategy=x"], "invalid strategy", "trainer=auto", 0),
    ([*SMALL[:-2], "tracking=none", "metrics=[linear,knn]"], "no metrics 'knn'", "'metrics=[linear,neighbours]'", 0),
    ([*SMALL, "controls=[pixel,untrained]"], "no control 'pixel'", "'controls=[untrained,pixels]'", 0),
    ([*SMALL, "figures.svg=3"], "not true or false", "figures.svg=true", 0),
    ([*SMALL, "accuracy=0.9"], "metrics=linear", "'metrics=[linear]'", 0),
    ([*SMALL, "reducer.perplexity=3"], "reducer=tsne", "reducer.perplexity=3", 0),
    ([*SMALL, "seed=x"], "whole number", "seed=0", 0),
    ([*SMALL, "figures.svg=maybe"], "true or false", "figures.svg=false", 0),
    ([*SMALL, "batch_size=16"], "trainer.batch_size", "trainer.batch_size=16", 0),
    ([*SMALL, "trainer=cuda"], "'cuda'", "trainer=auto", 0),
    ([*SMALL, "device=cpu"], "trainer", "trainer=cpu", 0),
    ([*SMALL, "tracking=mlflow"], "'mlflow'", "tracking=local", 0),
    ([*SMALL, "decide=svm"], "'svm'", "decide=linear", 0),
    ([*SMALL, "decide.family=svm"], "svm", "decide=linear", 0),
    ([*SMALL, "decide.balanced=maybe"], "maybe", "decide.balanced=auto", 0),
    ([*SMALL, "output=long"], "output=long", "output=full", 0),
    ([*SMALL, "layer.pool=avg"], "layer.pool=avg", "layer.pool=gap", 0),
    ([*SMALL, "layer.norm=x"], "layer.norm=x", "layer.norm=final", 0),
    ([*SMALL, "trainer.precision=bf16"], "bf16", "trainer.precision=bf16-mixed", 0),
    ([*SMALL, "preprocess=offical"], "official", "preprocess=official", 0),
    ([*SMALL, "preprocess.size=abc"], "whole number", "preprocess.size=null", 0),
    ([*SMALL, "uncertainty.resamples=3"], "40 to 100,000", "uncertainty.resamples=1000", 0),
    ([*SMALL, "metrics.linear.folds=x"], "whole number", "metrics.linear.folds=5", 0),
    ([*SMALL, "reducer=t-SNE"], "'t-SNE'", "reducer=tsne", 0),
    ([*SMALL, "layer=lastconv"], "last_conv", "layer=last_conv", 0),
    ([*SMALL, "--mulirun"], "--mulirun", "--multirun", 0),
    ([*SMALL, "--backbone=squeezenet1_0"], "--backbone", "backbone=squeezenet1_0", 0),
    ([*ALMOST, "backbone=SqueezeNet1_0"], "squeezenet1_0", "backbone=squeezenet1_0", 3),
    ([*ALMOST, "backbone", "resnet18"], "backbone", "backbone=resnet18", 3),
    (["experiment=quick", "--cfg", "job"], "quickstart", "experiment=quickstart", 0),
    (["quickstrat", "--cfg", "job"], "quickstrat", "experiment=quickstart", 0),
    (["root=photos", "--cfg", "job"], "dataset=<folder>", "dataset=./photos", 0),
    (["dataset=folder", "dataset.root=a(b", "--cfg", "job"], "a(b", "dataset.root='a(b'", 0),
    (["dataset=folder", "dataset.root=a['b", "--cfg", "job"], "a['b", "dataset.root=", 0),
    (["dataset=folder", "dataset.root=it's", "--cfg", "job"], "it's", "dataset.root=", 0),
    (["dataset=folder", "dataset.root=a=b c", "--cfg", "job"], "a=b c", "dataset.root='a=b c'", 0),
    (["dataset=folder", "dataset.root=it's ( [ , =", *SMALL[3:]], "it's", "dataset.root=", 3),
    (["dataset=folder", "dataset.root=a,b"], "-m", "dataset.root=a,b -m", 3),
    (["dataset=./not_there", *SMALL[3:]], "not_there", "dataset=digits", 0),
    (["dataset=nosuch", *SMALL[3:]], "nosuch", "dataset=digits", 0),
    (["--cfg", "job", "--config-name", "x"], "experiment=", "experiment=quickstart", 0),
    (["--resolve"], "--cfg", "--cfg job --resolve", 0),
    (["--cfg", "jbo"], "job", "--cfg job", 0),
    (["-m", "--cfg", "job"], "together", "-m", 3),
    (["compar"], "compare", "compare --help", 0),
    (["resnet18", "--cfg", "job"], "resnet18", "backbone=resnet18", 0),
    (
        ["dataset=./photos", "dataset.on_bad_images=skip", "--cfg", "job"],
        "Nearest",
        "dataset.on_bad_image=skip",
        0,
    ),
    (["datset.on_bad_image=skip", "--cfg", "job"], "dataset=folder", "dataset=folder dataset.on_bad_image=skip", 0),
    (["dataset.shuffle=3"], "Valid: dataset.dataset, dataset.download,", "--help", 0),
    (["epochs=3"], "epochs", "--help", 0),
    (["layers", "backbone=resnt18"], "resnet18", "layers backbone=resnet18", 0),
    (["cache", "prun"], "prune", "cache --help", 0),
    (["ui", "--prt", "3"], "--prt", "ui --help", 0),
    (["gate", "x"], "--margin", "gate --help", 0),
    (["choose", "dataset=digits", "candidates=larg"], "large", "choose dataset=digits candidates=large", 3),
    (["budget=3", "candidates=no.yaml"], "choose", "choose candidates=no.yaml budget.minutes=3", 2),
    (["budget.minutes=x"], "choose", "choose candidates=base", 2),
]

RUNS = [case for case in CASES if case[3] == 0 and case[0][: len(SMALL)] == [*SMALL]]
"""Those of which the pasted command is a benchmark: a handful in the default suite, all of them in the slow one."""


def fix_of(stderr: str) -> str:
    """The line behind ``Fix:``."""
    (line,) = re.findall(r"^Fix: (.*)$", stderr, re.MULTILINE)
    return str(line)


def words_in_bash(line: str) -> list[str]:
    """What the program would get if the line were pasted into bash."""
    script = f'python() {{ shift; printf "%s\\0" "$@"; }}\n{line}\n'
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.split("\0")[:-1]


def params() -> list[object]:
    slow = [case for case in CASES if case[0][0] == "choose" or (case in RUNS and RUNS.index(case) % 5)]
    marks = [[pytest.mark.slow] if case in slow else [] for case in CASES]
    ids = [" ".join(words[-2:]) for words, *_ in CASES]
    return [pytest.param(*case, marks=mark, id=name) for case, mark, name in zip(CASES, marks, ids, strict=True)]


@pytest.mark.parametrize(("words", "names", "holds", "code"), params())
def test_a_fix_gets_further_when_it_is_pasted(
    words: list[str], names: str, holds: str, code: int, program: Program, tmp_path: Path
) -> None:
    before = program(*words, cwd=tmp_path)
    assert before.returncode in (2, 3), before.stderr
    told = before.stderr[before.stderr.index("Error:") :]
    assert names in told
    line = fix_of(told)
    assert line.startswith("python run.py ")
    assert holds in line
    after = program(*words_in_bash(line), cwd=tmp_path)
    assert after.returncode == code, after.stderr
    assert "bug in Frostmark" not in after.stderr
    assert told.splitlines()[0] not in after.stderr


def test_a_job_of_a_sweep_is_mended_alone(program: Program, tmp_path: Path) -> None:
    done = program("-m", *SMALL, "layer=stage9,stage2", cwd=tmp_path)
    assert done.returncode == 2
    line = fix_of(done.stderr)
    assert words_in_bash(line) == [*SMALL, "layer=stage4"]
    assert program(*words_in_bash(line), cwd=tmp_path).returncode == 0


def test_the_whole_line_is_pasted_into_a_shell(program: Program, tmp_path: Path) -> None:
    """No word is taken apart by the test: run.py lies where the user is, and ``python`` is the one of these tests."""
    folder = tmp_path / "it's, (a) [set]"
    for split, name in [("train", "cat"), ("train", "dog"), ("test", "cat"), ("test", "dog")]:
        for i in range(6):
            (folder / split / name).mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (20, 20), (40 * i, 9 * len(name), 200 * (name == "cat"))).save(
                folder / split / name / f"{i}.png"
            )
    (tmp_path / "run.py").symlink_to(REPOSITORY / "run.py")
    words = ["dataset=folder", f"dataset.root=./{folder.name}", *SMALL[3:]]
    line = fix_of(program(*words, cwd=tmp_path).stderr)
    script = f'python() {{ {shlex.quote(sys.executable)} "$@"; }}\n{line}\n'
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert f"squeezenet1_0 · last_conv · {folder.name}" in done.stdout


def test_a_root_within_fashion_mnist_is_mended_and_missing_weights_are_named(
    program: Program, tmp_path: Path, shared_data: Path
) -> None:
    """Without a network and with the default backbone, whose weights are not here."""
    done = program(f"dataset.root={shared_data / 'FashionMNIST' / 'raw'}", cwd=tmp_path)
    assert done.returncode == 3
    assert words_in_bash(fix_of(done.stderr)) == [f"dataset.root={shared_data}"]
    assert "backbone.weights=<file>" in done.stderr
    nowhere = program(f"dataset.root={tmp_path}", cwd=tmp_path)
    assert "dataset.root=<the folder that contains FashionMNIST/raw>" in nowhere.stderr
    assert "backbone.weights=<file>" in nowhere.stderr


def test_a_folder_that_is_not_there_without_weights_offers_what_needs_nothing(program: Program, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "c").mkdir()
    done = program("dataset=./flowers/train", cwd=tmp_path)
    assert done.returncode == 3
    assert words_in_bash(fix_of(done.stderr)) == ["experiment=quickstart"]
    assert (
        f"there is no folder {tmp_path / 'flowers' / 'train'}; {tmp_path} exists, and has the folders b, c"
        in done.stderr
    )


def test_two_networks_with_their_own_weights_in_one_sweep_are_two_commands(
    program: Program, tmp_path: Path, shared_weights: Path
) -> None:
    pytest.importorskip("timm")
    words = ("-m", "backbone=squeezenet1_0,timm", "backbone.name=tf_efficientnet_lite0")
    done = program(*words, f"backbone.weights={shared_weights}", *SMALL[:3], *SMALL[5:], cwd=tmp_path)
    assert done.returncode == 3
    fixes = re.findall(r"^Fix: (.*)$", done.stderr, re.MULTILINE)
    assert len(fixes) == 2  # a name that torchvision does not have, and weights of another architecture
    for fix in fixes:
        assert "compare <run folder> <run folder>" in fix
        assert "choose candidates=mine.yaml" in fix
        assert "efficientnet_b0" not in fix


def test_a_misspelt_name_of_one_network_in_a_sweep_is_mended(program: Program, tmp_path: Path) -> None:
    words = ("-m", "backbone=torchvision", "backbone.name=resnt18", "layer=stage1,stage2")
    done = program(*words, "backbone.weights=untrained", *SMALL[:3], *SMALL[5:], cwd=tmp_path)
    assert "backbone.name=resnet18" in fix_of(done.stderr)


def test_a_cause_that_jobs_share_is_told_once(program: Program, tmp_path: Path) -> None:
    done = program("-m", "dataset=./nowhere", *SMALL[3:], "layer=stage1,stage2,stage3", cwd=tmp_path)
    assert done.returncode == 3
    for told in (done.stdout, done.stderr):
        assert told.count("there is no folder") == 1
        assert told.count("the same problem as job 0") == 2
    assert fix_of(done.stderr)


def test_a_password_is_in_no_command(program: Program, tmp_path: Path) -> None:
    uri = "tracking.uri=http://me:hunter2@127.0.0.1:9"
    done = program(*SMALL, uri, "layer=stage9", cwd=tmp_path)
    assert fix_of(done.stderr).startswith("layer=stage4, or ")
    assert "hunter2" not in done.stderr


def test_extras_that_a_fix_installs_are_there() -> None:
    source = "".join(path.read_text() for path in (REPOSITORY / "src").rglob("*.py"))
    extras = set(tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["optional-dependencies"])
    named = set(re.findall(r"frostmark\[(\w+)\]", source))
    named |= set(re.findall(r'MissingExtraError\([^)]*, "(\w+)"\)', source))
    assert {"timm", "clip"} <= named
    assert named <= extras
    assert shlex.split(MissingExtraError("x", "y", "timm").fix) == ["pip", "install", "frostmark[timm]"]


@pytest.mark.parametrize(
    ("fix", "line"),
    [
        ("repair its files", "repair its files"),
        ("seed=0 (0 to 9)", "python run.py seed=0 layer=x\n     (0 to 9)"),
        ("layer=y, or layer.node=<x>", "python run.py seed=1 layer=y\n     or layer.node=<x>"),
        ("layer=node layer.node='a b'", "python run.py seed=1 layer=node \"layer.node='a b'\""),
        ("layer=node layer.node='fc'", "python run.py seed=1 layer=node layer.node=fc"),
        ("'metrics=[linear]', or with others", "python run.py seed=1 layer=x 'metrics=[linear]'\n     or with others"),
        ("trainer.x=0 reads here; or not", "python run.py seed=1 layer=x trainer.x=0\n     reads here; or not"),
        ("layer=a,b -m", "python run.py seed=1 layer=a,b -m"),
        ("backbone.weights=<file>", "backbone.weights=<file>"),
        ("range=(low, high)", "range=(low, high)"),
        ("python run.py --help; it tells more", "python run.py --help\n     it tells more"),
        ("pip install -U timm, or another backbone.name", "pip install -U timm\n     or another backbone.name"),
    ],
)  # fmt: skip
def test_the_words_of_a_fix_take_the_places_of_those_that_were_typed(
    fix: str, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["run.py"])
    assert fix_lines(fix, ["seed=1", "layer=x"]) == line


def test_words_that_are_replaced_or_left_behind_are_gone() -> None:
    assert mended(["limit=3", "seed=1"], ["dataset.limit.train=3"], ["limit=3"]) == ["seed=1", "dataset.limit.train=3"]
    assert mended(["dataset=folder", "dataset.root=x", "dataset.limit.train=3"], ["dataset=digits"]) == [
        "dataset=digits", "dataset.limit.train=3",
    ]  # fmt: skip
    words = ["dataset=folder", "dataset.root=x", "dataset.test_share=0.3"]
    assert mended(words, ["dataset=/y"]) == ["dataset=/y", "dataset.test_share=0.3"]
    assert mended(["check", "dataset=./x"], ["dataset.root=/y"]) == ["check", "dataset=folder", "dataset.root=/y"]
    assert mended(["++seed=x"], ["seed=0"]) == ["seed=0"]


def test_the_word_that_was_meant() -> None:
    assert closest("t-SNE", ["none", "pca", "tsne", "tsne_gpu"]) == "tsne"
    assert closest("bf16", ["32-true", "bf16-mixed", "16-mixed"]) == "bf16-mixed"
    assert closest("cuda", ["auto", "cpu"]) == "auto"
    assert closest("", ["linear", "knn"]) == "linear"
