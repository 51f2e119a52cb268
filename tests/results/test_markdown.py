"""Names in Markdown stay names: read by a real parser, nothing in them becomes a picture, a link, HTML or code."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from markdown_it import MarkdownIt

from frostmark.choosing.entering import Absent
from frostmark.cli.choice import choice_markdown
from frostmark.cli.sweep import finish
from frostmark.cli.under_way import Sweep
from frostmark.comparison.about import About
from frostmark.comparison.comparison import compare
from frostmark.comparison.groups import comparable
from frostmark.features.store import FeatureStore
from frostmark.metrics.kinds import Across, Kind
from frostmark.results.findings import Findings
from frostmark.results.markdown import MAX_CODE, code, plain, table
from frostmark.results.outcome import Outcome
from frostmark.results.summary import summarise
from frostmark.tracking.client import fitting
from frostmark.tracking.mlflow import MlflowStore
from support.races import made
from support.simulated_runs import hits_of, run_of

EVIL = [
    "![x](http://evil.test/a.png)",
    "`![x](http://evil.test/a.png)`",
    "a` ![x](http://evil.test/a.png) `b",
    "\\![x](http://evil.test/a.png)",
    '<img src="http://evil.test/a.png">',
    "<!--> <script>alert(1)</script>",
    "[x](http://evil.test/)",
    "[x]: http://evil.test/a.png\n\n![x]",
    "x | ![x](http://evil.test/a.png) | y",
    "x\n\n![x](http://evil.test/a.png)",
    "<http://evil.test/>",
    "```\n![x](http://evil.test/a.png)\n```",
    "\\`![x](http://evil.test/a.png)\\`",
]


def acting(markdown: str) -> list[str]:
    """What a page would fetch or run, or lead to."""
    found = []
    for token in MarkdownIt("commonmark").enable("table").parse(markdown):
        for one in [token, *(token.children or [])]:
            if one.type in ("image", "link_open", "html_block", "html_inline", "fence"):
                found.append(f"{one.type} {one.content} {one.attrs}")
    return found


@pytest.mark.parametrize("name", EVIL)
def test_a_name_stays_a_name(name: str) -> None:
    assert acting(plain(name)) == []
    assert acting(f"- {plain(name)}\n- {code(name)}\n\n{table(['a', name], [[name, '1'], ['b', name]])}") == []
    assert acting(f"# {plain(name)}\n\n**{plain(name)}**\n\n{code(name * 200)}") == []


def test_the_parser_finds_what_would_act() -> None:
    assert all(acting(EVIL[n]) for n in (0, 3, 4, 6, 7, 9, 10))


def test_code_is_never_cut_in_the_middle() -> None:
    assert code("") == ""
    assert code("a `b`\n c") == "`a 'b' c`"
    assert len(code("x" * 9_000)) == MAX_CODE + 3
    note = fitting("# title\n" + "x" * 7_000 + "\n" + code("y ![x](http://evil.test/a.png) " * 60), "tags")
    assert acting(note) == []
    assert note.endswith("x\n…")
    assert fitting("x" * 9_000, "tags") == "x" * 8_000


@pytest.mark.parametrize("name", EVIL)
def test_a_summary_of_evil_names(name: str) -> None:
    kind = Kind(f"k-NN {name}", "higher", Across.NETWORKS, share=True, headline=1)
    found = Findings(
        {
            "test/neighbours/knn_accuracy": 0.8, "test/leaks/images": 2.0, "test/leaks/share": 0.1,
            "test/leaks/accuracy": 0.7,
        },
        {f"test/{name}": name},
        {
            "class_variance": {
                "space": ["features"] * 2, "split": ["test"] * 2, "name": [name, "b"], "variance": [1, 2],
            },
            "pair_variance": {
                "space": ["features"], "split": ["test"], "name_i": [name], "name_j": [name], "mean_distance": [1.0],
                "pooled_variance": [2.0],
            },
            "confusable_pairs": {"split": ["test"], "name_i": [name], "name_j": [name]},
            "controls": {
                "control": [name], "metric": ["test/neighbours/knn_accuracy"], "of_control": [0.1],
                "difference": [0.1], "lo": [0.0], "hi": [0.2],
            },
        },
        {name: name}, {"test/neighbours/knn_accuracy": 0.1}, {"neighbours/knn_accuracy": kind}, [name],
    )  # fmt: skip
    text = summarise(name, {"dataset": name}, found, [name, f"Weakest class: {name}"])
    assert "evil.test" in text or "alert" in text
    assert acting(text) == []


@pytest.mark.parametrize("name", EVIL)
def test_a_choice_of_evil_names(name: str) -> None:
    race = made([name, "b"], [name])
    failed = replace(race, failed={f"c{name}": name})
    text = choice_markdown(failed, [Absent(f"d{name}", name, name)], name, 3.0)
    assert "evil.test" in text or "alert" in text
    assert acting(text) == []


@pytest.mark.parametrize("name", EVIL)
def test_a_comparison_of_evil_names(name: str, tmp_path: Path) -> None:
    hits = hits_of([0.7, 0.8], images=400, rng=np.random.default_rng(0))
    runs = [run_of(h, backbone=f"{name}{n}", dataset=name, layer=name, weights=name) for n, h in enumerate(hits)]
    kinds = {key: replace(kind, words=f"{kind.words}{name}") for key, kind in runs[0].kinds.items()}
    runs = [replace(run, kinds=kinds) for run in runs]
    about = About([name], [name], {}, f"compare {name}")
    text = compare(comparable(runs)[0], FeatureStore(tmp_path), about).markdown
    assert acting(text) == []


def test_the_description_of_a_sweep_of_evil_words(tmp_path: Path) -> None:
    store = MlflowStore.local(tmp_path / "mlruns", "frostmark")
    store.connect()
    run_id = store.start("sweep", {})
    for n, name in enumerate(EVIL):
        folder = tmp_path / "sweep" / str(n)
        folder.mkdir(parents=True)
        Outcome(name, f"{name} · last_conv", 3, name).write(folder)
    choices = " ".join(EVIL)
    done = finish(Sweep(tmp_path / "sweep", tmp_path / "mlruns", choices, None, store, run_id, None), None)
    note = store._client().get_run(run_id).data.tags["mlflow.note.content"]
    assert (done.code, note.count("last")) == (3, len(EVIL))
    assert acting(note) == []
