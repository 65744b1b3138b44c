"""Samples on their way into the kernel: in an order in which alike ones stand together."""

import numpy as np

from twolayer import load_mnist
from twolayer.engines.packing import Source


def test_the_order_of_tiles_loses_no_sample():
    """Each sample stands in it once."""
    X, _, _, _ = load_mnist((0, 1))

    assert sorted(Source(X, np.dtype("float32")).alike_order(16)) == list(range(len(X)))
