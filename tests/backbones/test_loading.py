"""Weights into networks: checkpoints as people have them, heads of another size, and never another network's."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from conftest import Program
from frostmark.backbones.contract import model_problem
from frostmark.backbones.extractor import Extractor, Tap
from frostmark.backbones.load import TorchvisionBackbone
from frostmark.backbones.loading import reading_of
from frostmark.backbones.network import Network
from frostmark.backbones.own import BuiltBackbone
from frostmark.backbones.weights import weights_digest
from frostmark.errors import DataError
from support.runs import metrics_of

State = dict[str, Tensor]


@functools.cache
def state() -> State:
    return dict(TorchvisionBackbone("squeezenet1_0", "untrained").load(seed=3).state_dict())


def doubled(tensors: State) -> State:
    return {key: 2 * value for key, value in tensors.items()}


def raw() -> State:
    """The weights beside averaged ones."""
    return doubled(state())


def below(prefix: str, tensors: State) -> State:
    return {prefix + key: value for key, value in tensors.items()}


def with_head(classes: int) -> State:
    return {
        **state(),
        "classifier.1.weight": torch.zeros(classes, 512, 1, 1),
        "classifier.1.bias": torch.zeros(classes),
    }


def headless() -> State:
    return {key: value for key, value in state().items() if not key.startswith("classifier")}


def lightning() -> dict[str, object]:
    tensors = below("model.", state()) | {"criterion.weight": torch.ones(2), "train_acc.correct": torch.tensor(3)}
    return {
        "epoch": 9, "global_step": 70, "pytorch-lightning_version": "2.6.0", "state_dict": tensors, "loops": {},
        "callbacks": {"ModelCheckpoint{}": {"best_model_score": torch.tensor(0.9)}}, "lr_schedulers": [],
        "optimizer_states": [{"state": {0: {"exp_avg": torch.ones(2)}}, "param_groups": [{"lr": 0.1}]}],
        "hyper_parameters": {"lr": 0.1, "name": "squeezenet"},
    }  # fmt: skip


def moco() -> dict[str, object]:
    tensors = below("module.encoder_q.", headless()) | below(
        "module.encoder_k.", {k: 2 * v for k, v in headless().items()}
    )
    heads = {f"module.encoder_{e}.fc.{i}.weight": torch.ones(2, 2) for e in "qk" for i in (0, 2)}
    return {"arch": "squeezenet", "state_dict": tensors | heads | {"module.queue": torch.ones(2, 3)}}


def dino() -> dict[str, object]:
    head = {"head.mlp.0.weight": torch.ones(2, 2), "head.last_layer.weight_g": torch.ones(2, 1)}
    return {
        "teacher": below("backbone.", headless()) | head,
        "student": below("module.backbone.", doubled(headless())) | below("module.", head),
        "dino_loss": {"center": torch.ones(1, 2)},
    }


KINDS: dict[str, tuple[str, Callable[[], object]]] = {
    "state dict": (".pth", state),
    "safetensors": (".safetensors", state),
    "capital letters": (".PTH", state),
    "nested, parallel": (".pth.tar", lambda: {"epoch": 3, "arch": "s", "state_dict": below("module.", state())}),
    "Lightning": (".ckpt", lightning),
    "Lightning, averaged in state_dict": (".ckpt", lambda: {"state_dict": state(), "current_model_state": raw()}),
    "Lightning, averaged beside": (
        ".ckpt",
        lambda: {"state_dict": below("model.", raw()) | below("ema.module.", state()) | {"ema.n": torch.ones(1)}},
    ),
    "model_state_dict": (".pt", lambda: {"model_state_dict": state(), "optimizer_state_dict": {}, "loss": 0.3}),
    "net.": (".pth", lambda: below("net.", state())),
    "backbone.": (".pth", lambda: below("backbone.", headless()) | {"neck.w": torch.ones(1)}),
    "encoder.": (".bin", lambda: below("encoder.", headless()) | {"decoder.w": torch.ones(1)}),
    "module.backbone.": (".pth", lambda: {"model": below("module.backbone.", state())}),
    "compiled": (".pt", lambda: below("_orig_mod.module.", state())),
    "DeepSpeed": (".pt", lambda: {"module": below("model.", state()), "ds_version": "0.15"}),
    "ema": (".pth", lambda: {"model": raw(), "ema": state(), "updates": 7}),
    "timm": (".pth.tar", lambda: {"epoch": 1, "state_dict": raw(), "state_dict_ema": state(), "metric": 0.7}),
    "ema, parallel": (".pth", lambda: {"state_dict": raw(), "ema_state_dict": below("module.", state())}),
    "DINO": (".pth", dino),
    "MoCo": (".pth.tar", moco),
    "half precision": (".pth", lambda: {k: v.half() for k, v in state().items()}),
    "bfloat16": (".safetensors", lambda: {k: v.bfloat16() for k, v in state().items()}),
    "double precision": (".pth", lambda: {k: v.double() for k, v in state().items()}),
    "head of ten classes": (".pth", lambda: with_head(10)),
    "no head": (".pth", headless),
    "head of several layers": (".pth", lambda: headless() | {"classifier.0.0.weight": torch.ones(9, 512)}),
    "head of another name": (".pth", lambda: headless() | {"fc.weight": torch.ones(9, 512), "fc.bias": torch.ones(9)}),
    "projector of self-supervised training": (".pth", lambda: headless() | {"projector.0.weight": torch.ones(9, 9)}),
}  # fmt: skip

PRECISION = {"half precision": 1e-3, "bfloat16": 1e-2}


@pytest.mark.parametrize("kind", KINDS)
def test_a_checkpoint_as_people_have_them_gives_the_network(kind: str, tmp_path: Path) -> None:
    suffix, content = KINDS[kind]
    file = tmp_path / f"w{suffix}"
    save_file(content(), file) if suffix == ".safetensors" else torch.save(content(), file)  # type: ignore[arg-type]
    loaded = TorchvisionBackbone("squeezenet1_0", str(file)).load(seed=0)
    assert not loaded.training
    for name, tensor in loaded.state_dict().items():
        if tensor.is_meta:
            assert name.startswith("classifier.")
            assert name in reading_of(loaded).lacking
        else:
            assert tensor.dtype == torch.float32
            torch.testing.assert_close(
                tensor, state()[name], rtol=PRECISION.get(kind, 0), atol=PRECISION.get(kind, 0) / 30
            )
    reading = reading_of(loaded)
    plain = kind in ("state dict", "safetensors", "capital letters", "model_state_dict")
    assert (reading.words == "") == plain, reading.words
    assert "\n" not in reading.words


def test_twenty_kinds_are_tried() -> None:
    assert len(KINDS) >= 20


# ---------------------------------------------------------------- heads


def rows(model: nn.Module, backbone: TorchvisionBackbone, layer: str) -> Tensor:
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        (found,) = Extractor(model, [Tap(backbone.survey(64).resolve(layer), "gap")])(images)
    return found  # type: ignore[no-any-return]


@pytest.mark.parametrize("kind", ["head of ten classes", "no head", "head of several layers"])
def test_layers_before_the_head_are_those_of_the_whole_network(kind: str, tmp_path: Path) -> None:
    torch.save(KINDS[kind][1](), tmp_path / "w.pth")
    whole, cut = (
        TorchvisionBackbone("squeezenet1_0", "untrained"),
        TorchvisionBackbone("squeezenet1_0", f"{tmp_path}/w.pth"),
    )
    for layer in ("stage2", "last_conv"):
        assert torch.equal(rows(cut.load(0), cut, layer), rows(whole.load(3), whole, layer))


def test_what_became_of_the_head_is_said(tmp_path: Path) -> None:
    torch.save({"state_dict": below("model.", with_head(10)), "epoch": 3}, tmp_path / "w.ckpt")
    words = reading_of(TorchvisionBackbone("squeezenet1_0", f"{tmp_path}/w.ckpt").load(0)).words
    assert words == (
        "removed the prefix 'model.'; without its head: classifier.1.weight is (10, 512, 1, 1) in it, "
        "(1000, 512, 1, 1) in the network (and 1 more)"
    )


def test_a_layer_of_the_head_is_refused_and_the_last_one_before_it_is_named(tmp_path: Path) -> None:
    torch.save(with_head(10), tmp_path / "w.pth")
    backbone = TorchvisionBackbone("squeezenet1_0", f"{tmp_path}/w.pth")
    survey, network = backbone.survey(64), Network.loaded(backbone, 0)
    for layer in ("stage1", "last_conv", "penultimate"):
        tap = Tap(survey.resolve(layer), "gap")
        assert network.gives(tap)
        network.require(tap, survey, layer)
    logits = Tap(survey.resolve("logits"), "gap")
    assert not network.gives(logits)
    with pytest.raises(
        DataError, match=r"layer=logits needs classifier\.1\.\w+, and .*w\.pth does not have it"
    ) as told:
        network.require(logits, survey, "logits")
    assert told.value.fix.startswith("layer=penultimate")


def test_penultimate_of_vgg_needs_its_classifier_and_that_of_resnet_does_not(tmp_path: Path) -> None:
    for name, needs in (("vgg11", True), ("resnet18", False)):
        whole = TorchvisionBackbone(name, "untrained").architecture().state_dict()
        content = {
            k: torch.zeros_like(v, device="cpu") for k, v in whole.items() if not k.startswith(("fc", "classifier"))
        }
        torch.save(content, tmp_path / f"{name}.pth")
        backbone = TorchvisionBackbone(name, f"{tmp_path}/{name}.pth")
        survey, network = backbone.survey(64), Network.loaded(backbone, 0)
        assert network.gives(Tap(survey.resolve("penultimate"), "gap")) != needs
        assert network.gives(Tap(survey.resolve("last_conv"), "gap"))


def test_weights_with_another_head_have_a_digest_of_their_own(tmp_path: Path) -> None:
    digests = set()
    for number, content in enumerate(
        [state(), with_head(10), headless(), {**headless(), "classifier.1.bias": torch.ones(7)}]
    ):
        torch.save(content, tmp_path / f"{number}.pth")
        digests.add(weights_digest(TorchvisionBackbone("squeezenet1_0", f"{tmp_path}/{number}.pth").load(0)))
    # Of a head that does not fit nothing is read: the network is the same with either.
    assert len(digests) == 2


@dataclass(frozen=True, kw_only=True)
class Small(BuiltBackbone):
    """A network of one's own whose head is no module of a telling name."""

    size: int = 32

    def build(self) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(8, 4),
        )


def test_a_network_of_ones_own_with_another_head(tmp_path: Path) -> None:
    content = Small().load(7).state_dict()
    content["5.weight"], content["5.bias"] = torch.zeros(9, 8), torch.zeros(9)
    torch.save({"state_dict": below("net.", dict(content))}, tmp_path / "w.ckpt")
    model = Small(weights=f"{tmp_path}/w.ckpt").load(0)
    assert {name for name, tensor in model.state_dict().items() if tensor.is_meta} == {"5.weight", "5.bias"}
    assert model_problem(model) == ""
    assert torch.equal(model.state_dict()["0.weight"], content["0.weight"])
    model.frostmark_reading = None
    with pytest.raises(AssertionError):
        model_problem(model)


# ---------------------------------------------------------------- other networks


def test_another_architecture_is_named_by_its_tensors(tmp_path: Path) -> None:
    torch.save(state(), tmp_path / "w.pth")
    with pytest.raises(DataError, match=r"missing \(first: conv1.weight.*unexpected \(first: features.0.weight"):
        TorchvisionBackbone("resnet18", f"{tmp_path}/w.pth").load(seed=0)


@pytest.mark.parametrize("prefix", ["", "model.", "module.backbone."])
def test_a_deeper_network_of_the_same_kind_is_refused(prefix: str, tmp_path: Path) -> None:
    """Every tensor of a ResNet-18 is in a ResNet-34 too, in the same shape."""
    deeper = TorchvisionBackbone("resnet34", "untrained").load(0).state_dict()
    torch.save({"state_dict": below(prefix, dict(deeper))}, tmp_path / "w.pth")
    with pytest.raises(DataError, match=r"unexpected \(first: layer1.2.conv1.weight") as told:
        TorchvisionBackbone("resnet18", f"{tmp_path}/w.pth").load(seed=0)
    assert "missing" not in told.value.problem


def test_a_missing_and_a_misshapen_tensor_of_the_body_are_named(tmp_path: Path) -> None:
    changed = with_head(10)
    del changed["features.0.bias"]
    changed["features.3.squeeze.weight"] = torch.zeros(7, 96, 1, 1)
    torch.save(changed, tmp_path / "w.pth")
    with pytest.raises(
        DataError, match=r"1 missing \(first: features.0.bias\).*3 of another shape.*features.3.squeeze"
    ):
        TorchvisionBackbone("squeezenet1_0", f"{tmp_path}/w.pth").load(0)


def test_published_weights_must_be_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("frostmark.backbones.load.fetch_weights", lambda weights: headless())
    with pytest.raises(DataError, match="2 missing"):
        TorchvisionBackbone("squeezenet1_0", "IMAGENET1K_V1").load(0)


# ---------------------------------------------------------------- the program


def test_a_fine_tuned_network_through_the_program(program: Program, tmp_path: Path) -> None:
    """Read at last_conv, with the line and the tag; logits are refused, and the other job of the sweep goes on."""
    torch.save({"state_dict": below("model.", with_head(10)), "epoch": 3}, tmp_path / "last.ckpt")
    words = [
        "backbone=squeezenet1_0", f"backbone.weights={tmp_path}/last.ckpt", "dataset=digits", "dataset.limit.train=60",
        "dataset.limit.test=40", "preprocess.size=64", "reducer=none", "metrics=[variance]", "tracking=none",
    ]  # fmt: skip
    done = program(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "weights last.ckpt: removed the prefix 'model.'; without its head: classifier.1.weight is" in done.stdout
    tags = metrics_of(tmp_path)["tags"]
    assert tags["weights_read"].startswith("removed the prefix 'model.'")
    swept = program("-m", *words, "layer=logits,last_conv", cwd=tmp_path)
    assert swept.returncode == 3
    assert "layer=logits needs classifier.1." in swept.stderr
    assert " layer=penultimate\n" in swept.stderr
    assert "squeezenet1_0 (last.ckpt) · last_conv" in swept.stdout
