"""CLIP's image towers: rows are what encode_image projects and what it gives; weights come from a hub."""

from __future__ import annotations

import importlib.util
import json
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save, save_file
from torch import Tensor, nn

open_clip = pytest.importorskip("open_clip", reason="pip install 'frostmark[clip]'")

from conftest import Program  # noqa: E402
from frostmark.backbones.clip_models import OpenClipBackbone  # noqa: E402
from frostmark.backbones.clip_towers import build_tower  # noqa: E402
from frostmark.backbones.extractor import Extractor  # noqa: E402
from frostmark.backbones.loading import reading_of  # noqa: E402
from frostmark.backbones.recipe import recipe  # noqa: E402
from frostmark.backbones.weights import weights_digest  # noqa: E402
from frostmark.errors import ConfigError, DataError  # noqa: E402
from support import backbone_kit  # noqa: E402
from support.hub import Hub, serving_hub, used_hub  # noqa: E402

SMALL, TAG = "MobileCLIP2-S0", "dfndr2b"
PLAIN = "ViT-S-32-alt"  # open_clip's own transformer, of which no weights are published

TOWERS = {
    "ViT-S-32-alt": (384, 256),
    "RN50": (2048, 1024),
    "MobileCLIP-S1": (1024, 512),
    "ViT-B-32": (768, 512),
    "ViT-B-16-SigLIP": (768, 768),
    "EVA02-B-16": (768, 512),
    "convnext_base_w": (1024, 640),
    "coca_ViT-B-32": (512, 512),
    "PE-Core-T-16-384": (192, 512),
    "ViT-M-16-alt": (512, 384),
}
"""Width before and after the projection; of SigLIP's, which has none, both are the same row."""

SLOW = ("ViT-B-16-SigLIP", "EVA02-B-16", "convnext_base_w", "coca_ViT-B-32", "ViT-M-16-alt", "MobileCLIP-S1")


def some_slow(names: Iterator[str]) -> list[object]:
    return [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in names]


def theirs(name: str, quick_gelu: bool = False, **more: object) -> nn.Module:
    """The whole model as open_clip makes it, its image tower with random weights that are nowhere trivial."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model: nn.Module = open_clip.create_model(
            name, load_weights=False, pretrained_image=False, force_quick_gelu=quick_gelu, **more
        ).eval()
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.get_submodule("visual").parameters():
            parameter += 0.02 * torch.randn(parameter.shape, generator=draw)
    return model


def images(size: int, count: int = 2) -> Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(1))


def rows(model: nn.Module, backbone: OpenClipBackbone, size: int, layers: list[str]) -> list[Tensor]:
    survey = backbone.survey(size)
    with torch.inference_mode():
        found: list[Tensor] = Extractor(model, [survey.tap(layer) for layer in layers])(images(size))
    return found


def close(found: Tensor, expected: Tensor) -> bool:
    return bool((found - expected).norm() < 1e-5 * expected.norm())


def projected(model: nn.Module, before: Tensor) -> Tensor:
    """By the tower's own projection, whatever it is called."""
    visual = model.visual
    if getattr(visual, "proj", None) is not None:
        return before @ visual.proj  # type: ignore[operator]
    if hasattr(visual, "attnpool"):
        return visual.attnpool.c_proj(before)  # type: ignore[operator, union-attr, no-any-return]
    head = visual.head if len(list(visual.head)) else visual.trunk.get_classifier()  # type: ignore[arg-type, operator, union-attr]
    return head(before)  # type: ignore[no-any-return, operator]


@pytest.mark.parametrize("name", some_slow(iter(TOWERS)))
def test_rows_are_those_of_encode_image_before_and_after_its_projection(name: str, tmp_path: Path) -> None:
    backbone = OpenClipBackbone(name, weights=f"{tmp_path}/w.safetensors")
    model = theirs(name, quick_gelu=backbone.architecture_name.endswith("quick_gelu"))
    save_file({key: value.contiguous() for key, value in model.state_dict().items()}, tmp_path / "w.safetensors")
    size = backbone.preset.crop_size[0]
    before, after = rows(backbone.load(0), backbone, size, ["embedding", "projection"])
    assert (before.shape[1], after.shape[1]) == TOWERS[name]
    with torch.inference_mode():
        assert close(after, model.encode_image(images(size), normalize=False))  # type: ignore[operator]
        assert close(projected(model, before), after)


WORDS = {
    "ViT-B-32": (
        "the class token after the final norm (ln_post)",
        "what the projection makes of the embedding (matmul)",
    ),
    "ViT-B-16-SigLIP": ("the output of the network (trunk), pooled by the network itself (trunk.attn_pool)",) * 2,
    "coca_ViT-B-32": ("the class token of ln_post", "what the projection makes of the embedding (matmul)"),
    "RN50": (
        "what the projection reads (attnpool.flatten_1), pooled by the network itself (attnpool)",
        "what the projection makes of the embedding (attnpool)",
    ),
    "EVA02-B-16": (
        "the class token after the final norm (trunk.norm)",
        "what the projection makes of the embedding (trunk)",
    ),
    SMALL: (
        "mean over the 8 × 8 cells of trunk.final_conv",
        "what the projection makes of the embedding (trunk)",
    ),
}
"""What a row of ``embedding`` and one of ``projection`` is."""


@pytest.mark.parametrize("name", WORDS)
def test_what_a_row_is_is_said_of_every_tower(name: str) -> None:
    survey = OpenClipBackbone(name, weights="untrained").survey()
    words = ("embedding", "projection")
    assert tuple(recipe(survey, word, survey.tap(word)) for word in words) == WORDS[name]


def test_the_norm_of_the_keys_of_a_pool_is_not_the_final_norm(tmp_path: Path) -> None:
    """CoCa pools by learned queries, whose keys it norms; no norm of its blocks' tokens is handed out."""
    name = "coca_ViT-B-32"
    backbone = OpenClipBackbone(name, weights=f"{tmp_path}/w.safetensors", size=64)
    tower = theirs(name, force_image_size=64).visual
    save_file({key: value.contiguous() for key, value in tower.state_dict().items()}, tmp_path / "w.safetensors")
    survey = backbone.survey()
    assert survey.norm is None
    assert survey.taps["tokens"] == "transformer"
    with torch.inference_mode():
        tokens = tower.transformer(tower._embeds(images(64)))  # type: ignore[operator, union-attr]
        pooled, _ = tower._pool(tokens)  # type: ignore[operator]
        taps = [survey.tap("tokens", "flatten"), survey.tap("block12", "mean"), survey.tap("embedding")]
        flat, mean, embedding = Extractor(backbone.load(0), taps)(images(64))
    assert close(flat, tokens.flatten(1))
    assert close(mean, tokens[:, 1:].mean(1))
    assert close(embedding, pooled)


def test_the_norm_before_an_attention_pool_is_the_final_norm() -> None:
    assert str(OpenClipBackbone("ViT-B-16-SigLIP", weights="untrained").survey().norm) == "trunk.norm before pooling"


def test_the_activation_is_the_one_that_the_weights_were_trained_with() -> None:
    """open_clip warns where its configuration says otherwise, and computes with it."""
    openai, laion = OpenClipBackbone("ViT-B-32", "openai"), OpenClipBackbone("ViT-B-32", "laion2b_s34b_b79k")
    assert openai.architecture_name == "open_clip/ViT-B-32 quick_gelu" != laion.architecture_name
    assert "QuickGELU" in repr(openai.architecture())
    assert "QuickGELU" not in repr(laion.architecture())
    assert OpenClipBackbone("ViT-B-32-quickgelu", "openai").library == f"open_clip {open_clip.__version__}"


@pytest.mark.parametrize(
    ("name", "taps"),
    [(PLAIN, ["block1", "block12"]), ("RN50", ["stage1", "stage5", "last_conv"]), (SMALL, ["stage1", "last_conv"])],
)
def test_layers_before_the_embedding_are_those_of_any_network(name: str, taps: list[str]) -> None:
    survey = OpenClipBackbone(name, weights="untrained").survey()
    assert set(taps) <= set(survey.taps)
    assert list(survey.taps)[-2:] == ["embedding", "projection"]
    assert not {"logits", "penultimate"} & set(survey.taps)
    assert survey.resolve(taps[-1]).flops <= survey.resolve("embedding").flops <= survey.resolve("projection").flops


def test_it_is_what_a_backbone_must_be() -> None:
    assert backbone_kit.problems(OpenClipBackbone(PLAIN, weights="untrained", size=64)) == []
    backbone = OpenClipBackbone(SMALL, weights="untrained")
    assert (backbone.name, backbone.weights_name, backbone.family) == (SMALL, "untrained", "clip")
    assert (backbone.preset.mean, backbone.preset.resize_size) == ([0.0] * 3, [256])
    assert OpenClipBackbone("PE-Core-T-16-384").preset.resize_size == [384, 384]  # squashed


@pytest.mark.parametrize("name", [PLAIN, "PE-Core-T-16-384"])
def test_a_tower_for_images_of_another_size_has_resampled_positions(name: str, tmp_path: Path) -> None:
    model = theirs(name)
    save_file({key: value.contiguous() for key, value in model.state_dict().items()}, tmp_path / "w.safetensors")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = open_clip.create_model(name, str(tmp_path / "w.safetensors"), force_image_size=96).eval()
    backbone = OpenClipBackbone(name, weights=f"{tmp_path}/w.safetensors", size=96)
    (found,) = rows(backbone.load(0), backbone, 96, ["projection"])
    with torch.inference_mode():
        assert close(found, expected.encode_image(images(96)))


# ---------------------------------------------------------------- names and weights


def test_a_wrong_name_or_tag_is_answered_with_the_right_ones() -> None:
    with pytest.raises(ConfigError, match=r"open_clip has no model 'ViT-B-33'. Nearest: ViT-B-32") as told:
        OpenClipBackbone("ViT-B-33")
    assert told.value.fix.startswith("backbone.name=ViT-B-")
    with pytest.raises(
        ConfigError, match=r"no weights 'laion3b' of ViT-B-32. Published: openai, laion400m_e31"
    ) as told:
        OpenClipBackbone("ViT-B-32", "laion3b")
    assert told.value.fix == "backbone.tag=openai"
    with pytest.raises(ConfigError, match=r"no weights 'DEFAULT' of ViT-S-32-alt. Published: none"):
        OpenClipBackbone(PLAIN)
    with pytest.raises(ConfigError, match=r"backbone.weights=openai is not one of DEFAULT, untrained, a file"):
        OpenClipBackbone("ViT-B-32", weights="openai")


def test_without_open_clip_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="needs the package open_clip") as told:
        OpenClipBackbone("ViT-B-32")
    assert told.value.fix == "pip install 'frostmark[clip]'"


def test_what_a_file_of_ones_own_lacks_is_named(tmp_path: Path) -> None:
    tower = build_tower(PLAIN, quick_gelu=False)
    torch.save({"state_dict": {f"module.{key}": value for key, value in tower.state_dict().items()}}, tmp_path / "w.pt")
    backbone = OpenClipBackbone(PLAIN, weights=f"{tmp_path}/w.pt")
    assert weights_digest(backbone.load(0)) == weights_digest(tower)
    assert reading_of(backbone.load(0)).words == "removed the prefix 'module.'"
    torch.save({key: v for key, v in tower.state_dict().items() if "resblocks.3." not in key}, tmp_path / "w.pt")
    with pytest.raises(DataError, match="12 missing"):
        backbone.load(0)
    torch.save({key: v for key, v in tower.state_dict().items() if key != "proj"}, tmp_path / "w.pt")
    assert set(reading_of(backbone.load(0)).lacking) == {"proj"}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with used_hub(tmp_path, monkeypatch) as hub:
        yield hub


REPOSITORY = "timm/MobileCLIP2-S0-OpenCLIP"


def published() -> tuple[nn.Module, dict[str, bytes]]:
    """A tower and the files of its repository: the text tower is in the same file."""
    tower = build_tower(SMALL, quick_gelu=False)
    whole = {f"visual.{key}": value.contiguous() for key, value in tower.state_dict().items()}
    files = {"open_clip_model.safetensors": save({**whole, "text.proj": torch.ones(3)}), "README.md": CARD}
    return tower, files


CARD = b"---\nlicense: apple-amlr\n---\n# A model\n"


def test_published_weights_are_downloaded_once_with_commit_and_licence(hub: Hub) -> None:
    tower, files = published()
    commit = hub.put(REPOSITORY, files)
    backbone = OpenClipBackbone(SMALL)
    assert backbone.provenance == {"weights_source": f"hf-hub:{REPOSITORY}"}
    assert f"hf-hub:{REPOSITORY}, over " in str(backbone.missing_weights())
    assert hub.requests == []
    model = backbone.load(0)
    assert weights_digest(model) == weights_digest(tower)
    assert reading_of(model).words == ""  # that there is a text tower goes without saying
    assert backbone.provenance == {"weights_source": f"hf-hub:{REPOSITORY}@{commit}", "weights_license": "apple-amlr"}
    asked = len(hub.requests)
    assert backbone.missing_weights() is None
    assert weights_digest(OpenClipBackbone(SMALL, TAG).load(1)) == weights_digest(tower)
    assert len(hub.requests) == asked


def test_what_the_hub_does_not_have_is_said(hub: Hub) -> None:
    hub.put(REPOSITORY, {"README.md": CARD})
    with pytest.raises(
        DataError, match=r"there is no open_clip_model\.safetensors or open_clip_pytorch_model\.bin"
    ) as told:
        OpenClipBackbone(SMALL).load(0)
    assert "backbone.weights=<file>" in told.value.fix


def test_a_benchmark_of_a_clip_model(tmp_path: Path, program: Program) -> None:
    words = [
        "backbone=open_clip", f"backbone.name={SMALL}", "layer=projection,last_conv", "dataset=digits",
        "dataset.limit.train=60", "dataset.limit.test=40", "preprocess.size=64", "reducer=none", "metrics=[variance]",
        "tracking=none",
    ]  # fmt: skip
    with serving_hub() as hub:
        hub.put(REPOSITORY, published()[1])
        variables = {"HF_ENDPOINT": hub.address, "HF_HOME": str(tmp_path / "home")}
        done = program("-m", *words, cwd=tmp_path, **variables)
    assert done.returncode == 0, done.stderr
    assert f"{SMALL} · projection · digits" in done.stdout
    assert f"{SMALL} · last_conv · digits" in done.stdout
    runs = [json.loads(path.read_text()) for path in tmp_path.glob("mlruns/_hydra/sweeps/*/*/raw/metrics.json")]
    assert [run["tags"]["weights"] for run in runs] == ["dfndr2b"] * 2
