"""The network as a torch.nn.Sequential."""

import torch
from rows import MODEL, N_INPUTS, SCALE, to_probabilities

DTYPE = getattr(torch, MODEL["dtype"])
LAYERS = {name.lower(): layer for name, layer in vars(torch.nn).items()}  # PyTorch's ReLU is our relu


def network():
    """Return a torch.nn.Sequential, which takes values already divided by their scale and gives the outputs."""
    n_hidden, n_outputs = len(MODEL["b1"]), len(MODEL["b2"])
    layers = torch.nn.Sequential(
        torch.nn.Linear(N_INPUTS, n_hidden, dtype=DTYPE),
        LAYERS[MODEL["activation"]](),
        torch.nn.Linear(n_hidden, n_outputs, dtype=DTYPE),
        torch.nn.Softmax(dim=1) if MODEL["output"] == "softmax" else torch.nn.Sigmoid(),
    )
    names = {"0.weight": "W1", "0.bias": "b1", "2.weight": "W2", "2.bias": "b2"}
    layers.load_state_dict({key: torch.tensor(MODEL[name], dtype=DTYPE) for key, name in names.items()})
    return layers


def compute(layers, values):
    """Return the probability of each class, for each row of values."""
    with torch.no_grad():
        outputs = layers((torch.tensor(values, dtype=torch.float64) / SCALE).to(DTYPE)).tolist()
    return [to_probabilities(each, torch.finfo(DTYPE).tiny) for each in outputs]
