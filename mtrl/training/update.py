"""One optimizer step: batch, task losses, rescaling, task gradients, strategy, step."""

from dataclasses import dataclass

import torch
from torch import Tensor

from conflict.engine.passes import add_grad
from conflict.engine.task_gradients import TaskGradients
from conflict.measures import conflict_rate, cosine_matrix, effective_tasks, norm_spread
from conflict.rescaling.rescaling import Rescaling
from conflict.strategies.strategy import Strategy
from mtrl.agent.agent import Agent
from mtrl.agent.task_rows import rows_of_tasks
from mtrl.learning.actor_critic import TaskLosses
from mtrl.learning.batch import Batch
from mtrl.learning.config import LearningConfig
from mtrl.training.config import UpdateConfig
from mtrl.training.ranks import Ranks
from mtrl.training.resting import Resting


class DivergenceError(RuntimeError):
    """A loss is NaN or infinite."""


@dataclass(frozen=True, kw_only=True)
class Conflict:
    """How the task gradients of one update stood to each other."""

    task_ids: list[int]
    gram: Tensor
    weights: Tensor

    def record(self) -> dict[str, object]:
        """The measures, ready for JSON."""
        return {
            "cosine": [[round(c, 6) for c in row] for row in cosine_matrix(self.gram).tolist()],
            "norms": self.gram.diagonal().clamp_min(0).sqrt().tolist(),
            "weights": self.weights.tolist(),
            "conflict_rate": float(conflict_rate(self.gram)),
            "norm_spread": float(norm_spread(self.gram)),
            "effective_tasks": float(effective_tasks(self.gram, self.weights)),
        }


class Updater:
    """Owns the optimizer, the strategy and the rescaling; changes the agent."""

    def __init__(
        self,
        agent: Agent,
        strategy: Strategy,
        rescaling: Rescaling,
        task_names: tuple[str, ...],
        config: UpdateConfig,
        learning: LearningConfig,
        ranks: Ranks = Ranks(),
    ) -> None:
        self.ranks = ranks
        self.agent, self.strategy, self.rescaling = agent, strategy, rescaling
        self.task_names, self.config, self.learning = task_names, config, learning
        self.parameters = agent.trained_parameters()
        policy = {f"policy.{name}" for name, _ in agent.policy.named_parameters()}
        groups = [
            {"params": [p for name, p in self.parameters.items() if (name in policy) == own], "rate": rate}
            for own, rate in ((False, 1.0), (True, config.policy_rate))
        ]
        self.optimizer = torch.optim.AdamW(
            groups,
            lr=config.learning_rate,
            betas=(0.9, config.second_moment),
            weight_decay=config.weight_decay,
            fused=True,
        )
        self.owned = [parameter for parameter in agent.owned_parameters() if parameter.requires_grad]
        self.tasks = TaskGradients(
            agent,
            num_tasks=len(task_names),
            parameters=self.parameters.values(),
            owned=self.owned,
            process_group=ranks.group,
        )
        self.resting = Resting(self.parameters, rows_of_tasks(agent), agent.frozen_rows)
        agent.rows_of_all = ranks.rows
        self.updates = 0

    def update(
        self, batch: Batch, generator: torch.Generator, *, measure: bool, progress: float = 0.0
    ) -> tuple[TaskLosses, dict[str, Tensor], Conflict | None]:
        """One step on a batch.

        Args:
            measure: also take the task gradients where the strategy can do without them.
            progress: share of the run that is done, for the learning rate and the entropy bonus.
        Returns:
            The losses, the update's metrics, and the state of conflict if task gradients were taken.
        Raises:
            DivergenceError: a loss or the gradient is not finite; the weights did not move, but running statistics may
                have: go back to a checkpoint.
        """
        learning = self.learning.at(progress)
        self.optimizer.zero_grad(set_to_none=True)
        before = generator.get_state() if self.rescaling.needs_losses_after else None
        conflict = None
        if measure or self.strategy.needs != "losses" or self.rescaling.needs_gradient_norms:
            self.tasks.num_tasks = len(batch.task_ids)
            with self.tasks:
                losses = self._losses(batch, learning, generator)
            scales = self._scales(losses, batch, generator)
            self.tasks.backward(scales * losses.total)
            gram = self.tasks.gramian()
            weights = self._combine(gram, batch, generator)
            conflict = Conflict(task_ids=batch.task_ids.tolist(), gram=gram, weights=weights)
            norms = gram.diagonal().clamp_min(0).sqrt()
        else:
            losses = self._losses(batch, learning, generator)
            scales = self._scales(losses, batch, generator)
            weights = self.strategy.weights(None, task_ids=batch.task_ids, generator=self._shared(generator))
            self._backward(weights, scales * losses.total)
            self.ranks.average_gradients(self.parameters.values())
            norms = None
        self.resting.silence()
        norm = torch.nn.utils.clip_grad_norm_(self.parameters.values(), self.config.clip)
        if not torch.isfinite(norm):
            raise DivergenceError(
                f"update {self.updates}: the losses are finite but the gradient is not (tasks {self._names(batch)})"
            )
        for group in self.optimizer.param_groups:
            group["lr"] = group["rate"] * self.config.rate(self.updates, progress)
        self.resting.step(self.optimizer, self._present(batch))
        after = None if before is None else self._critic_after(batch, generator, before)
        self.rescaling.observe_update(batch.task_ids, self.ranks.mean(losses.critic.detach()), norms, after)
        self.agent.follow(self.learning.target_rate)
        self.updates += 1
        return losses, {**losses.metrics, "grad_norm": norm}, conflict

    def _backward(self, weights: Tensor, losses: Tensor) -> None:
        """Gradients of the weighted losses; what tasks own gets those of the mean, as where task gradients are taken.

        That costs a second pass, through what leads to owned parameters alone, where weights differ.
        """
        mean = torch.full_like(weights, 1 / len(weights))
        if not self.owned or torch.equal(weights, mean):
            (weights * losses).sum().backward()
            return
        grads = torch.autograd.grad((mean * losses).sum(), self.owned, retain_graph=True, allow_unused=True)
        alone = {id(parameter) for parameter in self.owned}
        if shared := [p for p in self.parameters.values() if id(p) not in alone]:
            (weights * losses).sum().backward(inputs=shared)
        for parameter, grad in zip(self.owned, grads, strict=True):
            if grad is not None:
                add_grad(parameter, grad)

    def _present(self, batch: Batch) -> Tensor:
        """[task] the tasks of which some process has a step to learn from."""
        present = torch.zeros(len(self.task_names), dtype=torch.bool)
        if self.resting:
            learnt = (batch.mask if batch.learnt is None else batch.learnt).any(dim=2).any(dim=1)
            present[batch.task_ids[~self.ranks.everywhere(~learnt)].cpu()] = True
        return present

    @torch.no_grad()
    def _critic_after(self, batch: Batch, generator: torch.Generator, before: Tensor) -> Tensor:
        """The critic's losses on the batch as they are now, with the draws that were made before the step."""
        again = torch.Generator(device=generator.device)
        again.set_state(before)
        return self.ranks.mean(self.agent.task_losses(batch, self.learning, again, observe=False).critic)

    def _shared(self, generator: torch.Generator) -> torch.Generator:
        """Where strategy and rescaling draw from: alike in all processes, while batches differ."""
        if self.ranks.count == 1:
            return generator
        return torch.Generator(device=generator.device).manual_seed(self.updates)

    def _combine(self, gram: Tensor, batch: Batch, generator: torch.Generator) -> Tensor:
        if self.strategy.needs == "jacobian":
            shared = self._shared(generator)
            update = self.strategy.combine(self.tasks.jacobian(), task_ids=batch.task_ids, generator=shared)
            self.tasks.accumulate_update(update)
            return torch.full(batch.task_ids.shape, 1 / len(batch.task_ids))
        weights = self.strategy.weights(gram, task_ids=batch.task_ids, generator=self._shared(generator))
        self.tasks.accumulate(weights)
        return weights

    def _scales(self, losses: TaskLosses, batch: Batch, generator: torch.Generator) -> Tensor:
        """By the critics' losses, which are positive; an actor's may not be."""
        critic, shared = self.ranks.mean(losses.critic.detach()), self._shared(generator)
        scales: Tensor = self.rescaling.loss_scales(batch.task_ids, critic, generator=shared)
        return scales

    def _names(self, batch: Batch) -> list[str]:
        return [self.task_names[task] for task in batch.task_ids.tolist()]

    def _losses(self, batch: Batch, learning: LearningConfig, generator: torch.Generator) -> TaskLosses:
        losses = self.agent.task_losses(batch, learning, generator)
        finite = self.ranks.everywhere(torch.isfinite(losses.total))
        if not finite.all():
            lines = [
                f"{self.task_names[task]} (actor {actor:g}, critic {critic:g})"
                for task, ok, actor, critic in zip(
                    batch.task_ids.tolist(), finite.tolist(), losses.actor.tolist(), losses.critic.tolist(), strict=True
                )
                if not ok
            ]
            raise DivergenceError(
                f"update {self.updates}: expected finite losses, found NaN or infinity for {', '.join(lines)}. "
                "Likely causes: a learning rate that is too high, or rewards that the critic cannot represent."
            )
        return losses
