"""Studies: many runs compared under one protocol, and what their numbers support."""
