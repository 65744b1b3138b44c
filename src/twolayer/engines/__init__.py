"""How cost and gradients over all samples are computed."""
