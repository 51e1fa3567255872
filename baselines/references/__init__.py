"""Classical algorithms and exact optima that meta-RL is measured against."""
