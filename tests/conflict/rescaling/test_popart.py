"""PopArt keeps the outputs while the statistics move, and the statistics are what they say."""

import pytest
import torch

from conflict.engine.reference import reference_jacobian
from conflict.engine.rows import task_rows
from conflict.engine.task_gradients import TaskGradients
from conflict.rescaling.options import PopArtOptions
from conflict.rescaling.popart import PopArt
from conflict.rescaling.task_affine import TaskAffine

TASKS, ROWS, VALUES, CRITICS = 3, 40, 2, 4


def affine(maps: int) -> TaskAffine:
    made = TaskAffine(maps, VALUES, leading=(CRITICS,)).double()
    torch.nn.init.normal_(made.weight)
    torch.nn.init.normal_(made.bias)
    return made


@pytest.mark.parametrize("groups", [1, TASKS])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_outputs_stay_while_the_statistics_move(groups: int, scale: float) -> None:
    popart = PopArt(TASKS, (VALUES,), PopArtOptions(step_size=0.1), groups=groups)
    online, target = affine(groups), affine(groups)
    features, row_task = torch.randn(CRITICS, ROWS, VALUES).double(), torch.arange(ROWS) % TASKS
    for step in range(5):
        before = [popart.denormalise(net(features, row_task), row_task) for net in (online, target)]
        returns = scale * (step + torch.randn(ROWS, VALUES).double() + row_task[:, None])
        mean = popart.mean.clone()
        popart.observe_returns(returns, row_task, [online, target])
        after = [popart.denormalise(net(features, row_task), row_task) for net in (online, target)]
        assert not torch.equal(mean, popart.mean)
        for old, new in zip(before, after, strict=True):
            torch.testing.assert_close(new, old, rtol=1e-10, atol=1e-10 * scale)


def test_global_statistics_may_rewrite_a_map_per_task() -> None:
    popart, net = PopArt(TASKS, (VALUES,), groups=1), affine(TASKS)
    features, row_task = torch.randn(CRITICS, ROWS, VALUES).double(), torch.arange(ROWS) % TASKS
    before = popart.denormalise(net(features, row_task), row_task)
    popart.observe_returns(5 + torch.randn(ROWS, VALUES), row_task, [net])
    torch.testing.assert_close(popart.denormalise(net(features, row_task), row_task), before)


def test_the_first_batch_sets_the_statistics_of_its_tasks_and_leaves_the_others() -> None:
    popart = PopArt(TASKS, (VALUES,))
    returns, row_task = 7 + 3 * torch.randn(ROWS, VALUES).double(), torch.arange(ROWS) % 2
    popart.observe_returns(returns, row_task)
    for task in (0, 1):
        rows = returns[row_task == task]
        torch.testing.assert_close(popart.mean[task], rows.mean(dim=0))
        torch.testing.assert_close(popart.sigma[task], rows.std(dim=0, correction=0))
    torch.testing.assert_close(popart.mean[2], torch.zeros(VALUES).double())
    torch.testing.assert_close(popart.sigma[2], torch.ones(VALUES).double())


def test_statistics_are_bias_corrected_averages_of_both_moments() -> None:
    beta, popart = 0.2, PopArt(1, (1,), PopArtOptions(step_size=0.2))
    first = second = weight = torch.zeros((), dtype=torch.float64)
    for step in range(6):
        returns = 100 + step + torch.randn(ROWS, 1).double()
        popart.observe_returns(returns, torch.zeros(ROWS, dtype=torch.long))
        first = (1 - beta) * first + beta * returns.mean()
        second = (1 - beta) * second + beta * returns.square().mean()
        weight = (1 - beta) * weight + beta
    mean = first / weight
    torch.testing.assert_close(popart.mean[0, 0], mean)
    torch.testing.assert_close(popart.sigma[0, 0], (second / weight - mean.square()).sqrt())


def test_normalised_returns_have_no_mean_and_unit_deviation_per_task() -> None:
    popart, row_task = PopArt(TASKS, (VALUES,)), torch.arange(600) % TASKS
    returns = torch.randn(600, VALUES) * torch.tensor([1e-2, 1.0, 1e4])[row_task, None] + 10.0 * row_task[:, None]
    popart.observe_returns(returns, row_task)
    normalised = popart.normalise(returns, row_task)
    for task in range(TASKS):
        rows = normalised[row_task == task]
        torch.testing.assert_close(rows.mean(dim=0), torch.zeros(VALUES), atol=1e-3, rtol=0)
        torch.testing.assert_close(rows.std(dim=0, correction=0), torch.ones(VALUES), atol=1e-3, rtol=0)


@pytest.mark.parametrize("value", [0.0, 0.1, 3.0])
def test_constant_returns_leave_the_unit_and_move_the_mean(value: float) -> None:
    popart, task = PopArt(1, (1,)), torch.zeros(8, dtype=torch.long)
    popart.begin_returns(torch.full((8,), 2.0), task, torch.zeros(8, 1))
    for _ in range(3):
        popart.observe_returns(torch.full((8, 1), value), task)
    assert float(popart.sigma) == 2.0
    assert float(popart.mean) == pytest.approx(value)


def test_the_standard_deviation_has_bounds() -> None:
    popart, task = PopArt(1, (1,), PopArtOptions(minimum=0.01, maximum=10.0)), torch.zeros(2, dtype=torch.long)
    for distance, expected in ((1e-5, 0.01), (1e5, 10.0)):
        popart.observe_returns(torch.tensor([[3.0], [3.0 + distance]], dtype=torch.float64), task)
        assert float(popart.sigma) == pytest.approx(expected)


def test_an_empty_batch_changes_nothing() -> None:
    popart = PopArt(2, (1,))
    popart.observe_returns(torch.zeros(0, 1), torch.zeros(0, dtype=torch.long))
    assert float(popart.total_weight.sum()) == 0.0


def test_statistics_per_task_refuse_one_shared_map() -> None:
    with pytest.raises(ValueError, match="3 groups of statistics, a TaskAffine has 1 map"):
        PopArt(3, (VALUES,)).observe_returns(torch.ones(2, VALUES), torch.zeros(2, dtype=torch.long), [affine(1)])


def test_groups_are_one_or_all() -> None:
    with pytest.raises(ValueError, match="1 or num_tasks = 3"):
        PopArt(3, groups=2)


def test_a_row_gives_a_gradient_only_to_its_own_tasks_map() -> None:
    net, row_task = affine(TASKS), torch.tensor([0, 2, 2])
    net(torch.randn(CRITICS, 3, VALUES).double(), row_task).sum().backward()
    assert net.weight.grad is not None
    assert float(net.weight.grad[:, 1].abs().max()) == 0.0
    assert float(net.weight.grad[:, [0, 2]].abs().min()) > 0.0


@pytest.mark.parametrize("maps", [1, TASKS])
@pytest.mark.parametrize("sizes", [(2, 2, 2), (4, 0, 1)])
def test_the_affine_map_has_task_gradients_from_one_backward_pass(maps: int, sizes: tuple[int, ...]) -> None:
    net, rows = affine(maps), sum(sizes)
    x, row_task = torch.randn(CRITICS, rows, VALUES).double(), torch.arange(3).repeat_interleave(torch.tensor(sizes))

    def losses() -> torch.Tensor:
        return torch.stack([part.square().sum() for part in torch.split(net(x, row_task), list(sizes), dim=1)])

    gradients = TaskGradients(net, num_tasks=3)
    with gradients, task_rows(sizes):
        losses_k = losses()
    gradients.backward(losses_k)
    torch.testing.assert_close(gradients.jacobian(), reference_jacobian(losses(), net.parameters()))
    assert set(gradients.path.values()) == {"rule"}


def test_the_first_rewards_set_the_unit_of_their_task_and_nothing_else() -> None:
    popart = PopArt(2, (2,))
    discounts = torch.tensor([[0.0, 0.6]] * 4)
    tasks = torch.tensor([0, 0, 1, 1])
    popart.begin_returns(torch.tensor([0.03, -0.03, 0.0, 0.0]), tasks, discounts)
    torch.testing.assert_close(popart.sigma, torch.tensor([[0.03, 0.0375], [1.0, 1.0]], dtype=torch.float64))
    popart.begin_returns(torch.tensor([5.0, 5.0, 0.0, 0.0]), tasks, discounts)  # it was met before
    torch.testing.assert_close(popart.sigma[0], torch.tensor([0.03, 0.0375], dtype=torch.float64))
    returns = torch.tensor([[0.1, 0.2], [0.3, 0.2], [0.7, 0.7], [0.1, 0.3]])
    popart.observe_returns(returns, tasks, rewards=torch.tensor([0.03, -0.03, 0.0, 0.0]))
    torch.testing.assert_close(popart.mean, torch.tensor([[0.2, 0.2], [0.0, 0.0]], dtype=torch.float64))
    assert popart.sigma[1].tolist() == [1.0, 1.0]  # returns without a reward are what a critic imagines
    popart.observe_returns(returns, tasks)
    torch.testing.assert_close(popart.mean[1], torch.tensor([0.4, 0.5], dtype=torch.float64))
