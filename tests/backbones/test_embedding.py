"""The final norm, the tokens and the embedding are found from what a network computes, whatever it calls its parts."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn
from torchvision.models.vision_transformer import VisionTransformer

from frostmark.backbones.extractor import Extractor, Tap, parameters_used
from frostmark.backbones.load import TorchvisionBackbone
from frostmark.backbones.module import ModuleBackbone
from frostmark.backbones.recipe import facts, idle, recipe
from frostmark.backbones.taps import Survey
from frostmark.errors import ConfigError
from support.taps import distance, images, lived_in

SIZE, WIDTH = 32, 12


class WrittenNorm(nn.Module):
    """A layer norm as people write it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gain, self.shift = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        centred = x - x.mean(-1, keepdim=True)
        return centred / torch.sqrt(centred.pow(2).mean(-1, keepdim=True) + 1e-6) * self.gain + self.shift


class RootMeanSquare(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6) * self.gain


class FunctionNorm(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, x.shape[-1:]) * self.gain


class Layer(nn.Module):
    """Attention and a small network, each normed before: a pre-norm block."""

    def __init__(self, norm: Callable[[int], nn.Module]) -> None:
        super().__init__()
        self.a, self.b = norm(WIDTH), norm(WIDTH)
        self.attention = nn.MultiheadAttention(WIDTH, 2, batch_first=True)
        self.inner = nn.Sequential(nn.Linear(WIDTH, 2 * WIDTH), nn.GELU(), nn.Linear(2 * WIDTH, WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        y = self.a(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        return x + self.inner(self.b(x))


class Former(nn.Module):
    """A small transformer whose parts have names of its own; subclasses end it."""

    registers_count = 0

    def __init__(self, norm: Callable[[int], nn.Module] = nn.LayerNorm, depth: int = 3, size: int = SIZE) -> None:
        super().__init__()
        self.cut = nn.Conv2d(3, WIDTH, 8, stride=8)
        self.first = nn.Parameter(torch.randn(1, 1, WIDTH))
        self.registers = nn.Parameter(torch.randn(1, self.registers_count, WIDTH)) if self.registers_count else None
        self.places = nn.Parameter(torch.randn(1, 1 + (size // 8) ** 2, WIDTH))
        self.stack = nn.ModuleList(Layer(norm) for _ in range(depth))
        self.last = norm(WIDTH)

    def stream(self, x: Tensor) -> Tensor:
        x = self.cut(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.first.expand(x.shape[0], -1, -1), x], 1) + self.places
        if self.registers is not None:
            x = torch.cat([x[:, :1], self.registers.expand(x.shape[0], -1, -1), x[:, 1:]], 1)
        for layer in self.stack:
            x = layer(x)
        return x


class Dino(Former):
    """As DINOv2 returns it: the class token out of a dictionary of everything, behind a head that is none."""

    registers_count = 4

    def features(self, x: Tensor) -> dict[str, Tensor]:
        raw = self.stream(x)
        normed = self.last(raw)
        return {
            "x_norm_clstoken": normed[:, 0],
            "x_norm_regtokens": normed[:, 1:5],
            "x_norm_patchtokens": normed[:, 5:],
            "x_prenorm": raw,
        }

    def forward(self, x: Tensor, everything: bool = False) -> Tensor | dict[str, Tensor]:
        found = self.features(x)
        return found if everything else found["x_norm_clstoken"]


class Everything(Dino):
    """The raw stream stands beside the normed tokens in what is returned."""

    def forward(self, x: Tensor, everything: bool = True) -> Tensor | dict[str, Tensor]:
        return self.features(x)


class Averaged(Former):
    """As DINOv3 in timm: all tokens normed, the patches averaged, no classifier."""

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.stream(x))[:, 1:].mean(1)


class AveragedClassifier(Averaged):
    """The same taught with labels: then the mean stands for the image."""

    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(WIDTH, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(super().forward(x))


class NormsLater(Former):
    """As BEiT and EVA-02: the patches are averaged, then normed."""

    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(WIDTH, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.last(self.stream(x)[:, 1:].mean(1)))


class Asks(Former):
    """As SigLIP: a learned query attends to the normed tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.randn(1, 1, WIDTH))
        self.ask = nn.MultiheadAttention(WIDTH, 2, batch_first=True)
        self.then = nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.last(self.stream(x))
        asked = self.ask(self.query.expand(x.shape[0], -1, -1), tokens, tokens, need_weights=False)[0]
        return (asked + self.then(asked))[:, 0]


class Distilled(Former):
    """Two classifiers read two tokens; their answers are averaged."""

    def __init__(self) -> None:
        super().__init__()
        self.places = nn.Parameter(torch.randn(1, 18, WIDTH))
        self.second = nn.Parameter(torch.randn(1, 1, WIDTH))
        self.one, self.two = nn.Linear(WIDTH, 5), nn.Linear(WIDTH, 5)

    def stream(self, x: Tensor) -> Tensor:
        x = self.cut(x).flatten(2).transpose(1, 2)
        both = [p.expand(x.shape[0], -1, -1) for p in (self.first, self.second)]
        x = torch.cat([*both, x], 1) + self.places
        for layer in self.stack:
            x = layer(x)
        return x

    def forward(self, x: Tensor) -> Tensor:
        x = self.last(self.stream(x))
        return (self.one(x[:, 0]) + self.two(x[:, 1])) / 2


class PostNorm(Former):
    """A stream without a norm at its end."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Identity()
        self.out = nn.Linear(WIDTH, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.stream(x)[:, 0])


class Raw(Former):
    """Its output are the tokens of the last block, as they are."""

    def forward(self, x: Tensor) -> Tensor:
        return self.stream(x)


def by_module(queries: Tensor, keys: Tensor, attention: nn.MultiheadAttention) -> Tensor:
    return attention(queries.expand(keys.shape[0], -1, -1), keys, keys, need_weights=False)[0]


def by_function(queries: Tensor, keys: Tensor, attention: nn.MultiheadAttention) -> Tensor:
    return F.scaled_dot_product_attention(queries.expand(keys.shape[0], -1, -1), keys, attention.out_proj(keys))


def written_out(queries: Tensor, keys: Tensor, attention: nn.MultiheadAttention) -> Tensor:
    return torch.softmax(torch.matmul(queries, keys.transpose(1, 2)), -1) @ attention.out_proj(keys)


class Pool(nn.Module):
    """Queries that were learned look at the tokens, which are normed for that."""

    def __init__(self, attends: Callable[[Tensor, Tensor, nn.MultiheadAttention], Tensor]) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.randn(1, 5, WIDTH))
        self.of_queries, self.of_keys = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.attention = nn.MultiheadAttention(WIDTH, 2, batch_first=True)
        self.attends = attends

    def forward(self, x: Tensor) -> Tensor:
        return self.attends(self.of_queries(self.queries), self.of_keys(x), self.attention)


class Coca(Former):
    """Pools first, and norms the queries' answers."""

    def __init__(self, attends: Callable[[Tensor, Tensor, nn.MultiheadAttention], Tensor]) -> None:
        super().__init__()
        self.pool = Pool(attends)
        self.out = nn.Linear(WIDTH, 4, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.last(self.pool(self.stream(x)))[:, 0])


class Holder(nn.Module):
    """A network inside another module, with a classifier of its own."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.model = inner
        self.out = nn.Linear(WIDTH, 7)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.model(x))


def made(build: Callable[[], nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    return lived_in(build()).eval().requires_grad_(False)


def read(model: nn.Module, *asked: tuple[str, str | None, str]) -> list[Tensor]:
    backbone = ModuleBackbone(model, size=SIZE)
    survey = backbone.survey()
    with torch.inference_mode():
        found: list[Tensor] = Extractor(backbone.load(0), [survey.tap(*of) for of in asked])(images(SIZE))
    return found


def survey_of(model: nn.Module) -> Survey:
    return ModuleBackbone(model, size=SIZE).survey()


def plain(call: Callable[[Tensor], Tensor]) -> Tensor:
    with torch.inference_mode():
        return call(images(SIZE))


# ---------------------------------------------------------------- the norm


@pytest.mark.parametrize("norm", [nn.LayerNorm, nn.RMSNorm, WrittenNorm, RootMeanSquare, FunctionNorm])
@pytest.mark.parametrize("held", [False, True])
def test_dinos_class_token_and_its_blocks(norm: Callable[[int], nn.Module], held: bool) -> None:
    inner = made(lambda: Dino(norm))
    assert isinstance(inner, Dino)
    model = made(lambda: Holder(inner)) if held else inner
    published = inner.features(images(SIZE))
    between = inner.stack[0](plain(lambda x: before_first(inner, x)))
    asked = [("embedding", None, "final"), ("block3", "cls", "final"), ("tokens", "mean", "final"),
             ("block1", "mean", "final"), ("block1", "cls", "none"), ("block3", "cls_mean", "none")]  # fmt: skip
    embedding, last, mean, first, raw, both = read(model, *asked)
    assert distance(embedding, published["x_norm_clstoken"]) < 1e-5
    assert distance(last, published["x_norm_clstoken"]) < 1e-5
    assert distance(mean, published["x_norm_patchtokens"].mean(1)) < 1e-5
    assert distance(first, inner.last(between)[:, 5:].mean(1)) < 1e-5
    assert distance(raw, between[:, 0]) < 1e-5
    stream = published["x_prenorm"]
    assert distance(both, torch.cat([stream[:, 0], stream[:, 5:].mean(1)], 1)) < 1e-5
    survey = survey_of(model)
    assert survey.norm is not None
    assert survey.norm.module == ("model.last" if held else "last")
    assert facts(survey)["Tokens"] == "1 class token, 4 registers, 16 patches (4 × 4)"


def before_first(model: Former, x: Tensor) -> Tensor:
    """What the first block reads."""
    stack, model.stack = model.stack, nn.ModuleList()
    try:
        return model.stream(x)
    finally:
        model.stack = stack


def test_a_norm_beside_which_the_raw_stream_is_given_out_is_the_final_one() -> None:
    survey = survey_of(made(Everything))
    assert survey.norm is not None
    assert survey.norm.module == "last"


def test_the_mean_of_normed_patches_stands_for_the_image_where_labels_taught_it() -> None:
    model = made(AveragedClassifier)
    assert isinstance(model, AveragedClassifier)
    expected = plain(lambda x: Averaged.forward(model, x))
    assert distance(read(model, ("embedding", None, "final"))[0], expected) < 1e-5
    untaught = made(Averaged)
    assert isinstance(untaught, Averaged)
    class_token = plain(lambda x: untaught.last(untaught.stream(x))[:, 0])
    assert distance(read(untaught, ("embedding", None, "final"))[0], class_token) < 1e-5


def test_what_is_normed_after_pooling_is_read_so_from_every_block() -> None:
    model = made(NormsLater)
    assert isinstance(model, NormsLater)
    stream = plain(model.stream)
    embedding, mean, first, both = read(
        model, ("embedding", None, "final"), ("block3", "mean", "final"), ("tokens", "cls", "final"),
        ("tokens", "cls_mean", "final"),
    )  # fmt: skip
    expected = model.last(stream[:, 1:].mean(1))
    assert distance(embedding, expected) < 1e-5
    assert distance(mean, expected) < 1e-5
    assert distance(first, model.last(stream[:, 0])) < 1e-5
    assert distance(both, torch.cat([model.last(stream[:, 0]), expected], 1)) < 1e-5
    survey = survey_of(model)
    assert survey.tap("embedding") == survey.tap("block3", "mean") == survey.tap("penultimate")  # stored once


def test_a_network_pools_by_attention_in_its_own_way() -> None:
    model = made(Asks)
    assert distance(read(model, ("embedding", None, "final"))[0], plain(model)) < 1e-5
    survey = survey_of(model)
    assert "logits" not in survey.taps
    assert recipe(survey, "embedding", survey.tap("embedding")).startswith("the output of the network")


def test_two_classifiers_of_two_tokens() -> None:
    model = made(Distilled)
    assert isinstance(model, Distilled)
    expected = plain(lambda x: model.last(model.stream(x))[:, :2].mean(1))
    assert distance(read(model, ("embedding", None, "final"))[0], expected) < 1e-5
    assert facts(survey_of(model))["Tokens"] == "1 class token, 1 distillation token, 16 patches (4 × 4)"


def test_a_stream_without_a_norm_is_read_as_it_is() -> None:
    model = made(PostNorm)
    assert isinstance(model, PostNorm)
    survey = survey_of(model)
    assert survey.norm is None
    assert facts(survey)["Final norm"] == "none"
    last = plain(lambda x: model.stream(x)[:, 0])
    for word in ("block3", "tokens"):
        assert distance(read(model, (word, "cls", "final"))[0], last) < 1e-5
    assert recipe(survey, "block3", survey.tap("block3", "cls")) == "the class token of stack.2, without a final norm"


def test_tokens_that_are_the_output_are_read_as_they_are() -> None:
    model = made(Raw)
    assert isinstance(model, Raw)
    survey = survey_of(model)
    assert survey.norm is None
    assert survey.tap("embedding") == survey.tap("tokens", "cls") == survey.tap("block3", "cls")
    assert distance(read(model, ("embedding", None, "final"))[0], plain(lambda x: model.stream(x)[:, 0])) < 1e-5


@pytest.mark.parametrize("attends", [by_module, by_function, written_out])
def test_a_norm_of_keys_alone_is_not_the_final_norm(
    attends: Callable[[Tensor, Tensor, nn.MultiheadAttention], Tensor],
) -> None:
    model = made(lambda: Coca(attends))
    assert isinstance(model, Coca)
    survey = survey_of(model)
    assert survey.norm is None
    embedding, tokens = read(model, ("embedding", None, "final"), ("tokens", "cls", "final"))
    assert distance(embedding, plain(lambda x: model.last(model.pool(model.stream(x)))[:, 0])) < 1e-5
    assert distance(tokens, plain(lambda x: model.stream(x)[:, 0])) < 1e-5


def test_torchvisions_encoder() -> None:
    torch.manual_seed(0)
    model = lived_in(VisionTransformer(SIZE, 8, 3, 2, WIDTH, 24, num_classes=5)).eval()
    heard: list[Tensor] = []
    model.encoder.register_forward_hook(lambda module, given, found: heard.append(found))
    found = read(model, *((word, "cls", "final") for word in ("embedding", "tokens", "block3")))
    plain(model)
    for rows in found:
        assert distance(rows, heard[-1][:, 0]) < 1e-5


def test_the_norm_counts_among_the_parameters_of_a_block() -> None:
    backbone = TorchvisionBackbone("vit_b_16", "untrained")
    survey, network = backbone.survey(), backbone.architecture()
    counts = [parameters_used(network, survey.tap("block3", "cls", norm)) for norm in ("none", "final")]
    assert counts[1] - counts[0] == 2 * 768


# ---------------------------------------------------------------- convolutional networks


@pytest.mark.parametrize(
    ("name", "features"),
    [
        ("resnet18", lambda m, x: m.avgpool(through(m, x, "conv1 bn1 relu maxpool layer1 layer2 layer3 layer4"))),
        ("squeezenet1_1", lambda m, x: m.features(x).mean((2, 3))),
        ("vgg11", lambda m, x: m.classifier[:5](m.avgpool(m.features(x)).flatten(1))),
        ("convnext_tiny", lambda m, x: m.classifier[:2](m.avgpool(m.features(x)))),
        ("mobilenet_v3_small", lambda m, x: m.classifier[:2](m.avgpool(m.features(x)).flatten(1))),
        pytest.param("densenet121", lambda m, x: F.relu(m.features(x)).mean((2, 3)), marks=pytest.mark.slow),
    ],
)
def test_the_embedding_of_a_convolutional_network(name: str, features: Callable[[nn.Module, Tensor], Tensor]) -> None:
    backbone = TorchvisionBackbone(name, "untrained")
    model = lived_in(backbone.load(0))
    with torch.inference_mode():
        expected = features(model, images(64)).flatten(1)
        (found,) = Extractor(model, [backbone.survey(64).tap("embedding")])(images(64))
    assert distance(found, expected) < 1e-5


def through(model: nn.Module, x: Tensor, names: str) -> Tensor:
    for name in names.split():
        x = model.get_submodule(name)(x)
    return x


def test_operations_on_parameters_alone_are_no_layers() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.map = nn.Conv2d(3, 4, 3), nn.Linear(4, 4)
            self.a, self.b = nn.Parameter(torch.randn(4, 4)), nn.Parameter(torch.randn(4, 2))

        def forward(self, images: Tensor) -> Tensor:
            x = self.conv(images).mean((2, 3)) * self.a[0].contiguous().view(1, -1)
            return x @ (self.map(self.a) @ self.b)

    survey = survey_of(made(Odd))
    assert survey.resolve("embedding").shape == (4,)


def test_of_several_maps_the_last_is_the_output() -> None:
    class Pyramid(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 4, 3, stride=2), nn.Conv2d(4, 6, 3, stride=2)

        def forward(self, images: Tensor) -> list[Tensor]:
            first = self.a(images)
            return [first, self.b(first)]

    assert survey_of(made(Pyramid)).taps == {
        "stage1": "a", "stage2": "b", "last_conv": "b", "embedding": "b", "penultimate": "b",
    }  # fmt: skip


def test_vectors_of_unlike_classifiers_stand_side_by_side() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 6, 5)
            self.x, self.y = nn.Linear(4, 2), nn.Linear(6, 2)

        def forward(self, images: Tensor) -> Tensor:
            return self.x(self.a(images).mean((2, 3))) + self.y(self.b(images).amax((2, 3)))

    model = made(Two)
    assert isinstance(model, Two)
    expected = plain(lambda x: torch.cat([model.a(x).mean((2, 3)), model.b(x).amax((2, 3))], 1))
    assert distance(read(model, ("embedding", None, "final"))[0], expected) < 1e-5


# ---------------------------------------------------------------- words


def test_layers_of_equal_rows_are_one() -> None:
    resnet, vit = (TorchvisionBackbone(name).survey() for name in ("resnet18", "vit_b_16"))
    assert resnet.tap("last_conv") == resnet.tap("embedding") == resnet.tap("penultimate", "max")
    assert vit.tap("block12", "cls") == vit.tap("tokens", "cls") == vit.tap("embedding") == vit.tap("penultimate")
    assert {vit.node_name(word, vit.tap(word, "cls")) for word in ("block12", "tokens", "embedding")} == {"encoder.ln"}
    assert vit.tap("block12", "cls", "none") != vit.tap("block12", "cls")
    assert vit.tap("logits", "max") == vit.tap("logits")


@pytest.mark.parametrize(
    ("name", "word", "asked", "said"),
    [
        ("resnet18", "last_conv", {}, "mean over the 7 × 7 cells of layer4"),
        ("resnet18", "stage3", {"pool": "max"}, "maximum over the 28 × 28 cells of layer2"),
        ("resnet18", "stage3", {"pool": "gem"}, "generalised mean (power 3) over the 28 × 28 cells of layer2"),
        ("resnet18", "stage3", {"pool": "flatten"}, "all of the 28 × 28 cells of layer2, one after the other"),
        ("vgg11", "penultimate", {}, "what the last weight layer reads (classifier.5)"),
        ("vgg11", "logits", {}, "the output of the network (classifier.6)"),
        ("vgg11", "classifier.0", {}, "the vector classifier.0"),
        ("vit_b_16", "embedding", {}, "the class token after the final norm (encoder.ln)"),
        ("vit_b_16", "block2", {"pool": "mean"}, "the mean of the 196 patch tokens of "
         "encoder.layers.encoder_layer_1, after the final norm (encoder.ln)"),
        ("vit_b_16", "block2", {"pool": "cls_mean", "norm": "none"}, "the class token beside the mean of the 196 patch "
         "tokens of encoder.layers.encoder_layer_1, before the final norm"),
    ],
)  # fmt: skip
def test_what_a_row_is_in_words(name: str, word: str, asked: dict[str, str], said: str) -> None:
    survey = TorchvisionBackbone(name).survey()
    assert recipe(survey, word, survey.tap(word, **asked)) == said


def test_what_does_nothing_is_told_in_one_line() -> None:
    resnet, vit = (TorchvisionBackbone(name).survey() for name in ("resnet18", "vit_b_16"))
    assert idle(vit, "embedding", None, "final") == idle(vit, "block3", "mean", "none") == []
    assert idle(vit, "logits", "max", "final") == [
        "layer.pool=max has no effect: layer=logits is one vector per image without a pool"
    ]
    assert len(idle(resnet, "embedding", "gem", "none")) == 2


def test_where_there_is_no_last_convolution_the_embedding_is_offered() -> None:
    with pytest.raises(ConfigError, match="no layer 'last_conv'") as told:
        survey_of(made(Dino)).tap("last_conv")
    assert told.value.fix.startswith("layer=embedding,")


def test_both_tokens_is_no_pool_that_can_be_asked_for() -> None:
    with pytest.raises(ConfigError, match="median"):
        survey_of(made(Dino)).tap("tokens", "median")
    with pytest.raises(ConfigError, match="needs a class token"):
        Tap(survey_of(made(NoFirst)).resolve("tokens"), "cls_mean")


class NoFirst(Former):
    def forward(self, x: Tensor) -> Tensor:
        x = self.cut(x).flatten(2).transpose(1, 2) + self.places[:, 1:]
        for layer in self.stack:
            x = layer(x)
        return self.last(x).mean(1)


def test_a_network_of_torchvision_is_read_alike_by_name_and_as_a_module() -> None:
    torch.manual_seed(0)
    module = torchvision.models.swin_t()
    mine, theirs = ModuleBackbone(module).survey(), TorchvisionBackbone("swin_t").survey()
    assert mine.taps == theirs.taps
    assert mine.readings == theirs.readings


class OneEncoder(nn.Module):
    """A transformer of torch's own encoder."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 64, 16, 16)
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(64, 4, batch_first=True), 2)
        self.norm = nn.LayerNorm(64)
        self.head = nn.Linear(64, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.encoder(self.patches(x).flatten(2).transpose(1, 2))).mean(1))


def test_blocks_of_torchs_own_encoder_are_those_of_a_transformer() -> None:
    module = lived_in(OneEncoder()).eval()
    survey = ModuleBackbone(module, name="mine", size=64).survey()
    assert list(survey.taps) == ["block1", "block2", "tokens", "embedding", "penultimate", "logits"]
    seen = images(64)
    with torch.inference_mode():
        tokens = module.patches(seen).flatten(2).transpose(1, 2)
        first = module.norm(module.encoder.layers[0](tokens)).mean(1)
        last = module.norm(module.encoder(tokens)).mean(1)
        rows = Extractor(module, [survey.tap("block1", "mean"), survey.tap("tokens"), survey.tap("embedding")])(seen)
    for found, expected in zip(rows, (first, last, last), strict=True):
        assert distance(found, expected) < 1e-5


def test_the_patches_of_a_transformer_are_no_last_convolution() -> None:
    survey = ModuleBackbone(OneEncoder(), name="mine", size=64).survey()
    assert not {"stage1", "last_conv"} & set(survey.taps)
    with pytest.raises(ConfigError) as told:
        survey.tap("last_conv")
    assert "layer=embedding" in told.value.fix


@pytest.mark.parametrize(("word", "idle_there"), [("tokens", True), ("embedding", True), ("block12", False)])
def test_a_norm_that_changes_no_row_is_said_to_do_nothing(word: str, idle_there: bool) -> None:
    survey = TorchvisionBackbone("vit_b_16", "untrained").survey()
    assert bool(idle(survey, word, None, "none")) == idle_there
