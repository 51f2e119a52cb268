"""How much faster than the report's way: the same images, the same network, the same machine, in one run.

    python scripts/bench_extract.py --data ../shared/data
    python scripts/bench_extract.py --data data --backbones resnet18 --accelerator gpu --images 4096

The report's way is what most scripts do: torchvision's data set, PIL transforms, a DataLoader without workers or with
one a core, whichever is faster, the network as it comes (float32, contiguous), one layer. Frostmark's is the pass a
benchmark makes: images through Lightning, preprocessing on the device, rows into the store. Every variant runs once a
round, one after the other, and the table holds medians; each line is a ratio within this run. The report's way runs in
a process of its own, which Frostmark's settings do not reach. Weights are untrained: they change no time.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import nn
from torch.utils.data import DataLoader, Subset
from torchvision import transforms
from torchvision.datasets import FashionMNIST

from frostmark.backbones.extractor import Extractor, Tap
from frostmark.backbones.load import TorchvisionBackbone
from frostmark.benchmark.run import run_benchmark
from frostmark.config.compose import compose
from frostmark.config.words import conf_dir
from frostmark.data.preprocess import Resize
from frostmark.data.source import TensorImages
from frostmark.features.entry import shards_of
from frostmark.features.key import RowKey
from frostmark.features.store import FeatureStore
from frostmark.lit.callbacks.store import StoreFeatures
from frostmark.lit.datamodule import ImageModule
from frostmark.lit.module import FeatureModule
from frostmark.lit.trainer import make_trainer, predict

SEVEN = ("stage1", "stage2", "stage3", "stage4", "stage5", "last_conv", "penultimate")
TARGETS = {
    # line: (ResNet18, VGG16)
    "exact (32-true), times the report's way": (1.6, 2.2),
    "bf16-mixed, times the report's way": (3.0, 4.2),
    "bf16-mixed compiled, times the report's way": (3.7, 4.2),
    "bf16-mixed, share of the bf16 product rate": (0.60, 0.95),
    "bf16-mixed compiled, share of the bf16 product rate": (0.75, 0.95),
    "seven layers in one pass, times last_conv alone": (1.15, 1.15),
    "second run: seconds beyond start-up and the work": (3.0, 3.0),
    "preprocessing alone, times the forward rate": (20.0, 20.0),
}
AT_MOST = ("seven layers", "second run")


def main() -> None:
    if sys.argv[1:2] == ["--report"]:
        name, data, count, device = sys.argv[2:]
        serve_report(name, data, int(count), device)
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="the folder that holds FashionMNIST/raw")
    parser.add_argument("--backbones", nargs="+", default=["resnet18", "vgg16"])
    parser.add_argument("--images", type=int, default=0, help="a round (default: 256 for resnet18, 64 for vgg16)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--accelerator", default="cpu", choices=["cpu", "gpu"])
    parser.add_argument("--compile", action="store_true", help="the compiled lines, too; compiling takes a minute")
    options = parser.parse_args()
    for name in options.backbones:
        count = options.images or {"resnet18": 256, "vgg16": 64}.get(name, 128)
        bench = Bench(name, options.data, count, options.accelerator, options.compile)
        bench.run(options.rounds)
        Console(width=100).print(bench.table())


class Report:
    """The report's way, in a process of its own: without workers or with one a core, whichever is faster."""

    def __init__(self, name: str, data: str, count: int, device: str) -> None:
        command = [sys.executable, __file__, "--report", name, data, str(count), device]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self) -> float:
        """Seconds of one pass."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print("go", file=self.process.stdin, flush=True)
        return float(self.process.stdout.readline())


def serve_report(name: str, data: str, count: int, device: str) -> None:
    body, transform = report_network(name, device)
    images = Subset(FashionMNIST(data, train=True, transform=transform), range(count))

    def seconds(workers: int) -> float:
        start = time.perf_counter()
        with torch.no_grad():
            loader = DataLoader(images, batch_size=32, num_workers=workers)
            torch.cat([body(batch.to(device)).mean((2, 3)).cpu() for batch, _ in loader])
        return time.perf_counter() - start

    for _ in sys.stdin:
        print(min(seconds(0), seconds(os.cpu_count() or 1)), flush=True)


def report_network(name: str, device: str) -> tuple[nn.Module, transforms.Compose]:
    backbone = TorchvisionBackbone(name, "untrained")
    model = backbone.load(0).to(device)
    steps = [
        transforms.Grayscale(3),
        transforms.Resize((224, 224)),
        transforms.ToTensor(),
        transforms.Normalize(backbone.preset.mean, backbone.preset.std),
    ]
    body = model.features if hasattr(model, "features") else nn.Sequential(*list(model.children())[:-2])
    return body, transforms.Compose(steps)


class Bench:
    """All variants of one backbone."""

    def __init__(self, name: str, data: str, count: int, accelerator: str, compiled: bool) -> None:
        self.name = name
        self.count = count
        self.accelerator = accelerator
        self.device = torch.device("cuda" if accelerator == "gpu" else "cpu")
        self.backbone = TorchvisionBackbone(name, "untrained")
        self.survey = self.backbone.survey()
        self.pipeline = Resize(224).pipeline(self.backbone.preset)
        self.data = Path(data).absolute()
        images = FashionMNIST(data, train=True)
        self.images = TensorImages(images.data[:count, None], images.targets[:count])
        self.folder = tempfile.TemporaryDirectory()
        self.variants: dict[str, Callable[[], Any]] = {
            "report": Report(name, data, count, self.device.type),
            "exact": self.frostmark(["last_conv"]),
            "seven": self.frostmark([t for t in SEVEN if t in self.survey.taps]),
            "bf16-mixed": self.frostmark(["last_conv"], "bf16-mixed"),
            "preprocess": self.preprocess(),
            "product float32": self.product(torch.float32),
            "product bfloat16": self.product(torch.bfloat16),
        }
        if compiled:
            self.variants["compiled"] = self.frostmark(["last_conv"], "bf16-mixed", compiled=True)
        self.seconds: dict[str, list[float]] = {variant: [] for variant in self.variants}

    def frostmark(self, layers: list[str], precision: str = "32-true", compiled: bool = False) -> Callable[[], Any]:
        taps = list(dict.fromkeys(Tap(self.survey.resolve(layer), "gap") for layer in layers))
        extractor = Extractor(self.backbone.load(0), taps)
        if compiled:
            extractor.compile_body()
        module = FeatureModule(extractor, self.pipeline)

        def run() -> None:
            with tempfile.TemporaryDirectory(dir=self.folder.name) as folder:
                store = FeatureStore(Path(folder))
                entries = [store.entry(self.key(tap, precision), tap.width) for tap in taps]
                storing = StoreFeatures({"train": entries})
                images = ImageModule({"train": self.images}, {"train": shards_of(self.count)}, self.pipeline.geometry)
                predict(make_trainer([storing], accelerator=self.accelerator, precision=precision), module, images)

        return run

    def key(self, tap: Tap, precision: str) -> RowKey:
        return RowKey(self.name, "", "", tap.node.name, tap.pool, "", "", "train", self.count, precision)

    def preprocess(self) -> Callable[[], Any]:
        batches = [batch.to(self.device) for batch in self.images.images.split(32)]
        return lambda: [self.pipeline(batch).sum() for batch in batches][-1].item()

    def product(self, dtype: torch.dtype) -> Callable[[], Any]:
        size = 2048 if self.accelerator == "cpu" else 8192
        matrix = torch.randn(size, size, device=self.device, dtype=dtype)
        return lambda: (matrix @ matrix)[0, 0].item()

    def second_run(self) -> tuple[float, float]:
        """Seconds of a benchmark whose rows are stored, less imports and metrics, and the images it forwarded."""
        root = Path(self.folder.name)
        words = [
            f"backbone={self.name}", "backbone.weights=untrained", f"dataset.root={self.data}",
            f"dataset.limit.train={self.count}", "dataset.limit.test=32", "reducer=none", "metrics=[geometry]",
            "controls=[]", "tracking=none", f"paths.root={root}", f"trainer={self.accelerator}",
        ]  # fmt: skip
        config = compose(conf_dir(), words)
        spent, forwarded = 0.0, 0.0
        for run in ("first", "second"):
            (root / run).mkdir()
            start = time.perf_counter()
            with contextlib.redirect_stderr(io.StringIO()):
                result = run_benchmark(config, root / run)
            assert result is not None
            work = result.values["cost/geometry_seconds"]
            spent, forwarded = time.perf_counter() - start - work, result.values["cost/images_forwarded"]
        return spent, forwarded

    def run(self, rounds: int) -> None:
        """Every variant once to warm up, then once a round; bf16 once where the processor has to emulate it."""
        for current in range(rounds + 1):
            for variant, work in self.variants.items():
                if current > 1 and self.emulated and variant in ("bf16-mixed", "compiled"):
                    continue
                start = time.perf_counter()
                told = work()
                spent = told if variant == "report" else time.perf_counter() - start
                if current:
                    self.seconds[variant].append(spent)
            print(f"{self.name}: round {current} of {rounds} done", flush=True)

    @property
    def emulated(self) -> bool:
        """Whether bf16 products are slower than float32's here."""
        seconds = self.seconds
        return bool(seconds["product bfloat16"]) and seconds["product bfloat16"][0] > seconds["product float32"][0]

    def rate(self, variant: str) -> float:
        """Images a second, median."""
        return self.count / statistics.median(self.seconds[variant])

    def product_rate(self, dtype: str) -> float:
        """Floating-point operations a second of a matrix product, best of all rounds."""
        size = 2048 if self.accelerator == "cpu" else 8192
        return 2 * size**3 / min(self.seconds[f"product {dtype}"])

    def ratio(self, above: str, below: str) -> float:
        """Median over the rounds of the ratio within each round."""
        pairs = zip(self.seconds[above], self.seconds[below], strict=False)  # what was run once is compared once
        return statistics.median(a / b for a, b in pairs)

    def lines(self) -> dict[str, float]:
        flops = self.survey.resolve("last_conv").flops
        product = self.product_rate("bfloat16")
        spent, forwarded = self.second_run()
        assert forwarded == 0, "the second run forwarded images"
        found = {
            "exact (32-true), times the report's way": self.ratio("report", "exact"),
            "bf16-mixed, times the report's way": self.ratio("report", "bf16-mixed"),
            "bf16-mixed, share of the bf16 product rate": self.rate("bf16-mixed") * flops / product,
            "seven layers in one pass, times last_conv alone": self.ratio("seven", "exact"),
            "second run: seconds beyond start-up and the work": spent,
            "preprocessing alone, times the forward rate": self.ratio("exact", "preprocess"),
        }  # fmt: skip
        if "compiled" in self.variants:
            share = self.rate("compiled") * flops / product
            found["bf16-mixed compiled, times the report's way"] = self.ratio("report", "compiled")
            found["bf16-mixed compiled, share of the bf16 product rate"] = share
        return found

    def table(self) -> Table:
        rates = ", ".join(f"{v} {self.rate(v):.1f}" for v in self.variants if not v.startswith("product"))
        products = ", ".join(f"{d} {self.product_rate(d) / 1e9:.0f}" for d in ("float32", "bfloat16"))
        share = self.rate("exact") * self.survey.resolve("last_conv").flops / self.product_rate("float32")
        table = Table(
            title=f"{self.name}, last_conv, {self.count} images of FashionMNIST at 224 on {self.device.type}, "
            f"{torch.get_num_threads()} threads",
            caption=f"images/s: {rates}\nGFLOP/s of a matrix product: {products}\n"
            f"exact: {share:.0%} of the float32 product rate"
            + ("\nthis processor has no bf16 instructions: it emulates them" if self.emulated else ""),
        )
        for column in ("line", "target", "measured", ""):
            table.add_column(column, justify="left" if column == "line" else "right")
        position = 1 if self.name == "vgg16" else 0
        for line, value in self.lines().items():
            most = line.startswith(AT_MOST)
            target = TARGETS[line][position]
            holds = value <= target if most else value >= target
            table.add_row(line, f"{'≤' if most else '≥'} {target}", f"{value:.2f}", "holds" if holds else "MISSED")
        return table


if __name__ == "__main__":
    main()
