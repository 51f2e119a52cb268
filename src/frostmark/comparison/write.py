"""A comparison as files.

write(comparison, Path("results"))              # comparison.{csv,png,html,md}, depth.{png,svg}
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from frostmark.comparison import pictures
from frostmark.comparison.comparison import Comparison
from frostmark.comparison.sections import comparison_html
from frostmark.comparison.tables import all_runs
from frostmark.figures.files import save, save_vector
from frostmark.results.tables import write_csv


def write(comparison: Comparison, folder: Path, ending: str = "") -> list[Path]:
    """Write a comparison into ``folder``; the same comparison gives the same bytes.

    Args:
        ending: of the files' names before their suffix: ``_2`` gives ``comparison_2.html``.

    Returns:
        the files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = [write_csv(folder / f"comparison{ending}.csv", all_runs(comparison.group))]
    curves = pictures.depth_curves(comparison, f"accuracy by depth · {comparison.group.dataset}")
    if curves is not None:
        files += [save(curves, folder / f"depth{ending}.png"), save_vector(curves, folder / f"depth{ending}.svg")]
    files.append(save(pictures.overview(comparison), folder / f"comparison{ending}.png"))
    files.append(_write_text(folder / f"comparison{ending}.html", comparison_html(comparison)))
    # Links into MLflow's pages lead somewhere in MLflow alone, which is given the text with them.
    alone = replace(comparison, about=replace(comparison.about, links={}))
    files.append(_write_text(folder / f"comparison{ending}.md", alone.markdown))
    return files


def _write_text(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path
