"""Encoders, memory, heads, and the agent that joins them."""
