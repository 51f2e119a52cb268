"""How the cost of a benchmark grows with images, layers and classes.

    python scripts/bench_growth.py --images 1000 8000 60000          # by running the program
    python scripts/bench_growth.py --parts 8000 50000 200000         # extract, store, read, graph, every family, map

By running the program: synthetic uint8 images at 64 pixels, an untrained ResNet18, no map: what grows is extraction,
store and metrics. Every line is a run of its own in a fresh folder; the replay is the same command once more.

Part by part: an untrained SqueezeNet at 32 pixels (512 features) extracts so many images; one process then reads the
rows and does one thing after the other with them. MB is the peak of each part beyond what was there before it; the
peak of the first pass is that of its process. A test split has 2,000 images.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from bench_memory import FAMILIES, status
from frostmark.analysis.maps import MapMaking
from frostmark.analysis.observed import Setting
from frostmark.features.store import FeatureStore
from frostmark.reducers.tsne import TSNE
from frostmark.stats.neighbours import KEPT

REPOSITORY = Path(__file__).resolve().parents[1]
LAYERS = ["last_conv", "stage1", "stage2", "stage3", "stage4", "penultimate", "logits"]

COLUMNS = ("images", "layers", "classes", "extract s", "images/s", "program s", "replayed s", "store MB", "RAM MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="+", default=[1000, 8000, 60_000])
    parser.add_argument("--layers", type=int, nargs="+", default=[1, 3, 7], help=f"at most {len(LAYERS)}")
    parser.add_argument("--classes", type=int, nargs="+", default=[10, 50, 192])
    parser.add_argument("--parts", type=int, nargs="+", help="part by part, of so many train images")
    parser.add_argument("--of", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.of:
        for name, seconds, peak in parts_of(options.of):
            print(json.dumps([name, seconds, peak]), flush=True)
        return
    if options.parts:
        Console(width=110).print(by_parts(options.parts))
        return
    table = Table(title="ResNet18, untrained, synthetic images at 64 pixels, train and a tenth as many for test")
    for column in COLUMNS:
        table.add_column(column, justify="right")
    base = (options.images[0], options.layers[0], options.classes[0])
    cases = [(n, base[1], base[2]) for n in options.images]
    cases += [(options.images[1], k, base[2]) for k in options.layers[1:]]
    cases += [(options.images[1], base[1], c) for c in options.classes[1:]]
    for case in cases:
        table.add_row(*measured(*case))
        print(f"{case} done", flush=True)
    Console(width=110).print(table)


def measured(images: int, layers: int, classes: int) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        words = [
            "backbone=resnet18", "backbone.weights=untrained", "dataset=synthetic", f"dataset.train={images}",
            f"dataset.test={max(images // 10, classes)}", f"dataset.num_classes={classes}", "preprocess.size=64",
            "reducer=none", "tracking=none", "controls=[]", f"paths.root={folder}",
            f"layer={','.join(LAYERS[:layers])}",
            *(["-m"] if layers > 1 else []),
        ]  # fmt: skip
        seconds = [timed(words), timed(words)]
        jobs = sorted(Path(folder).glob("mlruns/_hydra/**/metrics.json"), key=lambda path: path.stat().st_mtime)
        values = [json.loads(path.read_text())["values"] for path in jobs]
        (first,) = [v for v in values if v["cost/images_forwarded"]]
        stored = sum(path.stat().st_size for path in Path(folder).glob("mlruns/features/*/*"))
        return [
            f"{images:,}", str(layers), str(classes), f"{first['cost/extract_seconds']:.1f}",
            f"{first['cost/images_per_second']:.0f}", *(f"{s:.0f}" for s in seconds), f"{stored / 1e6:.1f}",
            f"{max(v['cost/peak_memory_mb'] for v in values):.0f}",
        ]  # fmt: skip


def by_parts(counts: list[int]) -> Table:
    """Seconds and MB of every part, by the number of train images."""
    found = {count: {name: (s, mb) for name, s, mb in all_parts(count)} for count in counts}
    table = Table(title="SqueezeNet, untrained, synthetic images at 32 pixels, 512 features, 10 classes")
    table.add_column("seconds, MB")
    for count in counts:
        table.add_column(f"{count:,}", justify="right")
    for name in found[counts[-1]]:
        table.add_row(name, *(f"{found[n][name][0]:,.1f} s, {found[n][name][1]:,.0f} MB" for n in counts))
    return table


def all_parts(count: int) -> Iterator[tuple[str, float, float]]:
    """Name, seconds and MB of the extraction, and of everything that is done with its rows."""
    with tempfile.TemporaryDirectory() as folder:
        timed([
            "backbone=squeezenet1_0", "backbone.weights=untrained", "dataset=synthetic", f"dataset.train={count}",
            "dataset.test=2000", "preprocess.size=32", "reducer=none", "tracking=none", f"paths.root={folder}",
            "metrics=[variance]", "controls=[]", "uncertainty.resamples=0", "uncertainty.permutations=0",
        ])  # fmt: skip
        (metrics,) = Path(folder).glob("mlruns/_hydra/runs/*/metrics.json")
        values = json.loads(metrics.read_text())["values"]
        store = Path(folder) / "mlruns" / "features"
        yield "extract", values["cost/extract_seconds"], values["cost/peak_memory_mb"]
        yield "store (on disk)", 0, sum(path.stat().st_size for path in store.glob("*/*")) / 1e6
        command = [sys.executable, __file__, "--of", str(store)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
            for line in child.stdout or ():
                name, seconds, peak = json.loads(line)
                print(f"{count:,} {name}: {seconds:.1f} s, {peak:,.0f} MB", flush=True)
                yield name, seconds, peak


def parts_of(store: Path) -> Iterator[tuple[str, float, float]]:
    """What is done with stored rows, one thing after the other: name, seconds, MB beyond what was there before."""
    rows: dict[str, np.ndarray] = {}
    yield ("read (rows stay)", *cost(lambda: rows.update(read(store))))
    labels = {split: np.arange(len(of)) % 10 for split, of in rows.items()}  # the classes take turns
    classes = tuple(f"class {c}" for c in range(10))
    setting = Setting(classes, 0, {"train": "a", "test": "b"})
    both = setting.splits(rows, labels)
    yield ("graph", *cost(lambda: [split.nearest(KEPT) for split in both.values()]))
    for name, family in FAMILIES.items():
        yield (name, *cost(partial(family, both)))
    yield ("t-SNE of 10,000", *cost(lambda: MapMaking(TSNE(), setting, lambda text: None).maps(both)))


def read(store: Path) -> Iterator[tuple[str, np.ndarray]]:
    """The rows of both splits, verified and read as a run does."""
    for manifest in store.glob("*/manifest.json"):
        entry = FeatureStore(store).find(manifest.parent.name)
        if entry is None or entry.dtype != "float32" or not entry.intact():
            continue
        rows = np.empty((entry.key.count, entry.width), np.float32)
        for shard in entry.shards:
            rows[shard.start : shard.stop] = entry.read(shard)
        yield entry.key.split, rows


def cost(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds, and the peak of memory in MB beyond what was there before."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins here
    before, start = status("VmRSS"), time.perf_counter()
    work()
    return time.perf_counter() - start, (status("VmHWM") - before) / 1e3


def timed(words: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, str(REPOSITORY / "run.py"), *words],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
