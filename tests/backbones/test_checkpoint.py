"""Files of weights: what a file holds, which set of it is the network's, and what is said of files that are refused."""

from __future__ import annotations

import argparse
import os
import pickle
import re
import subprocess
import sys
import warnings
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torchvision.models import resnet18, resnet34

from frostmark.backbones.checkpoint import Suited, read_checkpoint
from frostmark.backbones.load import TorchvisionBackbone
from frostmark.backbones.network import Network
from frostmark.errors import DataError

MINE = {"conv.weight": torch.arange(8.0).view(2, 4), "fc.weight": torch.ones(3, 2), "fc.bias": torch.zeros(3)}
"""The tensors of a network."""


def doubled(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key: 2 * value for key, value in state.items()}


def below(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + key: value for key, value in state.items()}


def saved(path: Path, content: object, **options: bool) -> Path:
    torch.save(content, path, **options)
    return path


def suited(tmp_path: Path, content: object) -> Suited:
    return read_checkpoint(saved(tmp_path / "w.ckpt", content)).suited(MINE)


# ---------------------------------------------------------------- which set, and which prefix


def test_a_plain_file_is_taken_as_it_is_without_a_word(tmp_path: Path) -> None:
    assert suited(tmp_path, MINE).words == ()
    save_file(MINE, tmp_path / "w.SafeTensors")
    found = read_checkpoint(tmp_path / "w.SafeTensors").suited(MINE)
    assert found.state.keys() == MINE.keys()
    assert found.words == ()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"state_dict": MINE, "epoch": 3, "optimizer": {"state": {0: {"step": 1}}}}, ()),
        ({"model": {"state_dict": below("module.", MINE)}}, ("removed the prefix 'module.'",)),
        (
            {"state_dict": below("model.backbone.", MINE) | dict.fromkeys(["model.loss.w", "metric"], torch.ones(1))},
            ("removed the prefix 'model.backbone.'", "left out 'model.loss', 'metric' beside it"),
        ),
        ({k: v.half() for k, v in MINE.items()}, ("converted float16 to float32",)),
    ],
)  # fmt: skip
def test_what_was_removed_left_out_or_converted_is_said(
    content: dict[str, object], words: tuple[str, ...], tmp_path: Path
) -> None:
    found = suited(tmp_path, content)
    assert found.words == words
    assert all(torch.equal(found.state[key].float(), MINE[key]) for key in MINE)


@pytest.mark.parametrize(
    "content",
    [
        {"model": doubled(MINE), "ema": MINE},
        {"state_dict": doubled(MINE), "state_dict_ema": MINE},
        {"teacher": below("backbone.", MINE), "student": below("module.backbone.", doubled(MINE))},
        {"state_dict": MINE, "current_model_state": doubled(MINE)},  # Lightning's WeightAveraging
        below("model.", doubled(MINE)) | below("ema_model.", MINE),
        below("module.encoder_q.", MINE) | below("module.encoder_k.", doubled(MINE)) | {"module.queue": torch.ones(2)},
        # Of a shadow that has no running means the other weights are read.
        {"model": MINE, "ema": {"conv.weight": torch.ones(2, 4)}},
        # A teacher that is another network is not the student's average.
        {"model": MINE, "teacher": {**doubled(MINE), "conv2.weight": torch.ones(2)}},
    ],
)
def test_of_several_sets_the_one_that_is_meant_is_chosen(content: dict[str, object], tmp_path: Path) -> None:
    found = suited(tmp_path, content)
    assert all(torch.equal(found.state[key], MINE[key]) for key in MINE)
    assert any(word.startswith(("chose", "removed")) for word in found.words)


def test_the_choice_of_averaged_weights_is_said(tmp_path: Path) -> None:
    (word,) = suited(tmp_path, {"model": doubled(MINE), "ema": MINE}).words
    assert word == "chose 'ema' (averaged weights) over 'model'"


def test_two_sets_of_which_none_is_meant_are_refused_with_a_command_that_saves_one(tmp_path: Path) -> None:
    content = {"state_dict": below("left.", MINE) | below("right.", doubled(MINE))}
    with pytest.raises(DataError, match="several sets of weights that fit the network: ") as told:
        suited(tmp_path, content)
    assert "'state_dict: left.', 'state_dict: right.'" in told.value.problem
    run_fix(told.value.fix, tmp_path)
    again = read_checkpoint(tmp_path / "weights.pth").suited(MINE)
    assert torch.equal(again.state["fc.weight"], MINE["fc.weight"])


@pytest.mark.parametrize(
    ("place", "prefix", "head"), [("", "", 0), ("model.state_dict", "", 10), ("state_dict", "module.0.", 0)]
)
def test_tensors_called_by_places_are_refused_with_the_command_that_names_them(
    place: str, prefix: str, head: int, tmp_path: Path
) -> None:
    """nn.Sequential(*resnet.children()), as it is cut everywhere; blocks of it fit a part of the network."""
    network = resnet18(num_classes=head or 1000)
    parts = torch.nn.Sequential(*list(network.children())[: None if head else -1])
    content: object = below(prefix, parts.state_dict()) | ({"other.weight": torch.ones(2)} if prefix else {})
    for key in reversed(place.split(".") if place else []):
        content = {key: content}
    backbone = TorchvisionBackbone("resnet18", str(saved(tmp_path / "w.pth", content)))
    with pytest.raises(DataError, match=rf"called by their places \(by their order '{prefix}0' is conv1") as told:
        backbone.load(0)
    assert "several" not in told.value.problem
    run_fix(told.value.fix, tmp_path)
    loaded = TorchvisionBackbone("resnet18", str(tmp_path / "weights.pth")).load(0).state_dict()
    for name, tensor in network.state_dict().items():
        assert name.startswith("fc.") or torch.equal(loaded[name], tensor)


def test_tensors_called_by_places_of_another_network_are_a_misfit_by_their_own_names(tmp_path: Path) -> None:
    parts = torch.nn.Sequential(*list(resnet34().children())[:-1])
    file = saved(tmp_path / "w.pth", parts.state_dict())
    with pytest.raises(DataError, match=r"missing \(first: conv1\.weight.*unexpected \(first: 0\.weight"):
        TorchvisionBackbone("resnet18", str(file)).load(0)


def test_two_sets_of_a_safetensors_file_and_of_a_nested_one_are_parted_by_the_command(tmp_path: Path) -> None:
    both = below("left.", MINE) | below("right.", doubled(MINE))
    save_file(both, tmp_path / "w.safetensors")
    for file in (tmp_path / "w.safetensors", saved(tmp_path / "w.pth", {"model": {"state_dict": both}})):
        with pytest.raises(DataError, match="several sets of weights") as told:
            read_checkpoint(file).suited(MINE)
        run_fix(told.value.fix, tmp_path)
        assert read_checkpoint(tmp_path / "weights.pth").suited(MINE).words == ("removed the prefix 'left.'",)


def test_what_wrappers_left_on_weights_of_another_layout_is_removed(tmp_path: Path) -> None:
    found = suited(tmp_path, {"state_dict": below("module.model.", {"other.w": torch.ones(1)})})
    assert list(found.state) == ["other.w"]


def test_versions_of_modules_go_with_their_names(tmp_path: Path) -> None:
    network = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2))
    wrapped = torch.nn.Module()
    wrapped.model = network
    found = read_checkpoint(saved(tmp_path / "w.pth", wrapped.state_dict())).suited(network.state_dict())
    assert found.state._metadata["1"] == {"version": 2}  # type: ignore[attr-defined]
    assert found.state._metadata[""] == {"version": 1}  # type: ignore[attr-defined]


def test_a_name_with_a_million_dots_takes_no_time(tmp_path: Path) -> None:
    found = suited(tmp_path, {**MINE, "." * 1_000_000: torch.ones(1)})
    assert torch.equal(found.state["conv.weight"], MINE["conv.weight"])


# ---------------------------------------------------------------- refused


@pytest.mark.parametrize("zipped", [True, False])
def test_a_cut_file_is_told_as_one_wherever_it_was_cut(zipped: bool, tmp_path: Path) -> None:
    """Never by what torch trips over: EOFError, "pop from empty list", "Invalid argument"."""
    whole = saved(tmp_path / "whole.pth", MINE, _use_new_zipfile_serialization=zipped).read_bytes()
    for end in range(16, len(whole) - 1, 37):
        (tmp_path / "w.pth").write_bytes(whole[:end])
        with pytest.raises(DataError, match="was cut off"):
            read_checkpoint(tmp_path / "w.pth")


def test_a_file_by_the_ending_of_another_kind_is_told_with_the_command_that_renames_it(tmp_path: Path) -> None:
    saved(tmp_path / "my weights.safetensors", MINE)
    with pytest.raises(DataError, match=r"it is a file of torch\.save") as told:
        read_checkpoint(tmp_path / "my weights.safetensors")
    subprocess.run(told.value.fix.partition("new file: ")[2], shell=True, check=True)
    assert read_checkpoint(tmp_path / "my weights.pth").states[""].keys() == MINE.keys()


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch executed",)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("page.pth", b"<!DOCTYPE html><html></html>", "web page"),
        ("pointer.pth", b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "Git LFS pointer"),
        ("empty.pth", b"", "cannot be read"),
        ("garbage.pth", b"\x80\x02garbage", "cannot be read"),
        ("garbage.safetensors", b"\xff" * 64, "cannot be read"),
        ("new.pth", pickle.dumps({"w": Bomb()}, protocol=4), "a pickle that torch.save did not write"),
        ("bomb.pth", pickle.dumps({"w": Bomb()}, protocol=2), r"tensors \(posix.system\), which act when"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_weights_is_refused(
    name: str, content: bytes, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=told):
        read_checkpoint(tmp_path / name)
    assert not (tmp_path / "executed").exists()


def test_a_checkpoint_with_code_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="cannot be read") as told:
        read_checkpoint(saved(tmp_path / "bomb.pth", {"w": Bomb()}))
    assert not (tmp_path / "executed").exists()
    assert "python -c" not in told.value.fix


def test_a_truncated_file_and_a_missing_one_are_refused(tmp_path: Path) -> None:
    file = saved(tmp_path / "w.pth", {"w": torch.zeros(9000)})
    file.write_bytes(file.read_bytes()[:30_000])
    with pytest.raises(DataError, match="cannot be read"):
        read_checkpoint(file)
    with pytest.raises(DataError, match="no weights file"):
        read_checkpoint(tmp_path / "none.pth")


def run_fix(fix: str, folder: Path) -> None:
    """The command of a fix, run as it is pasted."""
    (command,) = re.findall(r"python -c .*", fix)
    command = command.replace("python", sys.executable, 1)
    done = subprocess.run(command, shell=True, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    "settings",
    [
        {"args": argparse.Namespace(lr=0.1, out=Path("runs/1"))},
        {"best": np.float64(0.9), "epochs": np.int64(3), "curve": np.ones(3, np.float32)},
        {"options": SimpleNamespace(a=1)},
    ],
    ids=["arguments", "numbers of NumPy", "options"],
)
def test_settings_beside_the_tensors_are_named_and_the_command_saves_the_tensors_alone(
    settings: dict[str, object], zipped: bool, tmp_path: Path
) -> None:
    """Repeated where an old file tells one kind of object at a time."""
    file = saved(tmp_path / "it's last.ckpt", {"state_dict": MINE, **settings}, _use_new_zipfile_serialization=zipped)
    with pytest.raises(DataError, match="values that the training script saved with the weights") as told:
        read_checkpoint(file)
    assert "weights_only=True" in told.value.fix
    if not zipped:
        return
    run_fix(told.value.fix, tmp_path)
    assert read_checkpoint(tmp_path / "it's last-weights.pth").suited(MINE).words == ()


def test_a_torchscript_archive_is_named_and_the_command_saves_its_tensors(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch deprecates it; CLIP's published weights are such files
        torch.jit.script(torch.nn.Linear(2, 2)).save(str(tmp_path / "ViT-B-32.pt"))
    with pytest.raises(DataError, match="a TorchScript archive, which holds code") as told:
        read_checkpoint(tmp_path / "ViT-B-32.pt")
    run_fix(told.value.fix, tmp_path)
    assert read_checkpoint(tmp_path / "ViT-B-32-weights.pth").states[""].keys() == {"weight", "bias"}


def test_classes_of_the_program_that_saved_it_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "training_code.py").write_text("class Settings:\n    pass\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    import training_code  # type: ignore[import-not-found]

    seen = defaultdict(int, {"a": 1})  # torch does not load it with weights_only, whatever is allowed
    for content in ({"model": MINE, "settings": training_code.Settings(), "seen": seen}, torch.nn.Linear(2, 2)):
        file = saved(tmp_path / "last.ckpt", content)
        with pytest.raises(DataError, match=r"\((training_code\.Settings|torch\.nn\.modules\.linear\.Linear)") as told:
            read_checkpoint(file)
        assert "if you trust who made the file" in told.value.fix
        run_fix(told.value.fix, tmp_path)
        found = read_checkpoint(tmp_path / "last-weights.pth").states[""]
        assert found.keys() == (MINE.keys() if isinstance(content, dict) else {"weight", "bias"})


@pytest.mark.parametrize(
    "key", ["ema_model_state_dict", "teacher_state_dict", "state_dict_swa", "averaged_model", "model_ema_state_dict"]
)
def test_averaged_weights_are_found_under_keys_of_these_words(key: str, tmp_path: Path) -> None:
    raw = resnet18().state_dict()
    averaged = {name: tensor + 1 if tensor.is_floating_point() else tensor for name, tensor in raw.items()}
    torch.save({"model_state_dict": raw, key: averaged, "epoch": 3}, tmp_path / "best.pth")
    network = Network.loaded(TorchvisionBackbone("resnet18", str(tmp_path / "best.pth")), seed=0)
    assert torch.equal(network.model.state_dict()["conv1.weight"], averaged["conv1.weight"])
    assert network.reading.words == f"chose '{key}' (averaged weights) over 'model_state_dict'"


@pytest.mark.parametrize("kind", [torch.float16, torch.float64])
def test_a_file_cast_as_a_whole_is_read(kind: torch.dtype, tmp_path: Path) -> None:
    """Also what counts batches, of which the cast has made something else."""
    torch.save({name: tensor.to(kind) for name, tensor in resnet18().state_dict().items()}, tmp_path / "cast.pth")
    network = Network.loaded(TorchvisionBackbone("resnet18", str(tmp_path / "cast.pth")), seed=0)
    assert {tensor.dtype for tensor in network.model.state_dict().values()} == {torch.float32, torch.int64}
