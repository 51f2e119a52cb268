"""What a notebook shows: names are text, empty columns are left out."""

from __future__ import annotations

from frostmark.results.notebook import notebook_html


def test_names_are_text_wherever_they_stand() -> None:
    hostile = "<b onclick=x>&\x1b[31m"
    html = notebook_html(hostile, [hostile], ([hostile, "n"], [[hostile, "1"]]), [hostile])
    assert html.count("&lt;b onclick=x&gt;&amp;\\x1b[31m") == 5
    assert "<b onclick" not in html


def test_columns_without_a_value_and_tables_without_lines_are_left_out() -> None:
    html = notebook_html("t", [], (["metric", "chance", "test"], [["a", "", "1"], ["b", "", ""]]), [])
    assert "chance" not in html
    assert html.count("<th>") == 2
    assert html.count("<td") == 4
    assert "<table>" not in notebook_html("t", ["said"], (["metric"], []), [])
