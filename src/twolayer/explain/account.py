"""The account of a prediction: each logit is its value at a baseline plus the shares of the features."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from twolayer.aliases import Array, Label
from twolayer.data.dataset import Labels
from twolayer.errors import DataError, SettingError
from twolayer.explain.integrated import integrate, integrate_units
from twolayer.explain.shapley import MOST_ENUMERATED, value_units
from twolayer.explain.view import View
from twolayer.model import Model

METHODS = ("gradients", "shapley")
_BLOCK_VALUES = 2**22  # of shares, at once


@dataclass(frozen=True)
class Account:
    """Why logits are what they are: logits = start + the sum of shares over the features, up to rounding.

    Attributes
    ----------
    features : tuple of str
        Names of the columns, or places of the numbers of a sample.
    outputs : tuple of int or of str
        The class that each logit is of; with two classes the second alone.
    start : array of shape (n_y,)
        Logits at the baseline; of several rows their mean.
    logits : array of shape (m, n_y)
        Of the samples, computed in float64.
    shares : array of shape (m, n_y, n_features)
        In the unit of the logits; positive ones speak for the class.
    error : array of shape (m, n_y)
        Bound on the error of any share, besides rounding: 0 where there is none.
    method : str
        "gradients" or "shapley".
    is_sampled : bool
        Whether shares are estimates of sampled permutations; the error is then half their 95 % interval.
    """

    features: tuple[str, ...]
    outputs: tuple[Label, ...]
    start: Array
    logits: Array
    shares: Array
    error: Array
    method: str
    is_sampled: bool = False


@dataclass(frozen=True)
class UnitAccount:
    """A logit by hidden units: logits = bias + the sum of terms; terms = start + W2 times the sum of shares.

    Attributes
    ----------
    bias : array of shape (n_y,)
        b2.
    terms, start : arrays of shape (n_y, n_h)
        W2 A1 of the sample and, in the mean, of the baseline.
    shares : array of shape (n_h, n_features)
        Of the features in the activation of each unit, A1.
    """

    bias: Array
    terms: Array
    start: Array
    shares: Array


def attribute(
    model: Model,
    X: Any,
    baseline: Any = "mean",
    *,
    method: str = "gradients",
    data: Any = None,
    labels: Any = None,
    random_state: int = 0,
) -> Account:
    """Share out the logits of samples among the features.

    Parameters
    ----------
    model : Model
    X : samples, as `Model.outputs` takes them
        m of them.
    baseline : str or samples
        What shares are counted from: "mean", "zero", "data", "class:LABEL" or "row:NUMBER" of `data`; or samples of
        your own. Of several ("data" is up to 100 rows) the mean of the shares from each is returned. "zero" is 0 in
        every value that enters the network, which is the mean of a standardized number.
    method : str
        "gradients", integrated gradients, exact for any activation; or "shapley", Shapley values of the features: with
        an error of less than 1e-8 for sigmoid and tanh units. For rectified units they are exact for up to 16 features
        that differ from the baseline, and estimated from sampled permutations for more.
    data : samples, optional
        That the baseline is made of; X if not given.
    labels : array of shape (m,), optional
        Classes of `data`, for a baseline of a class.
    random_state : int
        Seed of sampled permutations.

    Returns
    -------
    Account

    Raises
    ------
    SettingError
        If there is no such method or baseline.
    DataError
        If samples do not fit the model.
    """
    view, values, rows = prepare(model, X, baseline, method, data, labels)
    return account_for(view, values, rows, method, random_state)


def account_for(view: View, values: Array, rows: Array, method: str = "gradients", random_state: int = 0) -> Account:
    """Return the account of values that enter the network, from the rows of a baseline; as `attribute`."""
    error, is_sampled = np.zeros((len(values), len(view.W2))), False
    if method == "gradients":
        shares = integrate(view, values, rows)
    else:
        shares = np.zeros((len(values), len(view.W2), view.n_features))
        for sample, row in enumerate(values):
            found, error[sample], own = _open(view, row, rows, method, random_state)
            shares[sample], is_sampled = view.W2 @ found, is_sampled or own
    start = view.logits(rows).mean(axis=0)
    return Account(view.names, view.outputs, start, view.logits(values), shares, error, method, is_sampled)


def iter_shares(view: View, values: Array, rows: Array) -> Iterator[Array]:
    """Yield the shares of samples by integrated gradients block by block, so that memory is bounded."""
    size = max(1, _BLOCK_VALUES // max(1, len(view.W2) * values.shape[1]))
    for first in range(0, len(values), size):
        yield integrate(view, values[first : first + size], rows)


def attribute_units(
    model: Model,
    x: Any,
    baseline: Any = "mean",
    *,
    method: str = "gradients",
    data: Any = None,
    labels: Any = None,
    random_state: int = 0,
) -> UnitAccount:
    """Share out the logits of one sample among the hidden units, and the activation of each among the features.

    Parameters
    ----------
    model : Model
    x : one sample, as `Model.outputs` takes it: an array of shape (1, n_features), or a table of one row
    baseline, method, data, labels, random_state
        As for `attribute`; without `data` the baseline is "zero" or samples of your own.

    Returns
    -------
    UnitAccount

    Raises
    ------
    SettingError, DataError
        As for `attribute`; and if it is not one sample.
    """
    view, values, rows = prepare(model, x, baseline, method, data, labels)
    if len(values) != 1:
        raise DataError(f"Hidden units are opened for one sample at a time; got {len(values):,}.")
    return units_for(view, values[0], rows, method, random_state)


def units_for(view: View, row: Array, rows: Array, method: str = "gradients", random_state: int = 0) -> UnitAccount:
    """Return the account by units of the values of one sample, from the rows of a baseline; as `attribute_units`."""
    start = view.activate(view.hidden(rows)).mean(axis=0)
    shares, _, _ = _open(view, row, rows, method, random_state)
    return UnitAccount(view.b2, view.W2 * view.activate(view.hidden(row)), view.W2 * start, shares)


def prepare(model: Model, X: Any, baseline: Any, method: str, data: Any, labels: Any) -> tuple[View, Array, Array]:
    """Return the view of a model, the values of samples, and the rows of the baseline."""
    if method not in METHODS:
        raise SettingError(f"`method` must be gradients or shapley; got {method!r}.")
    view = View.of(model)
    values = view.read(X)
    background = values if data is None else view.read(data)
    codes = None if labels is None else Labels.of(labels, model.classes).codes
    return view, values, view.baseline(baseline, background, codes)


def _open(view: View, row: Array, rows: Array, method: str, random_state: int) -> tuple[Array, Array, bool]:
    """Return the mean shares in the activations over the rows of a baseline, their error, and if they are sampled."""
    shares, error = np.zeros((len(view.W1), view.n_features)), np.zeros(len(view.W2))
    is_sampled = False
    for k, baseline in enumerate(rows):
        if method == "gradients":
            shares += integrate_units(view, row, baseline)
            continue
        found, missed = value_units(view, row, baseline, random_state + k)
        shares += found
        error += missed
        if view.model.activation == "relu":
            is_sampled |= int(np.count_nonzero(view.pool(1.0 * (row != baseline)))) > MOST_ENUMERATED
    return shares / len(rows), error / len(rows), is_sampled
