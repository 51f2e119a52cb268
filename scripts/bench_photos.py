"""How much faster than the usual way photos become rows: same files, same network, same machine, in one run.

    python scripts/bench_photos.py
    python scripts/bench_photos.py --photos /data/bench --backbones resnet18 --rounds 3

The photos are made here, the same everywhere: 1,000 JPEGs of 1600×1200 in ten classes. The usual way is torchvision's
ImageFolder, PIL, a DataLoader with batches of 64 and two workers, and the network as it comes in float32, timed after
its imports, in a process of its own. Frostmark's time is that of the program's first run of a command less that of the
same command once more, which replays what the first has stored. Every variant runs once a round, one after the other;
a line is the median of its ratios within the rounds. Weights are untrained: they change no time.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.table import Table
from torch.utils.data import DataLoader
from torchvision import models, transforms
from torchvision.datasets import ImageFolder as TorchvisionFolder

from frostmark.data.decode import WHOLE, Decoding, decode
from frostmark.data.files import ImageFiles
from frostmark.data.folder import ImageFolder
from frostmark.data.preprocess import Resize
from frostmark.data.reading import parts
from frostmark.lit.trainer import keep_freed_memory

REPOSITORY = Path(__file__).resolve().parents[1]
SIZE, CLASSES, QUALITY = (1600, 1200), 10, 90
PRESET = models.ResNet18_Weights.DEFAULT.transforms()
FASTER = {"resnet18": 1.7, "mobilenet_v3_small": 2.0}
READS_FASTER, MAX_REPLAY = 2.2, 6.0


def main() -> None:
    if sys.argv[1:2] == ["--usual"]:
        serve_usual(*sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, help="the folder of the photos, made unless they are there")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--backbones", nargs="*", default=list(FASTER))
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        photos = (options.photos or Path(folder) / "photos").absolute()
        make_photos(photos, options.count)
        bench = Bench(photos, Path(folder), options.backbones)
        for done in range(1, options.rounds + 1):
            bench.round()
            print(f"round {done} of {options.rounds} done, load {os.getloadavg()[0]:.1f}", flush=True)
        Console(width=110).print(bench.table())


# ---------------------------------------------------------------- the photos


def make_photos(folder: Path, count: int) -> None:
    """``count`` photos below ``folder``/<class>/, unless they are there."""
    wanted = [folder / f"class{i % CLASSES}" / f"{i:06d}.jpg" for i in range(count)]
    missing = [(i, path) for i, path in enumerate(wanted) if not path.is_file()]
    if missing:
        print(f"making {len(missing):,} photos in {folder}", flush=True)
        for path in {path.parent for path in wanted}:
            path.mkdir(parents=True, exist_ok=True)
        with ProcessPoolExecutor() as pool:
            list(pool.map(make_photo, *zip(*missing, strict=True), chunksize=8))


def make_photo(number: int, path: Path) -> None:
    """Something of every size, and the noise of a sensor: about half a megabyte, as a camera's."""
    rng = np.random.default_rng(number)
    width, height = SIZE
    picture = rng.normal(0, 6, (height, width, 3)).astype(np.float32) + 128
    for across, strength in ((4, 80), (16, 50), (64, 30), (256, 15)):
        for channel in range(3):
            coarse = rng.normal(0, strength, (across * 3 // 4 + 1, across + 1)).astype(np.float32)
            picture[..., channel] += np.asarray(Image.fromarray(coarse).resize(SIZE, Image.Resampling.BICUBIC))
    picture[..., number % 3] += 10 * (number % CLASSES)
    Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(path, quality=QUALITY)


# ---------------------------------------------------------------- the usual way


class Usual:
    """The usual way, in a process of its own that Frostmark's settings do not reach."""

    def __init__(self, photos: Path, backbone: str) -> None:
        command = [sys.executable, __file__, "--usual", str(photos), backbone]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self) -> float:
        """Seconds of one pass."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print("go", file=self.process.stdin, flush=True)
        return float(self.process.stdout.readline())


def serve_usual(photos: str, backbone: str) -> None:
    resize = transforms.Resize((224, 224))
    steps = [resize, transforms.ToTensor(), transforms.Normalize(PRESET.mean, PRESET.std)]
    images = TorchvisionFolder(photos, transforms.Compose(steps))
    body = usual_body(backbone)
    for _ in sys.stdin:
        start = time.perf_counter()
        with torch.no_grad():
            torch.cat([body(batch) for batch, _ in DataLoader(images, batch_size=64, num_workers=2)])
        print(time.perf_counter() - start, flush=True)


def usual_body(backbone: str) -> Callable[[torch.Tensor], torch.Tensor]:
    """Images to pooled rows; without a backbone the images' means, which cost nothing."""
    if not backbone:
        return lambda images: images.mean((2, 3))
    model = models.get_model(backbone).eval()
    layers = model.features if hasattr(model, "features") else torch.nn.Sequential(*list(model.children())[:-2])
    return lambda images: layers(images).mean((2, 3))


# ---------------------------------------------------------------- Frostmark's


class Bench:
    """All variants, once a round."""

    def __init__(self, photos: Path, folder: Path, backbones: list[str]) -> None:
        self.photos, self.root, self.backbones = photos, folder / "root", backbones
        self.usual = {backbone: Usual(photos, backbone) for backbone in ["", *backbones]}
        self.seconds: dict[str, list[float]] = {}
        least = Resize(224).pipeline(PRESET).least
        files = ImageFolder(str(photos)).split("train")
        self.files = replace(files, decoding=Decoding(least), geometry=Resize(224).pipeline(PRESET).geometry)
        self.count = sum(len(ImageFolder(str(photos)).split(split)) for split in ("train", "test"))
        keep_freed_memory()
        self.root.mkdir()
        for backbone in backbones:
            self.run(backbone)  # makes the tracking store

    def round(self) -> None:
        for backbone in self.backbones:
            self.note(f"usual {backbone}", self.usual[backbone]())
            shutil.rmtree(self.root / "mlruns" / "features")
            first, replay = self.run(backbone), self.run(backbone)
            self.note(f"pass {backbone}", first - replay)
            self.note("replay", replay)
        self.note("usual reading", self.usual[""]() / self.count)
        for workers in (0, 1, 2):
            self.note(f"reading {workers}", self.read(workers) / len(self.files))

    def note(self, variant: str, seconds: float) -> None:
        self.seconds.setdefault(variant, []).append(seconds)

    def run(self, backbone: str) -> float:
        """Seconds of the program, from its start to its end."""
        words = [
            "backbone=torchvision", f"backbone.name={backbone}", "backbone.weights=untrained", "dataset=folder",
            f"dataset.root={self.photos}", "reducer=none", "metrics=[neighbours]", "controls=[]",
            "uncertainty.permutations=0",
        ]  # fmt: skip
        start = time.perf_counter()
        command = [sys.executable, str(REPOSITORY / "run.py"), *words]
        done = subprocess.run(command, cwd=self.root, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return time.perf_counter() - start

    def read(self, workers: int) -> float:
        """Seconds that reading takes for a network that computes nothing."""
        batches = [range(i, min(i + 32, len(self.files))) for i in range(0, len(self.files), 32)]
        start = time.perf_counter()
        (part,) = parts({"train": self.files}, {"train": batches}, workers)
        for batch in part:
            assert batch.images.dtype == torch.uint8
        return time.perf_counter() - start

    def ratio(self, above: str, below: str) -> float:
        """Median over the rounds of the ratio within each round."""
        return statistics.median(a / b for a, b in zip(self.seconds[above], self.seconds[below], strict=True))

    def median(self, variant: str) -> float:
        return statistics.median(self.seconds[variant])

    def table(self) -> Table:
        table = Table(title=f"{self.count:,} JPEGs of {SIZE[0]}×{SIZE[1]}, {os.cpu_count()} cores")
        for column in ("line", "target", "measured", "", "seconds, or ms an image"):
            table.add_column(column, justify="left" if column == "line" else "right")

        def line(name: str, target: str, value: float, holds: bool, told: str) -> None:
            table.add_row(name, target, f"{value:.2f}", "holds" if holds else "MISSED", told)

        for backbone in self.backbones:
            faster = self.ratio(f"usual {backbone}", f"pass {backbone}")
            told = f"{self.median(f'usual {backbone}'):.1f} s, {self.median(f'pass {backbone}'):.1f} s"
            aim = FASTER.get(backbone, 1.0)
            line(f"{backbone}: times the usual way", f"≥ {aim}", faster, faster >= aim, told)
        faster = self.ratio("usual reading", "reading 0")
        told = f"{1e3 * self.median('usual reading'):.1f} ms, {1e3 * self.median('reading 0'):.1f} ms"
        line("decoding and resizing alone", f"≥ {READS_FASTER}", faster, faster >= READS_FASTER, told)
        if self.backbones:
            replay = self.median("replay")
            line("a replay in all", f"≤ {MAX_REPLAY:.0f} s", replay, replay <= MAX_REPLAY, f"{replay:.1f} s")
        cores = os.cpu_count() or 1
        rates = {f"{workers} processes": (workers, workers) for workers in (1, 2)} | {"threads": (0, min(cores, 8))}
        shown = (
            f"{name} {1 / self.median(f'reading {w}') / min(used, cores):.0f}" for name, (w, used) in rates.items()
        )
        mean, most = self.differences()
        table.caption = (
            f"images/s a core for a network that computes nothing: {', '.join(shown)}\n"
            f"grey levels from the whole picture's: {mean:.2f} in the mean, {most:.1f} at most"
        )
        return table

    def differences(self, some: int = 20) -> tuple[float, float]:
        """Mean and largest difference of what is handed to the network from what every pixel gives."""
        files: ImageFiles = self.files.take(some)
        near = files.__getitems__(range(len(files))).images.to(torch.float32)
        pipeline = Resize(224).pipeline(PRESET)
        exact = torch.stack([pipeline.geometry(decode(path, None, WHOLE).pixels) for path in files.paths])
        return float((near - exact).abs().mean()), float((near - exact).abs().max())


if __name__ == "__main__":
    main()
