"""The hardest samples and the doubtful labels are found."""

import numpy as np

from tests.conftest import draw_probabilities
from twolayer.evaluation import find_hardest, find_mislabelled


def test_planted_label_errors_are_found():
    """Of 5 % wrong labels at least 70 % are named, and most that are named are wrong; the hardest are among them."""
    P, _ = draw_probabilities(3000, 3, 2, sharpness=8)
    true = P.argmax(axis=1)
    random = np.random.default_rng(0)
    wrong = random.choice(3000, 150, replace=False)
    y = true.copy()
    y[wrong] = (y[wrong] + random.integers(1, 3, 150)) % 3

    named = find_mislabelled(P, y, range(3))

    assert len(set(named) & set(wrong)) >= 105
    assert len(set(named) & set(wrong)) >= 0.8 * len(named)
    assert set(find_hardest(P, y, range(3), 20)) <= set(wrong)
