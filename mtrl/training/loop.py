"""A training run as a generator of records: collect, update, measure, evaluate, checkpoint, over and over.

Whoever consumes the records decides what becomes of them: files, TensorBoard, a progress bar. Stopping is to stop
asking.
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch

from conflict.registry import make_strategy
from mtrl.config import RunConfig, to_json
from mtrl.in_use import held
from mtrl.learning.batch import Batch
from mtrl.training.build import build_agent, build_replay, build_rescaling, build_rollout, build_suite
from mtrl.training.checkpoint import CheckpointError, Checkpoints
from mtrl.training.collect import Collector
from mtrl.training.evaluate import evaluate
from mtrl.training.ranks import Ranks, on_this_rank
from mtrl.training.records import floats, heads_record, losses_by_task, versions
from mtrl.training.sampling import TaskSampler
from mtrl.training.snapshot import check_same_run, put_back, snapshot
from mtrl.training.transfer import RECORD, begin_from
from mtrl.training.update import Updater
from tasks.trial import SimulatorError

Record = dict[str, Any]


def train(config: RunConfig, out: Path, *, resume: bool = False) -> Iterator[Record]:
    """Run, or resume, training in the folder `out`.

    Yields:
        Records of the kinds start, update, collect, fault, conflict, evaluation, end; after a resumption first one of
        kind "resume", whose "records" says how many records the checkpoint had seen.
    Raises:
        CheckpointError: the checkpoint is damaged, or of other settings; or there is one and `resume` is False.
        DivergenceError: a loss became NaN or infinite; the last checkpoint is kept.
        SimulatorError: a task's simulator failed again and again; a checkpoint of that moment was written.
        InUseError: another process trains in the folder.
    """
    _check_device(config.loop.device)
    run = Run(config, out)
    if resume:
        run.restore()
    elif run.checkpoints.newest() is not None:
        raise CheckpointError(f"{out} holds a run already: resume it, or choose another folder")
    out.mkdir(parents=True, exist_ok=True)
    try:
        with held(out) if run.ranks.index == 0 else nullcontext():
            yield from _records(run, config, out, resume=resume)
    finally:
        run.collector.close()


def _records(run: "Run", config: RunConfig, out: Path, *, resume: bool) -> Iterator[Record]:
    if run.ranks.index == 0:
        begun = out / "config.json.new"
        begun.write_text(to_json(config))
        begun.replace(out / "config.json")
        if run.pretrained:
            (out / RECORD).write_text(json.dumps(run.pretrained, indent=1) + "\n")
    if resume:
        yield {"kind": "resume", "records": run.records}
    yield from run.records_to_the_end()


class Run:
    """The state of a run between two iterations."""

    def __init__(self, config: RunConfig, out: Path) -> None:
        self.ranks = Ranks.of_environment(config.loop.device)
        config = on_this_rank(config, self.ranks)
        self.config, self.suite = config, build_suite(config)
        self.checkpoints = Checkpoints(out if self.ranks.index == 0 else out / "ranks" / str(self.ranks.index))
        seed = self.ranks.seed(config.loop.seed)
        self.generator = torch.Generator(device=config.loop.device).manual_seed(seed)
        self.acting_generator = torch.Generator(device=config.loop.device).manual_seed(seed + 1)
        self.rng = np.random.default_rng([seed, 1])
        self.turns = np.random.default_rng([config.loop.seed, 2])
        rescaling = build_rescaling(config, self.suite).to(config.loop.device)
        self.agent = build_agent(config, self.suite, rescaling)
        self.pretrained = begin_from(
            self.agent, self.suite.task_names, config.loop.pretrained, config.update.frozen, out
        )
        self.updater = Updater(
            self.agent,
            make_strategy(config.conflict.strategy, self.suite.num_tasks, config.conflict.strategy_options).to(
                config.loop.device
            ),
            rescaling,
            self.suite.task_names,
            config.update,
            config.learning,
            self.ranks,
        )
        self.replay, self.rollout = build_replay(config, self.suite), build_rollout(config, self.suite)
        self.workers = config.collect.processes(slow=self.suite.slow)
        self.collector = Collector(
            self.agent,
            self.suite,
            config.collect.slots,
            seed=seed,
            generator=self.acting_generator,
            workers=self.workers,
            max_faults=config.collect.max_faults,
            patience=config.collect.patience,
            history=None if self.rollout is None else config.agent.context,
            explore_length=config.collect.explore_length,
        )
        self.sampler = TaskSampler(self.suite.sampling, [task.weight for task in self.suite.tasks])
        self.steps = self.records = 0
        self.earlier_seconds = 0.0
        self.queue: list[int] = []
        self.finished: dict[str, list[tuple[float, int]]] = {}
        self.started = time.monotonic()

    def records_to_the_end(self) -> Iterator[Record]:
        """The records from here on; each is counted, so that a checkpoint knows how many came before it."""
        for record in self._iterate():
            self.records += 1
            now = {"steps": self.steps, "updates": self.updater.updates, "seconds": round(self.seconds, 3)}
            yield {"kind": record.pop("kind"), **now, **record}

    @property
    def seconds(self) -> float:
        """Wall-clock of the run, over all its resumptions."""
        return self.earlier_seconds + time.monotonic() - self.started

    def _iterate(self) -> Iterator[Record]:
        loop = self.config.loop
        if self.steps == 0:
            yield self._start()
        while self.steps < loop.steps:
            before = self.steps
            try:
                self._collect()
            except SimulatorError as error:
                yield from self._faults()
                self._save_what_is_left(error)
                raise
            yield from self._faults()
            if (self.rollout or self.steps >= self.config.collect.start_steps) and self._present():
                yield from self._update()
            at_end = self.steps >= loop.steps
            if self.ranks.index == 0 and (at_end or _due(loop.evaluate_every, before, self.steps)):
                try:
                    evaluation = self._evaluation()
                except SimulatorError as error:
                    self._save_what_is_left(error)
                    raise
                if "faults" in evaluation:
                    yield {"kind": "fault", "messages": evaluation.pop("faults")}
                yield evaluation
            if at_end or _due(loop.checkpoint_every, before, self.steps):
                self.save()
        yield {"kind": "end"}

    def _faults(self) -> Iterator[Record]:
        if self.collector.faults:
            yield {"kind": "fault", "messages": self.collector.faults}
            self.collector.faults = []

    def _save_what_is_left(self, error: Exception) -> None:
        """Save before an error ends the run; where that fails too, the error that came first is the one to tell."""
        try:
            self.save()
        except Exception as second:
            error.add_note(f"No checkpoint could be written: {second}")

    def _collect(self) -> None:
        torch.set_num_threads(1)
        config = self.config.collect
        self.collector.explorer.share = 0.0 if self.rollout else config.exploration(self.steps)
        if self.rollout:
            self.rollout.clear()  # of an update that was left out: no task was played in every process
        for _ in range(config.rollout_length if self.rollout else config.steps_per_update // config.slots):
            for _, trial, summary in self.collector.step():
                if self.rollout:
                    self.rollout.add(trial, self.collector.fresh(trial))
                else:
                    self.replay.add(trial)
                name, result = self.suite.task_names[trial.task_id], (summary["raw_return"], trial.length)
                self.finished.setdefault(name, []).append(result)
                self.sampler.observe(trial.task_id, trial.length, summary["raw_return"])
            self.steps += self.collector.num_slots * self.ranks.count
        if self.rollout:
            for trial in self.collector.unfinished():
                self.rollout.add(trial, self.collector.fresh(trial))
            self.collector.learnt = self.collector.now
        if self.suite.sampling in ("steps", "progress"):
            self.collector.envs.set_task_weights(self.sampler.weights().tolist())

    def _update(self) -> Iterator[Record]:
        torch.set_num_threads(min(self.config.loop.learn_threads, os.cpu_count() or 1))
        for batch in self._batches():
            yield from self._learn(batch)

    def _learn(self, batch: Batch) -> Iterator[Record]:
        number, every = self.updater.updates, self.config.conflict.measure_every
        measure = every > 0 and number % every == 0
        losses, metrics, conflict = self.updater.update(
            batch, self.generator, measure=measure, progress=self.steps / self.config.loop.steps
        )
        if number % self.config.loop.log_every == 0:
            yield {
                "kind": "update",
                **losses_by_task(losses, self._names(losses.task_ids)),
                "metrics": floats(metrics),
            }
            if self.finished:
                yield self._collected()
        if measure and conflict is not None:
            names = self._names(conflict.task_ids)
            yield {
                "kind": "conflict",
                "tasks": names,
                **conflict.record(),
            }

    def _batches(self) -> Iterator[Batch]:
        """What is learnt from now: a batch of the replay, or the rollout over and over."""
        if self.rollout is None:
            yield self.batch()
            return
        tasks, config = self._present(), self.config.update
        # As many updates in every process.
        minibatches = self.ranks.lowest(min(config.minibatches, self.rollout.longest(tasks)), self.config.loop.device)
        yield from self.rollout.batches(
            self.agent,
            tasks,
            self.config.learning,
            epochs=config.epochs,
            minibatches=minibatches,
            rng=self.rng,
        )

    def batch(self) -> Batch:
        """Draw the next batch of the replay: tasks in turn, windows at random."""
        present = self._present()
        config = self.config.update
        count = min(config.tasks_per_update or self.suite.num_tasks, config.sequences, len(present))
        tasks = present if count == len(present) else self._next_tasks(count, set(present))
        batch = self.replay.sample(tasks, config.sequences // count, self.config.agent.context, self.rng)
        return batch.to(self.config.loop.device)

    def _present(self) -> list[int]:
        """Tasks of which every process has a trial."""
        own = torch.zeros(self.suite.num_tasks, dtype=torch.bool, device=self.config.loop.device)
        own[(self.rollout or self.replay).tasks()] = True
        return self.ranks.everywhere(own).nonzero().flatten().tolist()

    def _next_tasks(self, count: int, present: set[int]) -> list[int]:
        # In turn, in an order that is drawn anew after each round: every task is in equally many updates. One that
        # comes up twice in an update waits for the next.
        chosen: list[int] = []
        waiting: list[int] = []
        while len(chosen) < count:
            if not self.queue:
                self.queue = self.turns.permutation(self.suite.num_tasks).tolist()
            task = self.queue.pop(0)
            if task in chosen:
                waiting.append(task)
            elif task in present:
                chosen.append(task)
        self.queue = waiting + self.queue
        return sorted(chosen)

    def _evaluation(self) -> Record:
        torch.set_num_threads(1)
        loop = self.config.loop
        return {
            "kind": "evaluation",
            **evaluate(
                self.agent,
                self.suite,
                trials=loop.evaluate_trials,
                seed=0,
                greedy=loop.greedy,
                workers=self.workers,
                max_faults=self.config.collect.max_faults,
                patience=self.config.collect.patience,
            ),
            **heads_record(self.agent),
        }

    def _collected(self) -> Record:
        ended, self.finished = self.finished, {}
        return {
            "kind": "collect",
            "return": {task: float(np.mean([r for r, _ in results])) for task, results in sorted(ended.items())},
            "trials": {task: len(results) for task, results in sorted(ended.items())},
            "length": {task: float(np.mean([n for _, n in results])) for task, results in sorted(ended.items())},
            "share": dict(zip(self.suite.task_names, self.sampler.weights().round(6).tolist(), strict=True)),
        }

    def _start(self) -> Record:
        return {
            "kind": "start",
            "suite": self.suite.name,
            "tasks": list(self.suite.task_names),
            "versions": versions(),
            "processes": self.ranks.count,
            "parameters": sum(p.numel() for p in self.updater.parameters.values()),
            **({"pretrained": self.pretrained} if self.pretrained else {}),
        }

    def _names(self, task_ids: list[int]) -> list[str]:
        return [self.suite.task_names[task] for task in task_ids]

    def save(self) -> None:
        """Write a checkpoint of this moment."""
        self.collector.revive()
        self.checkpoints.save(self.steps, snapshot(self), self.replay)

    def restore(self) -> None:
        """Go back to the newest checkpoint; without one, to the start.

        Raises:
            CheckpointError: the checkpoint is damaged, or of a run with other settings.
        """
        newest = self.checkpoints.newest(self.ranks)
        if newest is not None:
            found = self.checkpoints.load(newest, self.replay)
            check_same_run(found.state["config"], self.config, newest)
            put_back(self, found)
            self.started = time.monotonic()


def _due(every: int, before: int, now: int) -> bool:
    return every > 0 and before // every < now // every


def _check_device(name: str) -> None:
    """Refuse a device that this machine lacks."""
    try:
        torch.zeros((), device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(f"device {name}: torch {torch.__version__} cannot use it here; --device cpu works") from error
