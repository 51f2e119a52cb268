"""A metric family that is not ours and hands back something else than its scores is named, with what it gave."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pytest

from frostmark.analysis.measure import Measurement
from frostmark.errors import ConfigError, DataError, FrostmarkError, breach, foreign
from frostmark.metrics.kinds import Across, Kind
from frostmark.metrics.metric import Scores, Splits, make_splits
from frostmark.reducers.pca import PCA

KINDS = {"dead/share": Kind("dead features", "lower", Across.EQUAL_WIDTH, share=True, range=(0, 1))}
KEY = "test/dead/share"


@dataclass(frozen=True)
class Giving:
    """Gives whatever a function makes of the splits."""

    make: Callable[[Splits], object]
    kinds: Mapping[str, Kind] = field(default_factory=lambda: KINDS)

    def __call__(self, splits: Splits) -> Scores:
        return self.make(splits)  # type: ignore[return-value]


def scores(
    value: object = 0.5, key: str = KEY, kinds: Mapping[str, Kind] = KINDS, outcomes: int | None = None
) -> Scores:
    made = Scores(kinds)
    made.add(key, value)  # type: ignore[arg-type]
    if outcomes is not None:
        made.outcomes["test/share"] = np.zeros(outcomes)
    return made


def measured(make: Callable[[Splits], object]) -> list[Scores]:
    rng = np.random.default_rng(0)
    rows = {split: rng.random((8, 3)).astype(np.float32) for split in ("train", "test")}
    splits = make_splits(rows, dict.fromkeys(rows, np.arange(8) % 2), ("a", "b"), resamples=0, permutations=0)
    return list(Measurement({"dead": Giving(make)}, lambda text: None).scores(splits))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda s: {KEY: 0.5}, "Giving gave a dict; it must give a frostmark.metrics.metric.Scores"),
        (lambda s: None, "Giving gave a NoneType"),
        (lambda s: 1 / 0, "Giving: __call__() raised ZeroDivisionError: division by zero"),
        (lambda s: scores(key="dead/share"), "dead/share has no split: train/dead/share or test/dead/share"),
        (lambda s: scores(key="test/dead/part"), "test/dead/part has no kind: its family declares dead/share"),
        (lambda s: scores(1.5), "test/dead/share is 1.5, outside its range 0 to 1"),
        (lambda s: scores(float("nan")), "test/dead/share is nan"),
        (lambda s: scores("half"), "test/dead/share is a str"),
        (lambda s: scores(True), "test/dead/share is a bool"),
        (lambda s: scores(kinds={"dead/share": "higher"}), "which is not a <family>/<name> with its Kind"),
        (lambda s: scores(outcomes=3), "gave 3 outcomes as test/share; it must give one per image: 8"),
    ],
)
def test_what_is_not_scores_is_named(make: Callable[[Splits], object], sentence: str) -> None:
    with pytest.raises(ConfigError) as told:
        measured(make)
    assert told.value.code == 2
    assert sentence in told.value.problem
    assert "test_measure.Giving" in told.value.problem


def test_right_scores_pass() -> None:
    (right,) = measured(lambda s: scores(np.float32(0.5)))
    assert right.values[KEY] == 0.5


def test_exceptions_of_our_own_classes_stay_bugs() -> None:
    with pytest.raises(ZeroDivisionError), foreign(PCA(), "reducer", "fit()"):
        _ = 1 / 0
    assert isinstance(breach(PCA(), "reducer", "gave nothing", "give a map"), FrostmarkError)
    assert breach(PCA(), "reducer", "gave nothing", "give a map").code == 1


@pytest.mark.parametrize(
    "error", [DataError("no file", fix="x"), MemoryError(), OSError(28, "no room"), KeyboardInterrupt()]
)
def test_what_is_not_a_mistake_of_the_class_passes(error: BaseException) -> None:
    with pytest.raises(type(error)) as told, foreign(Giving(print), "metrics.dead", "__call__()"):
        raise error
    assert told.value is error


def test_an_exception_keeps_its_traceback() -> None:
    with pytest.raises(ConfigError) as told, foreign(Giving(print), "metrics.dead", "__call__()"):
        _ = {}["key"]
    assert isinstance(told.value.__cause__, KeyError)
    assert "FROSTMARK_DEBUG=1" in told.value.fix
