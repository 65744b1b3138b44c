"""Shapley values of a network with one hidden layer.

The players are the features: one that plays has the sample's value, one that does not has the baseline's. A unit sees
the sum z' + sum of a_i over those that play, with a_i = W1_i (x_i - x'_i). For sigmoid and tanh units the activation is
a sine series on the range of that sum,

    s(z) = 1/2 + sum over odd k of c_k sin(w_k z),   w_k = 2 pi k / P,   c_k = (4 pi / P) / sinh(pi w_k),

whose terms are products over the features; and the Shapley value of a product is an integral over q in [0, 1] of a
polynomial, which Gauss points give:

    c_k Im[exp(i w z') (exp(i w a_i) - 1) integral prod over l != i of (1 - q + q exp(i w a_l)) dq].

So the values are right up to an error with a bound, for any number of features. The series of rectified units
converges too slowly: up to `MOST_ENUMERATED` features all subsets are gone through, and beyond that permutations are
sampled.

Source: L. S. Shapley, "A value for n-person games", 1953; G. Owen, "Multilinear extensions of games", 1972, for the
integral; L. N. Trefethen, "Approximation Theory and Approximation Practice", theorem 19.3, for the error of Gauss
points.
"""

import functools
import math
from collections.abc import Callable

import numpy as np

from twolayer.aliases import Array
from twolayer.explain.view import View

MOST_ENUMERATED = 16
_GOAL = 5e-9  # error of a logit's share
_LEAST, _LARGEST = 1e-14, 1e-3  # of the error that is asked of one unit
_PAIRS = 200  # of permutations, each with its reverse
_SLAB = 2**16  # numbers at once, so that they stay in the cache
_RADII = np.exp(np.geomspace(0.02, 4.0, 40))  # of Bernstein's ellipses
_EPS = float(np.finfo(np.float64).eps)
_Z = 1.96  # standard errors on both sides, of an interval that holds the value in 95 of 100 cases


def value_units(view: View, row: Array, baseline: Array, random_state: int = 0) -> tuple[Array, Array]:
    """Return the Shapley values of the features in the activation of each hidden unit.

    Parameters
    ----------
    view : View
    row, baseline : arrays of shape (n_inputs,)
    random_state : int
        Seed of the permutations, where they are sampled.

    Returns
    -------
    values : array of shape (n_h, n_features)
        W2 @ values are the Shapley values in the logits.
    error : array of shape (n_y,)
        Bound on the error of any share in a logit; of sampled ones half the width of its 95 % interval.
    """
    A, start = view.pool(view.W1 * (row - baseline)), view.hidden(baseline)
    values, playing = np.zeros(A.shape), np.flatnonzero(A.any(axis=0))
    if not len(playing):
        return values, np.zeros(len(view.W2))
    if view.model.activation != "relu":
        values[:, playing], error = _by_series(view, A[:, playing], start)
    elif len(playing) <= MOST_ENUMERATED:
        values[:, playing] = enumerate_subsets(A[:, playing], start, view.activate)
        scale = np.abs(A).sum(axis=1) + np.abs(start)
        error = np.abs(view.W2) @ scale * _EPS * 2 ** len(playing).bit_length()
    else:
        values[:, playing], error = _by_permutations(view, A[:, playing], start, random_state)
    return values, error


def enumerate_subsets(A: Array, start: Array, function: Callable[[Array], Array]) -> Array:
    """Return the Shapley values of f(start + sum of the columns of A that play) by all 2^d subsets.

    Parameters
    ----------
    A : array of shape (n_h, d)
    start : array of shape (n_h,)
    function : callable
        Of arrays, element by element.

    Returns
    -------
    array of shape (n_h, d)
    """
    n_h, d = A.shape
    with_it = np.array([0.0] + [1 / (d * math.comb(d - 1, size - 1)) for size in range(1, d + 1)])
    without = np.append(with_it[1:], 0.0)
    values, block = np.zeros((n_h, d)), 2 ** max(0, min(d, 22 - n_h.bit_length()))
    for first in range(0, 2**d, block):
        plays = (np.arange(first, first + block)[:, None] >> np.arange(d)) & 1
        sizes = plays.sum(axis=1)
        found = function(start + plays @ A.T)
        values += (found * (with_it + without)[sizes, None]).T @ plays - (without[sizes] @ found)[:, None]
    return values


def _by_permutations(view: View, A: Array, start: Array, random_state: int) -> tuple[Array, Array]:
    """Return Shapley values by sampled permutations, each with its reverse, and half the widths of their intervals."""
    random = np.random.default_rng(random_state)
    total, square = np.zeros(A.shape), np.zeros((len(view.W2), A.shape[1]))
    for _ in range(_PAIRS):
        order = random.permutation(A.shape[1])
        pair = np.zeros(A.shape)
        for turn in (order, order[::-1]):
            sums = np.cumsum(np.column_stack([start, A[:, turn]]), axis=1)
            pair[:, turn] += np.diff(view.activate(sums), axis=1) / 2
        total += pair
        square += (view.W2 @ pair) ** 2
    mean = total / _PAIRS
    variance = np.maximum(square / _PAIRS - (view.W2 @ mean) ** 2, 0) / (_PAIRS - 1)
    return mean, _Z * np.sqrt(variance.max(axis=1))


def _by_series(view: View, A: Array, start: Array) -> tuple[Array, Array]:
    """Return Shapley values of sigmoid or tanh units by their series, and the bounds of their errors."""
    is_tanh = view.model.activation == "tanh"  # tanh(z) = 2 s(2 z) - 1
    factor = 2.0 if is_tanh else 1.0
    weight = np.abs(view.W2)
    values, errors = np.zeros(A.shape), np.zeros(len(A))
    for unit, largest in enumerate(weight.max(axis=0)):
        tolerance = _GOAL / (factor * len(A) * max(float(largest), 1e-300))
        tolerance = min(max(tolerance, _LEAST), _LARGEST)
        values[unit], errors[unit] = _value_sigmoid(factor * A[unit], factor * float(start[unit]), tolerance)
    return factor * values, factor * (weight @ errors)


def _value_sigmoid(a: Array, start: float, tolerance: float) -> tuple[Array, float]:
    """Return the Shapley values of s(start + sum of those a that play), and a bound on their errors."""
    reach = max(abs(start + a[a < 0].sum()), abs(start + a[a > 0].sum()))
    # The sum over periods differs from the sigmoid by exp(reach - P / 2) at most; a value is a mean of differences.
    distance = math.log(4 / tolerance)
    P = 2 * (reach + distance)
    n_terms = 1 + math.ceil(P / (4 * math.pi**2) * (distance + 1))
    k = np.arange(1, 2 * n_terms, 2)
    frequency = 2 * math.pi * k / P
    with np.errstate(over="ignore"):
        size = 4 * math.pi / P / np.sinh(math.pi * frequency)
    last = math.pi * 2 * math.pi * (2 * n_terms + 1) / P
    tail = 8 * math.pi / P * math.exp(-last) / (1 - math.exp(-2 * last)) / (1 - math.exp(-4 * math.pi**2 / P))
    values = np.zeros(len(a))
    error = 2 * math.exp(-distance) + 2 * tail
    slab = max(1, _SLAB // (len(a) * 8))
    for first in range(0, n_terms, slab):
        some = slice(first, first + slab)
        part, missed = _value_terms(a, start, frequency[some], size[some], tolerance / (4 * n_terms))
        values += part
        error += missed
    rounding = _EPS * (6 * len(a) + 2 * frequency * reach + 20)
    return values, error + float((2 * size * rounding).sum())


def _value_terms(a: Array, start: float, frequency: Array, size: Array, tolerance: float) -> tuple[Array, float]:
    """Return the Shapley values of some terms of the series, and a bound on the error of the Gauss points.

    The points are symmetric about 1/2, and the product at 1 - q is the conjugate of that at q, turned: half of them
    suffice. Without a point at 1/2 itself, no factor is 0.
    """
    angles = frequency[:, None] * a
    cosines, sines = np.cos(angles) - 1, np.sin(angles)
    n_points, error = _count_points(angles, size, tolerance)
    nodes, weights = _gauss(n_points)
    real, imaginary = nodes[:, None] * cosines[:, None], nodes[:, None] * sines[:, None]
    real += 1
    product_real, product_imaginary = _multiply(real, imaginary)
    parts = np.stack([weights * product_real, weights * product_imaginary], axis=1)
    inverse = 1 / (1 + (2 * nodes * (1 - nodes))[:, None] * cosines[:, None])  # 1 / |factor|^2
    real *= inverse
    imaginary *= inverse
    by_real, by_imaginary = parts @ real, parts @ imaginary
    half = by_real[:, 0] + by_imaginary[:, 1] + 1j * (by_real[:, 1] - by_imaginary[:, 0])
    integral = half + np.exp(1j * (angles.sum(axis=1, keepdims=True) - angles)) * half.conj()
    turned = (size * np.exp(1j * frequency * start))[:, None] * (cosines + 1j * sines)
    return (turned * integral).imag.sum(axis=0), error


def _count_points(angles: Array, size: Array, tolerance: float) -> tuple[int, float]:
    """Return how many Gauss points, an even number, integrate the products, and a bound on the error.

    On the ellipse of Bernstein around [0, 1] with half axes sqrt(b^2 + 1/4) and b, at its eccentric angle f,
    |1 - q + q exp(i t)|^2 = 1 + 4 sin^2(t/2) (b^2 - sin^2(f) / 4) - 2 b sin(f) sin(t), and the product of d of them is
    at most their mean to the power of d. One factor is left out of each product: by what it changes, sums are rounded
    up. n points are exact for the d - 1 factors if 2 n >= d.
    """
    d = angles.shape[1]
    exact = (d + 1) // 2
    away = (_RADII - 1 / _RADII) / 4
    square, drift = 4 * (np.sin(angles / 2) ** 2).sum(axis=1), np.abs(np.sin(angles).sum(axis=1)) + 1
    with np.errstate(divide="ignore"):
        turned = np.minimum(
            4 * (away * drift[:, None]) ** 2 / np.maximum(square - 4, 0)[:, None], 2 * away * drift[:, None]
        )
    growth = d / 2 * np.log1p((square[:, None] * away**2 + turned) / d)
    growth += np.log(32 / 15 / (1 - _RADII**-2)) + np.log(np.maximum(2 * size, 1e-300))[:, None]
    needed = 1 + (growth - math.log(tolerance)) / (2 * np.log(_RADII))
    n_points = max(2, math.ceil(float(needed.min(axis=1).max())))
    if n_points >= exact:
        return exact + exact % 2, 0.0
    n_points += n_points % 2
    bound = (growth - 2 * (n_points - 1) * np.log(_RADII)).min(axis=1)
    return n_points, float(np.exp(bound).sum())


@functools.cache
def _gauss(n_points: int) -> tuple[Array, Array]:
    """Return those of so many Gauss points on [0, 1] that are below 1/2, with their weights."""
    nodes, weights = np.polynomial.legendre.leggauss(n_points)
    half = n_points // 2
    return (nodes[:half] + 1) / 2, weights[:half] / 2


def _multiply(real: Array, imaginary: Array) -> tuple[Array, Array]:
    """Return the products of complex numbers along the last axis: pairs, then pairs of those."""
    while (n := real.shape[-1]) > 1:
        half = n // 2
        a, b, c, d = real[..., :half], imaginary[..., :half], real[..., -half:], imaginary[..., -half:]
        parts = [a * c - b * d, a * d + b * c]
        if n % 2:  # the one in the middle goes on alone
            middle = slice(half, half + 1)
            parts = [
                np.concatenate([parts[0], real[..., middle]], -1),
                np.concatenate([parts[1], imaginary[..., middle]], -1),
            ]
        real, imaginary = parts
    return real[..., 0], imaginary[..., 0]
