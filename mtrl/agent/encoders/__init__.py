"""From what the agent sees at one time step to one feature vector: an encoder for every kind of observation."""
