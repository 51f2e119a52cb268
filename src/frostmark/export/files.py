"""A portable network as files: model.pt2 of torch.export, model.onnx, and an example.

    exported = write_models(portable, classes, Path("out"))
    exported.size, exported.latency.p50, exported.error

model.onnx is run beside the network before anybody trusts it. It carries the names of the classes and every weight.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from frostmark.errors import ConfigError, DataError, MissingExtraError
from frostmark.export.example import example
from frostmark.export.latency import Latency, latency
from frostmark.export.portable import Portable

ONNX, PROGRAM, EXAMPLE, CARD = "model.onnx", "model.pt2", "example.py", "model_card.md"

NEEDED = ("onnx", "onnxruntime", "onnxscript")
"""What the extra ``onnx`` installs."""

OPSET = 18
"""Of ONNX: the first that resizes antialiased."""

TOLERANCE = 1e-4
"""Distance of a row of model.onnx from the network's, in relation to its norm, that is float32's rounding."""

_EXTERNAL = 1_800_000_000
"""Bytes of weights beyond which they stand beside model.onnx: its format ends at 2 GB."""


@dataclass(frozen=True)
class ExportedModel:
    """What was written.

    Attributes:
        folder: where.
        size: of model.onnx with its weights, in bytes.
        error: largest distance of a row of model.onnx from the network's, in relation to its norm.
        latency: of model.onnx.
        example: an input (1, 3, H, W) uint8, and what model.onnx makes of it, by name.
        classes: names in the order of the probabilities; none without a read-out.
    """

    folder: Path
    size: int
    error: float
    latency: Latency
    example: tuple[NDArray[np.uint8], Mapping[str, NDArray[np.float32]]]
    classes: Sequence[str]


def require_onnx() -> None:
    """Refuse to begin without what it takes.

    Raises:
        ConfigError: naming what is not installed.
    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise MissingExtraError("export", ", ".join(missing), "onnx")


def write_models(portable: Portable, classes: Sequence[str], folder: Path) -> ExportedModel:
    """Write model.pt2, model.onnx and example.py into ``folder``.

    Args:
        classes: in the order of the probabilities; empty without a read-out.

    Raises:
        ConfigError: if torch.export or its ONNX exporter cannot record the network.
        DataError: if model.onnx does not give what the network gives, or the files cannot be written.
    """
    with _written(folder):
        folder.mkdir(parents=True, exist_ok=True)
        size = portable.pipeline.size
        program = _program(portable, size)
        torch.export.save(program, folder / PROGRAM)
        names = ("row", "probabilities") if classes else ("row",)
        _write_onnx(program, names, classes, folder / ONNX)
        (folder / EXAMPLE).write_text(example(classifies=bool(classes)), encoding="utf-8")
        small = np.random.default_rng(0).integers(0, 256, (1, 3, 32, 32), np.uint8)
        made = dict(zip(names, _run(folder / ONNX, small), strict=True))
        bytes_taken = sum(path.stat().st_size for path in folder.glob(f"{ONNX}*"))
        error = _error(portable, folder / ONNX, size)
        return ExportedModel(folder, bytes_taken, error, latency(folder / ONNX, size), (small, made), classes)


@contextmanager
def _written(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as problem:
        told = f"the files cannot be written to {folder}: {problem.strerror or problem}"
        raise DataError(told, fix="another folder, or more room") from problem


@contextmanager
def _recording(what: str) -> Iterator[None]:
    """What cannot be recorded, in words; the exporters' own warnings are about their insides."""
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            yield
    except (OSError, MemoryError):
        raise
    except Exception as problem:  # whatever of the network's own code the exporters do not understand
        why = (str(problem).strip() or type(problem).__name__).splitlines()[0][:200]
        raise ConfigError(
            f"{what} cannot record this network: {type(problem).__name__}: {why}",
            fix="another network or layer; `python run.py cache export` writes the rows instead",
        ) from problem


def _program(portable: Portable, size: int) -> torch.export.ExportedProgram:
    images = torch.zeros(2, 3, size + 3, size + 8, dtype=torch.uint8)
    dynamic = {0: torch.export.Dim("batch"), 2: torch.export.Dim("height"), 3: torch.export.Dim("width")}
    with _recording("torch.export"):
        return torch.export.export(portable.eval(), (images,), dynamic_shapes=(dynamic,), strict=False)


def _write_onnx(
    program: torch.export.ExportedProgram, names: Sequence[str], classes: Sequence[str], path: Path
) -> None:
    with _recording("torch's ONNX exporter"):
        made = torch.onnx.export(
            program, (), dynamo=True, opset_version=OPSET, input_names=["image"], output_names=names, verbose=False
        )
    assert made is not None, "asked for by dynamo=True"
    if classes:
        made.model.metadata_props["classes"] = json.dumps(list(classes))
    weights = sum(tensor.nbytes for tensor in program.state_dict.values())
    made.save(path, external_data=weights > _EXTERNAL)


def _run(path: Path, images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    outputs: list[NDArray[np.float32]] = session.run(None, {"image": images})
    return outputs


def _error(portable: Portable, path: Path, size: int) -> float:
    """The largest relative distance of rows of images that are smaller, larger, and of the network's size.

    Raises:
        DataError: if it is more than rounding.
    """
    rng = np.random.default_rng(0)
    worst = 0.0
    for shape in ((2, 3, size // 2 + 3, size), (1, 3, 2 * size, 2 * size + 15), (1, 3, size, size)):
        images = rng.integers(0, 256, shape, np.uint8)
        with torch.inference_mode():
            expected = portable(torch.from_numpy(images))[0].numpy()
        distance = np.linalg.norm(_run(path, images)[0] - expected, axis=1)
        worst = max(worst, float((distance / np.maximum(np.linalg.norm(expected, axis=1), 1e-30)).max()))
    if not worst <= TOLERANCE and not portable.pipeline.rounded:  # a grey level more or less, where one is rounded
        told = f"{path.name} gives other rows than the network: {worst:.1e} of their norm apart"
        raise DataError(told, fix="model.pt2, which is beside it, and another version of torch or onnxscript")
    return worst
