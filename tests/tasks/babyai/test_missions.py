"""The vocabulary is closed, every mission fits, and what does not is refused."""

import numpy as np
import pytest
from gymnasium.error import ResetNeeded

from tasks.babyai.levels import NAMES, SIXTY_EIGHT
from tasks.babyai.mission import WORDS, longest_mission, tokenise, words_of
from tasks.babyai.simulator import BabyaiEnv


def said(name: str, seeds: range) -> list[str]:
    env, missions = BabyaiEnv(name), []
    for seed in seeds:
        observation, _ = env.reset(seed=seed)
        mission = env.simulator.mission.replace(",", "")
        assert words_of(observation["tokens"]) == mission
        missions.append(mission)
    return missions


def test_every_mission_of_every_level_is_in_the_vocabulary_and_fits() -> None:
    used: set[str] = set()
    for name in NAMES:
        for mission in said(name, range(5)):  # `words_of` gives it back: no word is lost
            words = mission.split()
            assert len(words) <= longest_mission(name)
            if name in SIXTY_EIGHT:
                used |= set(words)
    for mission in said("PickupLoc", range(40)):  # which names places
        used |= set(mission.split())
    assert used <= set(WORDS) and {"put", "next", "and", "after"} == set(WORDS) - used


def test_the_vocabulary_is_minigrids_grammar() -> None:
    from minigrid.core.constants import COLOR_NAMES
    from minigrid.envs.babyai.core import levelgen, verifier

    level = levelgen.LevelGen(num_dists=60, room_size=12)  # as it is: every kind of instruction, in every combination
    level.reset(seed=0)
    for seed in range(300):
        level.np_random = np.random.default_rng(seed)
        instruction = level.rand_instr(level.action_kinds, level.instr_kinds)
        mission = instruction.surface(level)
        assert words_of(tokenise(mission, longest_mission("BossLevel"))) == mission.replace(",", "")
    nouns = {*COLOR_NAMES, *verifier.OBJ_TYPES, *verifier.LOC_NAMES}
    assert nouns < set(WORDS) and len(set(WORDS)) == len(WORDS) == 32


def test_the_longest_mission_can_be_said() -> None:
    from minigrid.envs.babyai.core.verifier import AfterInstr, AndInstr, GoToInstr, ObjDesc, OpenInstr, PutNextInstr

    class Described(ObjDesc):  # type: ignore[misc]  # minigrid's classes have no types
        def find_matching_objs(self, env: object, use_location: bool = True) -> tuple[list[int], list[int]]:
            self.obj_set = [0, 0]
            return self.obj_set, []

    def put(place: str | None) -> PutNextInstr:
        return PutNextInstr(Described("ball", "grey", place), Described("ball", "grey", place))

    def both(place: str | None) -> AndInstr:
        return AndInstr(put(place), put(place))

    def length(instruction: object) -> int:
        return len(instruction.surface(None).split())  # type: ignore[attr-defined]

    assert length(AfterInstr(both("front"), both("front"))) == longest_mission("BossLevel") == 72
    assert length(put("front")) == longest_mission("SynthLoc") == 17
    assert length(put(None)) == longest_mission("Synth") == longest_mission("PutNextS5N1") == 9
    assert length(GoToInstr(Described("ball", "grey", "front"))) == longest_mission("GoToLocal") == 9
    there = [GoToInstr(Described("ball", "grey")) for _ in range(4)]
    assert length(AfterInstr(AndInstr(*there[:2]), AndInstr(*there[2:]))) == longest_mission("GoToSeq") == 24
    doors = [OpenInstr(Described("door", "red")) for _ in range(2)]
    assert length(AfterInstr(*doors)) == longest_mission("OpenDoorsOrderN4") == 10
    assert 2 * length(put(None)) + 1 == longest_mission("MoveTwoAcrossS5N2")


def test_some_level_of_the_68_needs_every_place() -> None:
    assert max(len(mission.split()) for mission in said("PickupLoc", range(40))) == 9
    assert {longest_mission(name) for name in SIXTY_EIGHT} == {9}


def test_an_unknown_word_is_named() -> None:
    with pytest.raises(ValueError, match=r"unknown word 'bal' in the mission 'go to the bal'; did you mean ball or"):
        tokenise("go to the bal", 9)
    with pytest.raises(ValueError, match="at most 3 words, got 4"):
        tokenise("go to the ball", 3)


def test_a_level_that_says_an_unknown_word_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    env = BabyaiEnv("GoToObj")
    monkeypatch.setattr("tasks.babyai.mission._NUMBERS", {"go": 1, "to": 2})
    with pytest.raises(ValueError, match="task 'babyai:GoToObj': unknown word 'the'"):
        env.reset(seed=0)
    with pytest.raises(ResetNeeded, match="babyai:GoToObj"):
        env.step(0)
