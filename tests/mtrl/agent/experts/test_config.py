"""Settings of experts."""

import pytest

from mtrl.agent.experts.config import ExpertsConfig


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_experts": 0}, "num_experts: expected a finite number of at least 1, found 0"),
        ({"expert_layers": 0}, "expert_layers: expected a finite number of at least 1, found 0"),
        ({"capacity": -1.0}, "capacity: expected a finite number of at least 0, found -1.0"),
        ({"router_noise": float("nan")}, "router_noise: expected a finite number of at least 0, found nan"),
        (
            {"experts": "top-k", "num_experts": 2, "chosen_experts": 3},
            "chosen_experts: expected at most num_experts = 2, found 3",
        ),
    ],
)
def test_mistakes_are_named(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ExpertsConfig(**settings)


def test_what_is_not_used_is_not_refused() -> None:
    assert ExpertsConfig(experts="moore", num_experts=1).chosen_experts == 2
