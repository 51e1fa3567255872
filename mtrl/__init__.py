"""The multi-task agent and its training.

Importing it, before torch is loaded, shortens how long OpenMP's threads wait busily for each other. Left alone, two
runs that share a machine's cores slow each other down manifold, because acting and updates are many small operations;
alone on the machine the short wait costs an update a few per cent. `GOMP_SPINCOUNT` or `OMP_WAIT_POLICY`, if set, have
the last word.
"""

import os

if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")
