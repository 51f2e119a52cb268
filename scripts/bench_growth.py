"""How the cost of a benchmark grows with images, layers and classes, by running the program.

    python scripts/bench_growth.py --images 1000 8000 60000

Synthetic uint8 images at 64 pixels, an untrained ResNet18, no map: what grows is extraction, store and metrics. Every
line is a run of its own in a fresh folder; the replay is the same command once more.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

REPOSITORY = Path(__file__).resolve().parents[1]
LAYERS = ["last_conv", "stage1", "stage2", "stage3", "stage4", "penultimate", "logits"]

COLUMNS = ("images", "layers", "classes", "extract s", "images/s", "program s", "replayed s", "store MB", "RAM MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="+", default=[1000, 8000, 60_000])
    parser.add_argument("--layers", type=int, nargs="+", default=[1, 3, 7], help=f"at most {len(LAYERS)}")
    parser.add_argument("--classes", type=int, nargs="+", default=[10, 50, 192])
    options = parser.parse_args()
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
            "reducer=none", "tracking=none", f"paths.root={folder}", f"layer={','.join(LAYERS[:layers])}",
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


def timed(words: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, str(REPOSITORY / "run.py"), *words],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
