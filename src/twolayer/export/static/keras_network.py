"""The network as a keras.Sequential, for Keras 3 with any backend."""

import keras
import numpy as np
from rows import MODEL, N_INPUTS, SCALE, to_probabilities

DTYPE = MODEL["dtype"]


def network():
    """Return a keras.Sequential, which divides values by their scale and gives the outputs."""
    scaling = [] if SCALE == 1 else [keras.layers.Rescaling(1 / SCALE, dtype=DTYPE)]
    hidden = keras.layers.Dense(len(MODEL["b1"]), activation=MODEL["activation"], dtype=DTYPE)
    outputs = keras.layers.Dense(len(MODEL["b2"]), activation=MODEL["output"], dtype=DTYPE)
    sequential = keras.Sequential([keras.Input((N_INPUTS,), dtype=DTYPE), *scaling, hidden, outputs])
    hidden.set_weights([array(MODEL["W1"]).T, array(MODEL["b1"])])
    outputs.set_weights([array(MODEL["W2"]).T, array(MODEL["b2"])])
    return sequential


def compute(sequential, values):
    """Return the probability of each class, for each row of values."""
    outputs = keras.ops.convert_to_numpy(sequential(array(values))).tolist()
    return [to_probabilities(each, float(np.finfo(DTYPE).tiny)) for each in outputs]


def array(values):
    """Return an array of the type of the parameters."""
    return np.array(values, DTYPE)
