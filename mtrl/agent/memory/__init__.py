"""Sequence models: what the agent remembers of a trial."""
