"""The parameters of a network: one flat vector, seen as W1, b1, W2, b2."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from twolayer.aliases import Array
from twolayer.equations import initialize_parameters
from twolayer.errors import SettingError

NAMES = ("W1", "b1", "W2", "b2")


@dataclass(frozen=True)
class Sizes:
    """Numbers of inputs, hidden units and outputs: they give the shapes of the parameters."""

    n_x: int
    n_h: int
    n_y: int

    @property
    def shapes(self) -> dict[str, tuple[int, int]]:
        """The shape of each parameter."""
        return {"W1": (self.n_h, self.n_x), "b1": (self.n_h, 1), "W2": (self.n_y, self.n_h), "b2": (self.n_y, 1)}

    @property
    def n_parameters(self) -> int:
        """How many numbers the network has."""
        return sum(map(math.prod, self.shapes.values()))

    def split(self, vector: Array) -> dict[str, Array]:
        """Return W1, b1, W2, b2 as views of a flat vector."""
        views, begin = {}, 0
        for name, shape in self.shapes.items():
            end = begin + math.prod(shape)
            views[name] = vector[begin:end].reshape(shape)
            begin = end
        return views


class Parameters(Mapping[str, Array]):
    """W1, b1, W2, b2 of a network, all of one type: views of one flat vector, in this order.

    It is a mapping of the four names, so that the formulas of `twolayer.equations` take it as it is. Neither the vector
    nor the views are to be changed: solvers make new ones.
    """

    __slots__ = ("_views", "sizes", "vector")

    def __init__(self, vector: Array, sizes: Sizes) -> None:
        self.vector, self.sizes = vector, sizes
        self._views = sizes.split(vector)

    @classmethod
    def of(cls, arrays: Mapping[str, Any], dtype: Any = None) -> Self:
        """Return a copy of four arrays that belong together, in their own type if no other is asked for."""
        n_h, n_x = arrays["W1"].shape
        sizes = Sizes(n_x, n_h, len(arrays["b2"]))
        kind = arrays["W1"].dtype if dtype is None else dtype
        return cls(np.concatenate([np.asarray(arrays[name]).ravel().astype(kind) for name in NAMES]), sizes)

    def moved_to(self, vector: Array) -> "Parameters":
        """Return parameters of the same sizes and type elsewhere."""
        return Parameters(vector.astype(self.vector.dtype, copy=False), self.sizes)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of all four."""
        dtype: np.dtype[Any] = self.vector.dtype
        return dtype

    def __getitem__(self, name: str) -> Array:
        """Return one of the four."""
        return self._views[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the four names."""
        return iter(NAMES)

    def __len__(self) -> int:
        """Return 4."""
        return len(NAMES)

    def __repr__(self) -> str:
        """Name the sizes and the type."""
        return f"Parameters(n_x={self.sizes.n_x}, n_h={self.sizes.n_h}, n_y={self.sizes.n_y}, dtype={self.dtype})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Be copied and pickled as vector and sizes."""
        return Parameters, (self.vector, self.sizes)


def random_start(sizes: Sizes, dtype: str, random_state: int | Sequence[int], init: str = "lecun") -> Parameters:
    """Return random weights and zero biases, as the blackboard draws them, in the type of a training."""
    random = np.random.default_rng(random_state)
    return Parameters.of(initialize_parameters(sizes.n_x, sizes.n_h, sizes.n_y, random, init), dtype)


def given_start(given: Any, sizes: Sizes, dtype: str) -> Parameters:
    """Return parameters that a user gives to start from, checked: they fit the sizes and are finite."""
    if not isinstance(given, Mapping) or set(given) != set(NAMES):
        raise SettingError("The parameters to start from must be a dict of W1, b1, W2 and b2.")
    arrays = {}
    for name, shape in sizes.shapes.items():
        try:
            with np.errstate(over="ignore"):  # what goes out of range is found below
                arrays[name] = np.asarray(given[name]).astype(dtype, casting="same_kind")
        except (TypeError, ValueError):
            raise SettingError(f"The parameters to start from must be arrays of numbers; {name} is not.") from None
        if arrays[name].shape != shape or not np.isfinite(arrays[name]).all():
            got = arrays[name].shape
            raise SettingError(f"To start from, {name} must hold finite numbers in the shape {shape}; got {got}.")
    return Parameters.of(arrays)
