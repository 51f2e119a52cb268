"""No worse than the baseline by more than a margin: the answer from two runs, and what cannot be answered."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from frostmark.comparison.gate import FAILS, HOLDS, UNSURE, Gate, gate_of
from frostmark.comparison.groups import comparable
from frostmark.comparison.runs import Run
from frostmark.errors import ConfigError
from support.simulated_runs import run_of


def runs(gained: int, lost: int, images: int = 1000) -> tuple[Run, Run]:
    """Two checkpoints of a network: images that the first alone gets right, and the second alone; both the rest."""
    mine, baseline = np.ones(images, bool), np.ones(images, bool)
    mine[:lost] = False
    baseline[lost : lost + gained] = False
    first, second = (
        run_of(hits, weights=name, weights_digest=name) for hits, name in ((mine, "new.pth"), (baseline, "old.pth"))
    )
    return first, second


def answer(gained: int, lost: int, margin: float = 0.01) -> Gate:
    return gate_of(*runs(gained, lost), margin)


@pytest.mark.parametrize(
    ("gained", "lost", "expected"), [(10, 10, HOLDS), (30, 5, HOLDS), (5, 40, FAILS), (40, 45, UNSURE)]
)
def test_the_answer(gained: int, lost: int, expected: str) -> None:
    gate = answer(gained, lost)
    assert gate.answer == expected
    assert gate.record["answer"] == expected
    assert gate.record["difference_points"] == pytest.approx((gained - lost) / 10)


def test_the_sentence_names_both_in_their_order() -> None:
    assert answer(10, 10).sentence.startswith(
        "resnet18 (new.pth) · last_conv is not worse than resnet18 (old.pth) · last_conv"
    )
    first, second = runs(10, 10)
    assert gate_of(second, first, 0.01).names == ("resnet18 (old.pth) · last_conv", "resnet18 (new.pth) · last_conv")


def test_checkpoints_of_one_name_are_told_by_their_digest() -> None:
    first, second = (replace(run, tags={**run.tags, "weights": "last.ckpt"}) for run in runs(5, 5))
    names = gate_of(first, second, 0.01).names
    assert names == ("resnet18 new.pt · last_conv", "resnet18 old.pt · last_conv")


def test_layers_of_one_file_of_rows_are_one_network() -> None:
    """Each layer has its own digest."""
    first, second = (
        replace(
            run, tags={**run.tags, "weights": "rows of f.npz", "rows_kind": "float32", "layer": layer, "node": layer}
        )
        for run, layer in zip(runs(5, 5), ("a", "b"), strict=True)
    )
    (group,) = comparable([first, second])
    assert group.titles == ("resnet18 · a", "resnet18 · b")


def test_one_run_is_not_its_own_baseline() -> None:
    run, _ = runs(5, 5)
    with pytest.raises(ConfigError, match="same layer of the same network"):
        gate_of(run, run, 0.01)


def test_runs_of_other_images_are_refused() -> None:
    run, baseline = runs(5, 5)
    other = replace(baseline, tags={**baseline.tags, "dataset_fingerprint": "e" * 32})
    with pytest.raises(ConfigError, match="they differ in images"):
        gate_of(run, other, 0.01)


def test_runs_without_hits_are_refused() -> None:
    run, baseline = (replace(run, outcomes={}) for run in runs(5, 5))
    with pytest.raises(ConfigError, match="no accuracy in common"):
        gate_of(run, baseline, 0.01)


def test_few_groups_cannot_tell() -> None:
    run, baseline = (replace(run, groups={"test": np.arange(1000) // 250}) for run in runs(30, 5))
    gate = gate_of(run, baseline, 0.01)
    assert gate.answer == UNSURE
    assert gate.record["test_groups"] == 4
    assert "4 groups cannot give p < 0.05" in gate.sentence
