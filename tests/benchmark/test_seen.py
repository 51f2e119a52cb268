"""One decode of every image file: rows, pixels for the control, thumbnails and sketches are kept of it.

The few images that a page shows large are decoded once more."""

from __future__ import annotations

import json
from collections import Counter
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from frostmark.benchmark.result import Result
from frostmark.benchmark.run import run_benchmark
from frostmark.config.compose import compose
from frostmark.data import decode
from frostmark.errors import DataError
from frostmark.results.doubts import MAX_SHOWN
from frostmark.results.pictures import PAIRS_SHOWN
from support.environment import REPOSITORY
from support.runs import TINY

NETWORK = tuple(word for word in TINY if not word.startswith("dataset"))
TRAIN, TEST = 12, 6
FILES = 2 * (TRAIN + TEST)
_folders = count()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two classes of JPEGs, each of them its own picture."""
    generator = np.random.default_rng(0)
    for split, images in (("train", TRAIN), ("test", TEST)):
        for label, name in enumerate(("dark", "light")):
            folder = tmp_path / "photos" / split / name
            folder.mkdir(parents=True)
            for i in range(images):
                coarse = generator.integers(80 * label, 80 * label + 150, (9, 12, 3), dtype=np.uint8)
                Image.fromarray(coarse).resize((400, 300)).save(folder / f"{i:02}.jpg", quality=95)
    return tmp_path / "photos"


def run(photos: Path, *words: str) -> Result:
    folder = photos.parent / f"run{next(_folders)}"
    folder.mkdir()
    of_files = ("dataset=folder", f"dataset.root={photos}", "tracking=none")
    config = compose(REPOSITORY / "conf", [*NETWORK, *of_files, f"paths.root={photos.parent}", *words])
    result = run_benchmark(config, folder)
    assert result is not None
    return result


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Counter[bytes]:
    """Content of a file → how often it was decoded."""
    times: Counter[bytes] = Counter()
    really = decode.eight_bits

    def counted(image: Image.Image, content: bytes, bits: int | None) -> Image.Image:
        times[content] += 1
        return really(image, content, bits)

    monkeypatch.setattr(decode, "eight_bits", counted)
    return times


EVERYTHING = ("controls=[pixels]", "metrics=[neighbours]", "reducer=pca")


def test_every_file_is_decoded_once_but_for_the_few_that_are_shown_large(photos: Path, decoded: Counter[bytes]) -> None:
    first = run(photos, *EVERYTHING)
    assert set(decoded) == {path.read_bytes() for path in photos.rglob("*.jpg")}
    larger = sum(times - 1 for times in decoded.values())  # images of doubtful labels are shown larger than in a map
    assert larger <= 2 * MAX_SHOWN
    assert max(decoded.values()) <= 2
    assert first.values["cost/images_forwarded"] == FILES
    decoded.clear()
    again = run(photos, *EVERYTHING)
    assert not decoded  # a replay decodes nothing
    assert again.values["cost/images_forwarded"] == 0
    for name in ("tables/controls.csv", "map.html", "tables/leaks.csv"):
        both = [result.folder / name for result in (first, again)]
        assert both[0].exists() == both[1].exists()
        if both[0].exists():
            assert both[0].read_bytes() == both[1].read_bytes()
    other = run(photos, "controls=[pixels]", "metrics=[neighbours,variance]", "reducer=tsne")
    assert not decoded
    assert "test/variance/intra" in other.values


def test_the_images_that_are_most_alike_are_shown_again_without_being_decoded(
    photos: Path, decoded: Counter[bytes]
) -> None:
    """They are shown large, not as the thumbnails of a map: the first run decodes these few once more."""
    words = ("metrics=[separability]", "reducer=none")
    first = run(photos, *words)
    assert sum(times - 1 for times in decoded.values()) <= 2 * PAIRS_SHOWN
    assert max(decoded.values()) == 2
    decoded.clear()
    again = run(photos, *words)
    assert not decoded
    name = "report/confusable_pairs.png"
    assert (again.folder / name).read_bytes() == (first.folder / name).read_bytes()


def test_how_much_is_decoded_is_part_of_the_key(photos: Path, decoded: Counter[bytes]) -> None:
    """Rows of half a JPEG are near those of all of it, and never taken for them."""
    near = run(photos, "reducer=none", "metrics=[neighbours]")
    exact = run(photos, "reducer=none", "metrics=[neighbours]", "preprocess.exact_decode=true")
    assert exact.values["cost/images_forwarded"] == FILES
    assert not np.array_equal(near.rows["train"], exact.rows["train"])
    apart = np.linalg.norm(near.rows["train"] - exact.rows["train"]) / np.linalg.norm(exact.rows["train"])
    assert apart < 0.02
    decoded.clear()
    assert np.array_equal(run(photos, "reducer=none", "metrics=[neighbours]").rows["train"], near.rows["train"])
    assert not decoded


@pytest.mark.parametrize("exact", ["true", "false"])
def test_nothing_of_a_damaged_set_reaches_a_metric(exact: str, photos: Path) -> None:
    """Its last files break off in the middle, which only decoding shows; the first does not even begin."""
    train = sorted((photos / "train").rglob("*.jpg"))
    for path in train[-2:]:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    before = next(_folders)
    with pytest.raises(DataError) as told:
        run(photos, *EVERYTHING, f"preprocess.exact_decode={exact}")
    for path in train[-2:]:
        assert str(path) in told.value.problem
    assert told.value.problem.startswith("2 files are not readable images")
    kept = json.loads((photos.parent / f"run{before + 1}" / "raw" / "metrics.json").read_text())
    assert kept["values"] == {}
    for path in train[-2:]:
        path.unlink()
    assert run(photos, *EVERYTHING).values["cost/images_forwarded"] == FILES - 2


def test_damage_that_the_first_bytes_show_is_told_before_any_file_is_decoded_for_the_network(photos: Path) -> None:
    first, second = sorted(photos.rglob("*.jpg"))[::20]
    first.write_bytes(b"no picture")
    second.write_bytes(second.read_bytes()[:-300])
    with pytest.raises(DataError) as told:
        run(photos, "reducer=none")
    assert told.value.problem.startswith("2 files are not readable images")
    assert not list((photos.parent / "mlruns" / "features").glob("*/rows-*"))


def test_what_is_left_out_is_left_out_of_everything(photos: Path) -> None:
    path = sorted((photos / "train").rglob("*.jpg"))[5]
    path.write_bytes(path.read_bytes()[:-300])
    result = run(photos, *EVERYTHING, "dataset.on_bad_image=skip")
    assert result.values["cost/images_forwarded"] == FILES - 1
    assert len(result.rows["train"]) == 2 * TRAIN - 1
    assert not [name for name in result.files["train"] if path.name in name and path.parent.name in name]
