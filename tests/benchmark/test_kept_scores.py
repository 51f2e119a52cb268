"""Scores of raw pixels are computed once for the images, labels and settings that decide them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load, save

from frostmark.benchmark.kept_scores import scores_of_pixels
from frostmark.benchmark.subject import Given, Subject, resolve
from frostmark.config.compose import compose
from frostmark.features.entry import Entry
from frostmark.features.files import place_of
from frostmark.features.key import digest_of
from frostmark.features.store import FeatureStore
from frostmark.metrics.metric import Scores, Undefined
from frostmark.metrics.neighbours import Neighbours
from support.environment import REPOSITORY
from support.runs import TINY

KEY = "test/neighbours/knn_accuracy"


def subject(root: Path, *words: str) -> Subject:
    asked = [*TINY, "tracking=none", "metrics=[neighbours]", f"paths.root={root}", *words]
    return resolve(compose(REPOSITORY / "conf", asked), Given())


class Computing:
    """Scores of 100 resamples, and how often they were asked for."""

    def __init__(self, resamples: int = 100) -> None:
        self.times = 0
        self.scores = Scores(Neighbours.kinds)
        self.scores.add(KEY, 0.625, draws=np.random.default_rng(0).random(resamples))
        self.scores.add("test/neighbours/ncm_accuracy", Undefined("every image is asked equally often"))

    def __call__(self) -> tuple[Scores, int]:
        self.times += 1
        return self.scores, 784


def test_the_second_run_finds_what_the_first_one_computed_to_the_bit(tmp_path: Path) -> None:
    computing = Computing()
    for words in ([], ["layer=stage2"], ["preprocess.size=64"], ["backbone.weights=untrained", "reducer=none"]):
        scores, width = scores_of_pixels(subject(tmp_path, *words), computing)
        assert (scores.values, width) == (computing.scores.values, 784)
        np.testing.assert_array_equal(scores.draws[KEY], computing.scores.draws[KEY])
        assert scores.kinds == computing.scores.kinds
    assert computing.times == 1
    (stored,) = FeatureStore(tmp_path / "mlruns" / "features").stored()
    assert stored.words.startswith("scores of raw pixels")
    assert stored.problems() == []


@pytest.mark.parametrize(
    "word",
    [
        "seed=1", "metrics.neighbours.k=3", "uncertainty.permutations=20", "dataset.train=91", "dataset.num_classes=3",
        "dataset.seed=1", "neighbours.exact_up_to=1000",
    ],
)  # fmt: skip
def test_whatever_decides_a_score_has_it_computed_anew(word: str, tmp_path: Path) -> None:
    computing = Computing()
    scores_of_pixels(subject(tmp_path), computing)
    scores_of_pixels(subject(tmp_path, word), computing)
    assert computing.times == 2


def test_other_labels_of_the_same_images_are_another_score(tmp_path: Path) -> None:
    computing = Computing()
    one = subject(tmp_path)
    other = subject(tmp_path)
    labels = other.splits["test"].labels
    labels[0] = (labels[0] + 1) % 4
    for each in (one, other, other):
        scores_of_pixels(each, computing)
    assert computing.times == 2


def test_what_lies_there_and_is_something_else_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that proves itself and was written by somebody else's program."""
    computing = Computing()
    for rubbish in (
        {},
        {"said": np.zeros(3, np.uint8)},
        {"said": np.frombuffer(b"[]", np.uint8)},
        {"said": np.frombuffer(b'{"width": 1, "values": {"a": "b"}, "undefined": {}}', np.uint8)},
        {"said": np.frombuffer(b'{"width": 1, "values": {"a": NaN}, "undefined": {}}', np.uint8)},
        {"said": np.frombuffer(b"[" * 100_000, np.uint8)},
        {"said": np.frombuffer(b'{"width": 1, "values": {}, "undefined": {}}', np.uint8), KEY: np.full(100, np.nan)},
    ):
        with monkeypatch.context() as patched:
            patched.setattr(Entry, "derived", lambda *_, made=rubbish: made)
            scores, _ = scores_of_pixels(subject(tmp_path), computing)
        assert scores.values[KEY] == 0.625
    assert computing.times == 7


def test_scores_of_metrics_of_others_are_not_kept(tmp_path: Path) -> None:
    class Theirs(Neighbours):
        """As somebody writes it, and changes it tomorrow."""

    computing = Computing()
    of_others = replace(subject(tmp_path), families={"neighbours": Theirs()})
    for _ in range(2):
        scores_of_pixels(of_others, computing)
    assert computing.times == 2


@pytest.mark.parametrize(
    "said",
    [
        "{",
        "[]",
        "7",
        '{"width": 1, "values": [], "undefined": {}}',
        '{"width": 1, "values": {}, "undefined": []}',
        '{"width": 1e999, "values": {}, "undefined": {}}',
        '{"width": 1, "values": {"test/x": NaN}, "undefined": {}}',
        "[" * 99_999,
    ],
)
def test_scores_that_somebody_else_wrote_are_computed_again(said: str, tmp_path: Path) -> None:
    """Their digest proves that they are whole, and nothing more."""
    computing, asked = Computing(), subject(tmp_path)
    scores_of_pixels(asked, computing)
    (path,) = (tmp_path / "mlruns" / "features").glob("*/derived-scores-*")
    name = str(path.name)[len("derived-") : -len("-.safetensors") - 32]
    arrays = {**load(path.read_bytes()), "said": np.frombuffer(said.encode(), np.uint8)}
    content = save(arrays, place_of(path.parent.name, name))
    path.unlink()
    (path.parent / f"derived-{name}-{digest_of(content)}.safetensors").write_bytes(content)
    scores, width = scores_of_pixels(asked, computing)
    assert (scores.values, width, computing.times) == (computing.scores.values, 784, 2)
