"""What is said of the layer in the first place: its weakest class, counted by hand, and what raw pixels reach."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from frostmark.comparison.best import of_the_best
from frostmark.comparison.groups import comparable
from frostmark.comparison.runs import Run
from frostmark.comparison.sentence import _where
from frostmark.comparison.verdict import Verdict, judge
from support.simulated_runs import KNN, hits_of, run_of

LABELS = np.arange(40) % 2


def verdict_of(first: Run, second: Run) -> Verdict:
    (group,) = comparable([first, second])
    return judge(group)


def runs(right_of_b: int) -> list[Run]:
    """Of the second network all 20 images of class a are right, and so many of the 20 of class b."""
    hits = LABELS == 0
    hits[np.flatnonzero(LABELS == 1)[:right_of_b]] = True
    made = [run_of(np.zeros(40, bool)), run_of(hits, backbone="vgg16")]
    return [replace(run, labels={"test": LABELS}) for run in made]


def test_the_weakest_class_of_the_best_is_counted() -> None:
    assert of_the_best(verdict_of(*runs(13))) == ["Weakest class of vgg16 · last_conv: b (65.0% of 20 test images)."]


def test_nothing_is_said_of_a_layer_without_mistakes_or_labels() -> None:
    assert of_the_best(verdict_of(*runs(20))) == []
    assert of_the_best(verdict_of(*[replace(run, labels={}) for run in runs(13)])) == []


def test_raw_pixels_stand_beside_it() -> None:
    with_pixels = [
        replace(run, values={**run.values, f"control/pixels/{KNN}": 0.412}, labels={"test": LABELS}) for run in runs(20)
    ]
    assert of_the_best(verdict_of(*with_pixels)) == ["Raw pixels reach 41.2%."]


def test_a_tie_is_answered_with_the_cheapest() -> None:
    tied = runs(20)[1]
    other = replace(tied, tags={**tied.tags, "backbone": "alexnet"}, values={**tied.values, "cost/gmacs": 0.25})
    told = "Of the 2 in the first place, alexnet · last_conv needs the least compute: 0.25 GMACs per image."
    assert of_the_best(verdict_of(tied, other)) == [told]
    assert of_the_best(verdict_of(*runs(20))) == []  # one is better: it is the answer


def test_what_other_metrics_say_is_said_of_the_layers_that_were_chosen() -> None:
    """One network with two layers: by another metric its other layer may be its best."""
    hits = hits_of([0.6, 0.9, 0.5], 400, np.random.default_rng(0))
    one = verdict_of(run_of(hits[0]), run_of(hits[1], backbone="vgg16"))
    (group,) = comparable(
        [
            run_of(hits[0]),
            run_of(hits[1], backbone="vgg16"),
            run_of(hits[2], backbone="vgg16", layer="stage2", node="layer2"),
        ]
    )
    assert _where(one.contenders, (["k-NN accuracy"], [])) == ""
    assert _where(judge(group).contenders, (["k-NN accuracy"], [])) == " on these layers"
