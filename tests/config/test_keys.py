"""The keys among which a misspelt one is looked for are those of what is chosen, then those of all choices."""

from __future__ import annotations

from frostmark.config.keys import keys_of_choices, keys_with


def test_keys_are_those_of_what_the_words_choose() -> None:
    assert "dataset.on_bad_image" not in keys_with([])
    for words in (["dataset=folder", "dataset.shuffle=1"], ["dataset=./photos"], ["-m", "dataset=folder,digits"]):
        keys = keys_with(words)
        assert {"dataset.on_bad_image", "dataset.limit.train", "seed"} <= {*keys}
        assert "dataset.dataset" not in keys
        assert not any("_target_" in key for key in keys)


def test_words_that_choose_nothing_leave_the_usual_keys() -> None:
    assert keys_with(["dataset=nosuch", "a", "dataset=x,./y"]) == keys_with([])


def test_keys_of_choices_that_are_not_chosen_are_known() -> None:
    assert {"dataset.on_bad_image", "reducer.perplexity", "backbone.file"} <= {*keys_of_choices()}
    assert not any("_target_" in key for key in keys_of_choices())
