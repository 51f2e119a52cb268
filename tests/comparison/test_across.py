"""Many data sets: which count, what is left out and named, and what the files hold."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from frostmark.comparison.across import AcrossSets, across_of
from frostmark.comparison.across_files import write_across
from frostmark.comparison.deciding import Asked
from frostmark.comparison.runs import Run
from frostmark.errors import ConfigError
from support.simulated_runs import KNN, hits_of, run_of, with_linear

QUALITY = {"resnet18": 0.8, "vgg16": 0.6, "alexnet": 0.59}


def suite(data_sets: int, networks: dict[str, float] = QUALITY, **tags: str) -> list[Run]:
    """A run of each network on each data set."""
    runs = []
    for number in range(data_sets):
        hits = hits_of(list(networks.values()), 200, np.random.default_rng(number))
        of_set = {"dataset": f"set{number}", "dataset_fingerprint": f"{number:032x}", **tags}
        runs += [run_of(h, backbone=name, **of_set) for name, h in zip(networks, hits, strict=True)]
    return runs


def test_the_best_of_many_data_sets_is_named() -> None:
    across = across_of(suite(12))
    assert across.networks[0] == "resnet18"
    assert [name for name, place in across.places.items() if place == 1] == ["resnet18"]
    assert across.sentence.startswith(
        "resnet18 ranks significantly better than all other networks over 12 data sets (mean rank 1.00 of 3"
    )
    assert across.notes == ()


def test_below_ten_data_sets_the_intervals_are_said_not_to_be_calibrated() -> None:
    assert "9 data sets are fewer than 10" in across_of(suite(9)).notes[0]


@pytest.mark.parametrize("count", [1, 2])
def test_fewer_than_three_data_sets_stand_side_by_side(count: int, tmp_path: Path) -> None:
    across = across_of(suite(count))
    assert across.ranking is None
    assert f"all 3 networks were run on {count} data set" in across.sentence
    files = write_across(across, tmp_path, "compare --across x")
    assert sorted(path.name for path in files) == ["across.csv", "across.html", "across.md", "across.png"]
    (first, *_) = lines_of(tmp_path)
    assert first["mean_rank"] == first["place"] == ""
    assert float(first["score/set0"]) > 0


def test_only_data_sets_on_which_all_were_run_count() -> None:
    runs = [run for run in suite(5) if (run.backbone, run.tags["dataset"]) != ("vgg16", "set4")]
    across = across_of(runs)
    assert [of.name for of in across.data_sets] == ["set0", "set1", "set2", "set3"]
    assert "left out: set4, on which vgg16 was not run" in across.notes


def test_a_network_of_one_data_set_keeps_nobody_from_being_ranked() -> None:
    extra = suite(1, {"squeezenet1_0": 0.9})
    across = across_of([*suite(4), *extra])
    assert set(across.networks) == set(QUALITY)
    assert "left out, run on fewer than 3 data sets: squeezenet1_0" in across.notes


def test_of_two_seeds_of_one_data_set_one_counts() -> None:
    across = across_of([*suite(3), *suite(1, seed="1")])
    assert len(across.data_sets) == 3
    assert any(note.startswith("left out of set0: ") and "seed: 0 and 1" in note for note in across.notes)


def test_one_network_is_not_ranked() -> None:
    with pytest.raises(ConfigError, match="of one network and one layer"):
        across_of(suite(3, {"resnet18": 0.7})[:1] * 2)


def test_layers_of_one_network_are_ranked() -> None:
    runs = [
        replace(run, tags={**run.tags, "layer": run.backbone, "node": run.backbone, "backbone": "r"})
        for run in suite(3)
    ]
    assert set(across_of(runs).networks) == set(QUALITY)


def test_the_layer_is_chosen_on_train_of_each_data_set() -> None:
    runs = suite(3)
    better = [
        run_of(np.zeros(200, bool), train=0.9, **{**run.tags, "layer": "stage3", "node": "layer3"})
        for run in runs if run.tags["dataset"] == "set1"
    ]  # fmt: skip
    across = across_of([*runs, *better])
    assert [of.stands["vgg16"].layer for of in across.data_sets] == ["last_conv", "stage3", "last_conv"]
    assert across.data_sets[1].score("vgg16") == 0


def test_weights_of_one_backbone_are_two_networks() -> None:
    first, second = (suite(3, {"resnet18": p}, weights=w) for p, w in ((0.8, "V1"), (0.6, "V2")))
    assert across_of([*first, *second]).networks == ("resnet18 (V1)", "resnet18 (V2)")


def test_an_image_size_of_each_data_set_makes_no_other_networks() -> None:
    runs = [replace(run, tags={**run.tags, "image_size": f"{32 + int(run.tags['dataset'][3:])}"}) for run in suite(3)]
    assert set(across_of(runs).networks) == set(QUALITY)


def test_what_decides_can_be_asked_for() -> None:
    runs = [with_linear(run, ~run.outcomes["test/knn_hits"]) for run in suite(3)]
    assert across_of(runs).words == "linear accuracy"
    assert across_of(runs, Asked("knn")).words == "k-NN accuracy"
    assert across_of(runs).networks[0] != across_of(runs, Asked("knn")).networks[0]


def test_runs_without_draws_say_so() -> None:
    runs = [replace(run, draws={}) for run in suite(3)]
    assert any("no resamples of the images of set0" in note for note in across_of(runs).notes)


def test_the_same_ranking_gives_the_same_files(tmp_path: Path) -> None:
    across = across_of(suite(10))
    for folder in ("one", "two"):
        write_across(across_of(suite(10)), tmp_path / folder, "compare --across x")
    for name in ("across.csv", "across.html", "across.md", "across.png"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    check_csv(across, tmp_path / "one")


def check_csv(across: AcrossSets, folder: Path) -> None:
    assert across.ranking is not None
    for k, line in enumerate(lines_of(folder)):
        assert line["network"] == across.networks[k]
        assert float(line["mean_rank"]) == across.ranking.mean_rank[k]
        assert float(line["score/set3"]) == across.data_sets[3].stands[line["network"]].run.values[KNN]
        assert float(line["mean_rank_lo"]) <= float(line["mean_rank"]) <= float(line["mean_rank_hi"])


def test_names_are_text_on_the_page(tmp_path: Path) -> None:
    write_across(across_of(suite(3, {"<b>|x": 0.8, "=y": 0.6})), tmp_path, "x")
    assert "<b>" not in (tmp_path / "across.html").read_text()
    assert "<b>" not in (tmp_path / "across.md").read_text()
    assert "'=y" in (tmp_path / "across.csv").read_text()


def lines_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "across.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
