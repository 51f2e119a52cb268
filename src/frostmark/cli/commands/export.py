"""Write the network of a run and its linear read-out as ONNX and torch.export program, with a model card.

python run.py export <run> out/
python run.py export <run> out/ head=none
"""

from __future__ import annotations

import json
import shlex
from argparse import Namespace
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from frostmark.backbones.extractor import Extractor
from frostmark.benchmark.rebuilt import CONFIG, Rebuilt, affine_of, rebuilt
from frostmark.benchmark.tracked import open_existing_store
from frostmark.cli.parser import Parser
from frostmark.comparison.files import EXPORTED
from frostmark.comparison.named import read_runs
from frostmark.comparison.runs import Run
from frostmark.config.schema import Config, Paths, Tracking
from frostmark.errors import ConfigError
from frostmark.export.card import Card
from frostmark.export.files import CARD, EXAMPLE, ONNX, PROGRAM, ExportedModel, require_onnx, write_models
from frostmark.export.portable import Portable
from frostmark.features.store import FeatureStore
from frostmark.names import visible
from frostmark.regular import write_whole
from frostmark.results.places import room_for
from frostmark.results.progress import ProgressLine
from frostmark.tracking.mlflow import MlflowStore
from frostmark.tracking.models import PortableModel, log_model
from frostmark.tracking.serving import address_of

HEADS = ("linear", "none")
MAX_NAMED = 12
"""Runs of a sweep that an error names."""

KEYS = ("head", "paths.root", "tracking.uri")


def run(arguments: list[str]) -> int:
    """Write the files, and keep the model with its run where the run is tracked."""
    options = _parser().parse_intermixed_args(arguments)
    keys = dict(_key(word) for word in options.keys)
    require_onnx()
    mlruns, uri = Config(paths=Paths(keys.get("paths.root", "."))).mlruns, keys.get("tracking.uri")
    opened = partial(open_existing_store, Tracking(kind="server" if uri else "local", uri=uri), mlruns)
    with TemporaryDirectory() as folder, ProgressLine() as progress:
        of = _only(options, read_runs([options.run], opened, Path(folder)))
        assert of.folder is not None
        if of.run_id and not (of.folder / CONFIG).is_file():
            opened().fetch(of.run_id, [CONFIG], Path(folder))
        progress("making the network")
        made = rebuilt(of)
        card = _written(of, made, keys.get("head", "linear"), FeatureStore(mlruns / "features"), options.out)
        costs = room_for(of.folder, EXPORTED)  # for comparisons by latency
        write_whole(costs, json.dumps(card.metrics))
        tracked = uri or (mlruns / "mlflow.db").is_file()
        model_id = _logged(opened(), of, card, options.out, costs) if of.run_id and tracked else None
    _tell(card, options.out, model_id, uri, mlruns)
    return 0


def _parser() -> Parser:
    parser = Parser.of("export", __doc__)
    parser.add_argument("run", help="identifier or folder of a run")
    parser.add_argument("out", type=Path, help=f"a folder, for {ONNX}, {PROGRAM}, {CARD} and {EXAMPLE}")
    parser.add_argument(
        "keys",
        nargs="*",
        help="head=linear (with the classes)|none (features alone), paths.root=<folder that holds mlruns/>, "
        "tracking.uri=<server>",
    )
    return parser


def _key(word: str) -> tuple[str, str]:
    key, equals, value = word.partition("=")
    if not equals or key not in KEYS:
        raise ConfigError(f"export: {word} is not one of {', '.join(f'{k}=…' for k in KEYS)}", fix="leave it out")
    if key == "head" and value not in HEADS:
        raise ConfigError(f"head={value} is unknown", fix=f"head=linear (valid: {', '.join(HEADS)})")
    return key, value


def _only(options: Namespace, runs: list[Run]) -> Run:
    if len(runs) != 1:
        told = f"{options.run} stands for {len(runs)} runs, and export takes one"
        named = [f"{run.run_id or run.folder} ({run.title})" for run in runs[:MAX_NAMED]]
        more = f" and {len(runs) - MAX_NAMED:,} more" if len(runs) > MAX_NAMED else ""
        raise ConfigError(told, fix=f"one of {', '.join(named)}{more}")
    return runs[0]


def _written(of: Run, made: Rebuilt, head: str, store: FeatureStore, out: Path) -> Card:
    affine = affine_of(of, made, store) if head == "linear" else None
    portable = Portable(Extractor(made.network.model, [made.tap]), made.pipeline, affine)
    classes = [] if affine is None else [of.classes[label] for label in affine.present]
    exported = write_models(portable, classes, out)
    known = (of.title, of.run_id, of.tags, of.values, of.kinds, _majority(of))
    card = Card(*known, exported, made.pipeline, made.tap.width)
    (out / CARD).write_text(card.text, encoding="utf-8")
    return card


def _majority(of: Run) -> float | None:
    """Accuracy of always predicting the most common train class; None where the labels are not kept."""
    if not {"train", "test"} <= of.labels.keys():
        return None
    return float(np.mean(of.labels["test"] == np.bincount(of.labels["train"]).argmax()))


def _logged(store: MlflowStore, of: Run, card: Card, out: Path, costs: Path) -> str:
    assert of.run_id is not None, "a tracked run has an identifier"
    store.add_files(of.run_id, [costs], costs.parent.name)
    exported: ExportedModel = card.exported
    image, outputs = exported.example
    told = ("backbone", "weights", "layer", "pool", "dataset", "preprocess", "image_size", "weights_license")
    params = {name: of.tags[name] for name in told if name in of.tags}
    params["head"] = "linear" if exported.classes else "none"
    files = [out / CARD, out / EXAMPLE, out / PROGRAM]
    return log_model(store, of.run_id, PortableModel(out / ONNX, of.title, image, outputs, card.metrics, params, files))


def _tell(card: Card, out: Path, model_id: str | None, uri: str | None, mlruns: Path) -> None:
    metrics: Mapping[str, float] = card.metrics
    print(
        visible(
            f"{out}: {ONNX} ({metrics['cost/exported_mb']:.1f} MB, {metrics['cost/latency_ms_p50']:.1f} ms an image, "
            f"95% within {metrics['cost/latency_ms_p95']:.1f} ms), {PROGRAM}, {CARD}, {EXAMPLE}"
        )
    )
    print(visible(f"Try it: python {shlex.quote(str(out / EXAMPLE))} photo.jpg"))
    if model_id is not None:
        store = uri or address_of(mlruns)
        print(
            visible(
                f"Serve it: MLFLOW_TRACKING_URI={shlex.quote(store)} mlflow models serve -m models:/{model_id} "
                "--env-manager local"
            )
        )
    else:
        print("Not in MLflow: the run is not tracked there. tracking.uri=<server> names the server of a run that is.")
