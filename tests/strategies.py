"""Random networks and samples for property tests."""

from typing import Any

import numpy as np
from hypothesis import strategies as st

SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.integers(1, 6)


@st.composite
def networks(draw: Any, max_samples: int = 9) -> tuple[Any, Any, dict[str, Any]]:
    """Draw samples X, Y and parameters of random shapes, m = 1, n_h = 1 and n_y > 1 among them."""
    n_x, n_h, n_y = draw(SIZES), draw(SIZES), draw(st.integers(1, 4))
    m = draw(st.integers(1, max_samples))
    random = np.random.default_rng(draw(SEEDS))
    X = random.standard_normal((n_x, m))
    Y = random.integers(0, 2, (n_y, m)).astype(float)
    parameters = {
        "W1": random.standard_normal((n_h, n_x)),
        "b1": random.standard_normal((n_h, 1)),
        "W2": random.standard_normal((n_y, n_h)),
        "b2": random.standard_normal((n_y, 1)),
    }
    return X, Y, parameters
