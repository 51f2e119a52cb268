"""A race of real networks: who is left, what it cost, and what happens to a candidate that cannot be forwarded."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from frostmark.backbones.module import ModuleBackbone
from frostmark.benchmark.making import Cost
from frostmark.benchmark.sampled import Plan, TrainSamples
from frostmark.benchmark.subject import Given
from frostmark.choosing.entering import Absent, Entrant, refuse_too_few
from frostmark.choosing.race import Clock, Round, run_race
from frostmark.choosing.told import advice, notes, rounds_csv, sentence, spending
from frostmark.cli.choice import choice_markdown
from frostmark.config.compose import compose
from frostmark.config.words import conf_dir
from frostmark.errors import ConfigError, DataError
from support.races import WORDS, made


class Small(nn.Module):
    """A network of one convolution; a broken one gives no numbers."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.body = nn.Sequential(nn.Conv2d(3, 32, 7, stride=4), nn.ReLU())
            self.head = nn.Linear(32, 2)
        self.body[0].weight.data *= factor

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(images).mean((2, 3)))


def entrant(root: Path, title: str, factor: float = 1.0, node: str = "body.1") -> Entrant:
    config = compose(conf_dir(), [*WORDS, "layer=node", f"layer.node={node}"])
    config.paths.root = str(root)
    preset = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5), "size": 32}
    backbone = ModuleBackbone(Small(factor), name=title, **preset)
    return Entrant(title, [], TrainSamples(config, Given(backbone), lambda _: None))


def test_a_constant_network_drops_out_and_a_broken_one_is_named(tmp_path: Path) -> None:
    entrants = [entrant(tmp_path, "good"), entrant(tmp_path, "blind", 0.0), entrant(tmp_path, "broken", np.nan)]
    told: list[Round] = []
    plan = Plan.of(entrants[0].samples.subject)
    race = run_race(entrants, plan, Clock(), lambda _: None, told.append)
    assert [e.title for e in race.left] == ["good"]
    assert "are not finite" in race.failed["broken"]
    assert told == list(race.rounds)
    dropped = [standing.title for one in race.rounds for standing in one.dropped]
    assert dropped == ["blind"]
    last = race.rounds[-1]
    assert last.images <= plan.sizes[1]  # the difference is large: it need not see all images
    assert race.needed == sum(2 * one.new for one in race.rounds) + 300 - last.images + 61
    assert race.full == 3 * 361
    assert sentence(race).startswith("good is the best of 3 candidates: the other one is significantly worse")
    assert notes(race, [], "") == [f"failed: broken; {race.failed['broken']}"]


def test_a_network_against_its_twin_is_a_tie_on_all_images(tmp_path: Path) -> None:
    entrants = [entrant(tmp_path, "one"), entrant(tmp_path, "other")]
    plan = Plan.of(entrants[0].samples.subject)
    race = run_race(entrants, plan, Clock(), lambda _: None)
    assert [one.images for one in race.rounds] == plan.sizes
    assert len(race.left) == 2
    assert race.needed == race.full
    assert sentence(race).startswith("There is no significant difference between the best 2 of 2 candidates")
    assert race.forwarded == 300  # twins have the same rows
    assert "the rows of 300 images were already stored" in spending(race, 1.0)
    again = run_race([entrant(tmp_path, "one"), entrant(tmp_path, "other")], plan, Clock(), lambda _: None)
    assert again.forwarded == 0
    assert "the rows of 600 images were already stored" in spending(again, 1.0)
    assert [one.standings for one in again.rounds] == [one.standings for one in race.rounds]


def test_nobody_who_can_be_forwarded_is_an_error(tmp_path: Path) -> None:
    entrants = [entrant(tmp_path, "a", np.nan), entrant(tmp_path, "b", np.nan)]
    with pytest.raises(DataError, match="are not finite"):
        run_race(entrants, Plan.of(entrants[0].samples.subject), Clock(), lambda _: None)


def test_the_time_is_up(tmp_path: Path) -> None:
    entrants = [entrant(tmp_path, "one"), entrant(tmp_path, "other")]
    race = run_race(entrants, Plan.of(entrants[0].samples.subject), Clock(minutes=0.0), lambda _: None)
    assert race.stopped
    assert (race.rounds, race.forwarded, race.needed) == ([], 0, 0)
    assert not Clock().over


def test_the_sentence_names_who_is_left_and_how_many_are_worse() -> None:
    assert sentence(made(["a", "b", "c"], ["a"])) == (
        "a is the best of 3 candidates: the other 2 are significantly worse by balanced linear accuracy on 100 train "
        "images."
    )
    assert sentence(made(["a", "b", "c"], ["a", "b"])) == (
        "There is no significant difference between the best 2 of 3 candidates by balanced linear accuracy on 100 "
        "train images: a and b; the other one is significantly worse."
    )
    many = [f"n{n}" for n in range(9)]
    assert "n0, n1, n2, n3, n4 and 4 more." in sentence(made(many, many))
    assert sentence(made(["a", "b", "c"], ["a", "b"], stopped=True)) == (
        "The budget ended the race after 100 of 400 train images: 2 of 3 candidates are left, a and b. The best "
        "candidate is not known."
    )


def test_advice_is_given_only_where_costs_differ_and_says_which_images_the_accuracies_are_of() -> None:
    whose = "The accuracies of the race are on train images; those of the reports are on test images."
    race = made(["a", "b", "c"], ["a", "b"])
    assert advice(race) == [whose]  # the same network twice
    race = made(["a", "b", "c"], ["a", "b"])
    for entrant, layer in zip(race.left, ("stage4", "stage1"), strict=True):
        entrant.samples.config = compose(conf_dir(), [*WORDS, f"layer={layer}"])
    cheapest, _ = advice(race)
    assert cheapest.startswith("Among the candidates without a significant difference on train, b costs least (0.00 ")
    assert cheapest in choice_markdown(race, [], "", 1.0)
    assert advice(made(["a", "b"], ["a"])) == [whose]
    stopped = advice(made(["a", "b"], ["a", "b"], stopped=True))
    assert stopped == ["The accuracies of the race are on train images. No test image was forwarded."]


def test_what_was_spent_stands_beside_the_full_grid() -> None:
    race = made(["a", "b", "c", "d"], ["a"])
    assert (race.needed, race.full) == (400 + 350, 4 * 450)
    assert spending(race, 4.0) == (
        "Cost: 750 forward passes (41.7% of the 1,800 of the full grid); 2 min 30 s for the race, 1 min 30 s for the "
        "rest. The passes of the full grid would have taken about 1 min 48 s."
    )
    stopped = replace(race, stopped=True)
    assert stopped.needed == 400
    stopped.entrants[0].samples.cost = Cost()
    assert "would have taken" not in spending(stopped, 4.0)


def test_the_page_and_the_table_hold_every_round() -> None:
    race = made(["a|x", "b", "c"], ["a|x"])
    page = choice_markdown(race, [Absent("d", "d.pth")], "choose --fetch", 3.0)
    assert "| 100 | 3 | 2: b and c | a\\|x | 90.0% |" in page
    assert "- skipped: d; missing here: d.pth" in page
    assert "- fetch the missing weights where there is a network: choose --fetch" in page
    lines = list(csv.DictReader(io.StringIO(rounds_csv(race))))
    assert [(line["candidate"], line["accuracy"], line["dropped"]) for line in lines] == [
        ("a|x", "0.900000", "0"), ("b", "0.800000", "1"), ("c", "0.700000", "1"),
    ]  # fmt: skip


def test_a_race_needs_two() -> None:
    one = made(["a"], ["a"]).entrants
    with pytest.raises(DataError, match="1 of 2 candidates can race") as error:
        refuse_too_few(one, [Absent("b", "b.pth")], "choose --fetch")
    assert error.value.fix == "choose --fetch"
    with pytest.raises(ConfigError, match="1 of 1 candidates"):
        refuse_too_few(one, [], "choose --fetch")
