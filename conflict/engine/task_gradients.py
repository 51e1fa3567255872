"""Per-task gradients of any module's parameters, from one backward pass.

The batch is sorted by task, and row r of every operation's output belongs to one task. Where that holds, an operation's
inputs and the gradient of its output give all K parameter gradients (see ``rules.py``), so one backward pass that takes
no ordinary weight gradients is enough. An operation without a rule is run once more by itself; what the watch cannot
see at all (custom autograd functions, operations in place) costs K backward passes for just these. Both are named in
one warning.
"""

from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from types import TracebackType
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, distributed, nn

from conflict.engine.ledger import Entry, Memory, Record, dense, memory_by_size
from conflict.engine.passes import add_grad, refuse_compiled, run_backward
from conflict.engine.paths import Paths, slower
from conflict.engine.row_check import RowCheck
from conflict.engine.rules import Saved
from conflict.engine.watch import Key, Receive, Use, Watch, ignore, own_modules

_HOW_TO_SORT = "sort them by task, one row for each of the batch; say unequal counts by task_rows"


class TaskGradients:
    """Task gradients of a model whose batch holds the rows of K tasks one after the other.

    Enter it around the forward pass, then call ``backward``, ``gramian`` (or ``jacobian``) and ``accumulate``, which
    frees everything. Build it once and use it for every update; ``num_tasks`` may be set between updates. Works under
    autocast and with (non-reentrant) gradient checkpointing; a model that was compiled must be called uncompiled.

    Args:
        module: the model.
        num_tasks: K, the number of tasks in the batch.
        parameters: those that take part, by default all of the model. Frozen ones are left out, also if frozen later.
        owned: parameters that belong to one task each: kept out of the Gramian and the Jacobian, they get the gradient
            of the mean loss.
        memory: ``jacobian`` keeps the task gradients, K times the size of the parameters; ``layerwise`` makes those of
            one layer at a time, ``chunked`` of a slice of a layer, and both take one weight gradient more in
            ``accumulate``. ``auto`` decides by size.
        rows: ``split`` where each row of the batch belongs to one task. ``shared`` where the losses read the same rows,
            as with several labels for one input: K backward passes.
        process_group: sum the task gradients over its processes before the Gramian (do not wrap the model in
            DistributedDataParallel). Every process must have the same tasks, and its strategy the same generator.
        reduce: ``mean`` averages over the processes, for losses that are means over a process's rows; ``sum`` adds.
        check_rows: test each operation for rows that serve several tasks when it is first met; such operations are
            then treated like those that cannot be seen, with a warning. Costs two backward passes in the first update.
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        num_tasks: int,
        parameters: Iterable[nn.Parameter] | None = None,
        owned: Iterable[nn.Parameter] = (),
        memory: Literal["auto"] | Memory = "auto",
        rows: Literal["split", "shared"] = "split",
        process_group: distributed.ProcessGroup | None = None,
        reduce: Literal["mean", "sum"] = "mean",
        check_rows: bool = True,
    ) -> None:
        if num_tasks < 1:
            raise ValueError(f"TaskGradients needs num_tasks >= 1, got {num_tasks}")
        if memory not in ("auto", "jacobian", "layerwise", "chunked"):
            raise ValueError(f"memory is auto, jacobian, layerwise or chunked, got {memory!r}")
        if rows not in ("split", "shared") or reduce not in ("mean", "sum"):
            raise ValueError(f"rows is split or shared, reduce is mean or sum; got {rows!r}, {reduce!r}")
        refuse_compiled(module)
        self.num_tasks, self.memory = num_tasks, memory
        self._like: Tensor = next(module.parameters(), torch.zeros(()))
        self._owned: list[Tensor] = [p for p in owned if p.requires_grad]
        names: dict[Tensor, str] = {parameter: name for name, parameter in module.named_parameters()}
        chosen = [p for p in (module.parameters() if parameters is None else parameters) if p.requires_grad]
        set_aside = set(self._owned)
        self._names: dict[Tensor, str] = {
            p: names.get(p, f"parameter {i}") for i, p in enumerate(chosen) if p not in set_aside
        }
        self._watch = Watch(self._names, own_modules(module, self._names))
        self._rows, self._group, self._reduce = rows, process_group, reduce
        self._row_check = RowCheck() if check_rows else None
        self._paths = Paths(module, self._names)
        self._inside = False
        self._bytes = 0
        self._entries: dict[Tensor, Entry] | None = None
        self._owned_grads: dict[Tensor, Tensor] = {}

    @property
    def path(self) -> dict[str, str]:
        """Parameter name -> "rule" (from the one backward pass), "vmap" (an operation without a rule, run once more by
        itself), "slices" (K backward passes), or "unused". Known after the first backward."""
        return self._paths.by_name

    def __enter__(self) -> "TaskGradients":
        if self._inside:
            raise RuntimeError("this TaskGradients is already around a forward pass")
        self._watch.forget()
        self._watch.num_tasks = self.num_tasks
        self._watch.recording = True
        if self._rows == "split":
            self._watch.__enter__()
        self._inside = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._inside = False
        self._watch.recording = False
        if self._rows == "split":
            self._watch.__exit__(kind, error, trace)
        if error is not None:
            self.clear()

    def backward(self, losses_k: Float[Tensor, " task"] | Sequence[Tensor], *, add: bool = False) -> None:
        """Take the gradient of every task's loss; ``losses_k[k]`` must depend on the rows of task k only.

        Args:
            add: add to the task gradients that were not accumulated yet, as when a batch comes in pieces.
        """
        losses_k = losses_k if isinstance(losses_k, Tensor) else torch.stack(list(losses_k))
        if losses_k.shape != (self.num_tasks,):
            raise ValueError(f"expected one loss for each of {self.num_tasks} tasks, got shape {tuple(losses_k.shape)}")
        if not losses_k.requires_grad:
            raise ValueError("the losses require no gradient; was the forward pass under torch.no_grad()?")
        if not add or self._entries is None:
            self._entries, self._owned_grads = {}, {}
            self._bytes = sum(parameter.nbytes for parameter in self._names)
        elif any(entry.num_tasks != self.num_tasks for entry in self._entries.values()):
            raise ValueError("num_tasks changed: gradients of other tasks cannot be added to")
        try:
            if self._rows == "shared":
                self._slices(losses_k, frozenset())
            else:
                self._one_pass(losses_k)
            self._sum_over_ranks()
        except BaseException:
            self.clear()
            raise
        finally:
            self._watch.forget()
        self._paths.announce(stacklevel=2)

    def gramian(self) -> Float[Tensor, "task task"]:
        """Inner products of the task gradients over all taking-part parameters, in float64."""
        grams = [entry.gramian() for entry in self._known().values()]
        if not grams:
            return self._like.new_zeros(self.num_tasks, self.num_tasks, dtype=torch.float64)
        return torch.stack(grams).sum(dim=0)

    def jacobian(self) -> Float[Tensor, "task param"]:
        """The task gradients themselves, flattened and concatenated in the order of the parameters."""
        entries = self._known()
        rows = [
            entries[p].gradients() if p in entries else p.detach().new_zeros(self.num_tasks, *p.shape)
            for p in self._names
        ]
        nothing = self._like.new_zeros(self.num_tasks, 0)  # where all that learns belongs to single tasks
        return torch.cat([part.reshape(self.num_tasks, -1) for part in rows] or [nothing], dim=1)

    def accumulate(self, weights_k: Float[Tensor, " task"]) -> None:
        """Add ``sum_k weights[k] * grad_k`` to each used parameter's ``.grad``, and free what was kept."""
        if weights_k.shape != (self.num_tasks,):
            raise ValueError(f"expected one weight for each of {self.num_tasks} tasks, got {tuple(weights_k.shape)}")
        entries = self._known()
        weighted: dict[int, Record] = {}
        with torch.no_grad():
            for parameter in list(entries):
                add_grad(parameter, entries.pop(parameter).weighted_sum(weights_k, weighted))
        self._finish()

    def accumulate_update(self, update_p: Float[Tensor, " param"]) -> None:
        """Like ``accumulate``, for an update in the layout of the rows of ``jacobian``."""
        used = self._known()
        pieces = torch.split(update_p, [parameter.numel() for parameter in self._names])
        for parameter, piece in zip(self._names, pieces, strict=True):
            if parameter in used:
                add_grad(parameter, piece.reshape(parameter.shape).to(parameter.dtype).clone())
        self._finish()

    def clear(self) -> None:
        """Forget the last forward and backward pass."""
        self._watch.forget()
        self._entries = None
        self._owned_grads = {}

    def _finish(self) -> None:
        for parameter, grad in self._owned_grads.items():
            add_grad(parameter, grad)
        self.clear()

    def _known(self) -> dict[Tensor, Entry]:
        if self._entries is None:
            raise RuntimeError("there are no task gradients: call backward(losses_k) first, once for each accumulate")
        return self._entries

    def _one_pass(self, losses_k: Tensor) -> None:
        mixing = self._mixing(losses_k)
        self._slices(losses_k, mixing)
        owned = [p for p in self._owned if p.requires_grad]
        grads = self._pass(losses_k.sum(), owned, self._take_all_but(mixing))
        self._add_owned(owned, grads)
        self._pull_back()

    def _pass(
        self, loss: Tensor, leaves: Sequence[Tensor], receive: Receive | None, *, retain: bool = False
    ) -> Sequence[Tensor | None]:
        """One backward pass: gradients of the leaves, while all operations hand over to ``receive``.

        Without it, the pass takes only the ways that lead to the leaves.
        """
        wanted = [*leaves] if receive is None else [*leaves, self._watch.anchor]
        if not wanted:
            return ()
        self._watch.receive = ignore if receive is None else receive
        try:
            with nullcontext() if self._inside else self._watch:
                return run_backward(loss, wanted, retain=retain)[: len(leaves)]
        finally:
            self._watch.receive = ignore

    def _mixing(self, losses_k: Tensor) -> frozenset[Key]:
        """The operations with a row that serves other losses than its own task's."""
        check = self._row_check
        if check is None:
            return frozenset()
        if check.wanted(self._watch.keys):
            factors = check.factors(losses_k)
            for loss in (losses_k.sum(), losses_k @ factors):
                check.next_pass()
                self._pass(loss, (), check.receive, retain=True)
            check.judge(factors)
        return frozenset(check.mixing)

    def _take_all_but(self, mixing: frozenset[Key]) -> Receive:
        seen: dict[Tensor, int] = {}

        def receive(use: Use, saved: Saved, grad: Tensor) -> None:
            if use.sizes is not None and use.key not in mixing:
                record = Record(rule=use.rule, saved=saved, grad=grad, sizes=use.sizes)
                for name, parameter in use.parameters.items():
                    self._entry(parameter).add(name, record)
                    self._mark(parameter, use.rule.path, f"{use.key[0]} has no rule")
            for parameter in use.parameters.values():
                seen[parameter] = seen.get(parameter, 0) + 1
                if seen[parameter] == self._watch.uses.get(parameter) and parameter in self._known():
                    self._entry(parameter).settle()  # it will not be met again, and its gradients are at hand

        return receive

    def _entry(self, parameter: Tensor) -> Entry:
        entries = self._known()
        if parameter not in entries:
            entries[parameter] = Entry(parameter.detach(), self.num_tasks, self._memory(parameter))
        return entries[parameter]

    def _memory(self, parameter: Tensor) -> Memory:
        if self._group is not None or parameter not in self._names:  # these are needed as a whole
            return "jacobian"
        return memory_by_size(parameter.nbytes, self._bytes, self.num_tasks) if self.memory == "auto" else self.memory

    def _pull_back(self) -> None:
        """From what depends on parameters alone to the parameters."""
        entries = self._known()
        for value in [p for p in entries if p not in self._names]:
            entry = entries.pop(value)
            grad_k = entry.gradients()
            leaves = [p for p in self._names if p.requires_grad]
            first = torch.autograd.grad(value, leaves, grad_k[0], retain_graph=True, allow_unused=True)
            leaves = [p for p, grad in zip(leaves, first, strict=True) if grad is not None]
            rows = [torch.autograd.grad(value, leaves, grad, retain_graph=True) for grad in grad_k]
            for parameter, parts in zip(leaves, zip(*rows, strict=True), strict=True):
                self._entry(parameter).add("", dense(torch.stack(parts)))
                self._mark(parameter, entry.path, "an operation on what is made of it has no rule")

    def _slices(self, losses_k: Tensor, mixing: frozenset[Key]) -> None:
        """Gradients of whatever the rules do not cover: one backward pass a task, through just these."""
        shared = self._rows == "shared"
        leaves = [p for p in self._names if p.requires_grad]
        if not shared:  # costs next to nothing unless a parameter is used where the watch cannot see it
            direct = self._pass(losses_k.sum(), leaves, None, retain=True)
            leaves = [p for p, grad in zip(leaves, direct, strict=True) if grad is not None]
        mixed = self._watch.unsized or not mixing.isdisjoint(self._watch.keys)
        if not leaves and not mixed:
            return
        parts: dict[Tensor, Tensor] = {}
        unfit: set[Use] = set()
        task = 0

        def add(parameter: Tensor, grad: Tensor) -> None:
            if parameter not in parts:
                parts[parameter] = grad.new_zeros(self.num_tasks, *parameter.shape, dtype=parameter.dtype)
            parts[parameter][task] += grad

        def receive(use: Use, saved: Saved, grad: Tensor) -> None:
            if use.sizes is None or use.key in mixing:
                unfit.add(use)
                for name, parameter in use.parameters.items():
                    add(parameter, use.rule.gradient(name, saved, grad, (use.rows,))[0])

        owned = [p for p in self._owned if p.requires_grad] if shared else []
        for task in range(self.num_tasks):
            grads = self._pass(losses_k[task], [*leaves, *owned], receive if mixed else None, retain=True)
            for parameter, grad in zip(leaves, grads, strict=False):
                if grad is not None:
                    add(parameter, grad)
            self._add_owned(owned, grads[len(leaves) :])
        for parameter, rows in parts.items():
            self._entry(parameter).add("", dense(rows))
        for parameter in leaves:
            why = None if shared else "it is used where the watch cannot see it"
            self._mark(parameter, "slices", why)
        for use in unfit:
            if use.alone:  # no rows of the batch at all, such as the embeddings of positions: from now on known as such
                self._watch.derive.add(use.key)
                if self._row_check is not None:
                    self._row_check.mixing.discard(use.key)
                continue
            why = f"the rows of {use.key[0]} do not belong to one task each ({_HOW_TO_SORT})"
            for parameter in use.parameters.values():
                self._mark(parameter, "slices", why)

    def _add_owned(self, owned: Sequence[Tensor], grads: Sequence[Tensor | None]) -> None:
        for parameter, grad in zip(owned, grads, strict=True):
            if grad is not None:
                share = grad / self.num_tasks
                before = self._owned_grads.get(parameter)
                self._owned_grads[parameter] = share if before is None else before + share

    def _sum_over_ranks(self) -> None:
        """Task gradients of the whole batch, of which every process has some rows."""
        if self._group is None:
            return
        factor = 1.0 if self._reduce == "sum" else 1.0 / distributed.get_world_size(self._group)
        jac = self.jacobian() * factor
        owned = [p.new_zeros(p.shape) + self._owned_grads.get(p, 0.0) * factor for p in self._owned]
        for tensor in (jac, *owned):
            distributed.all_reduce(tensor, group=self._group)
        self._owned_grads = dict(zip(self._owned, owned, strict=True))
        for parameter, piece in zip(self._names, jac.split([p.numel() for p in self._names], dim=1), strict=True):
            self._entry(parameter).replace(piece.reshape(self.num_tasks, *parameter.shape))

    def _mark(self, parameter: Tensor, path: str, why: str | None) -> None:
        entry = self._entry(parameter)
        entry.path = slower(entry.path, path)
        self._paths.mark(parameter, path, why)
