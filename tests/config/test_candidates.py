"""Lists of candidates: every one of ours composes and names published networks; what is wrong in one is named."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from frostmark.backbones.backbone import Backbone
from frostmark.config.build import build
from frostmark.config.candidates import GROUP, Candidate, candidate_words, distinct_titles, read_candidates
from frostmark.config.compose import compose
from frostmark.config.words import conf_dir
from frostmark.errors import ConfigError

WORDS = ["base", "edge", "large", "report", "selfsupervised"]


def test_the_lists_are_the_files() -> None:
    assert candidate_words() == WORDS == sorted(path.stem for path in (conf_dir() / GROUP).glob("*.yaml"))


@pytest.mark.parametrize("word", WORDS)
def test_every_candidate_has_a_name_a_layer_and_a_size_and_nothing_else(word: str) -> None:
    for candidate in read_candidates(word):
        assert candidate.size is not None
        assert (candidate.tag, candidate.weights, candidate.pool) == (None, None, None)
        config = compose(conf_dir(), candidate.words)
        assert config.layer.tap == candidate.layer


@pytest.mark.parametrize("word", WORDS)
def test_every_network_is_published(word: str) -> None:
    timm = pytest.importorskip("timm", reason="pip install 'frostmark[timm]'")
    for candidate in read_candidates(word):
        if candidate.backbone == "timm":
            assert timm.models.is_model_pretrained(candidate.name), candidate.title
        else:
            assert compose(conf_dir(), candidate.words).backbone["weights"] != "untrained"


@pytest.mark.slow
@pytest.mark.parametrize("word", WORDS)
def test_every_network_has_the_layer_at_the_size(word: str) -> None:
    pytest.importorskip("timm", reason="pip install 'frostmark[timm]'")
    for candidate in read_candidates(word):
        config = compose(conf_dir(), candidate.words)
        backbone = build(config.backbone, "backbone", Backbone)
        backbone.check_layer(candidate.layer)
        assert backbone.survey(candidate.size).tap(candidate.layer, None, "final").width >= 64, candidate.title


def test_a_list_of_one_s_own_is_a_path_or_lies_in_the_folder_of_yamls(tmp_path: Path) -> None:
    (tmp_path / "candidates").mkdir()
    file = tmp_path / "candidates" / "mine.yaml"
    file.write_text("- resnet18\n- {backbone: timm, name: 'a.b', weights: /x y/it's.pth, pool: max, size: 96}\n")
    for word, own in ((str(file), None), ("mine", tmp_path)):
        first, second = read_candidates(word, own)
        assert first == Candidate("resnet18")
        assert first.words == ["backbone=resnet18", "layer=embedding"]
        assert second.title == "a.b (it's.pth) · embedding max"
        assert compose(conf_dir(), second.words).backbone["weights"] == "/x y/it's.pth"
    assert "mine" in candidate_words(tmp_path)


@pytest.mark.parametrize(("typed", "there"), [("mine.yml", "mine.yaml"), ("my list.yaml", "my list.yml")])
def test_a_list_with_the_other_ending_is_the_fix(typed: str, there: str, tmp_path: Path) -> None:
    (tmp_path / there).write_text("- resnet18\n")
    with pytest.raises(ConfigError, match="there is no such file") as error:
        read_candidates(str(tmp_path / typed))
    (word,) = shlex.split(error.value.fix)
    assert read_candidates(word.removeprefix("candidates=")) == [Candidate("resnet18")]


def test_a_title_says_the_size_and_the_weights_where_nothing_else_tells_two_candidates_apart() -> None:
    small, large, own = (Candidate("resnet18", size=size) for size in (96, 224, None))
    assert distinct_titles([small]) == ["resnet18 · embedding"]
    told = ["resnet18 · embedding · 96 px", "resnet18 · embedding · 224 px", "resnet18 · embedding · its own size"]
    assert distinct_titles([small, large, own]) == told
    first, second = (Candidate("resnet18", weights=f"/{folder}/resnet18-best.pth") for folder in "ab")
    assert distinct_titles([first, small]) == ["resnet18 (best.pth) · embedding", "resnet18 · embedding"]
    told = [f"resnet18 (best.pth) · embedding · {folder}/resnet18-best.pth" for folder in "ab"]
    assert distinct_titles([first, second]) == told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is not a list of candidates"),
        ("a: 1", "is not a list of candidates"),
        ("- [", "is not a list of candidates"),
        ("- 3", "names no backbone"),
        ("- {name: resnet18}", "names no backbone"),
        ("- {backbone: resnet18, seize: 96}", "there is no key 'seize'"),
        ("- {backbone: resnet18, size: large}", "'large' is not a whole number"),
        ("- {backbone: resnet18, size: true}", "is not a whole number"),
        ("- {backbone: 18}", "18 is not a text"),
        ("- resnet18\n- resnet18", "names resnet18 · embedding twice"),
    ],
)
def test_what_is_not_a_candidate_is_named(text: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(ConfigError, match="candidates=") as error:
        read_candidates(str(tmp_path / "mine.yaml"))
    assert told in error.value.problem
    assert error.value.fix


def test_an_unknown_list_is_told_with_those_that_are_there() -> None:
    with pytest.raises(ConfigError, match="Valid: base, edge, large, report, selfsupervised") as error:
        read_candidates("edgy")
    assert error.value.fix.startswith("candidates=edge")
