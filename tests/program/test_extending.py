"""docs/extending.md, done as it says: its plugin installed and used, its files in a clone, and its mistakes made."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from conftest import Program
from support.environment import REPOSITORY, environment
from support.plugin import dist_info

PAGE = (REPOSITORY / "docs" / "extending.md").read_text(encoding="utf-8")

BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)

FILES = {
    path: text
    for _, text in BLOCKS
    for path in re.findall(r"\A# (frostmark-shapes/\S+)\n", text)
}  # fmt: skip
"""The files that the page tells the reader to write: path → content."""

CLASSES = "frostmark-shapes/src/frostmark_shapes"


def shell() -> list[list[str]]:
    """The words of every command of the page."""
    return [shlex.split(line) for language, text in BLOCKS if language == "sh" for line in text.splitlines()]


WORDS = next(words[1:] for words in shell() if words[0] == "frostmark" and words[1] != "plugins")
"""The benchmark that uses all four words."""

QUICK = ("uncertainty.resamples=0", "uncertainty.permutations=0", "tracking=none")


def written(folder: Path, files: dict[str, str]) -> str:
    """The plugin as ``pip install -e`` leaves it; what belongs on PYTHONPATH."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    dist_info(folder / "site", "frostmark-shapes", "frostmark_shapes", name_of_point="shapes")
    return os.pathsep.join([str(folder / "site"), str(folder / "frostmark-shapes" / "src")])


def metrics_of(root: Path) -> dict[str, float]:
    (file,) = root.glob("mlruns/_hydra/runs/*/raw/metrics.json")
    values: dict[str, float] = json.loads(file.read_text())["values"]
    return values


def test_every_block_of_the_page_is_a_file_or_is_run() -> None:
    files = [text for language, text in BLOCKS if language in ("python", "yaml", "toml")]
    assert len(files) == len(FILES) == 10
    tree = next(iter(re.findall(r"^    frostmark-shapes/\n((?:      .*\n)+)", PAGE, re.MULTILINE)))
    for path in FILES:
        assert Path(path).name in tree
    assert {language for language, _ in BLOCKS} == {"python", "yaml", "toml", "sh", "text"}


def test_the_plugin_of_the_page(program: Program, tmp_path: Path) -> None:
    path = written(tmp_path, FILES)
    listed = program("plugins", cwd=tmp_path, PYTHONPATH=path)
    assert listed.returncode == 0, listed.stdout + listed.stderr
    assert next(text for language, text in BLOCKS if language == "text") in listed.stdout
    for folder in ("first", "second"):
        (tmp_path / folder).mkdir()
        done = program(*WORDS, *QUICK, "controls=[untrained]", cwd=tmp_path / folder, PYTHONPATH=path)
        assert done.returncode == 0, done.stderr
    values = metrics_of(tmp_path / "first")
    assert 0 <= values["test/dead/share"] <= 1
    assert values["test/neighbours/knn_accuracy"] == metrics_of(tmp_path / "second")["test/neighbours/knn_accuracy"]


def homes() -> Iterator[tuple[str, str, str]]:
    """(file, place in a clone, target) of the table of the page."""
    yield from re.findall(r"^\| `(\w+\.py)` \| `(src/\S+)` \| `(\S+)` \|$", PAGE, re.MULTILINE)


def test_the_same_in_a_clone(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    for folder in ("src", "conf"):
        shutil.copytree(REPOSITORY / folder, clone / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "run.py", clone)
    assert len(list(homes())) == 4
    for name, place, target in homes():
        (clone / place).write_text(FILES[f"{CLASSES}/{name}"], encoding="utf-8")
        old = f"frostmark_shapes.{Path(name).stem}.{target.rpartition('.')[2]}"
        for path, text in FILES.items():
            if old in text and path.endswith(".yaml"):
                (clone / path.removeprefix(f"{CLASSES}/")).write_text(text.replace(old, target), encoding="utf-8")
    command = next(words for words in shell() if words[:2] == ["python", "run.py"])
    done = subprocess.run(
        [sys.executable, *command[1:], *QUICK],
        cwd=clone,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert 0 <= metrics_of(clone)["test/dead/share"] <= 1


@dataclass(frozen=True)
class Mistake:
    """A line of the page's plugin that is written otherwise, and what the page says of it."""

    what: str
    file: str
    old: str
    new: str

    @property
    def told(self) -> str:
        """The sentence on the page."""
        (sentence,) = re.findall(rf"^\| {re.escape(self.what)} \| `(.*)` \|$", PAGE, re.MULTILINE)
        return str(sentence)


KIND = '"dead/share": Kind('

MISTAKES = (
    Mistake("the data set has no `limit`", "dataset.py", "    limit: Limits = field(default_factory=Limits)\n", ""),
    Mistake("the labels are int32", "dataset.py", "images.unsqueeze(1), labels", "images.unsqueeze(1), labels.int()"),
    Mistake("`classes()` names 3 of 4 classes", "dataset.py", "for angle in ANGLES)", "for angle in ANGLES[1:])"),
    Mistake("the map has three dimensions", "reducer.py", "[-2:]", "[-3:]"),
    Mistake("`fit` raises an exception", "reducer.py", "        chosen =", "        1 / 0\n        chosen ="),
    Mistake("a key has no split", "metric.py", 'f"{name}/dead/share"', '"dead/share"'),
    Mistake("a key has no kind", "metric.py", KIND, KIND.replace("share", "part")),
    Mistake("the range of a kind is wrong", "metric.py", "range=(0, 1)", "range=(0.5, 1)"),
    Mistake(
        "the YAML has a key that the class does not take", "conf/backbone/tiny_cnn.yaml", "channels: 8", "channel: 8"
    ),
    Mistake(
        "`_target_` names a class of another package",
        "conf/backbone/tiny_cnn.yaml",
        "frostmark_shapes.backbone.TinyCNN",
        "torch.nn.Identity",
    ),
    Mistake(
        "the weights differ each time",
        "backbone.py",
        "nn.Linear(16, 10)",
        "nn.Linear(16, 10).apply(lambda layer: layer.weight.data.fill_(__import__('random').SystemRandom().random()))",
    ),
    Mistake("`build` returns nothing", "backbone.py", "return nn.Sequential(", "nn.Sequential("),
)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.what)
def test_a_mistake_is_named_with_exit_code_2(mistake: Mistake, program: Program, tmp_path: Path) -> None:
    name = f"{CLASSES}/{mistake.file}"
    assert mistake.old in FILES[name]
    files = FILES | {name: FILES[name].replace(mistake.old, mistake.new)}
    if "limit" in mistake.what:
        yaml = f"{CLASSES}/conf/dataset/stripes.yaml"
        files[yaml] = re.sub(r"limit:\n(  .*\n)+", "", files[yaml])
    done = program(*WORDS, *QUICK, cwd=tmp_path, PYTHONPATH=written(tmp_path, files))
    assert (done.returncode, "bug" in done.stderr) == (2, False), done.stderr
    assert mistake.told in done.stderr
    assert "\nFix: " in done.stderr


def test_ten_mistakes_at_least() -> None:
    named = re.findall(r"^\| ([^|]+) \| `[^|]*` \|$", PAGE.partition("## What is checked")[2], re.MULTILINE)
    assert sorted(named) == sorted(mistake.what for mistake in MISTAKES)
    assert len(MISTAKES) >= 10
