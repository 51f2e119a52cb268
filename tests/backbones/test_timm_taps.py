"""The last layer of timm's networks is what their classifier reads, pooled; no tap stands before its activation."""

from __future__ import annotations

import pytest
import torch

timm = pytest.importorskip("timm", reason="pip install 'frostmark[timm]'")

from frostmark.backbones.extractor import Extractor, Tap  # noqa: E402
from frostmark.backbones.forward import Forward  # noqa: E402
from frostmark.backbones.timm_models import TimmBackbone  # noqa: E402
from support.taps import early, lived_in  # noqa: E402

QUICK = (
    "test_resnet", "test_byobnet", "test_efficientnet", "test_efficientnet_gn", "test_nfnet", "resnet10t",
    "resnetv2_18", "regnetx_002", "efficientnet_lite0", "mobilenetv2_035", "mnasnet_small", "spnasnet_100",
    "rexnet_100", "dla46_c",
    "dpn48b", "ese_vovnet19b_slim_dw", "legacy_seresnet18", "resnest14d", "cs3darknet_focus_s", "repvgg_a0",
    "mobilevitv2_050", "visformer_tiny", "pvt_v2_b0", "fastvit_t8", "starnet_s1", "selecsls42", "hrnet_w18_small",
    "tinynet_e", "skresnet18", "lambda_resnet26t", "legacy_xception",
)  # fmt: skip
"""Thirty and more networks, most of different modules of timm, that pool globally right before their classifier."""

SLOW = (
    "bat_resnext26ts", "botnet26t_256", "coatnet_nano_rw_224", "convmixer_768_32", "densenet121",
    "efficientformerv2_s0", "focalnet_tiny_srf", "gcvit_xxtiny", "halonet26t", "inception_resnet_v2", "inception_v3",
    "inception_v4",
    "maxvit_rmlp_pico_rw_256", "mobileone_s0", "nasnetalarge", "nest_tiny", "nextvit_small", "nf_regnet_b0",
    "pnasnet5large", "res2net50_14w_8s", "sequencer2d_s", "swiftformer_xs", "swin_tiny_patch4_window7_224",
    "swinv2_cr_tiny_224", "tf_mixnet_s", "tresnet_m", "vovnet39a", "xception41",
)  # fmt: skip

POOLED = [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)]

FIXED = {"bat_resnext26ts": 256, "halonet26t": 256, "convmixer_768_32": 224}
"""Networks that take no smaller images, or see one cell alone in them."""


@pytest.mark.parametrize("name", POOLED)
def test_the_last_layer_pooled_is_what_the_classifier_reads(name: str) -> None:
    backbone = TimmBackbone(name, "untrained", FIXED.get(name, 96))
    survey = backbone.survey()
    taps = [Tap(survey.resolve(word), "gap") for word in ("last_conv", "penultimate")]
    images = torch.randn(2, 3, survey.size, survey.size, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        last, penultimate = Extractor(lived_in(backbone.load(0)), taps)(images)
    assert (last - penultimate).norm() < 1e-5 * penultimate.norm()
    assert early(Forward.of(backbone.architecture()), survey) == []


@pytest.mark.slow  # one network of each of timm's modules: minutes
@pytest.mark.timeout(1800)
def test_no_tap_of_any_kind_stands_before_its_activation() -> None:
    kinds = {names[0] for module in timm.list_modules() if (names := timm.list_models(module=module))}
    for name in sorted(kinds - {"gemma4_vit_167m"}):  # whose forward cannot be traced
        backbone = TimmBackbone(name, "untrained")
        assert early(Forward.of(backbone.architecture()), backbone.survey()) == [], name
