"""What networks, layers and runs are called."""

import pytest

from frostmark.names import network_name, of_file, short_titles, titled, told_apart, without_folders


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        (("resnet18",), "resnet18"),
        (("resnet18", None, ""), "resnet18"),
        (("squeezenet1_0", "squeezenet1_0-imagenet.pth"), "squeezenet1_0 (imagenet.pth)"),
        (("squeezenet1_0", "/home/ann/squeezenet1_0-imagenet.pth", "96 px"), "squeezenet1_0 (imagenet.pth, 96 px)"),
        (("squeezenet1_0", "squeezenet1_0.pth"), "squeezenet1_0 (squeezenet1_0.pth)"),
        (("resnet18", "untrained"), "resnet18 (untrained)"),
        (("local-dir:/home/ann/vit", "a.safetensors"), "vit (a.safetensors)"),
        (("hf-hub:timm/resnet18.a1_in1k@1a2b",), "hf-hub:timm/resnet18.a1_in1k@1a2b"),
    ],
)
def test_a_network_is_called_by_its_name_and_what_tells_it_from_others(parts: tuple[str, ...], name: str) -> None:
    assert network_name(*parts) == name


def test_only_a_file_of_weights_says_which_weights_they_are() -> None:
    assert [of_file(weights) for weights in ("best.PTH", "a.safetensors")] == ["best.PTH", "a.safetensors"]
    assert [of_file(weights) for weights in ("untrained", "IMAGENET1K_V1", "a1_in1k", "rows of a.npz")] == [""] * 4


def test_a_long_title_is_cut_in_the_middle_of_the_network_and_never_in_the_layer() -> None:
    network = network_name("vit_base_patch16_224.augreg_in21k_ft_in1k", "a_long_name_of_weights.safetensors")
    layers = ["block11", "stage4 = last_conv", "a/node/of/its.own"]
    titles = [titled(network, layer) for layer in layers]
    for most in (10, 34, 60):
        for short, title, layer in zip(short_titles(titles, most), titles, layers, strict=True):
            assert short.endswith(f" · {layer}")
            assert len(short) <= max(most, 9 + len(f" · {layer}"))
            cut = short.removesuffix(f" · {layer}").split("…")
            assert len(cut) == 2
            assert title.startswith(cut[0])
            assert network.endswith(cut[1])
    assert short_titles(titles, 200) == titles


def test_titles_that_would_be_the_same_stay_whole() -> None:
    titles = [titled(f"resnet{depth}_with_a_long_name_of_its_own", "stage1") for depth in (18, 34)]
    assert short_titles(titles, 20) == titles
    assert short_titles([titles[0]] * 2, 20) == ["resne…s_own · stage1"] * 2


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("backbone.weights=/home/ann/a.pth,/home/ann/b.pth", "backbone.weights=a.pth,b.pth"),
        ("dataset='/my photos/cats' seed=1", "dataset='my photos/cats' seed=1"),
        ("dataset=~/flowers/ C:\\Users\\ann\\x.pth", "dataset=flowers x.pth"),
        ("dataset=./flowers a/b 1 / 2 https://host/x", "dataset=./flowers a/b 1 / 2 https://host/x"),
    ],
)
def test_no_absolute_path_is_left(text: str, shown: str) -> None:
    assert without_folders(text) == shown


def test_files_of_one_name_are_told_apart_by_the_end_of_their_paths() -> None:
    assert told_apart(["/x/a/best.pth", "/x/b/best.pth", "/x/b/last.pth"]) == ["a/best.pth", "b/best.pth", "last.pth"]
    assert told_apart(["best.pth"]) == ["best.pth"]
