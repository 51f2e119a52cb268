"""Exported models in MLflow: beside the run that they come from, for its *Models* tab and ``mlflow models serve``.

    model = PortableModel(Path("out/model.onnx"), "resnet18 · last_conv", inputs, outputs, metrics, params, files)
    model_id = log_model(store, run_id, model)

What a run found is logged once more for its model, with the test images that it was found on.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from frostmark.tracking.client import client_of, explained, fitting, run_of
from frostmark.tracking.mlflow import MlflowStore

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.models import ModelSignature

OF_RUN = (
    "accuracy", "accuracy_lo", "accuracy_hi", "balanced_accuracy", "images_per_second", "cost/gmacs", "cost/params",
)  # fmt: skip
"""Metrics of a run that its model is compared by."""

NEEDED = ("mlflow", "onnx", "onnxruntime", "numpy")
"""What serves the model."""

_NAME = str.maketrans(dict.fromkeys("/:.%\"'", "-"))
"""What the name of a model may not have."""


@dataclass(frozen=True)
class PortableModel:
    """A file of ONNX, and what is to be known of it.

    Attributes:
        path: of the file.
        name: what the store's pages call it.
        image: (1, 3, H, W) uint8, an input.
        outputs: what the model makes of it, by name: (1, …) each.
        metrics: of the model itself.
        params: what it is.
        files: kept beside it.
    """

    path: Path
    name: str
    image: NDArray[np.uint8]
    outputs: Mapping[str, NDArray[np.float32]]
    metrics: Mapping[str, float]
    params: Mapping[str, str]
    files: Sequence[Path]


def log_model(store: MlflowStore, run_id: str, model: PortableModel) -> str:
    """Keep a model with the run it comes from; its identifier in the store: ``models:/<identifier>``.

    Raises:
        ConfigError: if the store does not know the run.
        TrackingError: if the store does not answer.
    """
    from mlflow.entities import LoggedModelOutput

    with explained(store.uri, store.folder, "model"), TemporaryDirectory() as folder:
        client = client_of(store.uri)
        run = run_of(client, run_id, store.uri)
        made = client.create_logged_model(
            run.info.experiment_id,
            name=fitting(model.name, "name").translate(_NAME),
            source_run_id=run_id,
            params={key: fitting(value, "params") for key, value in model.params.items()},
            model_type="onnx",
        )
        model_id = str(made.model_id)
        try:
            _save(model, Path(folder) / "model", run_id, model_id)
            client.log_model_artifacts(model_id, str(Path(folder) / "model"))
        except BaseException:
            client.finalize_logged_model(model_id, "FAILED")
            raise
        client.log_outputs(run_id, [LoggedModelOutput(model_id, step=0)])
        client.finalize_logged_model(model_id, "READY")
        _log_metrics(store, run, model_id, model.metrics)
        return model_id


def _save(model: PortableModel, folder: Path, run_id: str, model_id: str) -> None:
    """The file in MLflow's own form, without asking anybody what it needs."""
    import onnx
    from mlflow.models import Model
    from mlflow.onnx import save_model

    save_model(
        onnx.load(model.path),
        str(folder),
        mlflow_model=Model(run_id=run_id, model_id=model_id, model_uuid=model_id),
        signature=_signature(model),
        input_example={"image": model.image},
        pip_requirements=[f"{name}=={version(name)}" for name in NEEDED],
        onnx_execution_providers=["CPUExecutionProvider"],
        save_as_external_data=len(list(model.path.parent.glob(f"{model.path.name}*"))) > 1,
    )
    for path in model.files:
        (folder / path.name).write_bytes(path.read_bytes())


def _signature(model: PortableModel) -> ModelSignature:
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    of_image = TensorSpec(np.dtype(np.uint8), (-1, 3, -1, -1), "image")
    of_outputs = (TensorSpec(of.dtype, (-1, *of.shape[1:]), name) for name, of in model.outputs.items())
    return ModelSignature(Schema([of_image]), Schema([*of_outputs]))


def _log_metrics(store: MlflowStore, run: Run, model_id: str, measured: Mapping[str, float]) -> None:
    """The model's own metrics, and those of its run with the test images that they belong to."""
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    of_run = {key: run.data.metrics[key] for key in OF_RUN if key in run.data.metrics}
    seen = [] if run.inputs is None else run.inputs.dataset_inputs
    on = next((of.dataset for of in seen if "test" in [tag.value for tag in of.tags]), None)
    where = {} if on is None else {"dataset_name": on.name, "dataset_digest": on.digest}
    metrics = [Metric(key, value, now, 0, model_id=model_id, **where) for key, value in of_run.items()]
    metrics += [Metric(key, value, now, 0, model_id=model_id) for key, value in measured.items()]
    client_of(store.uri).log_batch(run.info.run_id, metrics=metrics)
