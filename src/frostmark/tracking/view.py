"""How MLflow's pages show an experiment: its description, the columns of the table of runs, the charts in front.

client.set_experiment_tag(experiment_id, *VIEW_TAG)
first_page(client, experiment_id)       # '#/experiments/1/runs?…': the page with these columns and charts

Unasked, MLflow's table has no column of results, and its charts are in the order of the alphabet: cost before accuracy.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient

WORKFLOW = "workflowType=machine_learning"
"""Asks MLflow's pages for their side of runs and charts; unasked they open on that of language models."""

SHOWN = "viewStateShareKey=frostmark"
"""Asks for the view below."""

DESCRIPTION = """Frozen vision backbones, benchmarked by Frostmark without training anything.

A run is one layer of one network on one data set; a sweep is a parent run, whose description is the comparison of its
children. To see maps side by side: select runs, **Compare**, then *Artifacts*, `map.png` or `map.html`. In *Charts*
the section `map` shows the maps as a grid. `<split>/neighbours` and `<split>/separability` compare networks,
`<split>/variance` and `<split>/map/variance_…` do not: they grow with the features and with the map.
"""
"""Of an experiment, in MLflow's pages."""

_RESULT = ("accuracy", "accuracy_lo", "accuracy_hi", "balanced_accuracy", "images_per_second")
_CHARTS = ("accuracy", "balanced_accuracy", "images_per_second")
_IMAGES = ("map/test", "map/train")
_TAGS = ("backbone", "layer", "dataset")


def _chart(kind: str, key: str, section: str, **what: object) -> dict[str, object]:
    return {
        "type": kind, "uuid": f"frostmark-{key}", "metricSectionId": f"frostmark-{section}", "runsCountToCompare": 20,
        "deleted": False, "isGenerated": False, **what,
    }  # fmt: skip


def _section(name: str, **look: int) -> dict[str, object]:
    own = {"display": True, "isReordered": False, "deleted": False, "isGenerated": False, **look}
    return {"uuid": f"frostmark-{name.lower()}", "name": name, **own}


VIEW_TAG = (
    "mlflow.sharedViewState.frostmark",
    json.dumps({
        # The most accurate first: ordered by time, the runs of a sweep are folded up below it, and nothing is seen.
        "searchFilter": "", "orderByKey": "metrics.`accuracy`", "orderByAsc": False, "startTime": "ALL",
        "lifecycleFilter": "Active", "datasetsFilter": [], "modelVersionFilter": "All Runs",
        "selectedColumns": [
            "attributes.`Created`", *(f"metrics.`{key}`" for key in _RESULT), *(f"tags.`{tag}`" for tag in _TAGS),
        ],
        "compareRunCharts": [
            *(_chart("BAR", key, "result", metricKey=key) for key in _CHARTS),
            *(_chart("IMAGE", key, "maps", imageKeys=[key], step=0) for key in _IMAGES),
        ],
        # Maps are folded up, and high: above an image MLflow writes all params of its run.
        "compareRunSections": [_section("Result"), _section("Maps", display=False, columns=2, cardHeight=900)],
        "isAccordionReordered": True,  # else the sections stand in the order of the alphabet
    }),
)  # fmt: skip
"""Key and value of the experiment's tag that holds the view, as MLflow's *Share* writes it."""


def first_page(client: MlflowClient, experiment_id: str) -> str:
    """The runs of an experiment in this view; the list of experiments where the store has others, too.

    An experiment of an earlier version has no such view: it is given it.
    """
    key, view = VIEW_TAG
    experiments = {str(of.experiment_id): of for of in client.search_experiments() if of.name != "Default"}
    if experiments.keys() != {experiment_id}:
        return f"#/experiments?{WORKFLOW}"
    if experiments[experiment_id].tags.get(key) != view:
        client.set_experiment_tag(experiment_id, key, view)
    return f"#/experiments/{experiment_id}/runs?{WORKFLOW}&{SHOWN}"
