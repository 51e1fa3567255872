"""Targets, objectives and the actor-critic losses, as functions of tensors."""
