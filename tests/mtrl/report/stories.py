"""Made-up trials to draw: of every kind of action, with and without pictures."""

from typing import Any

import numpy as np

from mtrl.report.video.story import Moment, Scene, Story, Thought
from mtrl.report.video.window import Sight
from tasks.task import Task


def scene(**changes: Any) -> Scene:
    settings: dict[str, Any] = {
        "run": "run",
        "suite": "suite",
        "task": Task(name="task", id="test:task", warmup_attempts=1, attempts=2),
        "held_out": False,
        "steps": 1000,
        "discount": 0.9,
        "action_names": ("left", "right", "nothing"),
        "continuous": False,
        "others": 0,
        "trials": 2,
        "seed": 0,
        "greedy": False,
    }
    return Scene(**{**settings, **changes})


def thought(of: Scene, rng: np.random.Generator, *, value: float | None = 0.5) -> Thought:
    own = len(of.action_names)
    if of.continuous:
        return Thought(
            value=value, action_values=None, policy=np.sort(rng.uniform(-1, 1, (3, own)), axis=0), entropy=1.0
        )
    chances = rng.dirichlet(np.ones(own + of.others))
    values = None if value is None else rng.standard_normal(own + of.others)
    return Thought(value=value, action_values=values, policy=chances, entropy=1.0)


def story(
    of: Scene | None = None,
    *,
    steps: int = 30,
    observation: Any = 1,
    picture: Any = None,
    scale: float = 1.0,
    valued: bool = True,
    ended: bool = False,
    mission: str = "",
    action: Any = None,
) -> Story:
    """The warm-up attempt takes the first third, the first paid one the rest; every second step earns something."""
    of = of or scene()
    rng = np.random.default_rng(0)
    told, return_ = Story(of), 0.0
    for step in range(steps):
        paid = step >= steps // 3
        reward = None if step in (0, steps // 3) else float(scale * rng.standard_normal()) * (step % 2)
        return_ += (reward or 0.0) if paid else 0.0
        last = ended and step == steps - 1
        drawn = rng.uniform(-1, 1, len(of.action_names)) if of.continuous else step % (len(of.action_names) + of.others)
        told.add(
            Moment(
                trial=0,
                step=step,
                attempt=int(paid),
                paid=paid,
                sight=Sight(observation, picture),
                mission=mission,
                reward=reward,
                return_=return_,
                thought=None if last else thought(of, rng, value=scale * step if valued else None),
                action=None if last else drawn if action is None else action,
                played=0,
                end="trial" if last else None,
            )
        )
    return told


GRID = np.full((7, 7, 3), 5, np.uint8)
PICTURE = np.random.default_rng(1).integers(0, 256, (40, 60, 3), dtype=np.uint8)

STORIES: dict[str, Story] = {
    "one number": story(),
    "first moment": story(steps=1),
    "the end": story(ended=True),
    "many numbers": story(observation=np.arange(200) % 3),
    "real numbers": story(observation=(np.linspace(-1e5, 1e5, 12, dtype=np.float32), 3)),
    "a sentence": story(observation={"words": "go to the red ball " * 20, "number": np.float32(0.5)}),
    "one long word": story(observation="x" * 400),
    "picture": story(picture=PICTURE, mission="pick up everything there is " * 12),
    "thin picture": story(picture=PICTURE[:2]),
    "image": story(observation={"image": PICTURE, "tokens": np.ones(4, np.uint8)}),
    "image of one channel": story(observation=PICTURE[:, :, :1]),
    "grid": story(observation={"grid": GRID, "tokens": np.ones(4, np.uint8)}),
    "huge returns": story(scale=1e9),
    "tiny returns": story(scale=1e-7),
    "no returns": story(scale=0.0),
    "long": story(steps=5000),
    "no value": story(scene(held_out=True), valued=False),
    "one action": story(scene(action_names=("only",))),
    "others": story(scene(action_names=("a", "b"), others=25), action=20),
    "fifteen": story(scene(action_names=tuple(f"right and down {i}" for i in range(15)))),
    "twenty-seven": story(scene(action_names=tuple(f"a long name {i}" for i in range(27)))),
    "hundreds": story(scene(action_names=tuple(str(i) for i in range(700)))),
    "continuous": story(scene(action_names=("1", "2"), continuous=True)),
    "forty numbers": story(scene(action_names=tuple(str(i + 1) for i in range(40)), continuous=True)),
    "over, continuous": story(scene(action_names=("1", "2"), continuous=True), ended=True),
    "long names": story(scene(run="r" * 300, task=Task(name="T" * 200, id="test:" + "i" * 200))),
}
