"""A result as an object: the rows with their images, a table of them, and what a notebook shows."""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from frostmark.api import benchmark, compare
from frostmark.benchmark.result import Result
from frostmark.errors import ConfigError, DataError
from frostmark.features.store import FeatureStore
from support.runs import TINY

QUICK = ("metrics=[linear,neighbours]", "reducer=pca", "uncertainty.resamples=50", "uncertainty.permutations=0")
HOSTILE = "<script>alert(1)</script>\x1b[31m"
COUNTS = {"train": 60, "test": 45}


def images() -> dict[str, object]:
    """Three classes of small images in groups and files, one of a name that would act."""
    rng = np.random.default_rng(0)
    data: dict[str, object] = {"classes": [HOSTILE, "middle", "bottom"]}
    for split, count in COUNTS.items():
        labels = np.arange(count) % 3
        pixels = rng.integers(0, 90, (count, 12, 12), dtype=np.uint8)
        pixels[np.arange(count), labels * 4 + 1] += 120
        data[split] = (pixels, labels)
    data["files"] = {split: [f"{split}/{i}.png" for i in range(count)] for split, count in COUNTS.items()}
    data["groups"] = {split: [f"{split} {i // 5}" for i in range(count)] for split, count in COUNTS.items()}
    return data


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> list[Result]:
    root = tmp_path_factory.mktemp("results")
    words = [word for word in TINY if word.startswith(("backbone.", "preprocess"))]
    return benchmark(
        "squeezenet1_0", images(), ["stage2", "last_conv"], root=root, tracking="none", name=HOSTILE,
        overrides=[*words, *QUICK],
    )  # fmt: skip


def test_the_rows_come_with_labels_and_files(results: list[Result]) -> None:
    result = results[1]
    assert set(result.rows) == set(result.labels) == set(COUNTS)
    for split, count in COUNTS.items():
        rows = result.rows[split]
        assert (rows.shape, rows.dtype) == ((count, 512), np.float32)
        assert np.isfinite(rows).all()
        np.testing.assert_array_equal(result.labels[split], np.arange(count) % 3)
        assert result.files[split][7] == f"{split}/7.png"
    train, labels = result.rows["train"].astype(np.float64), result.labels["train"]
    means = np.stack([train[labels == c].mean(0) for c in range(3)])
    nearest = ((result.rows["test"][:, None] - means) ** 2).sum(2).argmin(1)
    hits = (nearest == result.labels["test"]).mean()
    assert hits == pytest.approx(result.values["test/neighbours/ncm_accuracy"], abs=0.05)


def test_the_table_has_one_line_per_image(results: list[Result]) -> None:
    result = results[1]
    table = result.to_pandas()
    assert len(table) == 105
    assert table["split"].value_counts().to_dict() == COUNTS
    line = table[(table["split"] == "test") & (table["index"] == 4)].iloc[0]
    assert (line["label"], line["class"], line["file"]) == (1, "middle", "test/4.png")
    assert table["group"].nunique() == 21
    assert line["group"] == "test 0"
    assert result.groups["train"][59] == "train 11"
    of_test = table[table["split"] == "test"]
    for key, outcome in result.outcomes.items():
        if key.startswith("test/"):
            np.testing.assert_array_equal(of_test[key.removeprefix("test/")], outcome)
    np.testing.assert_array_equal(of_test[["x", "y"]], result.maps[1].coordinates)
    wide = result.to_pandas(features=True)
    np.testing.assert_array_equal(wide.loc[wide["split"] == "train", "feature_511"], result.rows["train"][:, 511])


def test_a_table_without_files_groups_maps_and_outcomes_is_one_too(tmp_path: Path) -> None:
    words = [*TINY, "metrics=[variance]", "reducer=none"]
    (result,) = benchmark(
        "squeezenet1_0", "synthetic", root=tmp_path, tracking="none",
        overrides=[w for w in words if not w.startswith("backbone=") and w != "dataset=synthetic"],
    )  # fmt: skip
    assert list(result.to_pandas()) == ["split", "index", "label", "class"]
    assert result.files == {}
    assert repr(result) == f"<Result of {result.title}: {len(result.values)} values>"


def test_without_pandas_it_is_told_what_to_install(results: list[Result], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ConfigError, match=r"to_pandas\(\) needs pandas") as refused:
        results[0].to_pandas()
    assert refused.value.fix == "pip install pandas"


def test_its_text_is_a_line(results: list[Result]) -> None:
    assert re.fullmatch(
        r"<Result of squeezenet1_0 · last_conv · .*: linear accuracy \d+\.\d% \(95% CI \d+\.\d–\d+\.\d\)>",
        repr(results[1]),
    )
    assert repr(results[1].rows) == "<rows train: 60 × 512, test: 45 × 512>"


class Seen(HTMLParser):
    """The tags and the text of a piece of HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_notebook_shows_a_small_table_in_which_names_are_text(results: list[Result]) -> None:
    html = results[1]._repr_html_()
    seen = Seen(html)
    assert set(seen.tags) <= {"div", "p", "b", "small", "table", "thead", "tbody", "tr", "th", "td"}
    assert "<script>alert(1)</script>" in seen.text
    assert "linear/accuracy" in seen.text
    assert "\x1b" not in html
    assert not re.search("https?:|src=|url[(]", html)
    assert len(html) < 20_000


def test_a_notebook_shows_a_comparison_with_its_verdict(results: list[Result]) -> None:
    compared = compare(results, root=results[0].folder.parents[3])
    html = compared._repr_html_()
    seen = Seen(html)
    assert compared.sentence in seen.text.replace("\\x1b", "\x1b")
    assert seen.tags.count("tr") == 4  # the head, two runs and raw pixels
    assert "script" not in seen.tags
    assert repr(compared).startswith("<Compared: <Comparison of ")
    assert len(html) < 20_000


def test_rows_that_are_gone_are_told_of(tmp_path: Path) -> None:
    words = [word for word in (*TINY, "metrics=[variance]", "reducer=none") if not word.startswith("backbone=")]
    (result,) = benchmark(
        "squeezenet1_0", "synthetic", root=tmp_path, tracking="none",
        overrides=[word for word in words if word != "dataset=synthetic"],
    )  # fmt: skip
    assert result.rows["test"].shape == (61, 512)
    store = FeatureStore(tmp_path / "mlruns" / "features")
    for stored in store.stored():
        store.remove(stored)
    with pytest.raises(DataError, match=r"rows of test are not in .* any more"):
        result.rows["test"]
