"""What can be named, and what is known of it: published numbers agree with those that are derived."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torchvision.models import get_model_weights

from frostmark.backbones.catalogue import Facts, facts_of, matching, network_of, timm_offers, torchvision_offers
from frostmark.backbones.load import TorchvisionBackbone
from frostmark.backbones.module import ModuleBackbone


def test_a_pattern_is_a_part_of_a_name_or_has_stars() -> None:
    assert matching("dinov2", "vit_small_patch14_dinov2.lvd142m")
    assert matching("ResNet", "resnet18")
    assert matching("vit*dinov2*", "vit_small_patch14_dinov2.lvd142m")
    assert not matching("dinov2*", "vit_small_patch14_dinov2.lvd142m")
    assert matching("", "anything")


@pytest.mark.parametrize(
    ("name", "width"), [("resnet18", 512), ("vgg11", 4096), ("squeezenet1_0", 512), ("swin_t", 768), ("alexnet", 4096)]
)
def test_derived_numbers_are_the_published_ones(name: str, width: int) -> None:
    (offer, *_) = [offer for offer in torchvision_offers(name) if offer.name == name]
    facts, meta = facts_of(offer.backbone()), get_model_weights(name)[offer.weights].meta
    assert facts.parameters == meta["num_params"]
    assert facts.gmacs == pytest.approx(meta["_ops"], rel=5e-3)
    assert facts.megabytes == meta["_file_size"]
    assert facts.top1 == meta["_metrics"]["ImageNet-1K"]["acc@1"]
    assert facts.width == width


def test_every_weights_of_a_network_is_offered() -> None:
    assert [offer.weights for offer in torchvision_offers("resnet50") if offer.name == "resnet50"] == [
        "IMAGENET1K_V1",
        "IMAGENET1K_V2",
    ]


def test_whether_weights_are_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    backbone = TorchvisionBackbone("resnet18", "IMAGENET1K_V1")
    assert facts_of(backbone, built=False).here is False
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / "resnet18-f37072fd.pth").touch()
    assert facts_of(backbone, built=False).here is True
    assert facts_of(TorchvisionBackbone("resnet18", "untrained"), built=False).here is None


def test_the_same_network_with_other_weights_is_not_built_again(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (TorchvisionBackbone("resnet50", f"IMAGENET1K_V{n}") for n in (1, 2))
    assert network_of(first) == network_of(second) != network_of(TorchvisionBackbone("resnet34"))
    facts = facts_of(first)
    monkeypatch.setattr(TorchvisionBackbone, "architecture", lambda self: pytest.fail("it was built again"))
    again = facts_of(second, like=facts)
    assert (again.parameters, again.gmacs, again.width) == (facts.parameters, facts.gmacs, facts.width)
    assert again.top1 != facts.top1


def test_a_network_of_ones_own_has_no_download_and_no_licence() -> None:
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU())
    facts = facts_of(ModuleBackbone(module, size=8))
    assert facts == Facts(here=True, licence=None, top1=None, parameters=112, gmacs=108 * 36 / 1e9, width=4)


def test_names_of_timm_are_listed_without_building_any(monkeypatch: pytest.MonkeyPatch) -> None:
    timm = pytest.importorskip("timm", reason="pip install 'frostmark[timm]'")
    monkeypatch.setattr(timm, "create_model", lambda *a, **k: pytest.fail("a network was built"))
    offers = timm_offers("")
    assert len(offers) > 1000
    (dino,) = [offer for offer in offers if offer.name == "vit_small_patch14_dinov2.lvd142m"]
    assert facts_of(dino.backbone(), built=False).licence == "apache-2.0"


def test_numbers_of_timm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("timm", reason="pip install 'frostmark[timm]'")
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    (offer,) = timm_offers("resnet18.a1_in1k")[:1]
    facts = facts_of(offer.backbone())
    assert (facts.parameters, facts.width, facts.here) == (11_689_512, 512, False)
    assert facts.gmacs == pytest.approx(1.81, abs=0.01)
    assert facts.megabytes == pytest.approx(46.8, abs=0.1)
