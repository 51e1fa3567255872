"""The multi-task agent and its training."""
