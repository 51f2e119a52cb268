"""NLEEP: by hand, and against the whole procedure written down."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from frostmark.metrics.nleep import NLEEP_IMAGES, mixture_posterior, nleep, refusal
from frostmark.metrics.spectrum import Spectrum
from frostmark.stats.sampling import seeded
from support.transfer_cases import blobs, scores

Array = np.ndarray[Any, Any]
LN_2PI = np.log(2 * np.pi)


def test_nleep_by_hand() -> None:
    labels = np.array([0, 0, 1, 1])
    assert nleep(np.eye(2)[labels], labels) == 0  # the mixture tells the class
    assert nleep(np.full((4, 3), 1 / 3), labels) == pytest.approx(np.log(1 / 2))  # it tells nothing
    # P(y = 0 | v) = 3/4 and 0: rows of class 0 expect 3/4; of class 1, one 1/4 and one 1.
    assert nleep(np.eye(2)[[0, 0, 0, 0, 1]], np.array([0, 0, 0, 1, 1])) == pytest.approx(
        (3 * np.log(3 / 4) + np.log(1 / 4)) / 5
    )
    assert nleep(np.eye(3)[labels], labels) == 0  # a Gaussian that nobody is of


def test_nleep_against_the_whole_procedure_written_down() -> None:
    from sklearn.decomposition import PCA
    from sklearn.mixture import GaussianMixture

    rows, labels = blobs(300, 12, 3, apart=0.7)
    rows = rows.astype(np.float32)
    points = PCA(0.8, svd_solver="full").fit_transform(rows.astype(float))
    assert 2 < points.shape[1] < 12
    starts = []
    for start in ("0", "1", "2"):
        rng = np.random.RandomState(seeded(0, "0", "", "test", "gmm", start).bit_generator)
        # The one thing in the mixture that has a unit: what is added to the diagonal of each covariance.
        mixture = GaussianMixture(15, random_state=rng, reg_covar=1e-6 * points.var(0).mean()).fit(points)
        posterior, logs = mixture.predict_proba(points), []
        for i in range(300):
            expected = 0.0
            for v in range(15):
                of_label = posterior[labels == labels[i], v].sum() / posterior[:, v].sum()
                expected += of_label * posterior[i, v]
            logs.append(np.log(expected))
        starts.append(np.mean(logs))
    values = scores(rows, labels, nleep=True).values
    # Rounding that k-means and some dozens of EM steps carry on.
    assert values["test/transfer/nleep"] == pytest.approx(np.mean(starts), abs=1e-6)
    assert values["test/transfer/nleep_std"] == pytest.approx(np.std(starts, ddof=1), abs=1e-6)
    assert np.mean(starts) > -0.9  # labels are told better than by guessing, at −ln 3


def test_many_images_are_sampled_and_too_many_gaussians_are_not_fitted() -> None:
    rows, labels = blobs(2400, 6, 3)
    found = scores(rows, labels, nleep=True).values
    assert found["test/transfer/nleep_images"] == NLEEP_IMAGES
    assert "test/transfer/nleep_images" not in scores(rows[:900], labels[:900], nleep=True).values
    spectrum = Spectrum.of(np.random.default_rng(0).standard_normal((3000, 400)).astype(np.float32))
    assert refusal(spectrum, 60) == "300 Gaussians of 268 dimensions take too long to fit"
    assert refusal(spectrum, 61) == "3000 rows are fewer than 10 for each of 305 Gaussians"


def test_nleep_knows_no_scale_and_no_names() -> None:
    rows, labels = blobs(300, 6, 3)
    points = Spectrum.of(rows).coordinates(6)
    posterior = mixture_posterior(points, 15, np.random.RandomState(0))
    # A power of two, so that not even rounding differs: nothing in the procedure has a unit.
    assert np.array_equal(mixture_posterior(points * 2.0**-20, 15, np.random.RandomState(0)), posterior)
    assert nleep(posterior, 2 - labels) == pytest.approx(nleep(posterior, labels), rel=1e-13)


def test_a_mixture_of_few_distinct_points_is_no_cause_for_alarm() -> None:
    points = np.random.default_rng(0).standard_normal((8, 3))[np.arange(200) % 8]  # k-means warns of 15 clusters
    posterior = mixture_posterior(points, 15, np.random.RandomState(0))
    labels = np.arange(200) % 8 // 4
    assert nleep(posterior, labels) == pytest.approx(0, abs=1e-6)
