"""How well scores of frozen features predict what one wants to know: docs/validity.md.

    python scripts/validate.py                                  # what published tables say of published scores
    python scripts/validate.py --markdown                       # and write it into docs/validity.md
    python scripts/validate.py --runs frostmark --accuracy accuracy.csv         # your own comparison
    python scripts/validate.py --probe --data ../shared/data --weights ../shared/weights --markdown

For every score: Kendall's τ and weighted τ (scipy.stats.weightedtau) with the accuracy, regret@1 (the best accuracy
less that of the network which the score puts first, in points), pairs of networks of equal width in the right and in
the wrong order, and τ with the width; beside the controls: ImageNet top-1, number of parameters, width.

--runs takes what `compare` takes: an experiment, the run or the folder of a sweep, runs. --accuracy names a CSV with
the columns `network` (or `backbone`), `accuracy` and, if wanted, `layer`:

    network,layer,accuracy
    resnet18,stage4,0.871
    vgg16,,0.902

A network is called as comparison.csv calls it (`resnet18`, `resnet18 untrained`); a layer by its word. Without a layer
the accuracy is that of the network, and the layer that stands for it in the comparison counts, the best on train.
Accuracies may be of anything that you measured: a fine-tuned network, a linear probe, detection, in any unit.

--probe benchmarks SqueezeNet and EfficientNet-Lite0 (ImageNet weights from the folder --weights:
squeezenet1_0-imagenet.pth and tf_efficientnet_lite0-imagenet.safetensors), both untrained, and pixels, on FashionMNIST,
and fits a linear probe tuned by cross-validation to the rows of every layer. Rows and probes are kept below --root:
half an hour on two cores the first time, minutes afterwards.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from functools import partial
from pathlib import Path

from frostmark.benchmark.tracked import open_existing_store
from frostmark.comparison.named import read_runs
from frostmark.config.schema import Config, Paths, Tracking
from frostmark.errors import FrostmarkError
from validity import own, probe, published
from validity.orders import HEAD, lines
from validity.page import table, written

PAGE = Path(__file__).resolve().parents[1] / "docs" / "validity.md"


def main() -> None:
    """Print what was asked for, and write the page if that was asked for, too."""
    options = _parser().parse_args()
    try:
        if options.runs:
            print(_of_runs(options))
            return
        parts = {"published": published.published_markdown()}
        if options.probe:
            settings = probe.Settings(options.data, options.weights, options.root, more=options.override)
            rows = probe.probed_rows(settings)
            parts |= {"probe": probe.probe_markdown(rows, settings), "depth": probe.depth_markdown(rows)}
    except FrostmarkError as problem:
        print(problem, file=sys.stderr)
        sys.exit(problem.code)
    print("\n\n".join(parts.values()))
    if options.markdown:
        page = PAGE.read_text(encoding="utf-8")
        for part, text in parts.items():
            page = written(page, part, text)
        PAGE.write_text(page, encoding="utf-8")


def _of_runs(options: argparse.Namespace) -> str:
    accuracy = own.accuracies(options.accuracy)
    mlruns = Config(paths=Paths(str(options.root))).mlruns
    with tempfile.TemporaryDirectory() as folder:
        runs = read_runs(options.runs, partial(open_existing_store, Tracking(), mlruns), Path(folder))
    parts = []
    for cell in own.own_cells(runs, accuracy):
        unit = 100.0 if cell.accuracy.max() <= 1 else 1.0
        parts.append(f"{cell.name}, {len(cell.accuracy)} layers\n\n{table(HEAD, lines([cell], own.CONTROLS, unit))}")
    return "\n\n".join(parts)


def _parser() -> argparse.ArgumentParser:
    how = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=how)
    parser.add_argument("--markdown", action="store_true", help="write the tables into docs/validity.md")
    parser.add_argument("--runs", nargs="+", metavar="RUN", help="an experiment, a sweep, runs, or their folders")
    parser.add_argument("--accuracy", type=Path, metavar="CSV", help="network[, layer], accuracy")
    parser.add_argument("--root", type=Path, default=Path(), help="the folder that holds mlruns/")
    parser.add_argument("--probe", action="store_true", help="benchmark real networks beside a tuned linear probe")
    parser.add_argument("--data", type=Path, default=Path("data"), help="the folder that holds FashionMNIST/raw")
    parser.add_argument("--weights", type=Path, default=Path(), help="the folder that holds both files of weights")
    parser.add_argument("--override", action="append", default=[], help="of the benchmarks of --probe: trainer=cpu")
    return parser


if __name__ == "__main__":
    main()
