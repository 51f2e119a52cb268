"""The report of a run: one file to mail, with the answer first, whatever names and numbers it is about."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from frostmark import benchmark
from frostmark.benchmark.result import Result
from frostmark.figures.lines import shown
from frostmark.metrics.lookup import known_kinds
from frostmark.results.answer import answer
from frostmark.results.doubts import doubtful_labels
from frostmark.results.findings import Findings
from frostmark.results.page import PageImage
from frostmark.results.recognised import MAX_MATRIX, MAX_OPEN, confusion_section, recall_section
from frostmark.results.record import Record
from frostmark.results.report import RunSetting, report_html
from frostmark.tracking.memory import MemoryTracker
from support.map_page import chromium

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CLASSES = ("<script>alert(1)</script>", '"><img src=x onerror=alert(2)>', "{{ 7*7 }} & co", "y" * 200)
SMALL = (
    "preprocess.size=32", "reducer=pca", "uncertainty.permutations=0", "uncertainty.resamples=100",
    "backbone.weights=untrained", "controls=[pixels]", "figures.svg=false",
)  # fmt: skip


def noise(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Images of 160 pixels that no coder makes small, brighter in the later classes; every ninth label is wrong."""
    labels = np.arange(count) % len(CLASSES)
    pixels = rng.integers(0, 120, (count, 160, 160, 3), dtype=np.uint8) + (40 * labels[:, None, None, None]).astype(
        np.uint8
    )
    return pixels, np.where(np.arange(count) % 9 == 0, (labels + 1) % len(CLASSES), labels)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Result:
    rng = np.random.default_rng(0)
    files = {split: [f"<b>{split}</b>/é '{n}.png" for n in range(160)] for split in ("train", "test")}
    data = {"train": noise(rng, 160), "test": noise(rng, 160), "classes": CLASSES, "files": files}
    folder = tmp_path_factory.mktemp("report")
    (result,) = benchmark("squeezenet1_0", data, "stage2", root=folder, tracking="none", overrides=SMALL)
    return result


@pytest.fixture(scope="module")
def html(run: Result) -> str:
    return (run.folder / "report.html").read_text(encoding="utf-8")


def test_it_is_one_small_file_that_asks_for_nothing(html: str) -> None:
    assert 100_000 < len(html.encode()) < 3e6
    assert not re.search(r"https?://(?!www\.w3\.org)|//cdn|@import|url\(", html)
    assert "default-src 'none'" in html


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.mark.parametrize("width", [375, 1280])
def test_a_person_reads_it_on_a_phone_and_on_a_desk(width: int, run: Result, browser: Browser) -> None:
    page = browser.new_page(viewport={"width": width, "height": 800})
    troubles: list[str] = []
    page.on("dialog", lambda dialog: (troubles.append(dialog.message), dialog.dismiss()))
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("request", lambda r: None if r.url[:5] in ("file:", "data:") else troubles.append(r.url))
    page.on("console", lambda m: troubles.append(m.text) if m.type in ("error", "warning") else None)
    page.goto((run.folder / "report.html").as_uri())
    assert [p.text_content() for p in page.query_selector_all(".answer p")] == run.answer
    assert [h.text_content() for h in page.query_selector_all("h2")] == [
        "Accuracy", "Maps", "Confusion matrix", "Recall by class", "Doubtful labels", "Accuracy with few labels",
        "Cost", "What was run",
    ]  # fmt: skip
    answered = page.eval_on_selector(".answer", "e => e.getBoundingClientRect().bottom")
    assert answered < 800, "the answer is on the first screen"
    the_matrix_is_that_of_the_table(page, run)
    every_doubtful_image_is_there(page, run)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert troubles == []
    page.close()


def part(page: Page, title: str) -> str:
    """The selector of a section."""
    number = [h.text_content() for h in page.query_selector_all("h2")].index(title)
    return f"#part-{number + 1}"


def the_matrix_is_that_of_the_table(page: Page, run: Result) -> None:
    """Percent of each class, whole numbers; the other read-out's is there when it is asked for."""
    place = part(page, "Confusion matrix")
    shown = page.eval_on_selector_all(
        f"{place} .matrix:not(details *) tbody tr",
        "lines => lines.map(l => [...l.querySelectorAll('td')].map(c => c.textContent))",
    )
    counts = np.zeros((len(CLASSES), len(CLASSES)))
    for line in run.findings.lines("linear_confusion", split="test"):
        counts[line["class"], line["predicted"]] = line["images"]
    shares = 100 * counts / counts.sum(1, keepdims=True)
    assert shown == [["" if v == 0 else "<1" if v < 0.5 else f"{v:.0f}" for v in line] for line in shares.tolist()]
    names = [e.text_content() for e in page.query_selector_all(f"{place} .matrix:not(details *) tbody th")]
    assert names == [*CLASSES[:3], "y" * 59 + "…"]
    page.click(f"{place} summary")
    assert page.is_visible(f"{place} details .matrix")


def every_doubtful_image_is_there(page: Page, run: Result) -> None:
    place = part(page, "Doubtful labels")
    (first, *_) = run.findings.lines("label_audit", split="test")
    told = page.eval_on_selector(f"{place} figure", "f => [...f.querySelectorAll('span')].map(s => s.textContent)")
    assert told[0] == f"labelled {shown(str(first['label']), 60)}"
    assert told[2] == f"<b>test</b>/é '{first['image']}.png"
    sizes = page.eval_on_selector_all(
        f"{place} img", "all => Promise.all(all.map(i => i.decode().then(() => i.naturalWidth)))"
    )
    assert len(sizes) > 4
    assert set(sizes) == {128}  # of 160 pixels a side


def test_the_accuracies_stand_beside_what_they_must_beat(run: Result, browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 375, "height": 800})
    page.goto((run.folder / "report.html").as_uri())
    lines = page.eval_on_selector_all(
        f"{part(page, 'Accuracy')} tbody tr", "rows => rows.map(r => [...r.cells].map(c => c.textContent))"
    )
    assert lines[0][0] == "Linear accuracy"
    assert "Raw pixels: linear accuracy" in [line[0] for line in lines]
    assert lines[0][1] == f"{run.values['test/linear/accuracy']:.1%}"
    page.close()


def record_with(folder: Path, **more: object) -> Record:
    values = {"test/linear/accuracy": 0.5, "test/linear/shots_4": 0.25, "test/linear/shots_4_std": 0.125}
    record = Record(folder, MemoryTracker(), lambda _: None, "a · b · c", ("x", "y"), None)
    record.values |= values
    record.kinds |= known_kinds()
    for name, value in more.items():
        setattr(record, name, value)
    return record


def test_what_the_record_does_not_hold_is_left_out(tmp_path: Path) -> None:
    html = report_html(record_with(tmp_path), ["Said."], RunSetting({"Seed": "0"}, "python run.py 'x y'"))
    titles = re.findall("<h2>(.*)</h2>", html)
    assert titles == ["Accuracy", "Accuracy with few labels", "What was run"]
    assert "25.0% ± 12.5" in html
    assert "<pre>python run.py &#39;x y&#39;</pre>" in html
    html = report_html(
        record_with(tmp_path, values={}, skipped={"map_test.png": "all rows are equal"}), [], RunSetting({})
    )
    assert "There is no map: all rows are equal." in html
    assert "<pre>" not in html


def test_notes_are_told_below_the_answer(tmp_path: Path) -> None:
    leaks = {"test/linear/accuracy": 0.5, "test/leaks/images": 3.0, "test/leaks/share": 0.25}
    html = report_html(record_with(tmp_path, values=leaks, remarks=["2 images left out"]), ["Said."], RunSetting({}))
    assert re.findall("<li>([^<]*)</li>", html) == [
        "3 test images (25.0%) are copies of train images; tables/leaks.csv lists the copies.", "2 images left out",
    ]  # fmt: skip


def many(classes: int) -> Findings:
    """A run of so many classes, in which class c is right in c % 10 of 10 images, and else taken for the next."""
    names = [f"class {c}" for c in range(classes)]
    recall = [(c % 10) / 10 for c in range(classes)]
    recalls = {
        "split": ["test"] * classes, "read_out": ["linear"] * classes, "class": [*range(classes)], "name": names,
        "images": [10] * classes, "recall": recall, "recall_lo": [0.0] * classes, "recall_hi": [float("nan")] * classes,
    }  # fmt: skip
    cells = [(c, c, c % 10) for c in range(classes) if c % 10] + [
        (c, (c + 1) % classes, 10 - c % 10) for c in range(classes)
    ]
    true, guess, images = map(list, zip(*cells, strict=True))
    confused = {
        "split": ["test"] * len(cells), "class": true, "name": [names[c] for c in true], "predicted": guess,
        "predicted_name": [names[c] for c in guess], "images": images,
    }  # fmt: skip
    tables = {"class_recall": recalls, "linear_confusion": confused}
    return Findings({"test/linear/accuracy": 0.45}, {}, tables, {})


def test_many_classes_are_a_picture_and_the_weakest_stand_in_the_open() -> None:
    classes = 2 * MAX_OPEN
    confusion = confusion_section(many(classes), [f"class {c}" for c in range(classes)])
    assert confusion is not None
    assert not confusion.matrices
    assert len(confusion.pictures) == 1
    (worst,) = confusion.tables
    assert worst.rows[0] == ["class 0", "class 1", "10 of 10"]
    recall = recall_section(many(classes))
    assert recall is not None
    first, rest = recall.tables
    assert [len(first.rows), len(rest.rows)] == [MAX_OPEN // 2, classes - MAX_OPEN // 2]
    assert first.rows[0] == ["class 0", "0.0%", "", "class 1 (10)", "10"]
    assert (first.folded, rest.folded) == ("", f"The other {classes - MAX_OPEN // 2} classes")


def test_few_classes_are_a_matrix_in_percent() -> None:
    confusion = confusion_section(many(MAX_MATRIX), [f"class {c}" for c in range(MAX_MATRIX)])
    assert confusion is not None
    (matrix,) = confusion.matrices
    assert matrix.cells[3][3:5] == ["30", "70"]
    assert matrix.told[3][4] == "class 3 → class 4: 7 of 10 images"
    assert matrix.cells[3][:3] == ["", "", ""]


def test_a_run_without_read_outs_has_neither() -> None:
    nothing = Findings({}, {}, {}, {})
    assert confusion_section(nothing, ["a"]) is None
    assert recall_section(nothing) is None
    assert doubtful_labels(nothing, None) is None


def audit(**columns: list[object]) -> Findings:
    table = {
        "split": ["train"], "image": [7], "label": ["a"], "neighbours_say": ["b"], "own_share": [0.1],
        "other_share": [0.9], **columns,
    }  # fmt: skip
    return Findings({}, {}, {"label_audit": table}, {})


def test_doubtful_images_are_told_of_where_they_cannot_be_shown() -> None:
    section = doubtful_labels(audit(), None)
    assert section is not None
    (gallery,) = section.galleries
    assert gallery.images == [PageImage(None, ["labelled a", "neighbours: b (90%)", "train image 7"])]
    long = doubtful_labels(audit(file=["d" * 300 + "/7.png"]), None)
    assert long is not None
    where = long.galleries[0].images[0].lines[-1]
    assert len(where) == 160
    assert where.endswith("ddd/7.png")
    none = doubtful_labels(replace(audit(), tables={"label_audit": {"split": [], "image": []}}), None)
    assert none is not None
    assert none.text == ["No label is in doubt."]


def test_its_answer_is_that_of_the_terminal(run: Result, html: str) -> None:
    assert run.answer == answer("squeezenet1_0 · stage2", run.findings, untrained=True)
    assert "Versions" in html
