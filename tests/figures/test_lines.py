"""Lines keep within the width that they are given, and say all that they were given."""

from __future__ import annotations

import pytest

from frostmark.figures.lines import height_of, plain, shown, width_of, wrapped

TEXTS = (
    "squeezenet1_0 (imagenet.pth) · last_conv · fashion_mnist · t-SNE · test", "x" * 300, "", "a", "price in $ & <b>",
    "vit_base_patch16_224.augreg_in21k_ft_in1k/and/a/file/of/weights.safetensors · block11",
)  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("inches", [0.5, 2.0, 9.0])
def test_no_line_is_wider_than_its_room_and_no_letter_is_lost(text: str, inches: float) -> None:
    lines = wrapped(text, inches, 9.5, bold=True)
    assert max(width_of(line, 9.5, bold=True) for line in lines.split("\n")) <= inches
    assert lines.replace("\n", "").replace(" ", "") == text.replace(" ", "")


def test_a_long_word_is_broken_behind_a_mark() -> None:
    assert wrapped("n02123045_tabby_cat", width_of("n02123045_tabby_c", 9), 9).split("\n") == [
        "n02123045_tabby_",
        "cat",
    ]


def test_own_line_ends_stay_and_each_line_has_its_height() -> None:
    assert wrapped("one\n\ntwo", 5, 9) == "one\n\ntwo"
    assert height_of("one\ntwo", 9) == pytest.approx(2 * height_of("one", 9))
    assert height_of("", 9) == 0


def test_names_are_cut_and_harmless() -> None:
    assert shown("x" * 30, 10) == "x" * 9 + "…"
    assert plain("$x_1$\x1b[31m") == r"\$x_1\$\x1b[31m"
