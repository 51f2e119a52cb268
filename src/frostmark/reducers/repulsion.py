"""The repulsion between all pairs of points of a t-SNE map, in time that grows with the map's area, not with the pairs.

    field = Field.of(points)                  # (N, 2), each of unit charge
    force, potential = field.at(points)       # (M, 2) Σ_j (x − x_j) / (1 + d²)² and (M,) Σ_j 1 / (1 + d²)

As in FIt-SNE (Linderman et al. 2019, Nature Methods 16:243) the sums are convolutions on a grid, done by fast Fourier
transforms. Two things differ. Points are tied to the grid by cubic B-splines (as in smooth particle mesh Ewald, Essmann
et al. 1995, J. Chem. Phys. 103:8577) instead of by parabolas: an order more accurate, so that nodes lie half a unit
apart instead of a third. And each component of the force has a kernel of its own, so that one density is transformed
forth and three fields back, not four and four; single precision then suffices, as nothing large cancels.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import fft

_Loop = TypeVar("_Loop", bound=Callable[..., object])

Float = NDArray[np.float64]
Single = NDArray[np.float32]

_SPACING = 0.5
"""Distance of two nodes in units of the map, in which the kernels are about one wide."""

_MIN_NODES = 50
"""Intervals that span the longer side of a map at least; FIt-SNE has as many."""

_MARGIN = 8
"""Nodes between the points and the grid's rim: the splines' inverse, cut off there, falls by 0.27 a node."""

_SHARED = 200**2
"""Nodes from which on threads share the work."""

_MIN_POINTS, _MAX_GRID = 1000, 4_000_000
"""Fewer points need no grid, and for more nodes memory may be too small (1.5 GB)."""

_GROWTH = 1.1
"""Grids grow in steps of this factor, so that kernels, once transformed, serve many iterations."""


@dataclass(frozen=True)
class Grid:
    """A lattice around the points of a map.

    Attributes:
        origin: position of its first node.
        spacing: distance of two nodes.
        shape: nodes along each dimension.
    """

    origin: tuple[float, float]
    spacing: float
    shape: tuple[int, int]

    @classmethod
    def around(cls, points: Float) -> Grid:
        """The grid for ``points`` (N, 2): its spacing and shape take few values, so that kernels are reused."""
        low, high = points.min(0), points.max(0)
        extent = float((high - low).max())
        # Tight maps get narrower nodes, by powers of two; beyond 2⁻²⁴ there is no telling points apart.
        halvings = np.clip(np.ceil(np.log2(_MIN_NODES * _SPACING / max(extent, 1e-9))), 0, 24)
        spacing = _SPACING / 2.0**halvings
        shape = _enough(high[0] - low[0], spacing), _enough(high[1] - low[1], spacing)
        origin = (low + high - spacing * (np.array(shape) - 1)) / 2
        return cls((float(origin[0]), float(origin[1])), float(spacing), shape)

    def pays(self, points: int) -> bool:
        """Whether it costs less than a tree of ``points`` (Barnes–Hut), which does not mind how far they spread."""
        nodes = self.shape[0] * self.shape[1]
        return points >= _MIN_POINTS and nodes < min(20_000 + 50 * points, _MAX_GRID)


@dataclass(frozen=True)
class Field:
    """Force and potential of a set of points, known everywhere on a grid around them.

    Attributes:
        grid: where.
        splines: (nodes, nodes, 3) float32 coefficients of the force's two components and the potential.
    """

    grid: Grid
    splines: Single

    @classmethod
    def of(cls, points: Float) -> Field:
        """The field of ``points`` (N, 2), each of unit charge."""
        grid = Grid.around(points)
        rows, columns = grid.shape
        workers = _workers(grid.shape)
        density = np.zeros(grid.shape, np.float32)
        _scatter(_on(grid, points), density)
        # Rows of zeros are not transformed, nor rows that nobody asks for back: half the work of rfft2 and irfft2.
        spectrum = fft.rfft(density, 2 * columns, axis=1, workers=workers)
        spectrum = fft.fft(spectrum, 2 * rows, axis=0, overwrite_x=True, workers=workers)
        splines = np.empty((rows, columns, 3), np.float32)
        for i, kernel in enumerate(_kernels(grid.shape, grid.spacing)):
            half = fft.ifft(kernel * spectrum, axis=0, overwrite_x=True, workers=workers)[:rows]
            splines[:, :, i] = fft.irfft(half, 2 * columns, axis=1, overwrite_x=True, workers=workers)[:, :columns]
        return cls(grid, splines)

    def at(self, points: Float) -> tuple[Float, Float]:
        """Force (M, 2) and potential (M,) at ``points`` (M, 2); points off the grid feel what its rim does."""
        values = np.empty((len(points), 3))
        _gather(_on(self.grid, points), self.splines, values)
        return values[:, :2], values[:, 2]


def _workers(shape: tuple[int, int]) -> int:
    """Threads for transforms; those of small grids end before a second thread has begun."""
    return 1 if shape[0] * shape[1] < _SHARED else os.cpu_count() or 1


def _enough(extent: float, spacing: float) -> int:
    """Nodes for ``extent``, rounded up to one of few numbers that transform fast."""
    needed = np.ceil(extent / spacing) + 2 * _MARGIN
    stepped = _GROWTH ** np.ceil(np.log(needed) / np.log(_GROWTH))
    return fft.next_fast_len(int(np.ceil(stepped)), real=True)


def _on(grid: Grid, points: Float) -> Float:
    """``points`` (N, 2) counted in nodes, kept where all the nodes that a spline needs exist."""
    places = (points - grid.origin) / grid.spacing
    return np.clip(places, 1.0, np.array(grid.shape) - 2.001)


@lru_cache(4)
def _kernels(shape: tuple[int, int], spacing: float) -> NDArray[np.complex64]:
    """Transforms (3, 2·rows, columns + 1) of the kernels of force and potential, sharpened by what two splines blur."""
    x = spacing * 2 * shape[0] * fft.fftfreq(2 * shape[0])[:, None]
    y = spacing * 2 * shape[1] * fft.fftfreq(2 * shape[1])
    closeness = 1 / (1 + x**2 + y**2)
    kernels = fft.rfft2(np.stack([x * closeness**2, y * closeness**2, closeness]), workers=_workers(shape))
    blur = _blur(fft.fftfreq(2 * shape[0]))[:, None] * _blur(fft.rfftfreq(2 * shape[1]))
    return (kernels / blur**2).astype(np.complex64)


def _blur(frequency: Float) -> Float:
    """Transform of a cubic B-spline's values 1/6, 2/3, 1/6 at the nodes."""
    return (2 + np.cos(2 * np.pi * frequency)) / 3


def compiled(function: _Loop) -> _Loop:
    """Compiled by numba, once a machine; loops over points and nodes have no fast counterpart in numpy."""
    return cast(_Loop, njit(nogil=True, cache=True)(function))


@compiled
def _spline(t: np.float32) -> tuple[np.float32, ...]:
    """A cubic B-spline's values at the four nodes around a point ``t`` (0 … 1) past the second."""
    one, three, four, six = np.float32(1), np.float32(3), np.float32(4), np.float32(6)
    u = one - t
    before, after = u * u * u, t * t * t
    return (
        before / six,
        (three * after - six * t * t + four) / six,
        (three * before - six * u * u + four) / six,
        after / six,
    )


@compiled
def _scatter(places: Float, density: Single) -> None:
    """Add unit charges at ``places`` (N, 2; in nodes) to ``density`` (rows, columns)."""
    for i in range(len(places)):
        row, column = np.uint32(places[i, 0]), np.uint32(places[i, 1])
        down, right = _spline(np.float32(places[i, 0] - row)), _spline(np.float32(places[i, 1] - column))
        for k in range(4):
            for m in range(4):
                density[row + np.uint32(k) - np.uint32(1), column + np.uint32(m) - np.uint32(1)] += down[k] * right[m]


@compiled
def _gather(places: Float, splines: Single, values: Float) -> None:
    """Write to ``values`` (N, 3) what ``splines`` (rows, columns, 3) are at ``places`` (N, 2; in nodes)."""
    for i in range(len(places)):
        row, column = np.uint32(places[i, 0]), np.uint32(places[i, 1])
        down, right = _spline(np.float32(places[i, 0] - row)), _spline(np.float32(places[i, 1] - column))
        x = y = potential = np.float32(0)
        for k in range(4):
            for m in range(4):
                weight = down[k] * right[m]
                node = splines[row + np.uint32(k) - np.uint32(1), column + np.uint32(m) - np.uint32(1)]
                x += weight * node[0]
                y += weight * node[1]
                potential += weight * node[2]
        values[i, 0], values[i, 1], values[i, 2] = x, y, potential
