"""Methods by name, and settings by their place."""

import pytest

from conflict.registry import RESCALINGS, STRATEGIES, VALUE_TARGETS
from mtrl.presets import preset
from mtrl.study.methods import PARTS, STANDARD, Method, find_method
from mtrl.study.settings import full_place, places, with_settings

QUICK = preset("popgym-quick")


@pytest.mark.parametrize("name", [*PARTS, *STANDARD, "single-task+two-hot"])
def test_every_method_is_a_configuration(name: str) -> None:
    assert with_settings(QUICK, find_method(name).settings)


@pytest.mark.parametrize("name", sorted({*STRATEGIES, *RESCALINGS, *VALUE_TARGETS} - {"none", "fixed"}))
def test_everything_registered_is_a_method_of_its_own_name(name: str) -> None:
    config = with_settings(QUICK, find_method(name).settings)
    assert name in (config.conflict.strategy, config.conflict.rescaling, config.learning.critic)


def test_no_name_stands_for_two_things() -> None:
    assert len(PARTS) == 28 + len({*STRATEGIES, *RESCALINGS} - {"mean", "none", "fixed"})
    assert set(STRATEGIES) & set(RESCALINGS) == {"fixed"}


def test_a_method_sets_what_it_is_about_whatever_the_preset_says() -> None:
    """babyai-quick's own actor and critic are others than popgym-quick's."""
    ours, others = (with_settings(preset(s), find_method("mean").settings) for s in ("popgym-quick", "babyai-quick"))
    for config in (ours, others):
        assert (config.learning.actor, config.learning.critic) == ("policy-gradient", "regression")
        assert (config.conflict.strategy, config.conflict.rescaling) == ("mean", "none")


def test_amago_2s_filter_is_binary_whatever_the_preset_says() -> None:
    """A dark room's own filter is exponential, of what followed in the replay."""
    rooms = preset("dark-room", "filtered")
    assert (rooms.learning.filter, rooms.learning.filter_value) == ("exponential", "return")
    for name, filter_ in (("two-hot", ("binary", "critic")), ("advantage-weighted", ("exponential", "return"))):
        learning = with_settings(rooms, find_method(name).settings).learning
        assert (learning.actor, learning.filter, learning.filter_value) == ("filtered", *filter_)


def test_the_four_variants_of_amago_2_are_there() -> None:
    found = {
        (config.learning.actor, config.learning.critic)
        for name in ("mean", "dep-ind", "ind-dep", "ind-ind")
        for config in [with_settings(QUICK, find_method(name).settings)]
    }
    assert found == {(a, c) for a in ("policy-gradient", "filtered") for c in ("regression", "two-hot")}


def test_parts_join_and_of_two_that_set_the_same_the_later_counts() -> None:
    settings = find_method("pcgrad+popart+two-hot+policy-gradient").settings
    assert settings["conflict.strategy"] == "pcgrad" and settings["conflict.rescaling"] == "popart"
    assert settings["learning.critic"] == "two-hot" and settings["learning.actor"] == "policy-gradient"
    assert find_method("pcgrad+cagrad").settings["conflict.strategy"] == "cagrad"
    assert find_method("single-task+two-hot").alone and not find_method("two-hot").alone


def test_an_unknown_part_is_explained() -> None:
    with pytest.raises(ValueError, match="unknown method 'pcgrd'; did you mean pcgrad"):
        find_method("mean+pcgrd")
    with pytest.raises(ValueError, match="a method's name: expected letters"):
        Method(name="a/b")
    with pytest.raises(ValueError, match=r"unknown setting 'learning\.crtic'; did you mean learning\.critic"):
        Method(name="own", settings={"learning.crtic": "two-hot"})


def test_settings_are_found_by_their_last_part_where_only_one_has_it() -> None:
    assert full_place("entropy-weight") == "learning.entropy_weight"
    assert full_place("agent.width") == "agent.width"
    assert len(places()) == len(set(places()))
    with pytest.raises(ValueError, match=r"unknown setting 'entropy_wight'; did you mean .*entropy_weight"):
        full_place("entropy_wight")


def test_settings_keep_the_types_of_those_they_replace() -> None:
    config = with_settings(QUICK, {"update.learning_rate": 1, "discounts": [0.5, 0.9], "image_channels": 8})
    assert config.update.learning_rate == 1.0 and isinstance(config.update.learning_rate, float)
    assert config.learning.discounts == (0.5, 0.9) and config.agent.image_channels == (8,)
    for wrong in ({"agent.width": "wide"}, {"popart": 1}, {"learning_rate": True}, {"agent.width": 1.5}):
        with pytest.raises(ValueError, match=r"expected (int|bool|float), found"):
            with_settings(QUICK, wrong)
