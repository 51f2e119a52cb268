"""A folder's path in the place of a data set's word."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from frostmark.api import _dataset_words
from frostmark.config.compose import compose
from frostmark.config.dataset_paths import with_paths
from frostmark.config.words import conf_dir
from frostmark.errors import ConfigError

NAMES = (
    "flowers", "my flowers", "it's", 'say "hi"', "a,b", "a=b", "{x}", "[1]", "(2020)", "back\\slash", "é", "100%", "#1",
    "-minus", " edge ", "'quoted'", "digits2", "a:b", "~tilde", "glob(x)", "null", "true", "12",
)  # fmt: skip


def root_of(words: list[str], own: Path | None = None) -> object:
    dataset = compose(conf_dir(), words, own).dataset
    assert dataset["_target_"] == "frostmark.data.folder.ImageFolder"
    return dataset["root"]


@pytest.mark.parametrize("name", NAMES)
def test_a_path_is_the_root_of_a_folder_whatever_is_in_it(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    assert root_of([f"dataset={tmp_path / name}"]) == str(tmp_path / name)
    assert root_of(_dataset_words(tmp_path / name)) == str(tmp_path / name)  # the same from Python


@pytest.mark.parametrize("path", ["flowers", "./flowers", "flowers/", "sub/flowers", "../here/flowers"])
def test_relative_paths(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here/sub/flowers").mkdir(parents=True)
    (tmp_path / "here/flowers").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert root_of([f"dataset={path}", "seed=1"]) == path


@pytest.mark.parametrize("path", ["~/flowers", "~", "/no/such/place", "./gone", "no/such place"])
def test_what_looks_like_a_path_is_one_be_it_there_or_not(path: str) -> None:
    assert root_of([f"dataset={path}"]) == path


def test_quotes_for_hydra_are_taken_off(tmp_path: Path) -> None:
    (tmp_path / "my flowers").mkdir()
    for quote in "'\"":
        assert root_of([f"dataset={quote}{tmp_path}/my flowers{quote}"]) == f"{tmp_path}/my flowers"


def test_words_go_before_folders_of_their_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own/dataset").mkdir(parents=True)
    (tmp_path / "own/dataset/mine.yaml").write_text("_target_: frostmark.data.folder.ImageFolder\nroot: elsewhere\n")
    for name in ("digits", "mine"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    assert with_paths(["dataset=digits"]) == ["dataset=digits"]
    assert with_paths(["dataset=digits,mnist"]) == ["dataset=digits,mnist"]
    assert root_of(["dataset=mine"], tmp_path / "own") == "elsewhere"
    assert root_of(["dataset=mine"]) == "mine"
    assert root_of(["dataset=./digits"]) == "./digits"


def test_other_words_stay_as_they_are() -> None:
    words = ["-m", "dataset.root=/x", "seed=1", "~dataset", "dataset=", "backbone=a/b"]
    assert with_paths(words) == words
    with pytest.raises(ConfigError, match="no dataset 'digit'") as told:
        compose(conf_dir(), ["dataset=digit"])
    assert told.value.fix == "dataset=digits; a folder of your own by its path, such as dataset=./digit"


def test_a_sweep_over_folders(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a b", "c")]
    for path in paths:
        path.mkdir()
    kind, roots = with_paths([f"dataset='{paths[0]}',{paths[1]}"])
    assert kind == "dataset=folder"
    (override,) = OverridesParser.create().parse_overrides([roots])
    assert [value.text for value in override.sweep_iterator()] == [*map(str, paths)]
    with pytest.raises(ConfigError, match="c and digits cannot be in one sweep"):
        with_paths([f"dataset={paths[1]},digits"])


def test_two_folders_are_one_too_many() -> None:
    with pytest.raises(ConfigError, match=r"dataset\.root=<path> name two places"):
        with_paths(["dataset=/x", "dataset.root=/y"])


def test_a_file_is_a_table_and_may_have_a_root_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "my labels.csv").write_text("file_name,label\n")
    dataset = compose(conf_dir(), [f"dataset={tmp_path}/my labels.csv", "dataset.root=/photos"]).dataset
    assert dataset["_target_"] == "frostmark.data.table.ImageTable"
    assert (dataset["file"], dataset["root"]) == (f"{tmp_path}/my labels.csv", "/photos")
