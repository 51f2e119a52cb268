"""The notebook of first steps runs from its first to its last cell, and shows what its text promises."""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbclient import NotebookClient

from support.environment import REPOSITORY

NOTEBOOK = REPOSITORY / "docs" / "first_steps.ipynb"


def shown(notebook: nbformat.NotebookNode) -> list[str]:
    """What the cells show: the lines of their text, and the kinds of data."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    text = "".join(output.text for output in outputs if output.output_type == "stream" and output.name == "stdout")
    return text.splitlines() + [kind for output in outputs for kind in output.get("data", {})]


def test_the_notebook_runs_offline(tmp_path: Path) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    kept = shown(notebook)
    NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(tmp_path)}}).execute()
    now = shown(notebook)
    for start in (
        "Linear read-out of squeezenet1_0 · last_conv: ",
        "No significant difference between",
        "train (1297, 512)",
    ):
        assert [sum(part.startswith(start) for part in parts) for parts in (kept, now)] == [1, 1]
    assert "image/png" in now
    assert len(kept) == len(now)


def test_the_notebook_names_no_place_of_the_machine_that_ran_it() -> None:
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert str(Path.home()) not in text
    assert "/tmp/" not in text
