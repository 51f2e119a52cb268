"""A comparison is a value; written, it gives the same bytes; and it needs nothing but what the runs left."""

from __future__ import annotations

import ast
import json
import pickle
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from pyarrow import parquet, table

from frostmark.comparison.about import About
from frostmark.comparison.compared import compare_runs
from frostmark.comparison.comparison import Comparison, compare
from frostmark.comparison.groups import Group, comparable
from frostmark.comparison.maps import AlignedMaps
from frostmark.comparison.named import compare_named
from frostmark.comparison.runs import THUMBNAILS, Run
from frostmark.comparison.thumbnails import kept_thumbnails
from frostmark.comparison.tracked import log_comparison
from frostmark.comparison.write import write
from frostmark.errors import ConfigError, DataError
from frostmark.features.store import FeatureStore
from frostmark.figures.costs import GMACS, LATENCY
from frostmark.figures.sprites import make_sprites
from support.environment import REPOSITORY
from support.map_page import chromium
from support.simulated_runs import hits_of, run_of

CLASSES = ("coat", "shirt", "shoe")
COUNTS = {"train": 60, "test": 40}


def a_run(folder: Path, backbone: str, layer: str, hits: np.ndarray, seed: int, thumbnails: bool = True) -> Run:
    """A run with a map, pairs of classes and thumbnails in its folder."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    points = {
        "split": [split for split, n in COUNTS.items() for _ in range(n)],
        "index": [i for n in COUNTS.values() for i in range(n)],
        "label": [i % 3 for n in COUNTS.values() for i in range(n)],
        "x": rng.normal(size=100), "y": rng.normal(size=100), "neighbours_kept": rng.random(100),
    }  # fmt: skip
    parquet.write_table(table(points), folder / "embedding.parquet")
    pairs = [f"features,test,{i},{j},{0.1 + rng.random()}" for i, j in ((0, 1), (0, 2), (1, 2))]
    (folder / "pair_variance.csv").write_text("\n".join(["space,split,class_i,class_j,directional_cdnv", *pairs]))
    if thumbnails:
        keep(folder, {split: (np.arange(n), pictures(n)) for split, n in COUNTS.items()})
    depth = {"stage1": 0.2, "stage2": 0.6}[layer]
    run = run_of(hits, backbone=backbone, layer=layer, node=layer, reducer="PCA")
    return replace(run, classes=CLASSES, values={**run.values, "cost/gmacs_share": depth}, folder=folder)


def test_costs_are_latencies_where_every_run_was_exported() -> None:
    (hits,) = hits_of([0.8], 100, np.random.default_rng(0))
    runs = [run_of(hits, backbone=name) for name in ("a", "b")]
    timed = [replace(run, values={**run.values, "cost/latency_ms_p50": 4.0}) for run in runs]
    for given, unit in ((timed, LATENCY), ([timed[0], runs[1]], GMACS)):
        (group,) = comparable(given)
        made = compare(group, FeatureStore(Path("nothing")))
        assert {point.unit for point in made.costs} <= {unit}
        if unit is LATENCY:
            assert [point.cost for point in made.costs] == [4.0, 4.0]


def pictures(count: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 255, (count, 6, 7, 3), dtype=np.uint8)


def keep(folder: Path, of: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    (folder / "maps").mkdir(exist_ok=True)
    arrays = {
        f"{split}/{what}": a for split, pair in of.items() for what, a in zip(("index", "images"), pair, strict=True)
    }
    np.savez_compressed(folder / THUMBNAILS, allow_pickle=False, **arrays)


def a_group(folder: Path, thumbnails: bool = True) -> Group:
    hits = hits_of([0.6, 0.7, 0.9], 400, np.random.default_rng(0))
    layers = (("resnet18", "stage1"), ("resnet18", "stage2"), ("vgg16", "stage1"))
    runs = [a_run(folder / str(n), *of, hits[n], n, thumbnails) for n, of in enumerate(layers)]
    (group,) = comparable(runs)
    return group


def all_files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def content(comparison: Comparison) -> bytes:
    """Everything in a comparison but for the runs, which it was given."""
    maps = comparison.maps
    assert maps is not None
    parts = (
        comparison.verdict.sentence, comparison.verdict.pairs, comparison.about, comparison.curves, comparison.costs,
        maps.images, maps.by_title, maps.remarks, comparison.similarity, vars(comparison.classes), comparison.markdown,
    )  # fmt: skip
    return pickle.dumps(parts)


def test_a_comparison_is_a_value_and_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    group = a_group(tmp_path / "runs")
    before = all_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    one, other = (compare(group, FeatureStore(tmp_path / "features")) for _ in range(2))
    assert content(one) == content(other)
    assert all_files(tmp_path) == before
    assert [[stop.layer for stop in stops] for stops in one.curves.values()] == [["stage1", "stage2"], ["stage1"]]
    assert [point.name for point in one.costs] == list(group.titles)
    assert one.similarity is None  # no rows are kept
    assert one.remarks == ()
    assert repr(one) == f"<Comparison of synthetic · 3 layers of 2 networks: {one.verdict.sentence}>"
    assert one._repr_markdown_().startswith("# synthetic: 3 layers of 2 networks side by side")
    with pytest.raises(AttributeError):
        one.verdict = other.verdict  # type: ignore[misc]


def test_writing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    comparison = compare(a_group(tmp_path / "runs"), FeatureStore(tmp_path / "features"))
    for folder in ("one", "other"):
        files = write(comparison, tmp_path / folder)
        assert [path.name for path in files] == [
            "comparison.csv", "depth.png", "depth.svg", "comparison.png", "comparison.html", "comparison.md"
        ]  # fmt: skip
    assert all_files(tmp_path / "one") == all_files(tmp_path / "other")
    assert set(all_files(tmp_path / "one")) == {path.name for path in files}


def test_the_images_come_from_the_record_of_the_runs(tmp_path: Path) -> None:
    group = a_group(tmp_path)
    maps = AlignedMaps.of(group, [0, 1, 2])
    assert maps is not None
    assert maps.images.thumbnails is not None
    np.testing.assert_array_equal(maps.images.thumbnails["test"], pictures(40))
    (tmp_path / "0" / THUMBNAILS).unlink()  # an older run: the next one kept the same images
    maps = AlignedMaps.of(group, [0, 1, 2])
    assert maps is not None
    assert maps.images.thumbnails is not None


def test_the_page_gives_advice_before_tables_and_fits_a_phone(tmp_path: Path) -> None:
    """The ranking before the maps, versions folded at the end, no link that leads out of the page."""
    group = a_group(tmp_path / "runs")
    links = {"Compare in MLflow": "#/compare-runs?runs=x"}
    about = About(links=links, command="python run.py -m layer=stage1,stage2")
    comparison = compare(group, FeatureStore(tmp_path), about)
    write(comparison, tmp_path / "written")
    assert "compare-runs" in comparison.markdown
    assert "compare-runs" not in (tmp_path / "written" / "comparison.md").read_text()
    with chromium() as browser:
        for width in (375, 1280):
            page = browser.new_page(viewport={"width": width, "height": 800})
            page.goto((tmp_path / "written" / "comparison.html").as_uri())
            page.wait_for_selector("body[data-ready=true]", timeout=60_000)
            titles = [title.text_content() for title in page.query_selector_all("h2") if title.is_visible()]
            assert [t for t in titles if t in ("Ranking", "Maps", "What was run")] == [
                "Ranking",
                "Maps",
                "What was run",
            ]
            assert page.text_content(".answer p") == comparison.verdict.sentence
            assert {a.get_attribute("href")[:6] for a in page.query_selector_all("a")} == {"#part-"}
            aligned = "cells => cells.map(cell => getComputedStyle(cell).textAlign)"
            assert page.eval_on_selector_all("#part-1 tbody tr:first-child td", aligned)[:4] == [
                "right", "left", "left", "right"
            ]  # fmt: skip
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            maps = page.eval_on_selector_all(".plot", "all => all.map(plot => plot.getBoundingClientRect().width)")
            assert min(maps) > 250
            legend = page.eval_on_selector("#legend", "e => e.getBoundingClientRect().width")
            assert legend > 250
            page.close()


def test_without_thumbnails_the_comparison_is_made_and_says_so(tmp_path: Path) -> None:
    comparison = compare(a_group(tmp_path / "runs", thumbnails=False), FeatureStore(tmp_path), About(remarks=["first"]))
    assert comparison.remarks == ("first", f"the linked maps show no images: t has no {THUMBNAILS}")
    write(comparison, tmp_path / "written")
    assert "the linked maps show no images" in (tmp_path / "written" / "comparison.html").read_text()
    assert "- Note: the linked maps show no images" in (tmp_path / "written" / "comparison.md").read_text()


@pytest.mark.parametrize("damage", ["cut", "other", "lacks", "floats", "shape", "split", "many", "text", "header"])
def test_damaged_thumbnails_are_named(damage: str, tmp_path: Path) -> None:
    run = a_run(tmp_path / "run", "resnet18", "stage1", np.ones(400, bool), 0)
    path, index, images = tmp_path / "run" / THUMBNAILS, np.arange(60), pictures(60)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-200])
    elif damage == "text":
        path.write_text("no archive")
    elif damage == "split":
        keep(tmp_path / "run", {"test": (index, images)})
    elif damage == "header":
        lie = (
            b"\x93NUMPY\x01\x00v\x00"
            + str({"descr": "|u1", "fortran_order": False, "shape": (10**15, 48, 48, 3)}).encode().ljust(117)
            + b"\n"
        )
        with ZipFile(path, "w") as archive:
            for name in ("index", "images"):
                archive.writestr(f"train/{name}.npy", lie)
    else:
        wrong = {
            "other": (index + 1, images),
            "lacks": (index[:0], images[:0]),
            "floats": (index, images.astype(np.float32)),
            "shape": (index, images[:-1]),
            "many": (index, np.zeros((60, 600, 600, 3), np.uint8)),
        }[damage]
        keep(tmp_path / "run", {"train": wrong})
    with pytest.raises(DataError, match="cannot be read") as told:
        kept_thumbnails(run, {"train": index})
    assert str(path) in str(told.value)


# ---------------------------------------------------------------- runs by name


class Store:
    """What a comparison asks of a tracking store, kept in lists."""

    def __init__(self, folder: Path, ids: list[str], parent: str | None) -> None:
        self.folder, self.ids, self.parent = folder, ids, parent
        self.told: list[tuple[object, ...]] = []
        self.fetched: list[str] = []

    def finished(self, name: str) -> tuple[list[str], str | None]:
        return self.ids, self.parent

    def fetch(self, run_id: str, names: Sequence[str], into: Path) -> Path:
        for name in names:
            self.fetched.append(f"{run_id}/{name}")
            if (self.folder / run_id / name).is_file():
                (into / run_id / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(self.folder / run_id / name, into / run_id / name)
        return into / run_id

    def compare_link(self, run_ids: object) -> str:
        return "#/compare"

    def link(self, run_id: str) -> str:
        return f"#/{run_id}"

    def start(self, name: str, tags: object) -> str:
        self.told.append(("start", name))
        return "new"

    def add_files(self, run_id: str, files: list[Path]) -> None:
        self.told.append(("files", run_id, *sorted(path.name for path in files)))

    def add_metrics(self, run_id: str, points: list[tuple[str, float, int]]) -> None:
        self.told.append(("metrics", run_id, *((key, step) for key, _, step in points)))

    def add_tags(self, run_id: str, tags: dict[str, str]) -> None:
        self.told.append(("tags", run_id, *tags))

    def finish(self, run_id: str, status: str, tags: dict[str, str]) -> None:
        self.told.append(("finish", run_id, status))


def recorded(folder: Path) -> None:
    """The runs of a group with their numbers in their folders."""
    for run in a_group(folder).runs:
        assert run.folder is not None
        record = {"title": "t", "run_id": None, "tags": run.tags, "classes": CLASSES, "undefined": {}}
        (run.folder / "raw").mkdir()
        (run.folder / "raw" / "metrics.json").write_text(json.dumps({**record, "values": run.values}))
        arrays = {f"outcomes/{name}": a for name, a in run.outcomes.items()}
        np.savez(run.folder / "draws.npz", **arrays, **{f"draws/{key}": a for key, a in run.draws.items()})


@pytest.mark.parametrize("parent", [None, "sweep"])
def test_runs_of_a_store_are_compared_and_the_comparison_is_kept_with_them(parent: str | None, tmp_path: Path) -> None:
    recorded(tmp_path / "kept")
    (tmp_path / "kept" / "0" / THUMBNAILS).unlink()
    store = Store(tmp_path / "kept", ["0", "1", "2"], parent)
    compared, folder, link = compare_named(
        ["some name"], tmp_path / "mlruns", lambda: store, command="frostmark compare x"
    )
    run_id = parent or "new"
    assert link == f"#/{run_id}"
    files = ("comparison.csv", "comparison.html", "comparison.md", "comparison.png", "depth.png", "depth.svg")
    depths = (("depth/resnet18", 20), ("depth/resnet18", 60), ("depth/vgg16", 20))
    kept = [("files", run_id, *files), ("metrics", run_id, *depths)]
    own = [("start", "comparison · some name"), *kept, ("finish", "new", "FINISHED")]
    assert store.told == (own if parent is None else [*kept, ("tags", "sweep", "mlflow.note.content")])
    assert {path.name for path in folder.iterdir() if path.is_file()} == set(files)
    # The first run is an older one; what the second kept are the images of the third, too.
    assert [name for name in store.fetched if "thumbnails" in name] == [f"0/{THUMBNAILS}", f"1/{THUMBNAILS}"]
    assert compared.parts[0].remarks == ()
    assert compared.parts[0].about.links == {"Compare in MLflow": "#/compare"}
    assert compared.parts[0].about.command == "frostmark compare x"


def test_folders_are_compared_without_a_store(tmp_path: Path) -> None:
    recorded(tmp_path / "kept")

    def refuse() -> Store:
        raise AssertionError("no store is needed")

    names = [str(tmp_path / "kept" / n) for n in ("0", "2")]
    compared, _, link = compare_named(names, tmp_path / "mlruns", refuse)
    assert link is None
    assert compared.sentence == compared.parts[0].verdict.sentence
    assert compared.markdown == compared.parts[0].markdown
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="holds no run and no sweep"):
        compare_named([str(tmp_path / "empty")], tmp_path / "mlruns", refuse)


def test_runs_that_cannot_be_compared_are_set_apart_or_refused(tmp_path: Path) -> None:
    runs = list(a_group(tmp_path / "runs").runs)
    apart = [replace(run, tags={**run.tags, "seed": "1"}) for run in runs[:2]]
    store = FeatureStore(tmp_path / "features")
    compared = compare_runs([*runs, *apart], tmp_path / "all", store, About(), lambda text: None)
    assert [len(part.group.runs) for part in compared.parts] == [3, 2]
    assert {"comparison.html", "comparison_2.html", "depth_2.svg"} <= {path.name for path in compared.files}
    assert all(any("left out of the comparison" in line for line in part.remarks) for part in compared.parts)
    for few in ([], runs[:1], [runs[0], apart[0]]):
        with pytest.raises(ConfigError, match="nothing can be compared"):
            compare_runs(few, tmp_path / "none", store, About(), lambda text: None)
    log_comparison(kept := Store(tmp_path, [], None), "id", compared)
    assert len(kept.told) == 2


# ---------------------------------------------------------------- the room


def test_a_comparison_opens_no_data_set_no_network_and_no_store() -> None:
    room = REPOSITORY / "src" / "frostmark" / "comparison"
    barred = ("config", "experiment", "extraction", "data", "backbones", "lit", "reducers", "sweep", "cli", "api")
    for path in room.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                assert name.split(".")[0] not in ("mlflow", "torch", "hydra", "omegaconf"), f"{path.name}: {name}"
                assert not name.startswith(tuple(f"frostmark.{other}" for other in barred)), f"{path.name}: {name}"
                assert not name.startswith("frostmark.tracking") or name == "frostmark.tracking.tracker", path.name


def noise(count: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 255, (count, 48, 40, 3), dtype=np.uint8)


def sheets_of(images: np.ndarray, most: int = 10**7) -> dict[str, np.ndarray]:
    (made,) = make_sprites([images], most)
    return {
        "size": np.array([made.width, made.height]),
        "lengths": np.array([len(sheet) for sheet in made.sheets]),
        "sheets": np.frombuffer(b"".join(made.sheets), np.uint8),
    }


def keep_sheets(folder: Path, index: np.ndarray, arrays: dict[str, np.ndarray]) -> None:
    (folder / "maps").mkdir(exist_ok=True)
    named = {f"test/{name}": array for name, array in {"index": index, **arrays}.items()}
    np.savez_compressed(folder / THUMBNAILS, allow_pickle=False, **named)


def test_thumbnails_that_were_kept_as_sheets_are_those_of_their_numbers(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run", "resnet18", "stage1", np.ones(400, bool), 0)
    plain = np.repeat(np.linspace(0, 255, 1_500).astype(np.uint8)[:, None, None, None], 3, axis=3)
    images = np.broadcast_to(plain, (1_500, 47, 31, 3))  # each of one grey: lossy coding keeps it
    keep_sheets(tmp_path / "run", np.arange(1_500) * 2, sheets_of(images))
    (read,) = kept_thumbnails(run, {"test": np.array([2_998, 0, 1_400])}).values()
    assert read.shape == (3, 47, 31, 3)
    np.testing.assert_allclose(read.mean((1, 2, 3)), [255, 0, 700 / 1_499 * 255], atol=3)


@pytest.mark.parametrize("damage", ["cut", "larger", "fewer", "longer", "no picture", "of floats"])
def test_damaged_sheets_are_named(damage: str, tmp_path: Path) -> None:
    run = a_run(tmp_path / "run", "resnet18", "stage1", np.ones(400, bool), 0)
    arrays, index = sheets_of(noise(60)), np.arange(60)
    arrays |= {
        "cut": {"sheets": arrays["sheets"][:-500], "lengths": arrays["lengths"] - 500},
        "larger": sheets_of(noise(70)) | {"size": arrays["size"]},
        "fewer": {"lengths": arrays["lengths"][:0]},
        "longer": {"size": np.array([10**6, 48])},
        "no picture": {"sheets": np.zeros_like(arrays["sheets"])},
        "of floats": {"sheets": arrays["sheets"].astype(np.float32)},
    }[damage]
    keep_sheets(tmp_path / "run", index, arrays)
    with pytest.raises(DataError, match="cannot be read"):
        kept_thumbnails(run, {"test": index})
