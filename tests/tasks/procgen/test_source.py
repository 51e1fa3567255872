"""Names, suites, scores, and what comes to the screen."""

import subprocess
import sys

import pytest

from baselines.random_policy import measure
from tasks.procgen import Procgen, procgen_5, procgen_16, procgen_16_hard, procgen_16_memory, procgen_quick
from tasks.procgen.games import GAMES, LEVELS, NAMES
from tasks.registry import load_suite
from tasks.scores import load_reference, normalised


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("coinrum", {}, "unknown procgen task 'coinrum'; did you mean coinrun"),
        ("maze-memori", {}, "did you mean maze-memory"),
        ("coinrun-memory", {}, "procgen:coinrun has no mode 'memory', only easy and hard; these have it: caveflyer"),
        ("coinrun", {"mode": "extreme"}, "unknown mode 'extreme'; the modes are easy, hard, memory"),
        ("maze-hard", {"mode": "memory"}, "names the mode 'hard', but the option says mode='memory'"),
    ],
)
def test_a_wrong_name_or_mode_is_explained(name: str, options: dict[str, str], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Procgen.task(name, options=options)
    with pytest.raises(ValueError, match=says):
        Procgen.make(name, **options)


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown option 'modus'; the options are mode, restrict_themes, use_"):
        Procgen.task("maze", options={"modus": "hard"})
    with pytest.raises(ValueError, match="expected true or false as use_backgrounds, got 'no'"):
        Procgen.task("maze", options={"use_backgrounds": "no"})


def test_the_mode_is_part_of_the_name_however_it_is_said() -> None:
    assert Procgen.task("maze", options={"mode": "memory"}) == Procgen.task("maze-memory")
    assert Procgen.task("maze-easy").id == "procgen:maze"
    assert len(NAMES) == len(set(NAMES)) == 38 and Procgen.names() == NAMES


def test_the_protocol_is_that_of_amago_2() -> None:
    suite = procgen_5()
    assert suite.task_names == ("coinrun", "climber", "jumper", "leaper", "ninja")
    for task in suite.tasks:
        assert (task.attempts, task.warmup_attempts, task.instance, task.max_steps) == (2, 0, "same", 2500)
        assert task.seeds == (0, 2000) and task.test_seeds == (2000, 2**31 - 1)


@pytest.mark.parametrize("make", [procgen_5, procgen_16, procgen_16_hard, procgen_16_memory, procgen_quick])
def test_levels_to_learn_from_and_to_be_tested_on_are_apart(make: type) -> None:
    for task in make().tasks:
        (low, high), (test_low, test_high) = task.seeds, task.test_seeds
        assert LEVELS[0] <= low < high <= test_low < test_high <= LEVELS[1]


def test_the_suites_of_16_have_every_game_once() -> None:
    for make in (procgen_16, procgen_16_hard, procgen_16_memory):
        assert [name.partition("-")[0] for name in make().task_names] == list(GAMES)
    modes = [name.partition("-")[2] for name in procgen_16_memory().task_names]
    assert modes.count("memory") == 6 and modes.count("hard") == 10


@pytest.mark.parametrize("name", NAMES)
def test_scores_use_the_published_ends_and_double_with_the_attempts(name: str) -> None:
    one, two = load_reference(f"procgen:{name}"), load_reference(f"procgen:{name}", attempts=2)
    assert one is not None and two is not None
    assert two.random == 2 * one.random and two.random_interval[0] <= two.random <= two.random_interval[1]
    if name.endswith("memory"):
        assert normalised(1.0, one) is None
        return
    assert one.best is not None and one.zero is not None and two.best == 2 * one.best
    assert normalised(one.zero, one) == 0 == normalised(2 * one.zero, two)
    assert normalised(one.best, one) == 1 == normalised(2 * one.best, two)
    assert one.random < one.best - 3 and "Cobbe" in one.source


def test_published_ends_are_those_of_the_mode() -> None:
    ends = {name: load_reference(f"procgen:{name}") for name in ("starpilot", "starpilot-hard", "fruitbot")}
    assert {name: (r.zero, r.best) for name, r in ends.items() if r} == {
        "starpilot": (2.5, 64.0),
        "starpilot-hard": (1.5, 35.0),
        "fruitbot": (-1.5, 32.4),
    }


def test_a_fresh_measurement_of_the_random_policy_agrees_with_the_shipped_one() -> None:
    ((task_id, result),) = measure(load_suite("procgen:chaser"), trials=40, seed=1)
    reference = load_reference(task_id)
    assert reference is not None
    assert abs(result.mean - reference.random) < 2 * (result.interval[1] - result.mean)  # about four standard errors


def test_neither_the_old_gym_nor_its_notice_appears() -> None:
    code = (
        "import sys; from tasks.procgen import Procgen; e = Procgen.make('bigfish'); e.reset(seed=1); e.step(0); "
        "e.close(); assert not {'gym', 'gym3', 'procgen', 'cffi'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_missing_package_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['procgen'] = None\n"
        "import importlib.util as u; real = u.find_spec; u.find_spec = lambda n: None if n == 'procgen' else real(n)\n"
        "from tasks.procgen import Procgen; assert len(Procgen.names()) == 38; Procgen.task('maze')\n"
        "Procgen.make('maze')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "ImportError: Procgen's games need" in done.stderr
    assert "pip install 'gradient-conflict[procgen]'" in done.stderr
