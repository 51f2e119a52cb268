"""The kit that checks what a metric family claims: rows are scaled, turned and widened, and the claims are held to it.

    report = Kit().measure(MyFamily())
    assert not report.problems, report.problems
    print(report.table)                       # metric, value, and how far each change of the rows moved it

What is demanded of a metric follows from its kind alone:

- every value has a kind, is finite and in its range (``contract.declared``);
- ``LAYERS``, ``EQUAL_WIDTH``, ``NETWORKS``: rows a thousand times as large, and rows turned, give the same value, but
  for rounding (a kind with ``of_axes`` is let off the turning, and must change under it in one of the cases);
- ``LAYERS`` and ``NETWORKS``, whose rows differ in width: the same with every column twice and with columns of zeros,
  so that neither changes an order, and columns of noise do not make it better (``neither``: do not change it), beyond
  its interval; without one, beyond twice its spread (``_std``); without either, beyond :data:`NOISE`.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from frostmark.errors import ConfigError
from frostmark.metrics.contract import declared
from frostmark.metrics.kinds import Across, Kind, kind_of
from frostmark.metrics.metric import Metric, Scores, Splits, Undefined, make_splits

Array = np.ndarray[Any, Any]

EXACT = 1e-4
"""Relative change that rounding explains: of rows that are float32 (6e-8 of a number each) the sums are good to 1e-5,
and what is a difference of two sums that agree in a digit to ten times that. The families here stay below 1e-5."""

HITS = 0.006
"""Change of a share that rounding explains: two of 360 images may lie between two answers."""

NOISE = 0.03
"""Relative change under columns of noise that is no improvement, where a metric has neither interval nor spread. Of the
families here only LogME needs it: noise raised it by 0.1 % where it hardly tells the classes."""

CLASSES, TRAIN, TEST, WIDTH = 6, 480, 360, 40


@dataclass(frozen=True)
class Kit:
    """Rows with a few classes, not well apart, and what is done to them.

    Attributes:
        noise: total variance of the columns of noise, as a share of the rows' own.
        widths: how many columns of noise.
        cases: name → how far the classes lie apart, and whether in pieces: then the silhouette is below zero, and noise
            moves it towards zero.
    """

    noise: float = 0.5
    widths: tuple[int, ...] = (WIDTH, 4 * WIDTH)
    cases: Mapping[str, tuple[float, bool]] = field(
        default_factory=lambda: {"classes apart": (2.0, False), "classes in pieces": (2.0, True)}
    )
    resamples: int = 100

    def measure(self, family: Metric) -> Report:
        """Everything the family gives, on the rows as they are and as they are changed."""
        report = Report()
        for name, (apart, in_pieces) in self.cases.items():
            rows, labels = labelled_rows(apart, in_pieces=in_pieces)
            before = self._scores(family, rows, labels, report)
            for change, changed in self._changes(rows):
                after = self._scores(family, changed, labels, report)
                report.judge(f"{change}, {name}", change, before, after)
            report.kinds |= before.kinds
        report.judge_axes()
        return report

    def _scores(self, family: Metric, rows: Mapping[str, Array], labels: Mapping[str, Array], report: Report) -> Scores:
        classes = tuple(f"c{c}" for c in range(CLASSES))
        splits: Splits = make_splits(rows, labels, classes, resamples=self.resamples, permutations=0)
        scores = family(splits)
        try:
            return declared(scores, type(family).__name__)
        except ConfigError as problem:
            report.problems.append(problem.problem)
            return scores

    def _changes(self, rows: Mapping[str, Array]) -> Iterator[tuple[str, dict[str, Array]]]:
        turn, _ = np.linalg.qr(np.random.default_rng(1).standard_normal((WIDTH, WIDTH)))
        yield "scaled", _each(rows, lambda of, _: 1000 * of)
        yield "turned", _each(rows, lambda of, _: of @ turn)
        yield "copies", _each(rows, lambda of, _: np.hstack([of, of]))
        yield "zeros", _each(rows, lambda of, _: np.hstack([of, np.zeros_like(of)]))
        total = float(rows["train"].var(0).sum())
        for width in self.widths:
            spread = np.sqrt(self.noise * total / width)
            yield f"{width} of noise", _each(rows, lambda of, rng, s=spread, w=width: _with_noise(of, rng, s, w))  # type: ignore[misc]


def _each(rows: Mapping[str, Array], change: Callable[[Array, np.random.Generator], Array]) -> dict[str, Array]:
    return {
        split: change(of, np.random.default_rng(zlib.crc32(split.encode()))).astype(np.float32)
        for split, of in rows.items()
    }


def _with_noise(rows: Array, rng: np.random.Generator, spread: float, width: int) -> Array:
    return np.hstack([rows, spread * rng.standard_normal((len(rows), width))])


def labelled_rows(apart: float, *, in_pieces: bool = False, seed: int = 0) -> tuple[dict[str, Array], dict[str, Array]]:
    """Rows as those of a layer: spectrum that falls, none negative, so that some are zeros; classes of uneven size.

    Two features are dead.

    Args:
        apart: how far the class centres lie apart, in units of the spread within a class.
        in_pieces: whether a class lies in two pieces on either side of class 0.
    """
    rng = np.random.default_rng(seed)
    spread = 1 / np.sqrt(1 + np.arange(WIDTH))
    spread[-2:] = 0
    centres = apart * rng.standard_normal((CLASSES, WIDTH)) * spread / 2
    rows, labels = {}, {}
    for split, count in (("train", TRAIN), ("test", TEST)):
        of = np.minimum(rng.integers(0, CLASSES + 2, count), CLASSES - 1)
        side = np.where(in_pieces & (rng.random(count) < 0.4), -1.0, 1.0)
        centre = side[:, None] * np.where(in_pieces & (of[:, None] == 0), 0, centres[of])
        centre += (3 if in_pieces else 1) * spread
        rows[split] = np.maximum(centre + spread * rng.standard_normal((count, WIDTH)), 0).astype(np.float32)
        labels[split] = of
    return rows, labels


@dataclass
class Report:
    """What the kit found.

    Attributes:
        problems: claims that do not hold, in words.
        moved: declared metric → change of the rows → (value before, value after).
        kinds: of the metrics.
    """

    problems: list[str] = field(default_factory=list)
    moved: dict[str, dict[str, tuple[float, float]]] = field(default_factory=dict)
    kinds: dict[str, Kind] = field(default_factory=dict)

    def judge(self, where: str, change: str, before: Scores, after: Scores) -> None:
        """Hold the metrics to what their kinds claim."""
        for key, value in before.values.items():
            kind, new = kind_of(key, before.kinds), after.values.get(key)
            if kind is None or isinstance(value, Undefined):
                continue
            if new is None or isinstance(new, Undefined):
                if kind.across in _FREE_OF_WIDTH:
                    self.problems.append(f"{key} has no value any more ({where})")
                continue
            self.moved.setdefault(key, {})[where] = (value, new)
            if why := _wrong(kind, change, value, new, _slack(key, before, after)):
                self.problems.append(f"{key} claims to compare across {kind.across.value}, but {why} ({where}): "
                                     f"{value:.6g} became {new:.6g}")  # fmt: skip

    def judge_axes(self) -> None:
        """Hold kinds that are of single features to it: turning the rows moves them in one of the cases.

        By as little as one image of a share: where classes lie apart, hardly anything moves.
        """
        for key, changes in self.moved.items():
            kind = kind_of(key, self.kinds)
            turned = [pair for where, pair in changes.items() if where.startswith("turned")]
            if kind is None or not kind.of_axes or kind.across is Across.RUN or not turned:
                continue
            if all(abs(new - old) <= EXACT * abs(old) for old, new in turned):
                self.problems.append(f"{key} claims to be of single features, but turning the rows does not change it")

    @property
    def table(self) -> str:
        """Every metric with how far each change moved it, in per cent."""
        lines = []
        for key, changes in self.moved.items():
            moved = {where: (new - old) / max(abs(old), 1e-12) for where, (old, new) in changes.items()}
            cells = [f"{where}: {100 * share:+.2f}%" for where, share in moved.items()]
            lines.append(f"{key} {next(iter(changes.values()))[0]:.4g}\n    " + "\n    ".join(cells))
        return "\n".join(lines)


_FREE_OF_WIDTH = (Across.LAYERS, Across.NETWORKS)
"""Layers of one network differ in width as networks do."""


def _wrong(kind: Kind, change: str, value: float, new: float, slack: float) -> str:
    """Why a claim does not hold; empty if it does."""
    if kind.across is Across.RUN:
        return ""
    moved = abs(new - value)
    if change == "turned" and kind.of_axes:
        return ""
    if change in ("scaled", "turned"):
        return f"it changes when the rows are {change}" if moved > _rounding(kind, value) else ""
    if kind.across not in _FREE_OF_WIDTH:
        return ""
    if change in ("copies", "zeros"):
        return f"it changes with columns of {change}" if moved > _rounding(kind, value) else ""
    gain = {"higher": new - value, "lower": value - new, "neither": moved}[kind.better]
    what = "changes" if kind.better == "neither" else "gets better"
    return f"it {what} with columns of noise" if gain > slack else ""


def _rounding(kind: Kind, value: float) -> float:
    return max(EXACT * abs(value), HITS if kind.share else 0.0)


def _slack(key: str, before: Scores, after: Scores) -> float:
    """How far a value may move by chance: half the wider of its intervals, else twice its spread, or a share of it."""
    ends = [(scores.values.get(f"{key}_lo"), scores.values.get(f"{key}_hi")) for scores in (before, after)]
    widths = [(high - low) / 2 for low, high in ends if isinstance(low, float) and isinstance(high, float)]
    spreads = [of for scores in (before, after) if isinstance(of := scores.values.get(f"{key}_std"), float)]
    value = before.values[key]
    assert isinstance(value, float)
    return max([*widths, *(2 * of for of in spreads)], default=0.0) or NOISE * abs(value)
