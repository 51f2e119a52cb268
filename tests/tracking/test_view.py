"""How MLflow's pages show an experiment."""

import json
from pathlib import Path

from frostmark.tracking.mlflow import MlflowStore
from frostmark.tracking.view import VIEW_TAG


def test_the_runs_page_has_the_results_as_columns_and_in_the_first_charts(tmp_path: Path) -> None:
    store = MlflowStore.local(tmp_path / "mlruns", "frostmark")
    store.connect()
    key, value = VIEW_TAG
    tags = store._client().get_experiment(store.experiment_id).tags
    assert tags[key] == value
    view = json.loads(value)
    shown = [column for column in view["selectedColumns"] if column.startswith("metrics.")]
    assert shown[:3] == ["metrics.`accuracy`", "metrics.`accuracy_lo`", "metrics.`accuracy_hi`"]
    # By time the runs of a sweep would be folded up below it.
    assert (view["orderByKey"], view["orderByAsc"]) == ("metrics.`accuracy`", False)
    sections = [section["uuid"] for section in view["compareRunSections"]]
    assert {chart["metricSectionId"] for chart in view["compareRunCharts"]} == set(sections)
    assert store.address.endswith(f"&viewStateShareKey={key.rpartition('.')[2]}")


def test_an_experiment_of_before_is_given_the_view_and_beside_others_the_list_is_shown(tmp_path: Path) -> None:
    store = MlflowStore.local(tmp_path / "mlruns", "frostmark")
    store.connect()
    client, (key, value) = store._client(), VIEW_TAG
    client.set_experiment_tag(store.experiment_id, key, "{}")
    assert "/runs?" in store.address
    assert client.get_experiment(store.experiment_id).tags[key] == value
    MlflowStore.local(tmp_path / "mlruns", "another").connect()
    assert "/runs?" not in store.address


def test_the_machine_is_watched_on_request_alone(tmp_path: Path) -> None:
    for wanted in (False, True):
        store = MlflowStore(f"sqlite:///{tmp_path / 'mlflow.db'}", "frostmark", machine=wanted)
        store.connect()
        with store.run("x", parent=None) as tracker:
            assert (tracker._monitor is not None) is wanted
