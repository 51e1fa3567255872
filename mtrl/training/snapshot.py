"""All of a run at one moment, as a checkpoint holds it, and back."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from mtrl.config import RunConfig, to_json
from mtrl.training.checkpoint import Checkpoint, CheckpointError
from mtrl.training.update import Updater

if TYPE_CHECKING:
    from mtrl.training.loop import Run


def snapshot(run: Run) -> Checkpoint:
    """Everything but the replay, which is stored apart."""
    return Checkpoint(
        state={
            "config": asdict(run.config),
            "steps": run.steps,
            "updates": run.updater.updates,
            "records": run.records,
            "seconds": run.seconds,
            "queue": run.queue,
            "finished": run.finished,
            "sampler": run.sampler.state(),
            "rng": run.rng.bit_generator.state,
            "turns": run.turns.bit_generator.state,
            "suite": run.collector.envs.state_dict(),
        },
        tensors={
            **{f"{name}.{key}": value for name, m in _modules(run).items() for key, value in m.state_dict().items()},
            **_optimizer_tensors(run.updater),
            "generator": run.generator.get_state(),
            "acting": run.acting_generator.get_state(),
        },
        arrays=run.collector.state_arrays(),
    )


def put_back(run: Run, found: Checkpoint) -> None:
    """Let a run of the same settings stand where the checkpoint was taken."""
    state, tensors = found.state, found.tensors
    for name, module in _modules(run).items():
        module.load_state_dict(_under(f"{name}.", tensors))
    for name, parameter in run.updater.parameters.items():
        # AdamW keeps its step count where the parameter is only if it is fused, as it is here.
        if values := _under(f"optimizer.{name}.", tensors):
            run.updater.optimizer.state[parameter] = {key: value.to(parameter.device) for key, value in values.items()}
    for number, (name, own) in enumerate({"generator": run.generator, "acting": run.acting_generator}.items()):
        if tensors[name].shape == own.get_state().shape:
            own.set_state(tensors[name])
        else:  # from another kind of device, whose generators are others: random, but not the same bits
            own.manual_seed(hash((run.config.loop.seed, state["steps"], number)) % 2**63)
    run.rng.bit_generator.state, run.turns.bit_generator.state = state["rng"], state["turns"]
    run.steps, run.records, run.updater.updates = state["steps"], state["records"], state["updates"]
    run.queue, run.finished, run.earlier_seconds = state["queue"], state["finished"], state["seconds"]
    if "sampler" in state:
        run.sampler.load(state["sampler"])
    run.collector.load(state["suite"], found.arrays)


def _modules(run: Run) -> dict[str, nn.Module]:
    modules = {"agent": run.agent, "strategy": run.updater.strategy, "rescaling": run.updater.rescaling}
    if run.updater.rescaling is run.agent.normaliser:  # saved with the agent
        del modules["rescaling"]
    return modules


def _optimizer_tensors(updater: Updater) -> dict[str, Tensor]:
    return {
        f"optimizer.{name}.{key}": value
        for name, parameter in updater.parameters.items()
        for key, value in updater.optimizer.state.get(parameter, {}).items()
    }


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


# What may differ between a run and its resumption. Bits stay the same only if steps, device and threads do not differ.
_FREE = (
    *("steps", "checkpoint_every", "evaluate_every", "evaluate_trials", "log_every", "greedy"),
    *("device", "learn_threads", "workers", "max_faults", "patience"),
)


def check_same_run(saved: dict[str, Any], config: RunConfig, path: Path) -> None:
    """Refuse to go on with a checkpoint of other settings.

    Raises:
        CheckpointError: a setting that decides the bits differs.
    """
    mine, usual = json.loads(to_json(config)), json.loads(to_json(RunConfig(suite=config.suite)))

    def there(group: str, name: str) -> Any:
        """What the checkpoint's run had; a setting that is younger than it stands at its default."""
        return saved.get(group, {}).get(name, usual[group][name])

    different = []
    for group, values in mine.items():
        if not isinstance(values, dict):
            pairs = [(group, saved.get(group), values)]
        else:
            pairs = [(f"{group}.{name}", there(group, name), v) for name, v in values.items() if name not in _FREE]
        different += [f"{name} (there {before!r}, here {now!r})" for name, before, now in pairs if before != now]
    if different:
        raise CheckpointError(f"{path} is of a run with other settings: {'; '.join(different)}")
