"""How well labels can be told from the features, as a forecast of what transfer learning would reach.

    spectrum = Spectrum.of(rows)             # once: labels do not change it
    logme(spectrum, labels)                  # log evidence a row of a Bayesian linear model
    h_score_shrunk(spectrum, labels)         # Pillai's trace, the covariance shrunk
    gbc(*spherical(spectrum.coordinates(64), labels))

A bare value means little: its level moves with N, D and C. So each comes with the values that permuted labels give, its
chance level and its p. For all of them higher is better. There are no bootstrap intervals: resampling duplicates rows,
which lets a linear model tell them by heart and inflates the evidence.

Notation: X the rows (N, D) less their mean, X = U S Vᵀ of rank k, s_i = S_i² the eigenvalues of XᵀX; y_c the 0/1 target
of class c with n_c rows; z_c = Uᵀy_c. Only z_c depends on the labels, and U is never formed where N ≥ D: z_c is the sum
of the class's centred rows times V/√s.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray
from scipy.spatial.distance import pdist, squareform

from frostmark.metrics.metric import ONE_CLASS, Scores, Split, Splits, Undefined, Value
from frostmark.stats.moments import Array, ClassMoments, Float, squared_distances
from frostmark.stats.permutation import Permutations, class_sums, in_threads
from frostmark.stats.sampling import seeded
from frostmark.stats.scatter import total_scatter

GBC_COMPONENTS = 64
"""Principal components that GBC sees, as in its paper."""

NLEEP_ENERGY = 0.8
"""Share of the variance in the principal components that NLEEP sees."""

NLEEP_COMPONENTS = 5
"""Gaussians of NLEEP's mixture a class."""

NLEEP_ROWS = 10
"""Rows a Gaussian must have on average: with fewer it fits single images, whose label it then seems to tell."""

EQUAL_ROWS = "all rows are equal"
FLAT_CLASS = "a class has no spread: one image only, or copies of one"

_FLAT = 1e-20
"""A class whose variance is this share of the total has none: rounding of float64 leaves less."""

_CELLS = 1 << 22
"""Numbers of one block of rows in float64: bounds the memory."""

_NODES = chebyshev.chebpts1(17)
"""Where f is known between the neighbours of a grid point of ln λ, one away: its nearest poles, ±πi from the real axis,
leave the polynomial through so many points an error of (π + √(π² + 1))⁻¹⁷ = 2e-14 of its terms."""

_LATTICE = np.linspace(-1, 1, 33)
"""Where the maximum of the polynomial is looked for."""

_NEWTON_STEPS = 3
"""From a thirty-second of a unit away: what is left of the error enters squared."""


@dataclass(frozen=True)
class Spectrum:
    """Centred rows X = U S Vᵀ: all that the labels do not change.

    From the eigenvectors of XᵀX, or of XXᵀ if there are fewer rows than features, in float64. Eigenvalues up to
    max(N, D) · 2.2e-16 of the largest count as zero: constant features, and those that others determine.

    Attributes:
        source: (N, w) what the sums over classes are taken of: the rows; U if N < D.
        centre: (w,) what is taken off it.
        axes: (w, k) V/√s, which turns class sums into Uᵀy; None where ``source`` is U.
        values: (k,) the s_i, descending.
        width: D.
        quartic: Σ_i ‖x_i‖⁴ of the centred rows.
    """

    source: Array
    centre: Float
    axes: Float | None
    values: Float
    width: int
    quartic: float

    @classmethod
    def of(cls, rows: Array, scatter: Float | None = None) -> Spectrum:
        """Spectrum of ``rows`` (N, D); ``scatter`` is their total scatter (D, D), where it is at hand."""
        n, d = rows.shape
        centre = rows.mean(0, dtype=np.float64)
        if n < d:
            gram = _gram_of_rows(rows, centre)
        elif scatter is None:
            gram = total_scatter(rows)
        else:
            gram = scatter
        values, vectors = np.linalg.eigh(gram)
        # The second bound: what rounding leaves of rows that are equal, as in ClassMoments.no_spread.
        zero = max(values[-1] * max(n, d) * np.finfo(float).eps, 1e-26 * n * float(centre @ centre))
        kept = np.flatnonzero(values > zero)[::-1]
        values, vectors = values[kept], vectors[:, kept]
        quartic = sum(float((_squares(rows[p] - centre) ** 2).sum()) for p in _blocks(n, d))
        if n < d:
            return cls(vectors, np.zeros(len(kept)), None, values, d, quartic)
        return cls(rows, centre, vectors / np.sqrt(values), values, d, quartic)

    @property
    def rows(self) -> int:
        """N."""
        return len(self.source)

    @property
    def rank(self) -> int:
        """The number k of axes along which the rows vary."""
        return len(self.values)

    @cached_property
    def shrinkage(self) -> float:
        """Ledoit & Wolf's (2004) weight α of the identity in (1 − α) cov(x) + α tr(cov(x))/D · 1, between 0 and 1.

        Their Σ‖x xᵀ − cov‖² needs but Σ‖x‖⁴ and the eigenvalues: no second pass, and no D×D product as in
        scikit-learn, whose coefficient this is. 0 where the covariance is a multiple of the identity anyway.
        """
        n, d = self.rows, self.width
        mean, squares = self.values.sum() / (n * d), (self.values**2).sum() / n**2
        distance = squares / d - mean**2
        noise = (self.quartic / n - squares) / (n * d)
        return float(np.clip(noise / distance, 0, 1)) if distance > 1e-12 * mean**2 else 0.0

    def targets(self, labels: NDArray[np.int64], classes: int) -> Float:
        """(C, k) z_c = Uᵀy_c of every class, in float64."""
        sums = np.zeros((classes, len(self.centre)))
        for part in _blocks(self.rows, len(self.centre)):
            sums += class_sums(self.source[part] - self.centre, labels[part], classes)
        return sums if self.axes is None else sums @ self.axes

    def roughly(self, classes: int, times: int) -> Callable[[NDArray[np.int64]], Float]:
        """:meth:`targets` in float32, for as many ``times`` labels (N,) of so many ``classes``.

        A null does not notice. One copy of the rows, and then a pass over it every time.
        """
        axes = None if self.axes is None else self.axes.astype(np.float32)
        # Turned into U at once where that is less work than turning the sums every time.
        before = axes if self.rows < times * classes else None
        after = axes if before is None else None
        rows = np.empty((self.rows, len(self.centre) if before is None else self.rank), np.float32)
        for part in _blocks(self.rows, len(self.centre)):
            rows[part] = _turned((self.source[part] - self.centre).astype(np.float32), before)
        return lambda labels: _turned(class_sums(rows, labels, classes), after).astype(np.float64)

    def coordinates(self, components: int) -> Float:
        """(N, m) the rows in their first ``components`` principal axes, or as many as there are.

        From the full decomposition, nothing randomised.
        """
        root = np.sqrt(self.values[:components])
        if self.axes is None:
            return np.asarray(self.source[:, :components] * root)
        turn = self.axes[:, :components] * root
        return np.concatenate([(self.source[p] - self.centre) @ turn for p in _blocks(self.rows, self.width)])

    def energy(self, share: float) -> int:
        """How many of the first principal axes hold ``share`` of the variance."""
        held = np.cumsum(self.values) / self.values.sum()
        return int(np.searchsorted(held, share) + 1)


def _turned(x: Array, axes: Array | None) -> Array:
    return x if axes is None else np.asarray(x @ axes)


def _blocks(rows: int, width: int, cells: int = _CELLS) -> Iterator[slice]:
    step = max(1, cells // max(width, 1))
    return (slice(start, start + step) for start in range(0, rows, step))


def _squares(x: Float) -> Float:
    """(N,) squared lengths."""
    return np.asarray(np.einsum("nd,nd->n", x, x))


def _gram_of_rows(rows: Array, centre: Float) -> Float:
    """XXᵀ (N, N)."""
    gram = np.zeros((len(rows), len(rows)))
    for part in _blocks(len(centre), len(rows)):
        x = rows[:, part] - centre[part]
        gram += x @ x.T
    return gram


@dataclass(frozen=True)
class Evidence:
    """The log evidence of y = Xw + noise, w ~ N(0, 1/α), noise ~ N(0, 1/β), at its maximum over α and β.

    With λ = α/β the maximum over β is at β = N/R, and what is left depends on λ alone:

        f(λ) = ½ Σ_i ln(λ/(λ + s_i)) + N/2 ln(N/R(λ)) − N/2 − N/2 ln 2π,   R(λ) = ‖y‖² − Σ_i z_i² s_i/(λ + s_i)

    A zero eigenvalue adds ln(λ/λ) = 0: so much for the (D − k) ln α that belongs into ln|A|.

    Attributes:
        values: (k,) the s_i, descending.
        rows: N.
    """

    values: Float
    rows: int

    def maximum(self, squares: Float, length: Float) -> Float:
        """(M,) the supremum of f over λ > 0 for each of M targets.

        The best point of a grid of ln λ, then the maximum of a polynomial between that point's neighbours; or the limit
        λ → ∞ (weights that are zero) where that is higher.

        Args:
            squares: (M, k) the z_i².
            length: (M,) ‖y‖².
        """
        height = self._heights(self.grid, squares, length)
        best = np.maximum(self._height(0.0, length, length), height.max(1))
        tops = np.clip(height.argmax(1), 1, len(self.grid) - 2)
        for top in np.unique(tops):  # few: what the targets have in common decides
            mine = np.flatnonzero(tops == top)
            between = self._heights(self.grid[top] + _NODES, squares[mine], length[mine])
            best[mine] = np.maximum(best[mine], _highest(between))
        return np.asarray(best)

    @cached_property
    def grid(self) -> Float:
        """(G,) ln λ, in steps of one, which resolve f: each of its terms changes over four.

        Below, f rises: f′ > 0 up to λ = s_k k/N² at least, as R ≥ ‖y‖⁴/N. Above, f is flat to 1e-12 a row.
        """
        low = np.log(self.values[-1] * len(self.values) / self.rows**2) - 1
        return np.arange(low, np.log(self.values[0]) + 16)

    def _heights(self, points: Float, squares: Float, length: Float) -> Float:
        """(M, G) f at the same ``points`` ln λ (G,) for all targets: one product."""
        ratio = self.values[:, None] / np.exp(points)  # (k, G)
        explained = squares @ (ratio / (1 + ratio))
        return self._height(-0.5 * np.log1p(ratio).sum(0), length[:, None] - explained, length[:, None])

    def _height(self, volume: Float | float, residual: Float, length: Float) -> Float:
        n = self.rows
        # Centred rows never explain the part of y along (1, …, 1): R ≥ ‖y‖⁴/N, whatever rounding says.
        residual = np.maximum(residual, length**2 / n)
        return np.asarray(volume + n / 2 * (np.log(n / residual) - 1 - np.log(2 * np.pi)))


def _highest(values: Float) -> Float:
    """(M,) the maxima between −1 and 1 of the polynomials that have ``values`` (M, 17) at the nodes."""
    polynomial = np.linalg.solve(chebyshev.chebvander(_NODES, len(_NODES) - 1), values.T)  # (17, M)
    slope, bend = chebyshev.chebder(polynomial), chebyshev.chebder(polynomial, 2)
    on_lattice = chebyshev.chebvander(_LATTICE, len(_NODES) - 1) @ polynomial
    start = _LATTICE[on_lattice.argmax(0)]
    step = _LATTICE[1] - _LATTICE[0]
    low, high = np.maximum(start - step, -1), np.minimum(start + step, 1)
    x = start
    for _ in range(_NEWTON_STEPS):
        down, curve = chebyshev.chebval(x, slope, tensor=False), chebyshev.chebval(x, bend, tensor=False)
        x = np.clip(x - np.divide(down, curve, out=np.zeros_like(x), where=curve < 0), low, high)
    return np.asarray(np.maximum(on_lattice.max(0), chebyshev.chebval(x, polynomial, tensor=False)))


def logme(spectrum: Spectrum, labels: NDArray[np.int64]) -> float:
    """Log evidence a row of a Bayesian linear model of each class's 0/1 target, mean over the classes that have rows.

    You et al., arXiv 2102.11005, at the exact maximum over α and β (:class:`Evidence`). Rows are centred, targets are
    not: the value is that of rows without a common offset. In nats. Free of scale and rotation. The code that is
    widely copied drops (D − k) ln α and reports +21.3 where the truth is −0.54 (N = 60, D = 400).
    """
    z, count = _targets(spectrum, labels)
    return _logme(Evidence(spectrum.values, spectrum.rows), z, count)


def h_score(spectrum: Spectrum, labels: NDArray[np.int64]) -> float:
    """tr(cov(x)⁺ cov(E[x|y])), Pillai's trace: at most C − 1, by chance (C − 1) k/(N − 1), exactly.

    Bao et al., ICIP 2019. The pseudo-inverse leaves out the axes that :class:`Spectrum` does. With as many axes as
    centred rows can have (k = N − 1) it is C − 1 for *any* labels, and says nothing.
    """
    z, count = _targets(spectrum, labels)
    return float(_explained(z, count).sum())


def h_score_shrunk(spectrum: Spectrum, labels: NDArray[np.int64]) -> float:
    """tr(cov_α(x)⁻¹ (1 − α) cov(E[x|y])) with Ledoit–Wolf's cov_α = (1 − α) cov(x) + α tr(cov(x))/D · 1; at most C − 1.

    Ibrahim et al., arXiv 2110.06893. The factor 1 − α is theirs and is kept: then the between-class part is never more
    than (1 − α) cov(x) ≤ cov_α(x), which bounds the value by C − 1 and makes it 0 at α = 1. The code in circulation
    divides cov_α by N and the other by N − 1; here N divides both. Where D ≫ N it too comes close to C − 1 for
    any labels (0.92 of 1 for noise at N = 20, D = 2000): read it against its chance level.
    """
    z, count = _targets(spectrum, labels)
    return float(_explained(z, count) @ _shrunk(spectrum))


def _targets(spectrum: Spectrum, labels: NDArray[np.int64]) -> tuple[Float, NDArray[np.int64]]:
    _, own, count = np.unique(labels, return_inverse=True, return_counts=True)
    return spectrum.targets(own, len(count)), count


def _logme(evidence: Evidence, z: Float, count: NDArray[np.int64]) -> float:
    return float(evidence.maximum(z**2, count.astype(float)).mean()) / evidence.rows


def _explained(z: Float, count: NDArray[np.int64]) -> Float:
    """(k,) share of the variance along each axis that the class means explain."""
    return np.asarray((1 / count) @ z**2)


def _shrunk(spectrum: Spectrum) -> Float:
    """(k,) what each axis counts for after shrinkage: (1 − α) s/((1 − α) s + α s̄), s̄ the mean over all D."""
    alpha = spectrum.shrinkage
    kept = (1 - alpha) * spectrum.values
    return np.asarray(kept / (kept + alpha * spectrum.values.sum() / spectrum.width))


def spherical(points: Float, labels: NDArray[np.int64]) -> tuple[Float, Float]:
    """Means (C, d) and variances a dimension (C,), divided by n, of the classes of ``points`` (N, d)."""
    _, own = np.unique(labels, return_inverse=True)
    moments = ClassMoments.of(points, own, int(own.max()) + 1)
    return moments.mean, moments.variance / points.shape[1]


def gbc(means: Float, variances: Float, squared: Float | None = None) -> float:
    """−Σ exp(−D_B(i, j)) over ordered pairs i ≠ j of spherical Gaussians: the overlap of the classes, at most 0.

    Pándy et al., arXiv 2111.12780, on min(64, k) principal components. With σ̄² = (σ_i² + σ_j²)/2 in d dimensions

        D_B = ‖μ_i − μ_j‖²/(8 σ̄²) + d/2 ln(σ̄²/(σ_i σ_j))

    The released code has 1/2 in place of d/2: a variance that is one number is no longer summed over d dimensions.

    Args:
        means: (C, d).
        variances: (C,) σ² a dimension, positive.
        squared: (C, C) squared distances of the means, where they are at hand.
    """
    squared = squareform(pdist(means, "sqeuclidean")) if squared is None else squared
    pooled, root = (variances[:, None] + variances) / 2, np.log(variances) / 2
    distance = squared / (8 * pooled) + means.shape[1] / 2 * (np.log(pooled) - root[:, None] - root)
    np.fill_diagonal(distance, np.inf)
    return -float(np.exp(-distance).sum())


def mixture_posterior(points: Float, components: int, rng: np.random.RandomState) -> Float:
    """(N, V) probability of each of V Gaussians given each of ``points`` (N, d).

    scikit-learn's mixture of full covariances, on points of unit variance a dimension on average: what it adds to the
    covariances (1e-6) is then the same for every scale.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    unit = points / np.sqrt(points.var(0).mean())
    with warnings.catch_warnings():
        # Where 100 steps do not settle it, the mixture after 100 steps is the one that is meant.
        warnings.simplefilter("ignore", ConvergenceWarning)
        mixture = GaussianMixture(components, random_state=rng).fit(unit)
    return np.asarray(mixture.predict_proba(unit))


def nleep(posterior: Float, labels: NDArray[np.int64]) -> float:
    """Mean log of the expected empirical prediction: Σ_v P(y|v) P(v|x) at each row's own label. In nats, at most 0.

    Li et al., arXiv 2011.11200, with P(y, v) the mean of P(v|x) over the rows with label y.

    Args:
        posterior: (N, V) P(v|x) of a mixture that knows no labels.
        labels: (N,).
    """
    present, own = np.unique(labels, return_inverse=True)
    joint = class_sums(posterior, own, len(present))
    total = joint.sum(0)
    given = np.divide(joint, total, out=np.zeros_like(joint), where=total > 0)
    parts = _blocks(*posterior.shape)
    return float(sum(np.log(np.einsum("nv,nv->n", posterior[p], given[own[p]])).sum() for p in parts)) / len(own)


@dataclass(frozen=True)
class Transfer:
    """LogME, H-score, shrunk H-score, GBC and, if asked for, NLEEP of both splits, each with its null.

    Args:
        nleep: whether to fit NLEEP's Gaussian mixture, which takes longer than all the rest.
    """

    nleep: bool = False

    def __call__(self, splits: Splits) -> Scores:
        scores = Scores()
        for name, split in splits.items():
            for key, (value, null, chance) in self._found(split).items():
                scores.add(f"{name}/transfer/{key}", value, null=null, chance=chance)
        return scores

    def _found(self, split: Split) -> dict[str, tuple[Value, Float | None, float | None]]:
        """Key → value, null and analytic chance level."""
        names = ("logme", "h_score", "h_score_shrunk", "gbc", *(["nleep"] if self.nleep else []))
        present, own, count = np.unique(split.labels, return_inverse=True, return_counts=True)
        spectrum = Spectrum.of(split.rows, split.scatter) if len(present) > 1 else None
        if spectrum is None or not spectrum.rank:
            return {name: (Undefined(ONE_CLASS if spectrum is None else EQUAL_ROWS), None, None) for name in names}
        unlabelled = _Unlabelled.of(spectrum, split, count, with_mixture=self.nleep)
        observed, refused = unlabelled.observed(own), unlabelled.refused(own)
        null = unlabelled.null(split.permutations, present)
        value = {name: Undefined(refused[name]) if name in refused else observed[name] for name in names}
        return {name: (value[name], null.get(name), unlabelled.chance.get(name)) for name in names}


@dataclass(frozen=True)
class _Unlabelled:
    """What permuting the labels of a split leaves alone.

    Attributes:
        spectrum: of the N rows.
        count: (C,) rows of the classes that have any.
        points: (N, d) principal components for GBC.
        posterior: (N, V) of NLEEP's mixture; None where there is none.
    """

    spectrum: Spectrum
    count: NDArray[np.int64]
    points: Float
    posterior: Float | None

    @classmethod
    def of(cls, spectrum: Spectrum, split: Split, count: NDArray[np.int64], *, with_mixture: bool) -> _Unlabelled:
        posterior = None
        if with_mixture and not _too_few(len(split.labels), len(count)):
            rng = np.random.RandomState(seeded(0, *split.permutations.context, "gmm").bit_generator)
            points = spectrum.coordinates(spectrum.energy(NLEEP_ENERGY))
            posterior = mixture_posterior(points, NLEEP_COMPONENTS * len(count), rng)
        return cls(spectrum, count, spectrum.coordinates(GBC_COMPONENTS), posterior)

    @cached_property
    def evidence(self) -> Evidence:
        return Evidence(self.spectrum.values, self.spectrum.rows)

    @cached_property
    def squares(self) -> Float:
        """(N,) squared lengths of ``points``."""
        return _squares(self.points)

    @cached_property
    def shrunk(self) -> Float:
        return _shrunk(self.spectrum)

    @property
    def chance(self) -> dict[str, float]:
        """Expectation over all permutations: each axis explains (C − 1)/(N − 1) of its variance."""
        axis = (len(self.count) - 1) / (self.spectrum.rows - 1)
        return {"h_score": axis * self.spectrum.rank, "h_score_shrunk": axis * float(self.shrunk.sum())}

    def refused(self, labels: NDArray[np.int64]) -> dict[str, str]:
        """Why which values are undefined."""
        n, d = self.spectrum.rows, self.spectrum.width
        variances = spherical(self.points, labels)[1]
        reasons = {
            "h_score": n <= d or self.spectrum.rank >= n - 1,
            "gbc": bool((variances <= self._flat).any()),
            "nleep": _too_few(n, len(self.count)),
        }
        words = {
            "h_score": f"{n} rows are too few for {d} features: it is C − 1, or nearly so, for any labels",
            "gbc": FLAT_CLASS,
            "nleep": f"{n} rows are fewer than {NLEEP_ROWS} for each of {NLEEP_COMPONENTS * len(self.count)} Gaussians",
        }
        return {name: words[name] for name, applies in reasons.items() if applies}

    def observed(self, labels: NDArray[np.int64]) -> dict[str, float]:
        """The values of ``labels`` (N,) in 0 … C − 1."""
        means, variances = spherical(self.points, labels)
        return self._values(labels, self.spectrum.targets(labels, len(self.count)), means, variances)

    def null(self, permutations: Permutations, present: NDArray[np.int64]) -> dict[str, Float]:
        """(P,) values under permuted labels."""
        targets = self.spectrum.roughly(len(present), len(permutations))

        def values(shuffled: NDArray[np.int64]) -> dict[str, float]:
            labels = np.searchsorted(present, shuffled).astype(np.int64)
            return self._values(labels, targets(labels), *self._spherical(labels), by_products=True)

        found = in_threads(values, permutations)
        return {name: np.array([values[name] for values in found]) for name in (found[0] if found else ())}

    def _values(
        self, labels: NDArray[np.int64], z: Float, means: Float, variances: Float, *, by_products: bool = False
    ) -> dict[str, float]:
        explained = _explained(z, self.count)
        values = {
            "logme": _logme(self.evidence, z, self.count),
            "h_score": float(explained.sum()),
            "h_score_shrunk": float(explained @ self.shrunk),
            "gbc": gbc(means, np.maximum(variances, self._flat), squared_distances(means) if by_products else None),
        }
        return values if self.posterior is None else {**values, "nleep": nleep(self.posterior, labels)}

    def _spherical(self, labels: NDArray[np.int64]) -> tuple[Float, Float]:
        """As :func:`spherical`, in one pass, for permuted labels: no class lies far from the centre of all."""
        means = class_sums(self.points, labels, len(self.count)) / self.count[:, None]
        second = np.bincount(labels, self.squares) / self.count
        return means, (second - (means**2).sum(1)) / means.shape[1]

    @property
    def _flat(self) -> float:
        return float(_FLAT * self.squares.mean() / self.points.shape[1])


def _too_few(rows: int, classes: int) -> bool:
    return rows < NLEEP_ROWS * NLEEP_COMPONENTS * classes
