"""Frostmark from Python: the same benchmark and the same comparison as on the command line, with objects for results.

from frostmark import benchmark, compare

results = benchmark("resnet18", "fashion_mnist", ["stage3", "last_conv"], overrides=["dataset.limit.train=2000"])
results[0].values["test/neighbours/knn_accuracy"], results[0].maps, results[0].figures["map.png"]
compare(results).sentence
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from threading import RLock
from typing import Any

from frostmark.backbones.module import ModuleBackbone
from frostmark.benchmark.arguments import check_kinds, check_overrides, check_preset, check_results
from frostmark.benchmark.result import Result
from frostmark.benchmark.rows import layers_of_file, told_beside_rows
from frostmark.benchmark.run import run_benchmark
from frostmark.benchmark.subject import Given, rows_handed_over
from frostmark.benchmark.tracked import open_existing_store
from frostmark.comparison.compared import Compared
from frostmark.comparison.deciding import Asked
from frostmark.comparison.named import compare_named
from frostmark.config.checks import wrong_decision
from frostmark.config.compose import compose
from frostmark.config.schema import Config, Decide, Layer, Paths, Tracking
from frostmark.config.words import conf_dir, known_words
from frostmark.data.given import GivenImages
from frostmark.data.lines import READERS
from frostmark.errors import ConfigError
from frostmark.names import quoted

_ONE_AT_A_TIME = RLock()
"""Hydra and torch's random numbers have one state per process: calls from several threads wait for each other."""


class _Usual(str):
    """A word that nobody typed: the default of an argument, which the same word of a caller is not."""


BACKBONE, DATASET = _Usual("resnet18"), _Usual("fashion_mnist")

GIVEN_KEYS = ("train", "test", "classes", "groups", "files")
"""Keys of images that are handed over."""


def benchmark(
    backbone: Any = BACKBONE,
    dataset: str | Path | Mapping[str, Any] = DATASET,
    layers: str | Sequence[str] | None = None,
    *,
    overrides: Sequence[str] = (),
    root: str | Path = ".",
    tracking: str = "local",
    name: str | None = None,
    rows: str | Path | Mapping[str, object] | None = None,
    **preset: Any,
) -> list[Result]:
    """Benchmark layers of a frozen network on labelled images; one forward pass serves all of them.

    Calls from several threads run one after the other; several processes run side by side.

    Args:
        backbone: a word of ``backbone=`` (``vgg16``), or any ``torch.nn.Module``: it is copied, never changed.
        dataset: a word of ``dataset=`` (``fashion_mnist``), a ``Path`` of a folder with one folder per class
            or of a table of images, or the images themselves, as a mapping with the keys

            ``train``, ``test``: (images, labels) each; images uint8 of shape (N, H, W), (N, H, W, C) or (N, C, H, W),
            labels (N,) whole numbers from 0. Instead of a pair also a dataset as PyTorch knows it.

            ``classes`` (optional): the names of the classes in the order of their labels.

            ``groups`` (optional): ``{"train": ids, "test": ids}``, one id per image (a number, a text, anything
            hashable) where images are not independent of each other: the patient, the video, the site. Intervals,
            p values and comparisons are then those of whole groups. One id is one group in both splits.

            ``files`` (optional): ``{"train": paths, "test": paths}``, one path per image: names for tables, nothing is
            read from there.
        layers: taps (``embedding``, ``stage3``, ``last_conv``, ``block6``) or exact nodes (``layer4.1.relu``); None:
            ``last_conv``, and of rows all their layers.
        overrides: anything else, as on the command line: ``["reducer=umap", "metrics=[neighbours]", "seed=1"]``.
        root: the folder that holds ``mlruns/``.
        tracking: ``local``, ``server`` or ``none``.
        name: what runs of a module, of images handed over or of rows are labelled with.
        rows: rows made elsewhere, in the place of ``backbone`` and ``dataset``: a file (.npz, .safetensors, .parquet),
            or a mapping with the keys

            ``train``, ``test``: (N, D) float16, float32 or float64; of several layers ``<layer>/train``,
            ``<layer>/test``.

            ``train_labels``, ``test_labels``: (N,) whole numbers from 0, or names of classes.

            ``classes`` (optional): names in the order of the labels.

            ``train_groups``, ``test_groups``, ``train_files``, ``test_files`` (optional): one value per image, as
            above; where the files are there, maps show them.

            ``about`` (optional): a mapping of texts, such as ``{"backbone": "mine", "dataset": "pets"}``.
        preset: of a module: ``mean``, ``std`` (of three channels, for pixels in 0 … 1) and ``size``, the pixels that
            images are resized to; ``factory`` builds it anew with initial weights, for ``controls=[untrained]``.

    Returns:
        one :class:`~frostmark.benchmark.result.Result` per layer, in their order: ``values``, ``maps``, ``figures``,
        ``rows``, ``labels``, ``files``, ``folder``, and ``to_pandas()``.

    Raises:
        FrostmarkError: if something is wrong that the caller can mend; it says how.
    """
    check_kinds(layers, overrides, root, tracking, name)
    check_preset(preset)
    with _ONE_AT_A_TIME:
        return _benchmarked(backbone, dataset, layers, overrides, root, tracking, name, rows, preset)


def compare(results: Sequence[Result | str | Path], *, root: str | Path = ".", decide: str | None = None) -> Compared:
    """Set finished benchmarks side by side: the verdict, and the files that hold it.

    Args:
        results: of :func:`benchmark`, or what ``python run.py compare`` takes: runs, sweeps, experiments, folders.
        root: the folder that holds ``mlruns/``.
        decide: ``linear`` or ``knn``: what decides, in place of what the benchmarks were made with.

    Raises:
        ConfigError: if no two of them may be compared; it says what they differ in.
    """
    check_results(results, decide)
    if unusable := [result for result in results if not isinstance(result, Result | str | Path)]:
        told = f"{unusable[0]!r:.60} is not a finished benchmark"
        raise ConfigError(told, fix="compare([first, second]): results of benchmark(), runs, sweeps or folders")
    check_kinds(None, (), root, "local", None)
    names = [str(result.folder) if isinstance(result, Result) else str(result) for result in results]
    mlruns = Config(paths=Paths(str(root))).mlruns
    problem = wrong_decision(Decide("linear" if decide is None else decide))
    if problem is not None:
        raise problem
    opened = partial(open_existing_store, Tracking(), mlruns)
    compared, _, _ = compare_named(names, mlruns, opened, Asked(decide))
    return compared


def _benchmarked(
    backbone: Any,
    dataset: str | Path | Mapping[str, Any],
    layers: str | Sequence[str] | None,
    overrides: Sequence[str],
    root: str | Path,
    tracking: str,
    name: str | None,
    rows: str | Path | Mapping[str, object] | None,
    preset: Mapping[str, Any],
) -> list[Result]:
    if rows is None:
        given = _given(backbone, dataset, name, preset)
        words, usual = [*_words("backbone", backbone), *_dataset_words(dataset)], ["last_conv"]
        check_overrides(overrides, _said(backbone, dataset))
    else:
        _refuse_beside_rows(backbone, dataset, overrides, preset)
        given, words, usual = _rows(rows, name)
    wanted = [layers] if isinstance(layers, str) else usual if layers is None else list(layers)
    if not wanted:
        raise ConfigError("no layer is named", fix="layers='last_conv', or a list of taps and nodes")
    words += [f"tracking={tracking}", *overrides]
    configs = [compose(conf_dir(), [*words, *_layer_words(word, exact=rows is not None)]) for word in wanted]
    for config in configs:
        config.paths.root = str(root)
    return [_run(config, [c.layer for c in configs], given) for config in configs]


def _run(config: Config, layers: Sequence[Layer], given: Given) -> Result:
    folder = config.mlruns / "_hydra" / "runs" / datetime.now().strftime("%Y-%m-%d_%H-%M-%S_%f")
    folder.mkdir(parents=True)
    result = run_benchmark(config, folder, None, layers, given)
    assert result is not None, "one process alone"
    return result


def _given(backbone: Any, dataset: object, name: str | None, preset: Mapping[str, Any]) -> Given:
    network = source = None
    if not isinstance(dataset, str | Path | Mapping):
        fix = "a word such as 'digits', Path('folder'), or {'train': (images, labels), 'test': (images, labels)}"
        raise ConfigError(f"dataset={dataset!r:.60} is not a data set", fix=fix)
    if not isinstance(backbone, str):
        network = ModuleBackbone(backbone, name=name, **preset)
    elif preset:
        raise ConfigError(f"{', '.join(preset)} belong to a module", fix="overrides=['preprocess.size=224', …]")
    if isinstance(dataset, Mapping):
        source = _given_images(dataset, name)
    elif name is not None and network is None:
        told = f"name={name!r} would have no effect: only a module, given images or rows take a name"
        raise ConfigError(told, fix="overrides=['dataset.name=…'] for a folder or a table" if isinstance(dataset, Path)
                          else "leave it out")  # fmt: skip
    return Given(network, source)


def _said(backbone: object, dataset: object) -> dict[str, str]:
    """Key of the configuration, or group with all below it → the argument that says it."""
    said = {"layer": "layers", "layer.tap": "layers", "layer.node": "layers", "paths.root": "root"}
    if not isinstance(backbone, _Usual):
        said["backbone" if isinstance(backbone, str) else "backbone."] = "backbone"
    if isinstance(dataset, Mapping):
        said["dataset."] = "dataset"
    elif not isinstance(dataset, _Usual):
        said |= {"dataset": "dataset"}
        said |= dict.fromkeys(("dataset.root", "dataset.file"), "dataset") if isinstance(dataset, Path) else {}
    return said


def _given_images(dataset: Mapping[str, Any], name: str | None) -> GivenImages:
    fix = "{'train': (images, labels), 'test': (images, labels), 'classes': names, 'groups': {…}}"
    if unknown := [key for key in dataset if key not in GIVEN_KEYS]:
        raise ConfigError(f"the images given have the unknown key {unknown[0]!r}", fix=fix)
    try:
        train, test = dataset["train"], dataset["test"]
    except KeyError as problem:
        raise ConfigError(f"the images given have no {problem}", fix=fix) from problem
    return GivenImages(
        name or "given",
        train,
        test,
        dataset.get("classes"),
        groups=dataset.get("groups"),
        files=dataset.get("files"),
    )


def _refuse_beside_rows(backbone: object, dataset: object, overrides: Sequence[str], preset: object) -> None:
    """Rows are network, layer, preprocessing and data set: what is named beside them would do nothing."""
    if not (isinstance(backbone, _Usual) and isinstance(dataset, _Usual)) or preset:
        raise ConfigError("rows stand in the place of backbone and dataset", fix="benchmark(rows=…, name=…)")
    if named := told_beside_rows(overrides):
        raise ConfigError(f"{named[0]} has no effect beside rows: the rows are also the data set", fix="leave it out")
    said = dict.fromkeys(("layer", "layer.tap", "layer.node"), "layers") | {"backbone.": "rows", "paths.root": "root"}
    check_overrides(overrides, said)


def _rows(rows: object, name: str | None) -> tuple[Given, list[str], list[str]]:
    """What is handed over, the words that say the rest, and the layers of the rows."""
    if isinstance(rows, Mapping):
        given = rows_handed_over(rows, name)
        assert given.rows is not None
        return given, ["backbone=rows"], list(given.rows.layers)
    if not isinstance(rows, str | Path):
        fix = "rows='features.npz', or {'train': rows, 'test': rows, 'train_labels': labels, 'test_labels': labels}"
        raise ConfigError(f"rows={rows!r:.60} is neither a file nor a mapping of arrays", fix=fix)
    label = [] if name is None else [f"backbone.label={quoted(name)}"]
    return Given(), ["backbone=rows", f"backbone.file={quoted(str(rows))}", *label], layers_of_file(Path(rows))


def _words(group: str, choice: object) -> list[str]:
    return [f"{group}={choice}"] if isinstance(choice, str) else []


def _dataset_words(dataset: object) -> list[str]:
    if isinstance(dataset, Path):
        of_table = dataset.suffix.lower() in READERS and not dataset.is_dir()
        key = "file" if of_table else "root"
        return [f"dataset={'table' if of_table else 'folder'}", f"dataset.{key}={quoted(str(dataset))}"]
    return _words("dataset", dataset)


def _layer_words(word: str, *, exact: bool = False) -> list[str]:
    """The words that choose a layer; ``exact``: the name of one in a file of rows."""
    if not exact and word in known_words("layer") and word != "node":
        return [f"layer={word}"]
    return ["layer=node", f"layer.node={quoted(word)}"]
