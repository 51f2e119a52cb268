"""Who enters a race: a candidate that lacks something is named, with what brings it; the others race."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from frostmark.choosing.entering import Absent, enter, refuse_too_few
from frostmark.choosing.told import notes
from frostmark.config.candidates import Candidate
from frostmark.errors import DataError
from support.leaky_images import a_folder
from support.races import made
from support.runs import TINY

WORDS = [word for word in TINY if not word.startswith("backbone")]
HERE = Candidate("squeezenet1_0", weights="untrained", layer="last_conv")


def test_a_package_that_is_not_installed_skips_its_candidates_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("timm", "open_clip"):
        monkeypatch.setitem(sys.modules, package, None)  # as Python marks a package that cannot be imported
    others = [Candidate("timm", name="resnet10t.c3_in1k"), Candidate("open_clip", name="ViT-B-32")]
    words = [*WORDS, f"paths.root={tmp_path}"]
    entrants, absent = enter([others[0], HERE, others[1]], words, None, lambda _: None)
    assert [one.title for one in entrants] == ["squeezenet1_0 (untrained) · last_conv"]
    assert [one.fix for one in absent] == ["pip install 'frostmark[timm]'", "pip install 'frostmark[clip]'"]
    with pytest.raises(DataError, match="needs the package timm") as error:
        refuse_too_few(entrants, absent, "choose --fetch")
    assert error.value.fix == "pip install 'frostmark[timm]'"

    told = notes(made(["a", "b"], ["a"]), absent, "choose --fetch")
    assert told == [
        "skipped: resnet10t.c3_in1k · embedding; missing here: backbone=timm needs the package timm",
        "skipped: ViT-B-32 · embedding; missing here: backbone=open_clip needs the package open_clip",
        "install what is missing: pip install 'frostmark[timm]'",
        "install what is missing: pip install 'frostmark[clip]'",
    ]
    both = notes(made(["a", "b"], ["a"]), [*absent, Absent("c", "c.pth")], "choose --fetch")
    assert "fetch the missing weights where there is a network: choose --fetch" in both


def test_image_files_are_read_once_for_all_candidates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a_folder(tmp_path / "photos")
    words = [word for word in WORDS if not word.startswith("dataset")]
    words += ["dataset=folder", f"dataset.root={tmp_path / 'photos'}", f"paths.root={tmp_path}"]
    three = [HERE, Candidate("squeezenet1_0", weights="untrained"), Candidate("mobilenet_v2", weights="untrained")]
    entrants, _ = enter(three, words, None, lambda _: None)
    assert len(entrants) == 3
    told = capsys.readouterr().err
    assert [told.count(f"reading {split}: 1 of") for split in ("train", "test")] == [1, 1]
    fingerprints = {tuple(one.samples.subject.fingerprints.items()) for one in entrants}
    assert len(fingerprints) == 1
