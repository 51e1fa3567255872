"""Film a run: its newest checkpoint plays, every moment becomes a frame, and every frame goes to the file at once."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image

from mtrl.agent.agent import Agent
from mtrl.agent.task_heads import TaskLinear, similarity
from mtrl.report.video.frame import Frames
from mtrl.report.video.stage import picture_of
from mtrl.report.video.story import Moment, Scene, Story
from mtrl.report.video.window import action_names
from mtrl.report.video.witness import Cast
from mtrl.report.video.writers import writing
from mtrl.training.evaluate import load_agent
from tasks.registry import make_simulator
from tasks.suite import Suite

_PICTURES_FPS, _TEXT_FPS = 12.0, 4.0
_HOLD_ATTEMPT, _HOLD_TRIAL = 0.6, 1.5
"""Seconds for which the end is shown longer."""


@dataclass(frozen=True)
class Filmed:
    """What a film shows of one trial."""

    return_: float
    """Raw, of the paid attempts: what evaluation scores."""
    steps: int


def film_run(
    run: Path,
    task: str | None,
    out: Path,
    *,
    trials: int = 1,
    seed: int = 0,
    greedy: bool | None = None,
    fps: float | None = None,
    progress: Callable[[Moment], None] = lambda moment: None,
) -> list[Filmed]:
    """Write a film of trials of one task, as `evaluate_run` with as many trials and the same seed plays them.

    Args:
        task: of the run's suite, held out or not; None: the first.
        out: .mp4, .gif, or .png for a sheet of some frames.
        trials: at least 1.
        seed: which held-out seeds; training's own evaluations use 0.
        greedy: most likely actions in place of drawn ones; None: as the run's settings say.
        fps: steps a second; None: 12 where there are pictures, 4 where there is text to read.
        progress: is told every moment.
    Returns:
        What became of each trial.
    Raises:
        CheckpointError: the folder holds no run, or no whole checkpoint yet.
        SimulatorError: a simulator failed; no file is left.
        ValueError: there is no such task, or the file cannot be written.
    """
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")  # pygame draws into memory; it need not look for a screen
    agent, suite, config, state = load_agent(run)
    torch.set_num_threads(1)
    greedy = config.loop.greedy if greedy is None else greedy
    cast = make_cast(agent, suite, task or suite.task_names[0], trials=trials, seed=seed, greedy=greedy)
    scene = make_scene(cast, run=run.name or run.resolve().name, suite=suite, steps=state["steps"])
    filmed: list[Filmed] = []
    moments = cast.moments()
    first = next(moments)
    rate = fps or (_TEXT_FPS if picture_of(first, 1) is None else _PICTURES_FPS)
    with writing(out, rate) as writer:
        for moment, frame in frames(scene, first, moments):
            hold = {"attempt": _HOLD_ATTEMPT, "trial": _HOLD_TRIAL}.get(moment.end or "", 0.0)
            writer.add(frame, repeats=1 + round(hold * rate))
            progress(moment)
            if moment.end == "trial":
                filmed.append(Filmed(moment.return_, moment.step))
    return filmed


def frames(scene: Scene, first: Moment, others: Iterator[Moment]) -> Iterator[tuple[Moment, Image.Image]]:
    """Every moment and its frame."""
    story = Story(scene)
    story.add(first)
    drawn = Frames(story)
    yield first, drawn.draw(story)
    for moment in others:
        if moment.trial != story.now.trial:
            story = Story(scene)
        story.add(moment)
        yield moment, drawn.draw(story)


def make_cast(agent: Agent, suite: Suite, task: str, *, trials: int, seed: int, greedy: bool) -> Cast:
    """Who plays what, for a task of the agent's suite.

    Raises:
        ValueError: the suite has no such task.
    """
    held_out = suite.holdout()
    if held_out is not None and task in held_out.task_names:
        return Cast(agent, held_out, held_out.task_id(task), trials, seed, greedy, known=False)
    task_id = suite.task_id(task)
    return Cast(agent, suite.testing(), task_id, trials, seed, greedy, known=True)


def make_scene(cast: Cast, *, run: str, suite: Suite, steps: int) -> Scene:
    """What stays the same in a film."""
    task = cast.suite.tasks[cast.task_id]
    interface = cast.suite.interfaces[cast.task_id]
    own, others = interface.num_actions, cast.suite.num_actions - interface.num_actions
    if interface.continuous is None:
        simulator = make_simulator(task)
        try:
            names = action_names(simulator, interface.actions)
        finally:
            simulator.close()
    else:
        names = tuple(str(number + 1) for number in range(own))
    return Scene(
        run=run,
        suite=suite.name,
        task=task,
        held_out=task.name not in suite.task_names,
        steps=steps,
        discount=float(cast.agent.discounts[cast.agent.acting]),
        action_names=names,
        continuous=interface.continuous is not None,
        others=0 if cast.suite.masks_actions else others,
        trials=cast.trials,
        seed=cast.seed,
        greedy=cast.greedy,
        experts=cast.agent.expert_counts,
        heads=_heads(cast),
    )


def _heads(cast: Cast) -> tuple[tuple[str, float], ...]:
    """See `Scene.heads`."""
    layer = cast.agent.policy.last
    if not isinstance(layer, TaskLinear) or not cast.known:
        return ()
    cosines = similarity(layer)[cast.task_id].tolist()
    others = [(name, cosines[k]) for k, name in enumerate(cast.suite.task_names) if k != cast.task_id]
    return tuple(sorted(others, key=lambda other: -other[1]))
