"""Tasks whose conflict is known: clash:ANGLE, a choice between left and right that depends on the task.

An attempt is one step. It shows a point x, drawn from the standard normal distribution in `DIMENSIONS` dimensions, and
pays +1 for the side on which x lies along the task's own direction w, -1 for the other; w lies at ANGLE degrees in the
plane of the first two coordinates. Nothing but the task tells which direction counts. Of two tasks whose directions are
t degrees apart, 0 <= t <= 180, it follows:

- they want different sides for a share t / 180 of the points, and the same side for all others;
- a policy that knows its task can earn 1 in both, one that does not at most 1 - t / 180 on average (of a point on which
  they differ, what it earns in one task it loses in the other), however its gradients are combined;
- for a linear policy that starts undecided, the policy gradient of either task points along its direction, so that the
  cosine between the two is cos t: E[sign(<w, x>) x] = sqrt(2 / pi) w.

With one attempt a trial, as in the suite, no memory can tell the tasks apart.
"""

import math
from typing import TYPE_CHECKING, Any

from tasks.suite import Suite
from tasks.task import Task

if TYPE_CHECKING:
    import gymnasium

DIMENSIONS = 8
ANGLES = (0, 45, 90, 135, 180)


class Clash:
    """The source ``clash:ANGLE``, in degrees from 0 to 359."""

    slow = False
    extra = None

    @staticmethod
    def names() -> tuple[str, ...]:
        """Whole angles."""
        return tuple(map(str, range(360)))

    @staticmethod
    def task(name: str, **protocol: Any) -> Task:
        """A task by its angle.

        Raises:
            ValueError: it is no whole number from 0 to 359.
        """
        if not (name.isdecimal() and str(int(name)) == name and int(name) < 360):
            raise ValueError(f"clash:{name}: expected a whole angle from 0 to 359, in degrees")
        return Task(name=f"Clash{name}", id=f"clash:{name}", **protocol)

    @staticmethod
    def make(name: str) -> "gymnasium.Env[Any, Any]":
        """A simulator."""
        from tasks.clash_simulator import ClashSimulator

        return ClashSimulator(math.radians(int(name)))


def clash() -> Suite:
    """Five directions; two of them at a time are a pair with a known angle."""
    return Suite(
        name="clash",
        tasks=tuple(Clash.task(str(angle)) for angle in ANGLES),
        description="Left or right, by a direction that only the task knows: conflict at a known angle.",
        invalid_actions="mask",
    )
