"""Published weights: every layout of the zoo, fetched once and verified. Files of the user's: test_checkpoint.py."""

from __future__ import annotations

import functools
import hashlib
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torchvision import models
from torchvision.models import ResNet18_Weights, SqueezeNet1_0_Weights, WeightsEnum, get_model_weights, list_models
from torchvision.models._api import Weights

from frostmark.backbones.load import TorchvisionBackbone
from frostmark.backbones.weights import fetch_weights, weights_digest
from frostmark.errors import ConfigError, DataError


@functools.cache
def state() -> dict[str, torch.Tensor]:
    return dict(TorchvisionBackbone("squeezenet1_0", "untrained").load(seed=3).state_dict())


def saved(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


def legacy(name: str, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The state as the published checkpoints of that network have it, from before their layers were renamed."""
    renamed = OrderedDict(state)
    if name.startswith("vit"):
        renamed = OrderedDict(
            (k.replace("mlp.0.", "mlp.linear_1.").replace("mlp.3.", "mlp.linear_2."), v) for k, v in state.items()
        )
    if name.startswith("densenet"):
        renamed = OrderedDict(
            (re.sub(r"(denselayer\d+\.(?:norm|conv))([12])\.", r"\1.\2.", k), v) for k, v in state.items()
        )
    if name.endswith("_bn"):
        renamed = OrderedDict((k, v) for k, v in state.items() if not k.endswith("num_batches_tracked"))
    return renamed


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("vit_b_16", ".pth"), ("densenet121", ".pth"), ("vgg11_bn", ".pth"), ("mnasnet0_5", ".pth"),
        ("mnasnet0_5", ".safetensors"), ("swin_t", ".pth"), ("inception_v3", ".pth"), ("regnet_y_400mf", ".pth"),
    ],
)  # fmt: skip
def test_published_layouts_of_the_zoo_are_understood(name: str, suffix: str, tmp_path: Path) -> None:
    original = TorchvisionBackbone(name, "untrained").load(seed=5)
    state = legacy(name, original.state_dict()) if suffix == ".pth" else dict(original.state_dict())
    file = tmp_path / f"w{suffix}"
    if suffix == ".pth":
        if name == "mnasnet0_5":
            state = original.state_dict()  # with the versions of its modules, which mnasnet insists on
        torch.save(state, file)
    else:
        save_file(state, file)
    loaded = TorchvisionBackbone(name, str(file)).load(seed=0)
    assert not any(t.is_meta for t in loaded.state_dict().values())
    assert weights_digest(loaded) == weights_digest(original)


def test_weights_made_for_larger_images_get_the_network_they_were_made_for() -> None:
    backbone = TorchvisionBackbone("vit_b_16", "IMAGENET1K_SWAG_E2E_V1")
    assert backbone.native_size == 384
    assert backbone.survey().resolve("block1").shape == (577, 768)


def test_untrained_is_seeded_and_leaves_the_global_generator_alone() -> None:
    backbone = TorchvisionBackbone("squeezenet1_0", "untrained")
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    first, second = backbone.load(0), backbone.load(0)
    assert torch.equal(torch.rand(3), expected)
    assert weights_digest(first) == weights_digest(second) != weights_digest(backbone.load(1))


def test_a_wrong_name_is_answered_with_the_right_ones() -> None:
    with pytest.raises(ConfigError, match="resnet18") as told:
        TorchvisionBackbone("resnt18")
    assert told.value.fix == "backbone.name=resnet18"
    with pytest.raises(ConfigError, match="IMAGENET1K_V1, IMAGENET1K_V2"):
        TorchvisionBackbone("resnet50", "IMAGENET1K_V7")


def test_published_accuracy_is_told_where_torchvision_knows_it() -> None:
    assert TorchvisionBackbone("resnet18", "DEFAULT").provenance["imagenet_top1"] == "69.758"
    assert TorchvisionBackbone("resnet50", "IMAGENET1K_V2").provenance["imagenet_top1"] == "80.858"
    assert "imagenet_top1" not in TorchvisionBackbone("vgg16", "IMAGENET1K_FEATURES").provenance  # it has no classifier
    assert TorchvisionBackbone("resnet18", "untrained").provenance == {}
    for name in list_models(module=models, exclude="quantized_*"):
        for weights in get_model_weights(name):
            top1 = TorchvisionBackbone(name, weights.name).provenance.get("imagenet_top1", "headless")
            assert top1 == "headless" if weights.meta.get("categories") is None else 40 < float(top1) < 90


def test_taps_of_the_classifier_are_refused_for_weights_without_one() -> None:
    headless = TorchvisionBackbone("vgg16", "IMAGENET1K_FEATURES")
    headless.check_layer("last_conv")
    for tap in ("embedding", "penultimate", "logits"):
        with pytest.raises(ConfigError, match="no valid one"):
            headless.check_layer(tap)
        TorchvisionBackbone("vgg16", "IMAGENET1K_V1").check_layer(tap)


def test_published_inception_weights_get_the_input_they_expect() -> None:
    assert TorchvisionBackbone("inception_v3").architecture().transform_input
    assert TorchvisionBackbone("inception_v3").native_size == 299


# ---------------------------------------------------------------- published weights, from a real server on this machine


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "torch" / "hub" / "checkpoints"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[WeightsEnum, list[str]]]:
    """Weights behind an address of this machine, named by their digest as torchvision does, and the log of requests."""
    folder = tmp_path / "served"
    folder.mkdir()
    saved(folder / "w.pth", state())
    digest = hashlib.sha256((folder / "w.pth").read_bytes()).hexdigest()[:8]
    (folder / "w.pth").rename(folder / f"tiny-{digest}.pth")
    requests: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            requests.append(str(args[0]).split()[0])

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()

    class Tiny(WeightsEnum):
        ONLY = Weights(
            url=f"http://127.0.0.1:{server.server_port}/tiny-{digest}.pth",
            transforms=SqueezeNet1_0_Weights.DEFAULT.transforms,
            meta={"_file_size": 4.8},
        )

    yield Tiny.ONLY, requests
    server.shutdown()
    server.server_close()


def test_published_weights_are_downloaded_once(served: tuple[WeightsEnum, list[str]], cache: Path) -> None:
    weights, requests = served
    results: list[object] = []
    threads = [threading.Thread(target=lambda: results.append(fetch_weights(weights))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert requests.count("GET") == 1
    assert len(results) == 3
    assert fetch_weights(weights).keys() == state().keys()
    assert requests.count("GET") == 1


def test_a_damaged_cached_file_is_named(served: tuple[WeightsEnum, list[str]], cache: Path) -> None:
    weights, _ = served
    fetch_weights(weights)
    (cached,) = cache.glob("*.pth")
    content = bytearray(cached.read_bytes())
    content[len(content) // 2] ^= 1
    cached.write_bytes(content)
    with pytest.raises(DataError, match="damaged") as told:
        fetch_weights(weights)
    assert str(cached) in told.value.fix


def test_a_download_that_brings_something_else_is_refused(
    served: tuple[WeightsEnum, list[str]], cache: Path, tmp_path: Path
) -> None:
    weights, _ = served
    (file,) = (tmp_path / "served").iterdir()
    file.write_bytes(b"<html>sign in first</html>")
    with pytest.raises(DataError, match="the download failed: invalid hash value"):
        fetch_weights(weights)
    assert not list(cache.glob("*.pth"))


def test_without_a_network_it_says_within_seconds_what_is_missing(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # the discard port: nobody answers
    start = time.monotonic()
    with pytest.raises(DataError, match=r"Missing: resnet18-f37072fd.pth, 44.7 MB") as told:
        fetch_weights(ResNet18_Weights.IMAGENET1K_V1)
    assert time.monotonic() - start < 10
    assert str(cache / "resnet18-f37072fd.pth") in told.value.fix
    assert "experiment=quickstart" in told.value.fix
