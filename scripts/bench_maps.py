"""How long maps take and how far they may be believed, beside scikit-learn's t-SNE.

    python scripts/bench_maps.py --root shared/data            # the FashionMNIST found there, else Gaussian classes
    python scripts/bench_maps.py --points 60000 --sklearn      # scikit-learn's at 60,000 too (8 minutes on two cores)
    python scripts/bench_maps.py --only tsne                   # some reducers alone

Rows are 50 principal components, of unit length for all: the same neighbours and the same affinities. The divergence
of every map is of those affinities (perplexity 30), summed over all pairs.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import time
from pathlib import Path

import numpy as np
from scipy.spatial.distance import cdist

from frostmark.metrics.faithfulness import faithfulness
from frostmark.reducers.pacmap import PaCMAP
from frostmark.reducers.pca import PCA, Components
from frostmark.reducers.reducer import Points, Reducer
from frostmark.reducers.tsne import TSNE
from frostmark.reducers.tsne_gpu import GpuTSNE
from frostmark.reducers.tsne_sklearn import SklearnTSNE
from frostmark.reducers.umap import UMAP
from frostmark.stats.neighbours import KEPT, unit_rows

TARGETS = {"tsne": "≥ 6 × at 60,000, divergence and trustworthiness no worse"}
SLOW = 20_000
"""Points from which on scikit-learn's is asked for by name, and all pairs are too many for TorchDR on a CPU."""


def reducers(points: int, sklearn: bool, only: list[str]) -> dict[str, Reducer]:
    made: dict[str, Reducer] = {}
    if sklearn or points < SLOW:
        made["tsne_sklearn"] = SklearnTSNE()  # first: the others are held against it
    made |= {"tsne": TSNE(), "umap": UMAP(), "pca": PCA()}
    if importlib.util.find_spec("pacmap"):
        made["pacmap"] = PaCMAP()
    if importlib.util.find_spec("torchdr") and importlib.util.find_spec("torch"):
        import torch

        if torch.cuda.is_available():
            made["tsne_gpu"] = GpuTSNE()
    return {name: reducer for name, reducer in made.items() if not only or name in only}


def rows(root: Path | None, count: int) -> tuple[np.ndarray, np.ndarray, str]:
    """50 principal components (count, 50) of unit length, labels, and what they are of."""
    pixels, labels = fashion(root) if root else (np.empty((0, 784)), np.empty(0))
    what = "FashionMNIST"
    if len(pixels) < count:
        pixels, labels = classes(count)
        what = f"Gaussian classes on curved sheets (FashionMNIST with {count:,} images not found)"
    pixels, labels = pixels[:count].astype(np.float32), labels[:count]
    return unit_rows(Components(pixels, 50, 0)(pixels)), labels, what


def fashion(root: Path) -> tuple[np.ndarray, np.ndarray]:
    """All images under ``root`` as rows of pixels, train first, and their classes."""
    found: dict[str, list[np.ndarray]] = {"images-idx3": [], "labels-idx1": []}
    for split in ("train", "t10k"):
        for kind, header in (("images-idx3", 16), ("labels-idx1", 8)):
            for path in sorted(root.rglob(f"{split}-{kind}-ubyte*"))[:1]:
                data = path.read_bytes()
                data = gzip.decompress(data) if path.suffix == ".gz" else data
                found[kind].append(np.frombuffer(data, np.uint8, offset=header))
    if not found["images-idx3"]:
        return np.empty((0, 784)), np.empty(0)
    return np.concatenate(found["images-idx3"]).reshape(-1, 784), np.concatenate(found["labels-idx1"])


def classes(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Ten classes of 100 features, each a curved sheet of eight dimensions in noise."""
    rng = np.random.default_rng(0)
    labels = rng.integers(10, size=count)
    hidden = rng.standard_normal((count, 8))
    mixing = rng.standard_normal((10, 8, 100))
    centres = 1.5 * rng.standard_normal((10, 100))
    made = centres[labels] + 0.3 * rng.standard_normal((count, 100))
    for label in range(10):
        mine = labels == label
        made[mine] += np.tanh(hidden[mine] @ mixing[label] / 2)
    return made.astype(np.float32), labels


def divergence(points: Points, coordinates: np.ndarray) -> float:
    """Kullback–Leibler divergence in nats of the affinities of a t-SNE, over all pairs, block by block."""
    joint = TSNE()._affinities(points).P.tocoo()
    step = 1000
    total = -len(coordinates) + sum(
        float((1 / (1 + cdist(coordinates[i : i + step], coordinates, "sqeuclidean"))).sum())
        for i in range(0, len(coordinates), step)
    )
    apart = ((coordinates[joint.row] - coordinates[joint.col]) ** 2).sum(1)
    positive = joint.data > 0
    return float(
        (joint.data * np.log(joint.data * (1 + apart) * total, where=positive, out=np.zeros_like(apart))).sum()
    )


def measure(points: Points, labels: np.ndarray, chosen: dict[str, Reducer]) -> None:
    reference: float | None = None
    for name, reducer in chosen.items():
        start = time.perf_counter()
        fitted = reducer.fit(points, 0, lambda text: None)
        seconds = time.perf_counter() - start
        if name == "tsne_sklearn":
            reference = seconds
        faster = f"{reference / seconds:6.1f} ×" if reference else " " * 8
        nats = f"{divergence(points, fitted.coordinates):.3f} nats" if "tsne" in name else ""
        print(f"  {name:<13} {seconds:7.1f} s {faster}  {nats:<11} {TARGETS.get(name, '')}", flush=True)
        start = time.perf_counter()
        rng = np.random.default_rng(0)
        badge = faithfulness(points.rows, points.nearest(KEPT).index, fitted.coordinates, labels, rng)
        print(
            f"    {badge.words}".replace("\n", "\n    "), f"(told in {time.perf_counter() - start:.1f} s)", flush=True
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, help="folder with FashionMNIST's idx files")
    parser.add_argument("--points", type=int, nargs="+", default=[10_000, 60_000])
    parser.add_argument("--only", nargs="+", default=[], metavar="REDUCER")
    parser.add_argument("--sklearn", action="store_true", help=f"scikit-learn's t-SNE for {SLOW:,} points or more, too")
    chosen = parser.parse_args()
    # What is compiled once a machine is not what is measured.
    warm = Points.alone(np.random.default_rng(0).standard_normal((1500, 10)).astype(np.float32))
    for reducer in reducers(0, False, chosen.only).values():
        reducer.fit(warm, 0, lambda text: None)
    for count in chosen.points:
        made, labels, what = rows(chosen.root, count)
        points = Points.alone(made)
        start = time.perf_counter()
        points.nearest(KEPT)
        print(f"{len(made):,} × {made.shape[1]} of {what}; the graph, shared: {time.perf_counter() - start:.1f} s")
        measure(points, labels, reducers(count, chosen.sklearn, chosen.only))


if __name__ == "__main__":
    main()
