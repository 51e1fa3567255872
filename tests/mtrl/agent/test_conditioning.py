"""Telling the network its task."""

import pytest
import torch

from mtrl.agent.conditioning import Conditioning
from mtrl.agent.sharing import SharingConfig
from tests.mtrl import builders

KINDS = ("one-hot", "embedding", "film")


def conditioning(kind: str) -> Conditioning:
    torch.manual_seed(0)
    made = Conditioning(8, 3, SharingConfig(conditioning=kind, task_width=4)).double()  # type: ignore[arg-type]
    if kind == "film":
        torch.nn.init.normal_(made.project.weight)
    return made


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("kind", KINDS)
def test_steps_are_told_what_their_sequence_is(kind: str) -> None:
    tell, features, task = conditioning(kind), noise(4, 5, 8), torch.tensor([2, 0, 1, 2])
    told = tell(features, task)
    for i in range(4):
        for t in range(5):
            torch.testing.assert_close(told[i, t], tell(features[i, t][None], task[i : i + 1])[0])
    assert not torch.allclose(tell(features, torch.tensor([0, 0, 1, 2]))[0], told[0])


@pytest.mark.parametrize("kind", KINDS)
def test_all_tasks_that_were_not_trained_are_told_alike_and_as_none_that_was(kind: str) -> None:
    tell = conditioning(kind)
    unseen = tell(noise(2, 8), torch.tensor([3, 3]))
    assert torch.equal(unseen, tell(noise(2, 8), torch.tensor([4, 99])))
    assert not torch.allclose(unseen, tell(noise(2, 8), torch.tensor([0, 1])))


@pytest.mark.parametrize("kind", ["embedding", "film"])
def test_no_task_is_told_louder_than_another(kind: str) -> None:
    """Embeddings have unit norm, whatever the weights behind them."""
    tell, task = conditioning(kind), torch.tensor([0, 1, 2])
    before = tell(noise(3, 8), task)
    assert tell.table is not None
    with torch.no_grad():
        tell.table.weight.mul_(torch.tensor([[0.01], [1.0], [100.0]]))
    torch.testing.assert_close(tell(noise(3, 8), task), before)


def test_scale_and_shift_start_as_no_change() -> None:
    torch.manual_seed(0)
    tell = Conditioning(8, 3, SharingConfig(conditioning="film")).double()
    assert torch.equal(tell(noise(2, 8), torch.tensor([0, 1])), noise(2, 8))


def test_untold_networks_ask_for_nothing_and_others_refuse_to_guess() -> None:
    assert torch.equal(conditioning("none")(noise(2, 8), None), noise(2, 8))
    with pytest.raises(ValueError, match="conditioning film: expected the task of every row, got None"):
        conditioning("film")(noise(2, 8), None)


def test_there_must_be_a_mission_to_tell() -> None:
    with pytest.raises(ValueError, match="conditioning mission: expected tasks with a mission"):
        builders.agent(sharing=SharingConfig(conditioning="mission"))


@pytest.mark.parametrize("memory", ["gru", "transformer", "linear-attention"])
@pytest.mark.parametrize("kind", KINDS)
def test_acting_step_by_step_sees_what_learning_sees(kind: str, memory: str) -> None:
    config = builders.SMALL.__class__(
        memory=memory,  # type: ignore[arg-type]
        width=16,
        layers=1,
        attention_heads=2,
        context=16,
        head_width=16,
        critics=2,
    )
    model = builders.agent(config=config, sharing=SharingConfig(conditioning=kind, heads="task"))  # type: ignore[arg-type]
    if kind == "film":
        torch.nn.init.normal_(model.conditioning.project.weight)
    given = builders.batch(tasks=(2, 0, 1), sequences=1, time=6)
    seen = {key: value[:, 0].clone() for key, value in given.observation.items()}
    seen["time"] = torch.arange(7.0).expand(3, 7).clone()
    with torch.no_grad():
        whole = model.encode(seen, given.task_ids)
        state, steps = model.memory.initial_state(3), []
        for t in range(7):
            now = {key: value[:, t] for key, value in seen.items()}
            told = model.conditioning(model.encoder(now), given.task_ids)
            steps.append(model.memory.step(told, now["time"].long(), state))
    torch.testing.assert_close(torch.stack(steps, dim=1), whole)
