"""timm's networks: the taps of torchvision's rule, rows of a plain forward pass, and weights that are never random."""

from __future__ import annotations

import functools
import importlib.util
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save, save_file
from torch import nn

timm = pytest.importorskip("timm", reason="pip install 'frostmark[timm]'")

from conftest import Program  # noqa: E402
from frostmark.backbones.extractor import Extractor, Tap  # noqa: E402
from frostmark.backbones.hub import fetched  # noqa: E402
from frostmark.backbones.load import TorchvisionBackbone  # noqa: E402
from frostmark.backbones.loading import reading_of  # noqa: E402
from frostmark.backbones.taps import Survey  # noqa: E402
from frostmark.backbones.timm_models import TimmBackbone  # noqa: E402
from frostmark.backbones.weights import weights_digest  # noqa: E402
from frostmark.data.preprocess import Official, Resize  # noqa: E402
from frostmark.errors import ConfigError, DataError  # noqa: E402
from support.hub import Hub, used_hub  # noqa: E402
from support.runs import metrics_of  # noqa: E402

# resolution:node(channels) of every stage at the native size, then penultimate and logits
STAGES = {
    "resnet18": "112:act1(64) 56:layer1(64) 28:layer2(128) 14:layer3(256) 7:layer4(512) global_pool.flatten fc",
    "vgg11": "224:features.1(64) 112:features.4(128) 56:features.9(256) 28:features.14(512) 14:features.19(512) "
    "head.drop head.flatten",
    "efficientnet_b0": "112:blocks.0(16) 56:blocks.1(24) 28:blocks.2(40) 14:blocks.4(112) 7:bn2(1280) "
    "global_pool.flatten classifier",
    # Its last convolution stands behind global pooling: a part of the classifier.
    "mobilenetv3_small_050": "112:bn1(16) 56:blocks.0(8) 28:blocks.1(16) 14:blocks.3(24) 7:blocks.5(288) "
    "flatten classifier",
    "convnext_atto": "56:stages.0(40) 28:stages.1(80) 14:stages.2(160) 7:stages.3(320) head.drop head.fc",
    "regnety_002": "112:stem(32) 56:s1(24) 28:s2(56) 14:s3(152) 7:s4(368) head.drop head.flatten",
    "swin_tiny_patch4_window7_224": "56:layers.0(96) 28:layers.1(192) 14:layers.2(384) 7:norm(768) "
    "head.drop head.flatten",
}

# blocks, tokens of each, how many stand before the patches, whether there is a class token, and a classifier
BLOCKS = {
    "vit_tiny_patch16_224": (12, 197, 1, True, True),
    "vit_small_patch14_reg4_dinov2": (12, 1374, 5, True, False),
    "deit_tiny_distilled_patch16_224": (12, 198, 2, True, True),  # a distillation token
    "eva02_tiny_patch14_224": (12, 257, 1, True, False),
    "mixer_s32_224": (8, 49, 0, False, True),
    "test_vit2": (8, 101, 1, False, True),  # a register and no class token
}


def images(count: int = 2, size: int = 64) -> torch.Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(0))


@functools.cache
def survey_of(name: str, size: int | None = None) -> Survey:
    return TimmBackbone(name, "untrained", size).survey()


def rows(model: nn.Module, survey: Survey, taps: list[tuple[str, str]]) -> list[torch.Tensor]:
    with torch.inference_mode():
        found: list[torch.Tensor] = Extractor(model, [Tap(survey.resolve(word), pool) for word, pool in taps])(
            images(size=survey.size)
        )
    return found


def close(found: torch.Tensor, expected: torch.Tensor) -> bool:
    """Equal but for float32 rounding: another memory layout sums in another order."""
    return bool((found - expected).norm() < 1e-5 * expected.norm())


def stages(survey: Survey) -> str:
    nodes = {tap: survey.resolve(tap) for tap in survey.taps if tap.startswith("stage")}
    return " ".join(f"{n.resolution}:{survey.node_name(tap)}({n.channels})" for tap, n in nodes.items())


# ---------------------------------------------------------------- taps


@pytest.mark.parametrize("name", STAGES)
def test_stages(name: str) -> None:
    survey = survey_of(name)
    assert f"{stages(survey)} {survey.taps['penultimate']} {survey.taps['logits']}" == STAGES[name]
    last = max(tap for tap in survey.taps if tap.startswith("stage"))
    assert survey.taps["last_conv"] == survey.taps[last]


@pytest.mark.parametrize("name", BLOCKS)
def test_blocks_and_what_stands_before_the_patches(name: str) -> None:
    survey = survey_of(name)
    count, tokens, prefix, has_class, has_classifier = BLOCKS[name]
    assert [t for t in survey.taps if t.startswith("block")] == [f"block{k}" for k in range(1, count + 1)]
    assert "last_conv" not in survey.taps
    node = survey.resolve(f"block{count}")
    assert (node.shape[0], node.prefix_tokens, node.has_class_token) == (tokens, prefix, has_class)
    assert survey.resolve("penultimate").shape == (node.channels,)
    assert ("logits" in survey.taps) == has_classifier
    # Derived from the traced shapes; timm's own word for it says the same.
    assert prefix == getattr(TimmBackbone(name, "untrained").architecture(), "num_prefix_tokens", 0)
    if not has_class:
        with pytest.raises(ConfigError, match="needs a class token") as told:
            Tap(node, "cls")
        assert "layer.pool=mean" in told.value.fix


def test_a_network_without_classifier_has_no_logits() -> None:
    survey = survey_of("vit_small_patch14_reg4_dinov2")
    assert survey.resolve("penultimate").shape == (384,)
    with pytest.raises(ConfigError, match="no layer 'logits'"):
        survey.resolve("logits")


@pytest.mark.slow  # one network of each of timm's modules: minutes
@pytest.mark.timeout(1800)
def test_every_kind_of_network_has_taps_or_says_why_not() -> None:
    kinds = {names[0] for module in timm.list_modules() if (names := timm.list_models(module=module))}
    without = []
    for name in sorted(kinds):
        try:
            taps = TimmBackbone(name, "untrained").survey().taps
        except ConfigError:
            taps = {}
        if not {"last_conv", "block1"} & set(taps):
            without.append(name)
    assert len(without) < len(kinds) / 10, without


# ---------------------------------------------------------------- rows


def test_resnet18_has_the_rows_of_torchvisions(tmp_path: Path) -> None:
    theirs = TorchvisionBackbone("resnet18", "untrained")
    model = theirs.load(3)
    torch.save(model.state_dict(), tmp_path / "w.pth")  # the two libraries call their layers the same
    words = ["stage1", "stage2", "stage3", "stage4", "stage5", "last_conv", "penultimate", "logits"]
    mine = TimmBackbone("resnet18", str(tmp_path / "w.pth"))
    found = rows(mine.load(0), mine.survey(64), [(word, "gap") for word in words])
    expected = rows(model, theirs.survey(64), [(word, "gap") for word in words])
    for word, ours, other in zip(words, found, expected, strict=True):
        assert close(ours, other), word


@pytest.mark.parametrize(
    ("name", "size", "prefix"), [("vit_tiny_patch16_224", 64, 1), ("vit_small_patch14_reg4_dinov2", 56, 5)]
)
def test_tokens_are_those_of_a_plain_forward(name: str, size: int, prefix: int) -> None:
    model = TimmBackbone(name, "untrained", size).load(0)
    with torch.inference_mode():
        last = model.forward_features(images(size=size))  # type: ignore[operator]
        _, ((patches, before),) = model.forward_intermediates(  # type: ignore[operator]
            images(size=size), indices=[3], return_prefix_tokens=True, output_fmt="NLC"
        )
        output = model(images(size=size))
    taps = [("block4", "mean"), ("block4", "cls"), ("norm", "mean"), ("norm", "cls")]
    survey = survey_of(name, size)
    mean, first, last_mean, last_first, logits = rows(model, survey, [*taps, (list(survey.taps)[-1], "gap")])
    assert before.shape[1] == prefix
    assert close(mean, patches.mean(1))
    assert close(first, before[:, 0])
    assert close(last_mean, last[:, prefix:].mean(1))
    assert close(last_first, last[:, 0])
    assert not close(last_mean, last.mean(1))
    assert close(logits, output)


@pytest.mark.parametrize("name", ["test_convnext", "test_efficientnet"])
def test_a_tap_alone_reads_the_same_as_with_all_others_and_the_output_is_the_networks(name: str) -> None:
    survey, load = survey_of(name), functools.partial(TimmBackbone(name, "untrained").load, 0)
    taps = [(node, "flatten") for node in survey.nodes]
    together = rows(load(), survey, taps)
    for tap, expected in list(zip(taps, together, strict=True))[:: max(1, len(taps) // 6)]:
        (alone,) = rows(load(), survey, [tap])
        torch.testing.assert_close(alone, expected, rtol=0, atol=0, msg=tap[0])
    with torch.inference_mode():
        assert close(rows(load(), survey, [("logits", "gap")])[0], load()(images(size=survey.size)))


# ---------------------------------------------------------------- sizes


def test_a_file_of_another_size_is_resampled_as_timm_does(tmp_path: Path) -> None:
    native = TimmBackbone("vit_tiny_patch16_224", "untrained").load(5)
    save_file(native.state_dict(), tmp_path / "w.safetensors")
    small = TimmBackbone("vit_tiny_patch16_224", str(tmp_path / "w.safetensors"), 64).load(0)
    assert "state_dict" not in small.pretrained_cfg  # type: ignore[operator]  # no second copy of the weights
    native.set_input_size((64, 64))  # type: ignore[operator]  # by another way than a file is converted
    with torch.inference_mode():
        assert close(small(images()), native(images()))


def test_a_network_of_a_fixed_size_refuses_others_than_it_was_built_for() -> None:
    with pytest.raises(ConfigError, match="cannot take images of 64 pixels"):
        TimmBackbone("test_vit3", "untrained").survey(64)
    assert survey_of("test_vit3", 64).resolve("block1").shape == (17, 96)


def test_the_size_is_the_weights_own() -> None:
    own = {"resnet18": 224, "vit_small_patch14_dinov2": 518, "efficientnet_b3": 288, "tf_efficientnet_lite0": 224}
    assert {name: Resize().pipeline(TimmBackbone(name, "untrained").preset).size for name in own} == own


def test_mean_std_and_crop_are_timms() -> None:
    backbone = TimmBackbone("vit_tiny_patch16_224.augreg_in21k_ft_in1k", "untrained")
    assert Resize(64).pipeline(backbone.preset).mean == (0.5, 0.5, 0.5)
    picture = torch.randint(0, 256, (3, 30, 20), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    picture = nn.functional.interpolate(picture[None].float(), scale_factor=12, mode="bilinear")[0].byte()
    theirs_path = timm.data.create_transform(**timm.data.resolve_model_data_config(backbone.architecture()))
    theirs = theirs_path(Image.fromarray(picture.permute(1, 2, 0).numpy()))
    ours = Official().pipeline(backbone.preset)(picture[None])[0]
    assert ours.shape == theirs.shape == (3, 224, 224)
    assert (ours - theirs).abs().max() * 255 * 0.5 < 1.5  # PIL rounds after each of its two passes
    squashed = TimmBackbone("convnext_small.fb_in22k_ft_in1k_384", "untrained")
    assert squashed.preset.resize_size == [384, 384]  # both edges: not cropped


# ---------------------------------------------------------------- names and weights


def test_a_wrong_name_is_answered_with_the_right_ones() -> None:
    with pytest.raises(ConfigError, match="resnet18") as told:
        TimmBackbone("resnt18")
    assert told.value.fix == "backbone.name=resnet18"
    with pytest.raises(ConfigError, match=r"no weights 'a1_in2k' of resnet18.*resnet18\.a1_in1k") as told:
        TimmBackbone("resnet18.a1_in2k")
    assert told.value.fix == "backbone.name=resnet18.a1_in1k"
    with pytest.raises(ConfigError, match="timm has no network"):
        TimmBackbone("../resnet18")


def test_weights_that_are_no_word_and_no_file_are_refused() -> None:
    with pytest.raises(ConfigError, match="IMAGENET1K_V1 is not one of DEFAULT, untrained, a file"):
        TimmBackbone("resnet18", "IMAGENET1K_V1")
    with pytest.raises(ConfigError, match="publishes no weights"):
        TimmBackbone(next(name for name in timm.list_models() if not timm.is_model_pretrained(name)))


def test_without_timm_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="needs the package timm") as told:
        TimmBackbone("resnet18")
    assert told.value.fix == "pip install 'frostmark[timm]'"


def test_untrained_is_seeded_and_leaves_the_global_generator_alone() -> None:
    backbone = TimmBackbone("test_resnet").untrained()
    assert backbone.weights_name == "untrained"
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    first, second = backbone.load(0), backbone.load(0)
    assert torch.equal(torch.rand(3), expected)
    assert weights_digest(first) == weights_digest(second) != weights_digest(backbone.load(1))


def test_what_identifies_a_network_does_not_depend_on_how_it_was_named() -> None:
    plain, tagged = TimmBackbone("resnet18", size=64), TimmBackbone("resnet18.a1_in1k")
    assert plain.architecture_name == tagged.architecture_name == "timm/resnet18"
    assert plain.weights_name == tagged.weights_name == "a1_in1k"
    assert plain.library == f"timm {timm.__version__}"
    assert plain.family == "resnet"


def test_licence_and_source_of_published_weights_are_told() -> None:
    dino = TimmBackbone("vit_small_patch14_dinov2.lvd142m")
    assert dino.provenance["weights_license"] == "apache-2.0"
    assert dino.provenance["weights_source"].startswith("hf-hub:timm/vit_small_patch14_dinov2.lvd142m")
    assert TimmBackbone("convnextv2_atto.fcmae").provenance["weights_license"] == "cc-by-nc-4.0"
    assert dino.untrained().provenance == {}
    assert "imagenet_top1" not in TimmBackbone("resnet18.a1_in1k").provenance  # timm ships no accuracies


def test_weights_of_another_network_are_refused_and_never_filled_up_at_random(tmp_path: Path) -> None:
    other = tmp_path / "other.pth"
    torch.save(TimmBackbone("test_efficientnet", "untrained").load(0).state_dict(), other)
    for name in ("test_resnet", "dla46_c"):  # of dla timm loads what there is, and leaves the rest as it was
        with pytest.raises(DataError, match=r"missing \(first: .*unexpected \(first: "):
            TimmBackbone(name, str(other)).load(0)
    state = TimmBackbone("vit_tiny_patch16_224", "untrained").load(0).state_dict()
    del state["blocks.3.attn.proj.bias"]
    torch.save(state, tmp_path / "hole.pth")
    with pytest.raises(DataError, match=r"1 missing \(first: blocks\.3\.attn\.proj\.bias"):
        TimmBackbone("vit_tiny_patch16_224", str(tmp_path / "hole.pth"), 64).load(0)


def test_a_fine_tuned_network_with_another_head_is_resampled_without_its_head(tmp_path: Path) -> None:
    native = TimmBackbone("vit_tiny_patch16_224", "untrained").load(5)
    state = {f"model.{key}": value.half() for key, value in native.state_dict().items()}
    state |= {"model.head.weight": torch.zeros(10, 192).half(), "model.head.bias": torch.zeros(10).half()}
    torch.save({"state_dict": state, "epoch": 1}, tmp_path / "tuned.ckpt")
    small = TimmBackbone("vit_tiny_patch16_224", str(tmp_path / "tuned.ckpt"), 64)
    model, survey = small.load(0), small.survey(64)
    assert reading_of(model).lacking.keys() == {"head.weight", "head.bias"}
    assert reading_of(model).words.startswith(
        "removed the prefix 'model.'; converted float16 to float32; without its head"
    )
    native.half().float().set_input_size((64, 64))  # type: ignore[operator]
    found = rows(model, survey, [("block12", "cls"), ("penultimate", "gap")])
    for ours, expected in zip(found, rows(native, survey, [("block12", "cls"), ("penultimate", "gap")]), strict=True):
        assert close(ours, expected)


def test_a_fine_tuned_network_in_the_layout_of_its_own_project_is_converted_without_its_head(tmp_path: Path) -> None:
    """ConvNeXt's own names, and ten classes."""
    native = TimmBackbone("convnext_atto", "untrained").load(5).state_dict()
    names = (("stem.", "downsample_layers.0."), ("head.fc.", "head."), ("head.norm.", "norm."))
    theirs = {"head.weight": torch.zeros(10, 320), "head.bias": torch.zeros(10)}
    for key, value in native.items():
        name = next((key.replace(mine, other) for mine, other in names if key.startswith(mine)), key)
        name = re.sub(r"stages.(\d).downsample.(\d)", r"downsample_layers.\1.\2", name)
        name = re.sub(r"stages.(\d).blocks.(\d+)", r"stages.\1.\2", name).replace("conv_dw", "dwconv")
        theirs.setdefault(name.replace("mlp.fc", "pwconv"), value)
    torch.save({"model": theirs}, tmp_path / "tuned.pth")
    model = TimmBackbone("convnext_atto", str(tmp_path / "tuned.pth")).load(0)
    assert {name for name, tensor in model.state_dict().items() if tensor.is_meta} == {"head.fc.weight", "head.fc.bias"}
    assert all(torch.equal(v, native[k]) for k, v in model.state_dict().items() if not v.is_meta)


def test_a_deeper_network_of_the_same_kind_is_refused(tmp_path: Path) -> None:
    """Every tensor of a ResNet-18 is in a ResNet-34 too; where the head differs timm would take what it finds."""
    deeper = TimmBackbone("resnet34", "untrained").load(0).state_dict()
    torch.save({**deeper, "fc.weight": torch.zeros(10, 512), "fc.bias": torch.zeros(10)}, tmp_path / "w.pth")
    with pytest.raises(DataError, match=r"unexpected \(first: layer1\.2\.conv1\.weight"):
        TimmBackbone("resnet18", str(tmp_path / "w.pth")).load(0)


# ---------------------------------------------------------------- published weights, from a real server on this machine

TINY_NAME = "test_resnet.r160_in1k"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub on this machine that has one network's weights, and an empty cache."""
    with used_hub(tmp_path, monkeypatch) as hub:
        weights = TimmBackbone(TINY_NAME, "untrained").load(7).state_dict()
        hub.put(f"timm/{TINY_NAME}", {"model.safetensors": save(dict(weights))})
        yield hub


def test_published_weights_are_downloaded_once(hub: Hub) -> None:
    backbone = TimmBackbone(TINY_NAME)
    assert "about 2 MB" in str(backbone.missing_weights())
    expected = weights_digest(TimmBackbone(TINY_NAME, "untrained").load(7))
    assert weights_digest(backbone.load(0)) == expected
    file = f"/timm/{TINY_NAME}/resolve/main/model.safetensors"
    expected_requests = [f"HEAD /timm/{TINY_NAME}", f"HEAD {file}", f"GET {file}"]
    assert hub.requests == expected_requests  # and nothing about this machine is told
    assert backbone.missing_weights() is None
    assert weights_digest(backbone.load(1)) == expected
    assert hub.requests == expected_requests  # nothing is asked about what is there


def test_a_damaged_cached_file_is_named(hub: Hub) -> None:
    path = fetched(f"timm/{TINY_NAME}")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.resolve().write_bytes(content)
    with pytest.raises(DataError, match="damaged") as told:
        TimmBackbone(TINY_NAME).load(0)
    assert str(path) in told.value.fix


def test_what_the_hub_does_not_have_is_said(hub: Hub) -> None:
    with pytest.raises(DataError, match=r"the hub has no repository timm/test_vit\.r160_in1k, or it is private"):
        TimmBackbone("test_vit.r160_in1k").load(0)


def test_without_a_network_it_says_within_seconds_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # the discard port: nobody answers
    start = time.monotonic()
    with pytest.raises(DataError, match=r"Missing: hf-hub:timm/vit_small_patch14_dinov2.lvd142m, about 88 MB") as told:
        TimmBackbone("vit_small_patch14_dinov2.lvd142m").load(0)
    assert time.monotonic() - start < 10
    assert "timm/vit_small_patch14_dinov2.lvd142m" in told.value.fix
    assert "backbone.weights=<file>" in told.value.fix
    assert "experiment=quickstart" in told.value.fix


# ---------------------------------------------------------------- the program


def test_a_benchmark_of_a_network_of_timm(program: Program, tmp_path: Path) -> None:
    done = program(
        "backbone=timm", "backbone.name=resnet18", "backbone.weights=untrained", "dataset=digits",
        "dataset.limit.train=90", "dataset.limit.test=60", "preprocess.size=32", "reducer=none", "metrics=[variance]",
        "tracking=none", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "resnet18 · last_conv · digits" in done.stdout
    assert "weights untrained" in done.stdout
    found = metrics_of(tmp_path)
    assert found["values"]["test/variance/intra"] > 0
    expected = {"backbone": "resnet18", "backbone_family": "resnet", "weights": "untrained", "node": "layer4"}
    assert expected.items() <= found["tags"].items()
    assert (found["tags"]["features"], found["tags"]["image_size"]) == ("512", "32")
