"""Results side by side: means over the splits that all methods have in common, ranks, and duels of two methods."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.stats import binomtest, rankdata, studentized_range

from benchmarks.tables.records import FIGURES, Result
from twolayer.aliases import Array

_LEVEL = 0.05
_DIGITS = 9  # means that agree to so many are a tie


@dataclass(frozen=True)
class Duel:
    """On how many tables one method is better than another, as good, and worse.

    Attributes
    ----------
    better, equal, worse : int
    p : float
        Of the two-sided sign test: the probability of a difference at least as large where both are as good.
    """

    better: int
    equal: int
    worse: int
    p: float


@dataclass(frozen=True)
class Board:
    """The means of some methods on some tables.

    Attributes
    ----------
    tables, methods : tuple of str
    runs : tuple of int
        Number of splits of each table.
    means : dict
        For each of `FIGURES` an array, a row a table and a column a method.
    """

    tables: tuple[str, ...]
    methods: tuple[str, ...]
    runs: tuple[int, ...]
    means: dict[str, Array]

    @classmethod
    def of(cls, results: Sequence[Result], tables: Sequence[str], methods: Sequence[str]) -> Self:
        """Return the board of those tables on which all of the methods have a split in common."""
        found = {(r["table"], r["split"], r["method"]): r for r in results}
        runs = {
            table: [k for k in _splits(results, table) if all((table, k, method) in found for method in methods)]
            for table in tables
        }
        known = tuple(table for table in tables if runs[table])
        means = {
            name: np.array(
                [
                    [np.mean([found[table, k, method][name] for k in runs[table]]) for method in methods]
                    for table in known
                ]
            ).reshape(len(known), len(methods))
            for name in FIGURES
        }
        return cls(known, tuple(methods), tuple(len(runs[table]) for table in known), means)

    def only(self, tables: Sequence[str]) -> "Board":
        """Return the board of some of its tables."""
        chosen = [k for k, table in enumerate(self.tables) if table in tables]
        means = {name: values[chosen] for name, values in self.means.items()}
        return Board(tuple(self.tables[k] for k in chosen), self.methods, tuple(self.runs[k] for k in chosen), means)

    def mean(self, figure: str) -> Array:
        """Return the mean of a figure over the tables, for each method."""
        means: Array = self.means[figure].mean(axis=0)
        return means

    def ranks(self, figure: str) -> Array:
        """Return the mean rank of each method by a figure: 1 for the smallest, ties in the middle."""
        ranks: Array = rankdata(self.means[figure].round(_DIGITS), axis=1).mean(axis=0)
        return ranks

    def critical_difference(self) -> float:
        """Return how far two mean ranks must be apart: Nemenyi's test at 5 %, for all pairs of methods at once."""
        k, n = len(self.methods), len(self.tables)
        return float(studentized_range.ppf(1 - _LEVEL, k, np.inf) / np.sqrt(2) * np.sqrt(k * (k + 1) / (6 * n)))

    def duel(self, figure: str, method: str, rival: str) -> Duel:
        """Return how a method does against another one, by a figure of which less is better."""
        own, other = (self.means[figure][:, self.methods.index(name)].round(_DIGITS) for name in (method, rival))
        better, worse = int((own < other).sum()), int((own > other).sum())
        p = float(binomtest(better, better + worse).pvalue) if better + worse else 1.0
        return Duel(better, len(own) - better - worse, worse, p)


def _splits(results: Sequence[Result], table: str) -> list[int]:
    """Return the splits of a table, in order."""
    return sorted({r["split"] for r in results if r["table"] == table})


def covering(results: Sequence[Result], tables: Sequence[str], methods: Sequence[str]) -> list[str]:
    """Return those methods that have a result on every table."""
    have = {(r["table"], r["method"]) for r in results}
    return [method for method in methods if all((table, method) in have for table in tables)]
