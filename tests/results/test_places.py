"""Where the files of a run lie."""

from pathlib import Path

import pytest

from frostmark.results.places import AT_ROOT, both_places, found, place

PLACES = {
    "map.png": "map.png",
    "pair_variance.csv": "pair_variance.csv",
    "report.html": "report.html",
    "map.svg": "maps/map.svg",
    "thumbnails.npz": "maps/thumbnails.npz",
    "maps/thumbnails.npz": "maps/thumbnails.npz",
    "shots.png": "report/shots.png",
    "confusability.svg": "report/confusability.svg",
    "leaks.csv": "tables/leaks.csv",
    "class_recall.parquet": "tables/class_recall.parquet",
    "metrics.json": "raw/metrics.json",
}


@pytest.mark.parametrize("name", PLACES)
def test_every_file_has_one_place(name: str) -> None:
    assert place(name) == PLACES[name]
    assert place(place(name)) == PLACES[name]


def test_a_file_is_found_in_its_place_or_where_earlier_versions_wrote_it(tmp_path: Path) -> None:
    assert found(tmp_path, "metrics.json") == tmp_path / "raw" / "metrics.json"  # a missing file is named there
    (tmp_path / "metrics.json").touch()
    assert found(tmp_path, "metrics.json") == tmp_path / "metrics.json"
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "metrics.json").touch()
    assert found(tmp_path, "metrics.json") == tmp_path / "raw" / "metrics.json"


def test_what_lies_at_the_root_is_asked_for_there_alone() -> None:
    assert {both_places(name) for name in AT_ROOT} == {(name,) for name in AT_ROOT}
    assert both_places("metrics.json") == ("raw/metrics.json", "metrics.json")
