"""Which linear read-out agrees with a probe that is tuned by cross-validation: ridge, LDA or logistic regression.

    python scripts/compare_readouts.py --data <folder of FashionMNIST> --squeezenet <weights.pth> --lite0 <weights>
    python scripts/compare_readouts.py … --root <folder>          # where rows and probes are kept; "readouts" without

Rows: SqueezeNet and EfficientNet-Lite0 with ImageNet weights and untrained, stages to logits, and pixels. Images:
FashionMNIST, 2,000 and 300 train and 1,000 test, and the digits, 1,297 and 500, at 96 pixels. The probe:
LogisticRegressionCV of scikit-learn, C from 1e-5 to 10, five folds, rows standardised by train, minutes a layer.
It prints one line per read-out, as docs/validity.md has them.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import kendalltau
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegressionCV, RidgeClassifierCV

from frostmark.backbones.extractor import Tap
from frostmark.backbones.network import Network
from frostmark.benchmark.extraction import extraction_of
from frostmark.benchmark.subject import Given, resolve
from frostmark.config.compose import compose
from frostmark.config.words import conf_dir
from frostmark.data.pixels import pixel_rows
from frostmark.metrics.read_out import USUAL, Train, folds_of, read
from frostmark.stats.logistic import PrincipalAxes, scores

FEW = 300
"""Train images of the small FashionMNIST."""


@dataclass(frozen=True)
class Case:
    """The rows of one layer: train (N, D) and test (M, D), with labels."""

    data: str
    network: str
    layer: str
    rows: np.ndarray
    labels: np.ndarray
    test: np.ndarray
    truth: np.ndarray

    @property
    def name(self) -> str:
        return f"{self.data} · {self.network} · {self.layer}"

    def first(self, count: int) -> Case:
        """The case with the first ``count`` train images."""
        data = f"{self.data} {count}"
        return Case(data, self.network, self.layer, self.rows[:count], self.labels[:count], self.test, self.truth)


def cases(data: str, words: list[str], networks: dict[str, list[str]], root: Path) -> Iterator[Case]:
    """Every layer of every network once, and pixels; layers whose rows are those of the one before are left out."""
    subject = None
    for network, of_network in networks.items():
        config = compose(conf_dir(), [*of_network, *words, "layer=logits", "tracking=none", f"paths.root={root}"])
        subject = resolve(config, Given())
        extraction = extraction_of(subject, Network.loaded(subject.backbone, 0), print)
        taps = {word: Tap(subject.survey.resolve(word), "gap") for word in subject.survey.taps}
        labels = {split: images.labels.numpy() for split, images in subject.splits.items()}
        before = np.empty(0)
        with extraction.stored(subject.tap, "logits", list(dict.fromkeys(taps.values()))):
            for word, tap in taps.items():
                rows = {s: e.rows(np.arange(e.key.count)) for s, e in extraction.entries(tap).items()}
                if rows["train"].shape != before.shape or not np.allclose(rows["train"], before, rtol=1e-5):
                    yield Case(data, network, word, rows["train"], labels["train"], rows["test"], labels["test"])
                before = rows["train"]
    assert subject is not None
    rows = {split: pixel_rows(subject.images(split)).numpy() for split in subject.splits}
    yield Case(data, "pixels", "pixels", rows["train"], labels["train"], rows["test"], labels["test"])


# ---------------------------------------------------------------- read-outs: a case → classes of its test rows


def standardised(case: Case) -> tuple[np.ndarray, np.ndarray]:
    mean, scale = case.rows.mean(0, dtype=np.float64), case.rows.std(0, dtype=np.float64)
    varies = scale > 0
    return tuple(((x - mean)[:, varies] / scale[varies]).astype(np.float32) for x in (case.rows, case.test))  # type: ignore[return-value]


def probe(case: Case) -> np.ndarray:
    rows, test = standardised(case)
    of = LogisticRegressionCV(
        Cs=np.logspace(-5, 1, 7), cv=5, max_iter=300, scoring="accuracy", l1_ratios=(0.0,), use_legacy_attributes=False
    )
    return np.asarray(of.fit(rows, case.labels).predict(test))


def ridge(case: Case) -> np.ndarray:
    rows, test = standardised(case)
    return np.asarray(RidgeClassifierCV(alphas=np.logspace(-2, 6, 17)).fit(rows, case.labels).predict(test))


def lda(case: Case) -> np.ndarray:
    rows, test = standardised(case)
    of = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    return np.asarray(of.fit(rows, case.labels).predict(test))


def untuned(case: Case) -> np.ndarray:
    return fixed(Train.of(case.rows, case.labels), case.test)


def one_scale(case: Case) -> np.ndarray:
    return fixed(globally_scaled(case), case.test)


def fixed(train: Train, test: np.ndarray) -> np.ndarray:
    """With C = 10/D."""
    return train.present[scores(train.fitted(USUAL), train.axes.turned(test)).argmax(1)]


def one_scale_tuned(case: Case) -> np.ndarray:
    return tuned(globally_scaled(case), case)


def built_in(case: Case) -> np.ndarray:
    """The read-out of ``metrics=linear``."""
    return tuned(Train.of(case.rows, case.labels), case)


def tuned(train: Train, case: Case) -> np.ndarray:
    return read(train, folds_of(case.labels, 5, np.random.default_rng(0))).predict(case.test)


def globally_scaled(case: Case) -> Train:
    """Rows with one scale for all features."""
    mean = case.rows.mean(0, dtype=np.float64)
    scale = float(np.sqrt(case.rows.var(0, dtype=np.float64).mean()))
    _, size, axes = np.linalg.svd((case.rows - mean) / scale, full_matrices=False)
    energy, kept = size**2 / len(case.rows), size > 1e-4 * size[0]
    turning = axes[kept].T.astype(np.float32)
    of = PrincipalAxes(mean, np.full(len(mean), scale), turning, energy[kept], case.rows.shape[1])
    present, own = np.unique(case.labels, return_inverse=True)
    return Train(of, of.along(case.rows), own, present)


READ_OUTS: dict[str, Callable[[Case], np.ndarray]] = {
    "ridge, exact leave-one-out": ridge,
    "LDA, Ledoit–Wolf": lda,
    "logistic, C = 10/D": untuned,
    "logistic, C = 10/D, one scale": one_scale,
    "logistic, C by held-out loss, one scale": one_scale_tuned,
    "logistic, C by held-out loss (metrics=linear)": built_in,
}
PROBE = "LogisticRegressionCV"


def measured(case: Case, name: str, of: Callable[[Case], np.ndarray], kept: Path) -> tuple[float, float]:
    """(accuracy, processor seconds) of a read-out; the probe's are kept."""
    done = {line["case"]: line for line in map(json.loads, kept.open())} if kept.exists() else {}
    if name == PROBE and case.name in done:
        return done[case.name]["accuracy"], done[case.name]["seconds"]
    start = time.process_time()
    accuracy = float((of(case) == case.truth).mean())
    seconds = time.process_time() - start
    if name == PROBE:
        with kept.open("a") as file:
            file.write(json.dumps({"case": case.name, "accuracy": accuracy, "seconds": round(seconds, 2)}) + "\n")
    return accuracy, seconds


def report(found: list[tuple[Case, dict[str, tuple[float, float]]]]) -> Iterator[str]:
    """Markdown: one line per read-out, then one per case."""
    data = list(dict.fromkeys(case.data for case, _ in found))
    yield f"| read-out | within 1 point | mean difference | furthest below | τ {' | τ '.join(data)} | seconds |"
    yield "|" + "---|" * (5 + len(data))
    for name in READ_OUTS:
        off = 100 * np.array([of[name][0] - of[PROBE][0] for _, of in found])
        taus = [tau([(of[name][0], of[PROBE][0]) for case, of in found if case.data == d]) for d in data]
        within = f"{np.sum(np.abs(off) <= 1.0 + 1e-9)} of {len(off)}"
        cells = [name, within, f"{off.mean():+.2f}", f"{off.min():+.1f}", *(f"{t:.2f}" for t in taus)]
        yield f"| {' | '.join(cells)} | {np.mean([of[name][1] for _, of in found]):.1f} |"
    yield ""
    yield f"| rows | train × features | {PROBE} | {' | '.join(READ_OUTS)} |"
    yield "|" + "---|" * (3 + len(READ_OUTS))
    for case, of in found:
        numbers = " | ".join(f"{100 * of[name][0]:.1f}" for name in (PROBE, *READ_OUTS))
        yield f"| {case.name} | {len(case.rows):,} × {case.rows.shape[1]:,} | {numbers} |"


def tau(pairs: list[tuple[float, float]]) -> float:
    return float(kendalltau(*zip(*pairs, strict=True)).statistic)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="the folder that holds FashionMNIST/")
    parser.add_argument("--squeezenet", required=True, help="ImageNet weights of SqueezeNet 1.0, a state dict")
    parser.add_argument("--lite0", required=True, help="ImageNet weights of timm's tf_efficientnet_lite0")
    parser.add_argument("--root", default="readouts", help="where rows and probes are kept")
    chosen = parser.parse_args()
    warnings.filterwarnings("ignore")
    squeezenet, lite0 = ["backbone=squeezenet1_0"], ["backbone=timm", "backbone.name=tf_efficientnet_lite0"]
    networks = {
        "squeezenet": [*squeezenet, f"backbone.weights={chosen.squeezenet}"],
        "squeezenet-untrained": [*squeezenet, "backbone.weights=untrained"],
        "lite0": [*lite0, f"backbone.weights={chosen.lite0}"],
        "lite0-untrained": [*lite0, "backbone.weights=untrained"],
    }
    limits = ["dataset.limit.train=2000", "dataset.limit.test=1000"]
    fashion = ["dataset=fashion_mnist", f"dataset.root={chosen.data}", "dataset.download=false", *limits]
    root = Path(chosen.root)
    of_fashion = list(cases("fashion", fashion, networks, root))
    of_digits = list(cases("digits", ["dataset=digits", "preprocess.size=96"], networks, root))
    found = []
    for case in [*of_fashion, *(case.first(FEW) for case in of_fashion), *of_digits]:
        asked = {PROBE: probe, **READ_OUTS}
        found.append((case, {name: measured(case, name, of, root / "probes.jsonl") for name, of in asked.items()}))
        print(case.name, {name: value for name, (value, _) in found[-1][1].items()}, flush=True)
    print("\n".join(["", *report(found)]))


if __name__ == "__main__":
    main()
