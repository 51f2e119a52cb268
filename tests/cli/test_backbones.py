"""`backbones`: a table that a person can read, of the words of this program and of networks by name."""

from __future__ import annotations

import importlib.util
import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from conftest import Program
from frostmark.backbones.catalogue import Facts
from frostmark.cli.commands import backbones as command
from frostmark.cli.commands.backbones import backbones_table, run
from frostmark.config.words import known_words
from frostmark.errors import ConfigError
from support.fixtures import SeePlugins
from support.plugin import installed


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "console", lambda: Console(width=80, emoji=False))


def lines_of(out: str) -> dict[str, str]:
    """First word of a line → the line."""
    return {line.split()[0]: line for line in out.splitlines() if line.split()}


def test_without_a_pattern_every_word_is_listed_in_80_columns(capsys: pytest.CaptureFixture[str], narrow: None) -> None:
    assert run([]) == 0
    out = capsys.readouterr().out
    table, _, after = out.partition("By name there are ")
    assert max(map(len, table.splitlines())) <= 80
    lines = lines_of(table)
    for word in set(known_words("backbone")) - set(command.BY_NAME):
        assert word in lines
    assert re.search(r"resnet18 IMAGENET1K_V1 +11\.7 M +1\.81 +512 +45 +(yes|no) +69\.8 +–", lines["resnet18"])
    assert after.startswith("115 of torchvision") or re.match(r"\d+ of torchvision", after)


def test_a_part_of_a_name_finds_networks_of_every_library(capsys: pytest.CaptureFixture[str], narrow: None) -> None:
    assert run(["mobilenet_v3"]) == 0
    out = capsys.readouterr().out
    assert "backbone=\n" in re.sub(r" +\n", "\n", out)
    assert "backbone=torchvision backbone.name=… backbone.weights=…" in out
    assert "IMAGENET1K_V2" in out  # beside the one that backbone=mobilenet_v3_large takes
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.skipif(importlib.util.find_spec("timm") is None, reason="pip install 'frostmark[timm]'")
def test_more_networks_than_are_built_are_listed_without_numbers(
    capsys: pytest.CaptureFixture[str], narrow: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "MAX_BUILT", 1)
    assert run(["test_*resnet*"]) == 0
    assert "not built" not in capsys.readouterr().out
    assert run(["test_*net*"]) == 0
    out = capsys.readouterr().out
    (count,) = re.findall(r"(\d+) networks were not built: take a longer part of a name, or add --all", out)
    assert int(count) == sum(" – " in line and " M " not in line for line in out.splitlines())


@pytest.mark.skipif(importlib.util.find_spec("open_clip") is None, reason="pip install 'frostmark[clip]'")
def test_towers_of_open_clip_are_found_by_name_or_tag(capsys: pytest.CaptureFixture[str], narrow: None) -> None:
    for pattern in ("MobileCLIP2-S0", "mobileclip2-s0 dfn*"):
        assert run([pattern]) == 0
        out = capsys.readouterr().out
        assert re.search(r"MobileCLIP2-S0 dfndr2b +11\.\d M +\d\.\d+ +1,024 +46 +(yes|no) +–", out)


def test_a_yaml_of_ones_own_a_plugin_and_one_that_cannot_be_made(
    tmp_path: Path, see_plugins: SeePlugins, capsys: pytest.CaptureFixture[str], narrow: None
) -> None:
    made = (
        "from torch import nn\nfrom frostmark.backbones.module import ModuleBackbone\n"
        "class Net(ModuleBackbone):\n    def __init__(self):\n"
        "        super().__init__(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU()), name='net', size=16)\n"
    )
    yamls = {
        "backbone/our_net": "_target_: plugin_nets.made.Net",
        "backbone/our_wreck": "_target_: plugin_nets.made.Gone",
    }
    see_plugins(installed(tmp_path, "plugin_nets", {"made": made}, yamls))
    (tmp_path / "mine" / "backbone").mkdir(parents=True)
    mine = "_target_: frostmark.backbones.load.TorchvisionBackbone\nname: resnet18\nweights: untrained\n"
    (tmp_path / "mine" / "backbone" / "our_resnet.yaml").write_text(mine, encoding="utf-8")
    longer = "defaults:\n  - resnet18\n  - _self_\nweights: untrained\n"
    (tmp_path / "mine" / "backbone" / "our_heir.yaml").write_text(longer, encoding="utf-8")
    assert run(["our_", "--config-dir", str(tmp_path / "mine")]) == 0
    lines = lines_of(capsys.readouterr().out)
    assert re.search(r"our_net given +0\.0 M +0\.00 +8 +– +yes +– +–", lines["our_net"])
    assert re.search(r"our_resnet untrained +11\.7 M +1\.81 +512 +– +– +– +–", lines["our_resnet"])
    assert re.search(r"our_heir untrained +11\.7 M", lines["our_heir"])
    assert "_target_" in lines["our_wreck"]


def test_a_name_that_nobody_has_is_answered_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"no backbone has 'resnt18' in its name\. Nearest: .*resnet18"):
        run(["resnt18"])


def test_what_is_unknown_is_a_dash_and_names_act_on_nothing() -> None:
    console = Console(width=80, file=io.StringIO())
    with console.capture() as captured:
        console.print(backbones_table("backbone=", [("[red]a\x1b[31m", Facts(None, None, None))]))
    text = captured.get()
    assert "[red]a\\x1b[31m" in text
    assert text.count("–") == 7


def test_the_program_lists_it(program: Program, tmp_path: Path) -> None:
    assert "python run.py backbones" in program("--help", cwd=tmp_path).stdout
    done = program("backbones", "squeezenet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "squeezenet1_0" in done.stdout
    assert program("backbones", "resnt18", cwd=tmp_path).returncode == 2
