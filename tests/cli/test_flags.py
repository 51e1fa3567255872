"""What the README and the issue write on the command line is understood, and every setting is a flag."""

import dataclasses
import itertools
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from mtrl.commands import COMMANDS, Adapt, CheckSuite, Evaluate, Methods, Play, Report, Suites, Train, parse
from mtrl.config import RunConfig
from mtrl.presets import preset
from mtrl.study.commands import Compare, Stress
from tests.cli.conftest import Call

README = (Path(__file__).parents[2] / "README.md").read_text()
LINES = re.findall(r"^python run\.py (.*)$", README.replace("\\\n", " "), flags=re.MULTILINE)
GROUPS = [field.name for field in dataclasses.fields(RunConfig) if field.name != "suite"]


def settings(config: RunConfig) -> list[tuple[str, Any]]:
    return [item for group in GROUPS for item in vars(getattr(config, group)).items()]


def test_the_readme_shows_every_command() -> None:
    kinds = {type(parse(shlex.split(line, comments=True))) for line in LINES}
    assert kinds == {Train, Evaluate, Adapt, Compare, Stress, Play, Suites, CheckSuite, Methods, Report}


def test_every_flag_that_the_readme_names_exists(call: Call) -> None:
    text = "".join(call(command, "--help").out for command in COMMANDS)
    ours = re.sub(r"```python\n.*?```|`python -m [^`]*`", "", README, flags=re.DOTALL)  # other programs have their own
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", ours))
    assert {"--strategy", "--resume", "--episodes", "--json"} <= named
    assert named <= set(re.findall(r"--[a-z][a-z-]*", text))


def test_the_line_of_the_issue_is_understood() -> None:
    line = (
        "train popgym-27 --strategy pcgrad --rescaling none --critic two-hot --actor filtered --memory transformer "
        "--steps 300000 --seed 0 --out runs/x"
    )
    command = parse(line.split())
    assert isinstance(command, Train) and not command.resume
    config = command.config
    assert (config.conflict.strategy, config.conflict.rescaling) == ("pcgrad", "none")
    assert (config.learning.critic, config.learning.actor, config.agent.memory) == (
        "two-hot",
        "filtered",
        "transformer",
    )
    assert (config.suite, config.loop.steps, config.loop.seed) == ("popgym-27", 300_000, 0)
    assert command.folder == Path("runs/x")


@pytest.mark.parametrize(
    ("strategy", "rescaling", "critic"),
    list(itertools.product(["mean", "pcgrad"], ["none", "gradnorm", "popart"], ["regression", "two-hot", "hl-gauss"])),
)
def test_strategy_rescaling_and_critic_combine_freely(strategy: str, rescaling: str, critic: str) -> None:
    line = f"train popgym-quick --critic {critic} --strategy {strategy} --rescaling {rescaling} --seed 3"
    command = parse(line.split())
    assert isinstance(command, Train)
    chosen = command.config
    assert (chosen.conflict.strategy, chosen.conflict.rescaling, chosen.learning.critic) == (
        strategy,
        rescaling,
        critic,
    )
    assert command.folder == Path("runs") / f"popgym-quick-{strategy}-s3"


def test_flags_may_come_before_the_suite_and_with_an_equals_sign() -> None:
    command = parse(["train", "--strategy=pcgrad", "--seed=7", "popgym-27"])
    assert isinstance(command, Train)
    assert command.config == dataclasses.replace(
        preset("popgym-27"),
        conflict=dataclasses.replace(preset("popgym-27").conflict, strategy="pcgrad"),
        loop=dataclasses.replace(preset("popgym-27").loop, seed=7),
    )


@pytest.mark.parametrize("suite", ["popgym-27", "popgym-quick", "popgym:CountRecallHard"])
def test_a_suite_alone_means_its_preset(suite: str) -> None:
    command = parse(["train", suite])
    assert isinstance(command, Train)
    assert command.config == preset(suite)


@pytest.mark.parametrize("said", [["--actor", "ppo"], ["--actor=ppo"]])
@pytest.mark.parametrize("suite", ["popgym-27", "popgym-quick", "procgen-quick", "classic-control"])
def test_ppo_has_defaults_of_its_own_where_the_suites_are_for_a_replay(suite: str, said: list[str]) -> None:
    command = parse(["train", suite, *said])
    assert isinstance(command, Train)
    found, usual = command.config, preset(suite)
    assert found == preset(suite, "ppo") and found.learning.on_policy
    assert found.agent.context >= found.collect.rollout_length and found.loop.steps >= usual.loop.steps
    assert preset(suite, "filtered") == preset(suite) == usual
    own = parse(["train", suite, *said, "--slots", "32", "--steps-per-update", "32"])
    assert isinstance(own, Train) and own.config.collect.slots == 32


@pytest.mark.parametrize(
    ("suite", "context"), [("tmaze:500", 501), ("bandit:bernoulli-50x500", 500), ("bandit:gaussian-3x20@2", 20)]
)
def test_a_task_whose_name_says_how_long_it_is_gets_that_context(suite: str, context: int) -> None:
    assert preset(suite).agent.context == context


@pytest.mark.parametrize("actor", ["policy-gradient", "filtered"])
@pytest.mark.parametrize(
    "suite", ["bandits", "bandit:bernoulli-5x100", "tabular-mdp", "dark-room", "meta-mix", "tmaze"]
)
def test_meta_suites_are_for_ppo_and_have_other_defaults_for_a_replay(suite: str, actor: str) -> None:
    usual, command = preset(suite), parse(["train", suite, "--actor", actor])
    assert preset(suite, "ppo") == usual and usual.learning.on_policy
    assert isinstance(command, Train)
    found = command.config
    assert found.learning.actor == actor and found.loop == usual.loop
    assert found.agent.context == usual.agent.context
    assert found.agent.memory == ("transformer" if suite == "tmaze" else usual.agent.memory)
    weighted = found.learning.filter, found.learning.filter_value
    assert weighted == (("exponential", "return") if suite == "dark-room" else ("binary", "critic"))
    assert found.collect.steps_per_update > usual.collect.steps_per_update
    assert found.update.sequences * found.agent.context <= 9_700


def test_every_setting_has_one_flag_and_says_what_it_is(call: Call) -> None:
    answer = call("train", "popgym-27", "--help")
    assert (answer.code, answer.err) == (0, "")
    names = [name for name, _ in settings(preset("popgym-27"))]
    assert len(set(names)) == len(names)
    for name in names:
        flag = name.replace("_", "-")
        assert len(re.findall(rf"^[│| ]*--(?:no-)?{flag} ", answer.out, flags=re.MULTILINE)) == 1, flag


@pytest.mark.parametrize("suite", ["dark-room", "bandit:bernoulli-5x100"])
def test_help_has_the_defaults_of_a_suite_or_task(call: Call, suite: str) -> None:
    words = " ".join(call("train", suite, "--actor", "policy-gradient", "--help").out.replace("│", " ").split())
    slots = preset(suite, "policy-gradient").collect.slots
    assert slots != preset("popgym-quick").collect.slots
    assert f"Trials played side by side (actors). (default: {slots})" in words


def test_a_whole_configuration_can_be_written_as_flags() -> None:
    wanted = preset("popgym-27")
    words: list[str] = []
    for name, value in settings(wanted):
        if isinstance(value, bool):
            continue
        entries = list(value) if isinstance(value, tuple) else [] if value == {} else [value]
        words += [f"--{name.replace('_', '-')}", *map(str, entries)]
    # another suite's preset, so that each value has to come from its flag
    command = parse(["train", "popgym-quick", *words])
    assert isinstance(command, Train)
    assert dataclasses.replace(command.config, suite="popgym-27") == wanted


def test_dictionaries_and_switches_are_understood() -> None:
    line = (
        "train popgym-quick --reward-scales RepeatFirstEasy 100 HigherLowerEasy 0.5 --no-popart --greedy "
        "--strategy pcgrad --strategy-options norm_match true --rescaling gradnorm --rescaling-options alpha 0.5 "
        "--discounts 0.5 0.9 0.99 --tasks-per-update 3 --clip inf"
    )
    command = parse(line.split())
    assert isinstance(command, Train)
    config = command.config
    assert config.play.reward_scales == {"RepeatFirstEasy": 100.0, "HigherLowerEasy": 0.5}
    assert (config.learning.popart, config.loop.greedy) == (False, True)
    assert config.conflict.rescaling_options == {"alpha": 0.5}
    assert config.learning.discounts == (0.5, 0.9, 0.99)
    assert (config.update.tasks_per_update, config.update.clip) == (3, float("inf"))


@pytest.mark.parametrize("command", ["", "train", "train popgym-quick", "evaluate", "suites", "methods", "report"])
def test_help_goes_to_standard_output(command: str, call: Call) -> None:
    answer = call(*command.split(), "--help")
    assert answer.code == 0
    assert "usage: run.py" in answer.out and answer.err == ""
