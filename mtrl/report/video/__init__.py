"""Films of trials: what the simulator shows, and beside it what the agent earns, expects and does."""
