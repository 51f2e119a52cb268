"""Reducers that need a package of their own: what is said without it, and TorchDR's t-SNE."""

from __future__ import annotations

import importlib.util
import random

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.manifold import trustworthiness

from frostmark.errors import ConfigError
from frostmark.reducers.pacmap import PaCMAP
from frostmark.reducers.reducer import Points, Reducer
from frostmark.reducers.tsne_gpu import GpuTSNE

ROWS = load_digits().data.astype(np.float32)[:200]


@pytest.mark.parametrize(("reducer", "extra"), [(PaCMAP, "pacmap"), (GpuTSNE, "gpu")])
def test_a_missing_package_is_said_at_once_with_the_line_that_installs_it(
    reducer: type[Reducer], extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="needs the package") as told:
        reducer()
    assert told.value.fix == f"pip install 'frostmark[{extra}]'"


@pytest.mark.slow  # half a minute where there is no GPU
def test_torchdr_keeps_neighbours_repeats_itself_and_leaves_no_trace() -> None:
    pytest.importorskip("torchdr", reason="pip install 'frostmark[gpu]'")
    states = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()
    with torch.inference_mode():  # where Lightning calls it
        first, second = (GpuTSNE(max_iter=500).fit(Points.alone(ROWS), 0, lambda text: None) for _ in range(2))
    assert first.transform is None
    assert trustworthiness(ROWS, first.coordinates, n_neighbors=10) > 0.95
    if not torch.cuda.is_available():  # there some sums have no fixed order
        assert np.array_equal(first.coordinates, second.coordinates)
    assert random.getstate() == states[0]
    assert np.array_equal(np.random.get_state()[1], states[1])
    assert torch.equal(torch.get_rng_state(), states[2])
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["four rows", "twins", "one direction"])
def test_torchdr_maps_degenerate_rows(kind: str) -> None:
    pytest.importorskip("torchdr", reason="pip install 'frostmark[gpu]'")
    rng = np.random.default_rng(0)
    rows = {
        "four rows": rng.standard_normal((4, 5)),
        "twins": np.repeat(rng.standard_normal((3, 5)), 20, axis=0),
        "one direction": rng.uniform(1, 2, (30, 1)) * rng.standard_normal(5),
    }[kind].astype(np.float32)
    coordinates = GpuTSNE(max_iter=260).fit(Points.alone(rows), 0, lambda text: None).coordinates
    assert coordinates.shape == (len(rows), 2)
    assert np.isfinite(coordinates).all()
