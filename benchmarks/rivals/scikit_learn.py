"""scikit-learn: its MLPClassifier, as gradient descent on all samples or with Adam. It knows the log loss only."""

import warnings

import numpy as np
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from benchmarks.job import Job, Train
from twolayer.equations import Arrays

_NEVER = 10**9


_ACTIVATIONS = {"sigmoid": "logistic", "tanh": "tanh", "relu": "relu"}


class Classifier:
    """`MLPClassifier` without a penalty: the solver sgd without momentum on one batch, or adam on many.

    Parameters
    ----------
    is_sparse : bool
        Give the samples as a CSR matrix.
    """

    def __init__(self, name: str, *, is_sparse: bool) -> None:
        self.name, self.is_sparse = name, is_sparse

    def does(self, job: Job) -> bool:
        """Know the log loss only."""
        return job.loss == "log"

    def prepare(self, job: Job) -> Train:
        """Make the estimator, and let it learn its shapes in one iteration."""
        X, start = job.features(), job.start()
        if self.is_sparse:
            X = sparse.csr_matrix(X)
        network = MLPClassifier(
            (job.n_hidden,),
            activation=_ACTIVATIONS[job.activation],
            solver="adam" if job.batch_size else "sgd",
            alpha=0.0,
            batch_size=job.batch_size or X.shape[0],
            learning_rate_init=job.learning_rate,
            momentum=0.0,
            nesterovs_momentum=False,
            shuffle=False,
            tol=0.0,
            n_iter_no_change=_NEVER,
            warm_start=True,
        )

        def run(n_iter: int) -> Arrays:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                if not hasattr(network, "coefs_"):
                    network.set_params(max_iter=1).fit(X, job.y)
                network.coefs_ = [start[name].T.copy() for name in ("W1", "W2")]
                network.intercepts_ = [start[name][:, 0].copy() for name in ("b1", "b2")]
                network.set_params(max_iter=n_iter).fit(X, job.y)
            (W1, W2), (b1, b2) = network.coefs_, network.intercepts_
            return {"W1": np.asarray(W1).T, "b1": b1[:, None], "W2": np.asarray(W2).T, "b2": b2[:, None]}

        return run


RIVALS = (Classifier("scikit-learn", is_sparse=False), Classifier("scikit-learn, sparse", is_sparse=True))
