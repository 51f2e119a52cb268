"""What docs/leaks.md claims: planted copies of real images are found, and hardly another image is named."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from support.environment import REPOSITORY

MIN_FOUND, MAX_NAMED = 0.95, 0.001


@pytest.fixture(scope="module")
def script() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(REPOSITORY / "scripts"))
        yield importlib.import_module("measure_leaks")


@pytest.mark.parametrize("kind", ["JPEG 60–95", "JPEG 60–95, resized to 50–150%"])
def test_copies_of_real_small_pictures_are_found(script: ModuleType, shared_data: Path, kind: str) -> None:
    """99.0% and more of 800, and 2 of 4,000 others: the same bag and the same shoe in another colour."""
    found = script.measured(script.fashion_mnist(str(shared_data)), kind)
    assert found.recovered >= MIN_FOUND * found.planted
    assert len(found.named) <= MAX_NAMED * found.others


@pytest.mark.parametrize("edge", [64, 128])
def test_copies_of_photos_are_found(script: ModuleType, edge: int) -> None:
    found = script.measured(script.photos(None, edge), "JPEG 60–95, resized to 50–150%")
    assert found.recovered >= MIN_FOUND * found.planted
    assert len(found.named) == 0


def test_digits_are_too_small_to_have_near_copies(script: ModuleType) -> None:
    of = script.digits()
    assert len(script.measured(of, "JPEG 60–95", planted=20).named) == 0
    assert script.measured(of, "JPEG 60–95", planted=20).recovered == 0


def test_the_table_of_the_page_is_what_the_script_writes(script: ModuleType) -> None:
    """But for the sets that are not here: its lines name the kinds and sizes that the script has."""
    page = (REPOSITORY / "docs" / "leaks.md").read_text(encoding="utf-8")
    assert all(page.count(f"| {kind} |") >= 2 for kind in script.KINDS)
