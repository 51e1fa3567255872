"""Speed and memory, as ratios measured side by side in one run."""

import mtrl  # noqa: F401  # before torch is loaded: it says how threads wait for each other
