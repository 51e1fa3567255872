"""Suites of the meta-RL families: each by itself, a mixture, and five with instances held out.

Those with "shift" in the name train on a part of the instances. Held out are *interpolation* (instances between those
of training), *extrapolation* (beyond them) and *new-family* (another kind of problem in the same spaces).
"""

from dataclasses import replace

from tasks.meta.source import BANDITS, LENGTHS, MDPS, Bandit, Hallway, Mdp, Point, Room, TMaze
from tasks.suite import Suite
from tasks.task import Task

DARK_ATTEMPTS, POINT_ATTEMPTS, MDP_ATTEMPTS, HALLWAY_ATTEMPTS = 5, 3, 10, 2


def bandits() -> Suite:
    """Five bandits, 10 to 500 pulls each."""
    return Suite(
        name="bandits",
        tasks=tuple(map(Bandit.task, BANDITS)),
        description="Bernoulli and normal bandits, 5 to 50 arms and 10 to 500 pulls; one attempt.",
        invalid_actions="mask",
    )


def tabular_mdp() -> Suite:
    """Random processes of 10 states and 5 actions, ten attempts of 10 steps."""
    return Suite(
        name="tabular-mdp",
        tasks=tuple(Mdp.task(name, attempts=MDP_ATTEMPTS) for name in MDPS),
        description="Random tabular MDPs of RL^2: 10 states, 5 actions, ten attempts of 10 steps at the same one.",
        invalid_actions="mask",
    )


def dark_room() -> Suite:
    """An invisible goal in a room of 9 x 9 cells, five attempts of 20 steps."""
    return Suite(
        name="dark-room",
        tasks=(Room.task("dark", attempts=DARK_ATTEMPTS),),
        description="Dark Room: an invisible goal among 81 cells, five attempts of 20 steps at the same one.",
        invalid_actions="mask",
    )


def dark_key_door() -> Suite:
    """An invisible key and an invisible door in a room of 9 x 9 cells, five attempts of at most 50 steps."""
    return Suite(
        name="dark-key-door",
        tasks=(Room.task("key-door", attempts=DARK_ATTEMPTS),),
        description="Dark Key-to-Door: first an invisible key, then an invisible door; five attempts of 50 steps.",
        invalid_actions="mask",
    )


def point_robot() -> Suite:
    """Continuous moves to a goal on a half circle, with dense and with sparse rewards."""
    return Suite(
        name="point-robot",
        tasks=tuple(Point.task(name, attempts=POINT_ATTEMPTS) for name in ("dense", "sparse")),
        description="Point robot (continuous actions): a hidden goal on a half circle, three attempts of 20 steps.",
        invalid_actions="mask",
    )


def hallway_sign() -> Suite:
    """Two attempts: 2 for reading the sign, 1.5 at best without."""
    return Suite(
        name="hallway-sign",
        tasks=(Hallway.task("sign", attempts=HALLWAY_ATTEMPTS),),
        description="A hallway with a sign off the way, which posterior sampling never reads; two attempts.",
        invalid_actions="mask",
    )


def tmaze() -> Suite:
    """Passive T-mazes of three lengths."""
    return Suite(
        name="tmaze",
        tasks=tuple(TMaze.task(str(length)) for length in LENGTHS),
        description="Passive T-mazes with corridors of 10, 30 and 100 steps: recall alone is measured.",
        invalid_actions="mask",
    )


def meta_mix() -> Suite:
    """Four families under one agent, with returns from about -62 (a random policy among point robots) to 156."""
    return Suite(
        name="meta-mix",
        tasks=(
            Bandit.task("bernoulli-5x10"),
            *dark_room().tasks,
            *tabular_mdp().tasks,
            Point.task("dense-discrete", attempts=POINT_ATTEMPTS),
        ),
        description="A bandit, dark rooms, tabular MDPs and point robots together, with returns on different scales.",
        invalid_actions="mask",
    )


def bandits_shift() -> Suite:
    """Trained with arms' means in [0.1, 0.4] and [0.6, 0.9]; held out: between, beyond, and normal arms."""

    def arms(name: str, *means: list[float]) -> Task:
        return replace(Bandit.task("bernoulli-5x10", options={"means": list(means)}), name=name)

    return Suite(
        name="bandits-shift",
        tasks=(arms("bernoulli-5x10", [0.1, 0.4], [0.6, 0.9]),),
        held_out=(
            arms("interpolation", [0.4, 0.6]),
            arms("extrapolation", [0.0, 0.1], [0.9, 1.0]),
            replace(Bandit.task("gaussian-5x10"), name="new-family"),
        ),
        description="Bernoulli bandits; held out: means between and beyond those of training, and normal arms.",
        invalid_actions="mask",
    )


def dark_room_shift() -> Suite:
    """Trained with goals in most inner cells; held out: the other ones, cells along the walls, key and door."""

    def goals(name: str, cells: str) -> Task:
        return replace(Room.task("dark", attempts=DARK_ATTEMPTS, options={"goals": cells}), name=name)

    return Suite(
        name="dark-room-shift",
        tasks=(goals("dark", "train"),),
        held_out=(
            goals("interpolation", "interpolation"),
            goals("extrapolation", "extrapolation"),
            replace(Room.task("key-door", attempts=DARK_ATTEMPTS), name="new-family"),
        ),
        description="Dark Room; held out: goals among and around those of training, and Key-to-Door.",
        invalid_actions="mask",
    )


def point_robot_shift() -> Suite:
    """Trained with goals on two arcs; held out: the gap between them, the other half circle, sparse rewards."""

    def goals(name: str, *degrees: list[float]) -> Task:
        return replace(Point.task("dense", attempts=POINT_ATTEMPTS, options={"goals": list(degrees)}), name=name)

    return Suite(
        name="point-robot-shift",
        tasks=(goals("dense", [0, 70], [110, 180]),),
        held_out=(
            goals("interpolation", [70, 110]),
            goals("extrapolation", [180, 360]),
            replace(Point.task("sparse", attempts=POINT_ATTEMPTS), name="new-family"),
        ),
        description="Point robot; held out: goals between and beyond those of training, and sparse rewards.",
        invalid_actions="mask",
    )


def tmaze_shift() -> Suite:
    """Trained with corridors of 10 and 30 steps; held out: one between, and a much longer one."""

    def corridor(length: int, name: str) -> Task:
        return replace(TMaze.task(str(length)), name=name)

    return Suite(
        name="tmaze-shift",
        tasks=tuple(TMaze.task(str(length)) for length in (10, 30)),
        held_out=(corridor(20, "interpolation"), corridor(100, "extrapolation")),
        description="Passive T-mazes of 10 and 30 steps; held out: 20 and 100 steps.",
        invalid_actions="mask",
    )


def tabular_mdp_shift() -> Suite:
    """Trained where moves are rather certain and where they are rather even; held out: between, and nearly certain."""

    def processes(name: str, concentration: float) -> Task:
        options = {"concentration": concentration}
        return replace(Mdp.task(MDPS[0], attempts=MDP_ATTEMPTS, options=options), name=name)

    return Suite(
        name="tabular-mdp-shift",
        tasks=(processes("certain", 0.3), processes("even", 3.0)),
        held_out=(processes("interpolation", 1.0), processes("extrapolation", 0.03)),
        description="Random MDPs whose moves are rather certain or rather even; held out: between, and nearly certain.",
        invalid_actions="mask",
    )
