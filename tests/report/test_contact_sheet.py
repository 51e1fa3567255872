"""The contact sheet shows every task, whatever it shows the agent."""

import numpy as np
import pytest

from mtrl.report.contact_sheet import TILE, draw_sheet
from mtrl.report.grid_picture import BALL, COLOURS, EMPTY, GROUND, LAVA, WALL, draw_grid
from tasks.compose.watch import Sight
from tasks.task import Task

BLUE_BALL = (BALL, 2, 0)


def sight(name: str = "task", **kinds: object) -> Sight:
    found = Sight(Task(name=name, id=f"test:{name}"), returns=[1.0, 2.0], steps=10)
    for key, value in kinds.items():
        setattr(found, key, value)
    return found


def colours(picture: np.ndarray) -> set[tuple[int, ...]]:
    return {tuple(colour) for colour in np.unique(picture.reshape(-1, picture.shape[-1]), axis=0).tolist()}


def test_an_images_pixels_are_on_the_sheet() -> None:
    image = np.full((64, 64, 3), (12, 200, 77), np.uint8)
    sheet = np.asarray(draw_sheet("s", "", [sight(frames={"image": [image]})], set()))
    assert (sheet == (12, 200, 77)).all(axis=-1).sum() > 80 * 80


@pytest.mark.parametrize("shape", [(16, 64, 3), (64, 16, 3), (20, 20, 1), (20, 20, 4), (300, 200, 3)])
def test_images_of_any_proportion_and_depth_fit(shape: tuple[int, ...]) -> None:
    image = np.full(shape, 9, np.uint8)
    sheet = np.asarray(draw_sheet("s", "", [sight(frames={"image": [image] * 5})], set()))
    assert (sheet == 9).all(axis=-1).sum() > 80 * 15


def test_a_grid_is_drawn_cell_by_cell() -> None:
    codes = np.zeros((4, 5, 3), np.uint8)
    codes[...] = (EMPTY, 0, 0)
    codes[0], codes[3, 4], codes[2, 1] = (WALL, 5, 0), (LAVA, 0, 0), BLUE_BALL
    picture = np.asarray(draw_grid(codes, 50))
    middles = picture[5 + 5 : 45 : 10, 5::10]  # four rows of five cells of ten pixels, centred
    assert tuple(middles[0, 0]) == GROUND[WALL] and tuple(middles[3, 4]) == GROUND[LAVA]
    assert tuple(middles[2, 1]) == COLOURS[2] and tuple(middles[1, 1]) == GROUND[EMPTY]


def test_every_code_has_a_picture_and_codes_of_other_simulators_differ() -> None:
    for code in range(256):
        for state in (0, 1, 2, 3, 255):
            draw_grid(np.full((2, 2, 3), (code, 250, state), np.uint8), 20)
    shown = [tuple(np.asarray(draw_grid(np.full((1, 1, 1), code, np.uint8), 9))[4, 4]) for code in range(11, 40)]
    assert len(set(shown)) == len(shown)


def test_signs_of_a_vector_and_of_rewards_have_colours() -> None:
    up = sight(vectors=[np.ones(3, np.float32)] * 9, rewards=[1.0] * 8)
    down = sight(vectors=[-np.ones(3, np.float32)] * 9, rewards=[-1.0] * 8)
    red, blue = (178, 24, 43), (33, 102, 172)
    first, second = (colours(np.asarray(draw_sheet("s", "", [found], set()))) for found in (up, down))
    assert red in first and blue not in first and blue in second and red not in second


def test_vectors_that_are_zero_or_wide_are_drawn() -> None:
    zero, wide = np.zeros(4, np.float32), np.linspace(-1, 1, 5000, dtype=np.float32)
    sights = [sight(vectors=[zero]), sight("b", vectors=[wide] * 100, rewards=[0.0] * 99)]
    first, second = np.split(np.asarray(draw_sheet("s", "", sights, set())), 2, axis=1)
    assert (first != second).any()


@pytest.mark.parametrize(("count", "columns"), [(1, 2), (2, 2), (5, 2), (27, 4), (68, 7)])
def test_a_sheet_is_as_square_as_its_tasks_allow(count: int, columns: int) -> None:
    vectors = [np.ones(3, np.float32)]
    sheet = draw_sheet("s", "x" * 500, [sight(f"t{i}", vectors=vectors) for i in range(count)], set())
    assert sheet.width // TILE == columns


def test_held_out_tasks_are_marked() -> None:
    plain, marked = (np.asarray(draw_sheet("s", "", [sight()], held_out)) for held_out in (set(), {"task"}))
    assert (plain != marked).any()
