"""Networks of anybody's, on a hub of this machine or in a folder: timm's layout, and nothing of theirs is run."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save
from torch import Tensor

timm = pytest.importorskip("timm", reason="pip install 'frostmark[timm]'")

from conftest import Program  # noqa: E402
from frostmark.backbones.timm_models import TimmBackbone  # noqa: E402
from frostmark.backbones.weights import weights_digest  # noqa: E402
from frostmark.errors import ConfigError, DataError  # noqa: E402
from support import backbone_kit  # noqa: E402
from support.hub import Hub, serving_hub, used_hub  # noqa: E402
from support.runs import metrics_of  # noqa: E402

NAME = "org/tiny"
CONFIG = {
    "architecture": "test_vit",
    "num_classes": 0,
    "model_args": {"img_size": 32, "init_values": 0.1, "reg_tokens": 2, "num_classes": 0, "dynamic_img_size": True},
    "pretrained_cfg": {
        "tag": "mine", "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25], "input_size": [3, 32, 32], "crop_pct": 1.0,
        "interpolation": "bilinear", "fixed_input_size": True, "classifier": "head", "first_conv": "patch_embed.proj",
        "url": "http://example.org/evil.pth", "file": "/etc/passwd", "custom_load": True, "license": "cc-by-nc-4.0",
    },
}  # fmt: skip


def theirs(**more: object) -> torch.nn.Module:
    torch.manual_seed(7)
    return timm.create_model("test_vit", **{**CONFIG["model_args"], **more})  # type: ignore[dict-item, no-any-return]


def weights() -> dict[str, Tensor]:
    return dict(theirs().state_dict())


def files(config: object = CONFIG, **more: bytes) -> dict[str, bytes]:
    return {"config.json": json.dumps(config).encode(), "model.safetensors": save(weights()), **more}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with used_hub(tmp_path, monkeypatch) as hub:
        yield hub


def test_a_repository_gives_the_network_that_timm_makes_of_it(hub: Hub) -> None:
    hub.put(NAME, files())
    backbone = TimmBackbone(f"hf-hub:{NAME}")
    assert hub.requests == []  # a name asks for nothing
    model = backbone.load(0)
    assert weights_digest(model) == weights_digest(theirs())
    reference = timm.create_model(f"hf-hub:{NAME}", pretrained=True, cache_dir=None).eval()
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(model(images), reference(images))
    preset = backbone.preset
    assert (preset.crop_size, preset.mean, preset.std) == ([32], [0.5] * 3, [0.25] * 3)
    assert backbone.survey().resolve("block1").prefix_tokens == 3
    assert backbone.family == "vision_transformer"
    assert backbone_kit.problems(backbone) == []


def test_the_revision_is_pinned_in_the_key_and_in_the_tags(hub: Hub) -> None:
    first = hub.put(NAME, files())
    second = hub.put(NAME, files({**CONFIG, "model_args": {**CONFIG["model_args"], "init_values": 0.2}}))  # type: ignore[dict-item]
    newest, older = TimmBackbone(f"hf-hub:{NAME}"), TimmBackbone(f"hf-hub:{NAME}@{first}")
    for backbone, commit in ((newest, second), (older, first)):
        assert backbone.architecture_name == f"timm/test_vit hf-hub:{NAME}@{commit}"
        assert backbone.weights_name == commit[:12]
        assert backbone.provenance["weights_revision"] == commit
        assert backbone.provenance["weights_source"] == f"hf-hub:{NAME}@{commit}"
        backbone.load(0)
    weights_asked = {line for line in hub.requests if line.endswith("model.safetensors")}
    assert {line.split("/")[4] for line in weights_asked} == {first, second}  # by commit, not by the name of a branch
    asked = len(hub.requests)
    hub.put(NAME, files(CONFIG, **{"README.md": b"moved on"}))
    assert TimmBackbone(f"hf-hub:{NAME}").provenance["weights_revision"] == second  # what is here stays
    assert len(hub.requests) == asked


@pytest.mark.parametrize(
    ("config", "readme", "licence"),
    [
        (CONFIG, b"---\nlicense: mit\n---\n", "cc-by-nc-4.0"),
        ({"architecture": "test_vit", "model_args": CONFIG["model_args"]}, b"---\nlicense: mit\n---\n# Tiny\n", "mit"),
        ({"architecture": "test_vit", "model_args": CONFIG["model_args"]}, None, None),
    ],
)
def test_the_licence_is_kept(config: object, readme: bytes | None, licence: str | None, hub: Hub) -> None:
    hub.put(NAME, files(config, **({"README.md": readme} if readme else {})))
    assert TimmBackbone(f"hf-hub:{NAME}").provenance.get("weights_license") == licence
    asked = len(hub.requests)
    assert TimmBackbone(f"hf-hub:{NAME}").provenance.get("weights_license") == licence
    assert len(hub.requests) == asked


def test_a_gated_repository_is_explained_and_a_token_of_the_environment_opens_it(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.put(NAME, files())
    hub.gate(NAME, token="hf_secret")
    with pytest.raises(DataError, match="the repository org/tiny is gated: its owners decide") as told:
        _ = TimmBackbone(f"hf-hub:{NAME}").preset
    assert f"{hub.address}/{NAME}" in told.value.fix
    assert "HF_TOKEN=<token>" in told.value.fix
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    backbone = TimmBackbone(f"hf-hub:{NAME}")
    assert weights_digest(backbone.load(0)) == weights_digest(theirs())
    assert "hf_secret" not in repr((backbone, backbone.provenance, backbone.architecture_name))


def test_what_is_not_there_is_said(hub: Hub) -> None:
    with pytest.raises(DataError, match="the hub has no repository org/none, or it is private"):
        _ = TimmBackbone("hf-hub:org/none").family
    hub.put(NAME, files())
    with pytest.raises(DataError, match="has no revision 'v9'"):
        _ = TimmBackbone(f"hf-hub:{NAME}@v9").family
    hub.put("org/empty", {"model.safetensors": b""})
    with pytest.raises(DataError, match=r"cannot be downloaded \(there is no config.json\)"):
        _ = TimmBackbone("hf-hub:org/empty").family
    for name in ("hf-hub:tiny", "hf-hub:../../etc", "hf-hub:a/b/c", "hf-hub:a/b@", "hf-hub:", "hf-hub:a/b?x=1"):
        with pytest.raises(ConfigError, match="names no repository"):
            TimmBackbone(name)


def test_pickles_of_a_repository_are_not_read(hub: Hub, tmp_path: Path) -> None:
    pickled = tmp_path / "pytorch_model.bin"
    torch.save(weights(), pickled)
    hub.put(NAME, {"config.json": json.dumps(CONFIG).encode(), "pytorch_model.bin": pickled.read_bytes()})
    backbone = TimmBackbone(f"hf-hub:{NAME}")
    with pytest.raises(
        DataError, match=r"has no model\.safetensors\. Pickle files of public repositories are not read"
    ) as told:
        backbone.load(0)
    assert not any(line.endswith(".bin") for line in hub.requests)
    assert "backbone.weights=<file>" in told.value.fix
    own = TimmBackbone(f"hf-hub:{NAME}", str(pickled))  # the user's decision, and still weights_only
    assert weights_digest(own.load(0)) == weights_digest(theirs())


def tiny(**arguments: object) -> dict[str, object]:
    return {"architecture": "test_vit", "model_args": arguments}


def of_images(**about: object) -> dict[str, object]:
    return {"architecture": "test_vit", "pretrained_cfg": about}


HOSTILE = {
    "another library": ({"architectures": ["ViTModel"], "model_type": "vit"}, r"asks for \['ViTModel'\]"),
    "code of its own": ({"model_type": "x", "auto_map": {"AutoModel": "evil.Model"}}, "code of its own, which"),
    "no architecture": ({}, "names no architecture"),
    "unknown architecture": ({"architecture": "test_vitt"}, "Nearest: .*test_vit"),
    "a name of a hub": ({"architecture": "hf-hub:org/other"}, "is not a network of timm"),
    "a checkpoint": (tiny(checkpoint_path="/tmp/x.pth"), "model_args.checkpoint_path"),
    "published weights": (tiny(pretrained=True), "model_args.pretrained"),
    "an overlay": (tiny(pretrained_cfg_overlay={"file": "x"}), "overlay"),
    "another task": (tiny(features_only=True), "features_only"),
    "an object": (tiny(norm_layer={"_target_": "os.system"}), "norm_layer"),
    "arguments that it does not take": (tiny(colour=3), "cannot build"),
    "an unknown activation": (tiny(act_layer="os.system"), "cannot build"),
    "twelve channels": (of_images(input_size=[12, 64, 64]), "images of 12 channels"),
    "a size of words": (of_images(input_size="large"), "has input_size='large'"),
    "no deviation": (of_images(std=[0, 0, 0]), "three numbers each"),
    "a filter of no name": (of_images(interpolation="os.system"), "has interpolation='os.system'"),
    "no crop": (of_images(crop_pct=0), "has crop_pct=0"),
    "a list": ([], "is not a configuration of timm's"),
    "a list of arguments": ({"architecture": "test_vit", "model_args": [1]}, "is not a configuration of timm's"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_a_configuration_that_asks_for_anything_else_is_refused(case: str, tmp_path: Path) -> None:
    config, told = HOSTILE[case]
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises((ConfigError, DataError), match=told) as refused:
        TimmBackbone(f"local-dir:{tmp_path}", "untrained").architecture()
    assert refused.value.fix


def test_a_damaged_configuration_is_named(tmp_path: Path) -> None:
    for content in (b"{", b"\xff\xfe", b"[" * 100_000):
        (tmp_path / "config.json").write_bytes(content)
        with pytest.raises(DataError, match=r"config\.json cannot be read"):
            TimmBackbone(f"local-dir:{tmp_path}").architecture()


# ---------------------------------------------------------------- a folder


def test_a_folder_gives_the_network(tmp_path: Path) -> None:
    for name, content in files().items():
        (tmp_path / name).write_bytes(content)
    backbone = TimmBackbone(f"local-dir:{tmp_path}")
    assert backbone.missing_weights() is None
    assert weights_digest(backbone.load(0)) == weights_digest(theirs())
    assert backbone.provenance == {"weights_source": f"local-dir:{tmp_path}", "weights_license": "cc-by-nc-4.0"}
    before = backbone.architecture_name
    (tmp_path / "config.json").write_text(json.dumps({**CONFIG, "model_args": {"img_size": 32}}), encoding="utf-8")
    assert TimmBackbone(f"local-dir:{tmp_path}").architecture_name != before
    with pytest.raises(DataError, match="does not hold the weights of this architecture"):
        TimmBackbone(f"local-dir:{tmp_path}").load(0)


def test_a_folder_without_weights_that_may_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no config\.json in"):
        TimmBackbone(f"local-dir:{tmp_path}").architecture()
    (tmp_path / "config.json").write_bytes(files()["config.json"])
    torch.save(weights(), tmp_path / "pytorch_model.bin")
    backbone = TimmBackbone(f"local-dir:{tmp_path}")
    with pytest.raises(DataError, match=r"there is no model\.safetensors in"):
        backbone.load(0)
    (tmp_path / "best.safetensors").write_bytes(save(weights()))
    assert weights_digest(backbone.load(0)) == weights_digest(theirs())
    (tmp_path / "last.safetensors").write_bytes(save(weights()))
    with pytest.raises(DataError, match=r"and 2 other \.safetensors"):
        backbone.load(0)


# ---------------------------------------------------------------- the program


def test_a_benchmark_of_a_repository(tmp_path: Path, program: Program) -> None:
    with serving_hub() as hub:
        commit = hub.put(NAME, files())
        hub.gate(NAME, token="hf_secret")
        words = [
            "backbone=timm", f"backbone.name=hf-hub:{NAME}", "dataset=digits", "dataset.limit.train=60",
            "dataset.limit.test=40", "preprocess.size=32", "layer=penultimate", "reducer=none", "metrics=[variance]",
            "tracking=none",
        ]  # fmt: skip
        home = {"HF_ENDPOINT": hub.address, "HF_HOME": str(tmp_path / "home")}
        refused = program(*words, cwd=tmp_path, **home)
        assert refused.returncode == 3, refused.stderr
        assert "is gated" in refused.stderr
        done = program(*words, cwd=tmp_path, **home, HF_TOKEN="hf_secret")
    assert done.returncode == 0, done.stderr
    tags = metrics_of(tmp_path)["tags"]
    expected = {"weights": commit[:12], "weights_revision": commit, "weights_license": "cc-by-nc-4.0"}
    assert expected.items() <= tags.items()
    left = b"".join(path.read_bytes() for path in (tmp_path / "mlruns").rglob("*") if path.is_file())
    assert b"hf_secret" not in left + done.stdout.encode() + done.stderr.encode()


@pytest.mark.parametrize("name", ["pytorch_model.bin", "it's last.ckpt"])
def test_a_folder_with_a_pickle_alone_says_how_it_becomes_safe(name: str, tmp_path: Path) -> None:
    """Not by another name: the tensors are taken out of it, and nothing of it is run."""
    (tmp_path / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    torch.save({"state_dict": weights(), "epoch": 3}, tmp_path / name)
    backbone = TimmBackbone(f"local-dir:{tmp_path}")
    with pytest.raises(DataError, match="is not read: pickles can hold code") as told:
        backbone.load(0)
    assert name in told.value.problem
    assert "weights_only=True" in told.value.fix
    command = told.value.fix.partition(": ")[2].replace("python", sys.executable, 1)
    subprocess.run(command, shell=True, check=True)
    assert torch.equal(backbone.load(0).state_dict()["cls_token"], weights()["cls_token"])


def test_a_name_that_nothing_is_near_to_is_told_with_how_to_see_the_names() -> None:
    """Not with the first eight of two thousand."""
    for name, part in (("qqqqq", "resnet"), ("dino_my_own_network", "dino")):
        with pytest.raises(ConfigError, match=r"and none of its \d,\d+ names is similar") as told:
            TimmBackbone(name)
        assert told.value.fix.startswith(f"python run.py backbones {part}, or another part")
        assert len(told.value.problem) < 100
    with pytest.raises(ConfigError, match="Nearest: resnet50") as told:
        TimmBackbone("resnt50")
    assert told.value.fix == "backbone.name=resnet50"
