"""What a notebook shows of a result or a comparison: a few sentences and a table, as a piece of HTML.

html = notebook_html("resnet18 · last_conv · digits", ["A sentence."], (["metric", "test"], [["rankme", "29.3"]]), [])

Names are text, never markup, and nothing outside the piece is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence

from frostmark.names import visible

Grid = tuple[Sequence[str], Sequence[Sequence[str]]]
"""Head and lines of a table, all text."""

_PIECE = """\
<div class="frostmark">
<p><b>{{ title }}</b></p>
{% for sentence in sentences %}
<p>{{ sentence }}</p>
{% endfor %}
{% if lines %}
<table>
<thead><tr>{% for cell in head %}<th>{{ cell }}</th>{% endfor %}</tr></thead>
<tbody>
{% for line in lines %}
<tr>{% for cell in line %}<td{% if loop.first %} style="text-align: left"{% endif %}>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}
</tbody>
</table>
{% endif %}
{% for note in notes %}
<p><small>{{ note }}</small></p>
{% endfor %}
</div>
"""


def notebook_html(title: str, sentences: Sequence[str], grid: Grid, notes: Sequence[str]) -> str:
    """A piece of HTML of a few kilobytes.

    Args:
        sentences: below the title.
        grid: the table; columns without any value are left out, and so is a table without lines.
        notes: below the table, in small type.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    head, lines = grid
    told = [n for n in range(len(head)) if any(line[n] for line in lines)]
    return environment.from_string(_PIECE).render(
        title=visible(title),
        sentences=[visible(sentence) for sentence in sentences],
        head=[visible(head[n]) for n in told],
        lines=[[visible(line[n]) for n in told] for line in lines],
        notes=[visible(note) for note in notes],
    )
