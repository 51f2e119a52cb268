"""Images with copies of train images among the test images: in files and in arrays, and runs on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from frostmark.benchmark.run import Result, run_benchmark
from frostmark.benchmark.subject import Given
from frostmark.config.compose import compose
from frostmark.data.given import GivenImages
from support.environment import REPOSITORY
from support.runs import TINY

CONF = REPOSITORY / "conf"
WORDS = (
    *(word for word in TINY if not word.startswith(("dataset", "reducer"))), "reducer=none", "tracking=none",
    "metrics=[linear,neighbours]", "uncertainty.permutations=0",
)  # fmt: skip
CLASSES = ("dark", "light")


def scene(rng: np.random.Generator, label: int, edge: int = 96) -> np.ndarray:
    """A picture with a large-scale pattern and texture of its own."""
    y, x = np.mgrid[:edge, :edge] / edge
    waves = sum(rng.normal(0, 30) * np.cos(np.pi * (a * x + b * y)) for a in range(4) for b in range(4) if a + b)
    grey = 90 + 60 * label + waves + rng.normal(0, 6, (edge, edge))
    return np.stack([grey, grey * 0.9, grey * 0.8], axis=-1).clip(0, 255).astype(np.uint8)


def a_folder(root: Path) -> None:
    """60 and 40 images; of those of test one is a train image's file, one a smaller JPEG of another, one its PNG."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 60), ("test", 40)):
        for label, name in enumerate(CLASSES):
            (root / split / name).mkdir(parents=True)
            for i in range(count // 2):
                Image.fromarray(scene(rng, label)).save(root / split / name / f"{i:02}.jpg", quality=90)
    (root / "test/dark/00.jpg").write_bytes((root / "train/dark/05.jpg").read_bytes())
    small = Image.open(root / "train/light/07.jpg").resize((60, 60))
    small.save(root / "test/light/03.jpg", quality=70)
    Image.open(root / "train/light/09.jpg").save(root / "test/dark/02.png")
    (root / "test/dark/02.jpg").unlink()


def arrays(edge: int = 48) -> GivenImages:
    """300 and 100 images; of those of test one is a train image and one its mirror image."""
    rng = np.random.default_rng(1)
    labels = {"train": rng.integers(0, 2, 300), "test": rng.integers(0, 2, 100)}
    images = {split: np.stack([scene(rng, int(c), edge) for c in of]) for split, of in labels.items()}
    images["test"][10], images["test"][20] = images["train"][5], images["train"][6][:, ::-1]
    groups = {"train": [f"g{i}" for i in range(300)], "test": [*("g250" if i == 50 else f"h{i}" for i in range(100))]}
    parts = [(images[split], labels[split]) for split in ("train", "test")]
    return GivenImages("mine", parts[0], parts[1], CLASSES, groups=groups)


def run(folder: Path, *words: str, given: Given | None = None) -> Result:
    folder.mkdir()
    result = run_benchmark(compose(CONF, [*WORDS, *words]), folder, given=given)
    assert result is not None
    return result
