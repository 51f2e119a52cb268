"""The spectrum of rows: what the shorter way of permuted labels gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from frostmark.metrics import spectrum as spectra
from frostmark.metrics.spectrum import Spectrum
from frostmark.stats.permutation import Permutations
from support.transfer_cases import blobs

Array = np.ndarray[Any, Any]
LN_2PI = np.log(2 * np.pi)


@pytest.mark.parametrize("held", [0, 1 << 27])  # the rows are read again for all labels, or copied once
@pytest.mark.parametrize("classes", [2, 8])  # fewer, more class sums than rows: which of them is turned
def test_rough_targets_are_the_targets(classes: int, held: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spectra, "MAX_HELD", held)
    monkeypatch.setattr(spectra, "_CACHED", 12)
    rows, labels = blobs(100, 12, classes, apart=0.4)
    spectrum = Spectrum.of(rows.astype(np.float32))
    targets = spectrum.roughly(classes, 20)
    assert (len(rows) < 20 * classes) == (classes == 8)
    for shuffled in Permutations(labels, 20, ("a",)):
        np.testing.assert_allclose(targets(shuffled), spectrum.targets(shuffled, classes), rtol=0, atol=1e-5)
