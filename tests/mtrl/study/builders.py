"""Studies of a second or two."""

from typing import Any

from mtrl.study.methods import find_method
from mtrl.study.study import Study

TINY = {
    "agent.width": 8,
    "agent.head_width": 8,
    "agent.context": 16,
    "agent.layers": 1,
    "update.sequences": 4,
    "collect.slots": 4,
    "conflict.measure_every": 5,
    "loop.log_every": 5,
}


def study(*methods: str, **settings: Any) -> Study:
    """Of the tasks of popgym-quick that are done soonest."""
    given: dict[str, Any] = {
        "suite": "popgym:RepeatFirstEasy",
        "methods": tuple(map(find_method, methods or ("mean", "pcgrad"))),
        "seeds": (0, 1),
        "steps": 1600,
        "evaluate_trials": 3,
        "settings": TINY,
        **settings,
    }
    return Study(**given)
