"""The bot's figures are what minigrid's bot does, failures and all."""

import json
from pathlib import Path

import pytest

from baselines.babyai_bot import Bot, GaveUp, main, measure, play
from tasks.babyai.simulator import BabyaiEnv
from tasks.scores import load_reference


def test_the_bot_plays_as_on_minigrids_own_environment() -> None:
    import gymnasium
    from minigrid.utils.baby_ai_bot import BabyAIBot

    for name in ("GoToLocal", "UnlockPickup", "OpenRedBlueDoors"):
        env, bare = BabyaiEnv(name), gymnasium.make(f"BabyAI-{name}-v0", disable_env_checker=True).unwrapped
        for seed in range(3):
            bare.reset(seed=seed)
            bot, steps, reward, over = BabyAIBot(bare), 0, 0.0, False
            while not over:
                _, reward, terminated, truncated, _ = bare.step(bot.replan())
                steps, over = steps + 1, terminated or truncated
            assert play(env, seed) == (reward, steps)


def test_a_second_attempt_of_the_bot_is_like_the_first() -> None:
    for name in ("GoToObjMazeS4R2", "KeyCorridorS3R2", "PickupDist"):
        env = BabyaiEnv(name)
        assert [play(env, seed) for seed in range(4)] == [play(env, seed) for seed in range(4)]


def test_a_fresh_measurement_agrees_with_the_shipped_one() -> None:
    for name in ("GoToLocalS5N2", "UnlockPickup"):
        found = measure(name, trials=30, seed=1).result
        reference = load_reference(f"babyai:{name}", attempts=2)
        assert reference is not None and reference.best is not None
        assert 0 <= found.interval[0] <= found.mean <= 2
        assert abs(found.mean - reference.best) < 2.5 * (found.interval[1] - found.mean)  # about five standard errors


def test_a_failure_counts_0_and_is_recorded() -> None:
    found = measure("KeyInBox", trials=3, seed=0)  # minigrid says that its bot cannot do it
    assert found.failures == 1 and found.result.mean == 0 and found.reasons == {"AssertionError": 3}


def test_an_endless_plan_is_given_up() -> None:
    env = BabyaiEnv("GoToImpUnlock")
    with pytest.raises(GaveUp, match="endless search"):
        play(env, 6)
    env.reset(seed=0)
    assert Bot(env).act(None) in range(7)


def test_the_command_writes_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "best.json"
    main(["--levels", "GoToObj", "KeyInBox", "--trials", "2", "--out", str(out)])
    content = json.loads(out.read_text())
    assert set(content["tasks"]) == {"babyai:GoToObj"}  # where the bot always fails there is no best return
    assert content["measured"]["babyai:KeyInBox"]["failures"] == 1
    assert content["tasks"]["babyai:GoToObj"] == content["measured"]["babyai:GoToObj"]["mean"]
    assert "failed 100%" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["--levels", "GoToObjj"])
    assert "did you mean GoToObj" in capsys.readouterr().err
