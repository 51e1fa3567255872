"""Per-task gradients of shared parameters at about the cost of one backward pass."""
