"""Pages that stay true: examples bind, commands compose, links lead somewhere, the map of the rooms is the folder."""

from __future__ import annotations

import importlib
import importlib.util
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import Program
from frostmark.cli.rows import with_layers
from frostmark.config.compose import compose
from house.examples import calls, problems
from house.source import CONF, SOURCE, File, files
from support.environment import REPOSITORY

PAGES = sorted([REPOSITORY / "README.md", REPOSITORY / "CHANGELOG.md", *(REPOSITORY / "docs").glob("*.md")])

MIN_CALLS = 200
"""Calls in examples of docstrings that the test understands; fewer would mean that it went blind."""

PLACEHOLDERS = {"<run>": "0" * 32, "<the sweep's run>": "0" * 32}
"""What pages write for what only the reader knows."""

EXAMPLES_OF_PAGES = ("dead", "my_vgg", "on_slurm", "convnext_atto.yaml")
"""Choices of YAMLs that a page tells the reader to write."""


@pytest.mark.parametrize("file", files(), ids=lambda file: file.name)
def test_the_example_of_a_module_fits_what_it_calls(file: File) -> None:
    assert problems(importlib.import_module(file.module)) == []


def test_most_examples_are_understood() -> None:
    assert sum(calls(importlib.import_module(file.module)) for file in files()) >= MIN_CALLS


def test_the_map_of_the_rooms_is_the_folder() -> None:
    page = (REPOSITORY / "docs" / "extending.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^    src/frostmark/\n((?:      .*\n)+)", page, re.MULTILINE)
    named = set(re.findall(r"[\w/]+(?:\.py|/)", "\n".join(line[6:27] for line in block.splitlines())))
    there = {f"{path.name}/" for path in SOURCE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    there |= {path.name for path in SOURCE.glob("*.py")}
    assert named == there


def commands() -> Iterator[tuple[str, str]]:
    """(page, command) of every ``python run.py …`` in a page, comments left out."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8").replace("\\\n", " ")
        for line in text.splitlines():
            for found in re.findall(r"(?:^|`|\s)python run\.py((?: [^`]*)?)(?:`|$)", line):
                yield page.name, re.split(r"\s#\s", found)[0].strip(" .")


COMMANDS = sorted(set(commands()))


def words_of(command: str) -> list[str]:
    """The words that a shell makes of a command, with something in the place of every placeholder."""
    for placeholder, meant in PLACEHOLDERS.items():
        command = command.replace(placeholder, meant)
    words = shlex.split(re.sub(r"<[^>]*>", "x", command))
    return [word for word in words if word not in ("…", "...") and not word.startswith(("&", "|", ">"))]


def overrides_of(words: list[str]) -> Iterator[list[str]]:
    """The overrides of one benchmark, or of the first and the last job of a sweep."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    chosen = [word for word in words if not word.startswith(("-", "hydra"))]
    parsed = OverridesParser.create().parse_overrides(chosen)
    for end in (0, -1):
        yield [
            f"{o.get_key_element()}={list(o.sweep_string_iterator())[end]}" if o.is_sweep_override() else word
            for word, o in zip(chosen, parsed, strict=True)
        ]


SUBCOMMANDS = sorted({words[0] for _, c in COMMANDS if (words := words_of(c)) and re.fullmatch("[a-z]+", words[0])})


@pytest.mark.parametrize(("page", "command"), [c for c in COMMANDS if c[1].partition(" ")[0] not in SUBCOMMANDS])
def test_every_documented_benchmark_composes(page: str, command: str) -> None:
    words = words_of(command)
    if "--help" in words or any(example in command for example in EXAMPLES_OF_PAGES):
        return
    named = with_layers(words) if "backbone=rows" in words and "layer=" in command else words
    for overrides in overrides_of(named):
        compose(CONF, overrides)


BLOCKS = re.findall(r"```python\n(.*?)```", (REPOSITORY / "docs" / "python.md").read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS)
def test_the_examples_of_the_page_on_python_fit_what_they_call(block: str, tmp_path: Path) -> None:
    """As those of docstrings: a module whose docstring is the example, and who imports what all examples use."""
    file = tmp_path / "page.py"
    file.write_text(f'"""{block}"""\n\nfrom frostmark import benchmark, compare\n', encoding="utf-8")
    spec = importlib.util.spec_from_file_location("page", file)
    assert spec is not None
    assert spec.loader is not None
    page = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(page)
    assert problems(page) == []
    assert calls(page) or "benchmark(" not in block


@pytest.mark.parametrize(("page", "command"), [c for c in COMMANDS if c[1].partition(" ")[0] in SUBCOMMANDS])
def test_every_documented_sub_command_parses(program: Program, tmp_path: Path, page: str, command: str) -> None:
    """With ``--help`` at the end everything before it is parsed, and nothing is done."""
    done = program(*words_of(command), "--help", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "usage: " in done.stdout
    for option in re.findall(r" (--[a-z-]+)", command):
        assert option in done.stdout


def links() -> Iterator[tuple[str, str]]:
    """(page, target) of every link to a file of ours."""
    for page in PAGES:
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
            if not re.match(r"[a-z]+:", target):
                yield page.relative_to(REPOSITORY).as_posix(), target


def anchors(page: Path) -> set[str]:
    """The names of a page's headings, as they stand in a link."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(("page", "target"), sorted(set(links())))
def test_every_link_leads_somewhere(page: str, target: str) -> None:
    name, _, anchor = target.partition("#")
    path = (REPOSITORY / page).parent / name if name else REPOSITORY / page
    assert path.exists(), f"{page}: {target}"
    assert not anchor or anchor in anchors(path), f"{page}: {target}"
