"""Multi-task suites as plain Gymnasium environments: `load_suite("popgym-27").make_vector(8, seed=0)`."""

import importlib
from typing import Any

_EXPORTS = {
    "Reference": "tasks.scores",
    "SimulatorError": "tasks.trial",
    "Suite": "tasks.suite",
    "SuiteVectorEnv": "tasks.vector",
    "Task": "tasks.task",
    "TrialEnv": "tasks.env",
    "load_reference": "tasks.scores",
    "load_suite": "tasks.registry",
    "normalised": "tasks.scores",
}


def __getattr__(name: str) -> Any:
    """Load an export when it is first asked for, so that importing the package costs nothing."""
    if name not in _EXPORTS:
        raise AttributeError(f"module 'tasks' has no attribute {name!r}; it exports {', '.join(_EXPORTS)}")
    return getattr(importlib.import_module(_EXPORTS[name]), name)
