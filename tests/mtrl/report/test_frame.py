"""Frames are legible whatever is filmed: nothing lies over anything else, and sizes stay the same."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mtrl.report.lettering import cut, font, spoken, wrap
from mtrl.report.video.canvas import ACCENT, CHOSEN, LOSS, PAPER, Box, Canvas
from mtrl.report.video.frame import Frames
from mtrl.report.video.panels import PANELS, Block, experts, heads
from mtrl.report.video.stage import describe, draw_stage, name_of, picture_of
from mtrl.report.video.story import Story
from tests.mtrl.report.stories import PICTURE, STORIES, scene, story

BOX = Box(60, 50, 500, 400)


def painted(canvas: Canvas) -> np.ndarray:
    return (np.asarray(canvas.image) != PAPER).any(axis=-1)


def assert_stays_inside(canvas: Canvas, box: Box) -> None:
    marks = painted(canvas)
    marks[box.top : box.bottom, box.left : box.right] = False
    rows, columns = np.nonzero(marks)
    assert not len(rows), (
        f"marks outside {box}: rows {rows.min()}–{rows.max()}, columns {columns.min()}–{columns.max()}"
    )


@pytest.mark.parametrize("name", STORIES)
def test_every_panel_draws_within_the_height_that_it_asks_for(name: str) -> None:
    for panel in PANELS:
        block = panel(STORIES[name])
        for extra in (0, 40) if block.grows else (0,):
            canvas = Canvas(600, 600)
            box = Box(60, 50, 504, 50 + block.height + extra)
            block.draw(canvas, box)
            assert_stays_inside(canvas, box)


@pytest.mark.parametrize("name", STORIES)
def test_the_stage_draws_within_its_box(name: str) -> None:
    canvas = Canvas(600, 600)
    draw_stage(canvas, BOX, STORIES[name])
    assert_stays_inside(canvas, BOX)


@pytest.mark.parametrize("name", STORIES)
def test_a_frame_has_even_sides_and_is_deterministic(name: str) -> None:
    one, other = (Frames(STORIES[name]).draw(STORIES[name]) for _ in range(2))
    assert one.width % 2 == one.height % 2 == 0 and one.tobytes() == other.tobytes()
    assert one.width > 900 and 500 < one.height < 800


@pytest.mark.parametrize("name", ["picture", "others", "continuous", "hundreds", "no value"])
def test_all_frames_of_a_film_have_the_size_of_the_first(name: str) -> None:
    last = STORIES[name]
    first, over = Story(last.scene), story(last.scene, ended=True)
    first.add(last.recent[0])
    frames = Frames(first)
    assert len({frames.draw(told).size for told in (first, last, over)}) == 1
    for panel in PANELS:  # or one would push the others down
        blocks = [panel(told) for told in (first, last, over)]
        assert len({(block.height, bool(block.title)) for block in blocks}) == 1


def test_experts_have_a_row_a_mixture_and_none_where_there_are_none() -> None:
    told = STORIES["fifteen"]
    assert experts(told).height == 0
    mixed = story(scene(experts=(4, 2)))
    gates = (np.array([0.0, 1.0, 0.0, 0.0]), np.array([-3.0, 1.0]))
    assert mixed.now.thought is not None
    mixed.add(replace(mixed.now, thought=replace(mixed.now.thought, gates=gates), step=mixed.now.step + 1))
    canvas = Canvas(400, 60)
    experts(mixed).draw(canvas, Box(0, 0, 400, 48))
    picture = np.asarray(canvas.image)
    blue, red = ((picture == colour).all(axis=-1) for colour in (ACCENT, LOSS))
    each = (400 - 66) / 4
    start, end = round(each), round(2 * each)
    assert blue[16, start : end - 4].all() and not blue[16, :start].any() and not blue[16, end:].any()
    assert red[40, :120].all() and not red[40, 130:].any()  # three quarters of the room, and the sign
    assert blue[40, 167:200].all() and not blue[40, 215:].any()
    assert experts(mixed).height == 48 and len(np.asarray(Frames(mixed).draw(mixed))) > 48


def test_experts_have_numbers_with_their_sign_and_the_entropy_of_their_shares(monkeypatch: Any) -> None:
    written: list[str] = []
    monkeypatch.setattr(Canvas, "text", lambda self, x, y, text, *others, **more: written.append(text))
    for gates in ((np.array([0.0, 1.0]), np.array([-3.0, 1.0])), (np.full(32, 1 / 32),)):
        told = story(scene(experts=tuple(map(len, gates))))
        assert told.now.thought is not None
        told.add(replace(told.now, thought=replace(told.now.thought, gates=gates), step=told.now.step + 1))
        experts(told).draw(Canvas(400, 60), Box(0, 0, 400, 48))
    assert written == ["0.00 nats", "0.00", "1.00", "0.56 nats", "−3.00", "1.00", "3.47 nats"]


def test_the_policy_heads_of_other_tasks_are_named_the_nearest_first(monkeypatch: Any) -> None:
    written: list[str] = []
    monkeypatch.setattr(Canvas, "text", lambda self, x, y, text, *others, **more: written.append(text))
    others = (("B", 0.91), ("C", 0.5), ("D", -0.2), ("E", -0.3))
    block = heads(story(scene(heads=others)))
    block.draw(Canvas(400, 60), Box(0, 0, 400, block.height))
    assert written == ["B 0.91", "C 0.50", "D −0.20"] and block.title.endswith("3 of 4)")
    assert heads(STORIES["fifteen"]).height == 0


def test_a_further_panel_is_one_function_and_moves_nothing_else() -> None:
    told = STORIES["fifteen"]

    def further(told: Story) -> Block:
        return Block(title="further", height=30, draw=lambda canvas, box: canvas.fill(box, (1, 2, 3)))

    plain = np.asarray(Frames(told).draw(told))
    more = np.asarray(Frames(told, (*PANELS, further)).draw(told))
    rows, columns = np.nonzero((more == (1, 2, 3)).all(axis=-1))
    assert rows.max() - rows.min() == 29 and columns.min() > 490
    assert len(more) == len(plain) + 60  # title and gap, too
    assert np.array_equal(plain[70:500, 520:1000], more[70:500, 520:1000])


def test_a_picture_is_shown_pixel_by_pixel() -> None:
    frame = np.asarray(Frames(STORIES["picture"]).draw(STORIES["picture"]))
    shown = {tuple(colour) for colour in frame[70:520, 20:480].reshape(-1, 3).tolist()}
    assert {tuple(colour) for colour in PICTURE.reshape(-1, 3).tolist()} <= shown


@pytest.mark.parametrize(
    ("name", "kind"), [("picture", True), ("image", True), ("grid", True), ("one number", False), ("a sentence", False)]
)
def test_a_task_without_pixels_is_told_in_words(name: str, kind: bool) -> None:
    assert (picture_of(STORIES[name].now, 100) is not None) == kind


def test_the_chosen_action_is_marked_where_its_bar_is() -> None:
    tops = []
    for action in range(3):
        told = story(action=action)
        canvas = Canvas(600, 200)
        block = PANELS[-1](told)
        block.draw(canvas, Box(60, 50, 504, 50 + block.height))
        rows = np.nonzero((np.asarray(canvas.image) == CHOSEN).all(axis=-1))[0]
        assert rows.max() - rows.min() < 18
        tops.append(rows.min())
    assert np.diff(tops).tolist() == [18, 18]


def test_a_bar_is_as_long_as_its_probability() -> None:
    told = story(action=1)
    assert told.now.thought is not None
    told.now.thought.policy[:] = [0.25, 0.5, 0.25]
    canvas = Canvas(600, 200)
    PANELS[-1](told).draw(canvas, Box(60, 50, 504, 104))
    middle = np.asarray(canvas.image)[[55, 73, 91]]
    blue, orange, grey = (
        (middle == colour).all(axis=-1).sum(axis=1) for colour in ((0, 114, 178), CHOSEN, (222, 225, 230))
    )
    lengths = (blue + orange)[[0, 1, 2]]
    whole = lengths + grey
    np.testing.assert_allclose(lengths / whole, [0.25, 0.5, 0.25], atol=0.05)


@pytest.mark.parametrize(
    ("observation", "words"),
    [
        (3, "3"),
        (np.int64(-3), "−3"),
        (np.array([1, 0, 2]), "1 0 2"),
        (np.array([0.5, -0.25], np.float32), "+0.500 −0.250"),
        (np.float64(1e7), "+1.00e+07"),
        ((1, np.array([2, 3])), "1 | 2 3"),
        ({"a": 1, "b": (2.0, "x")}, "a: 1; b: +2.000 | x"),
        (np.zeros((20, 20)), "20×20 numbers"),
        (np.bool_(True), "True"),
    ],
)
def test_observations_in_words(observation: object, words: str) -> None:
    assert describe(observation) == words


def test_an_action_that_is_replaced_names_what_was_played() -> None:
    of = scene(action_names=("a", "b"), others=5)
    assert name_of(of, story(of, action=1).now) == "b"
    assert name_of(of, story(of, action=4).now) == "4 → 0"


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (1.0, "1"),
        (-0.5, "−0.5"),
        (0.0714, "0.071"),
        (2.345, "2.35"),
        (-12.34, "−12.3"),
        (-2206.75, "−2207"),
        (100.0, "100"),
        (1234567.0, "1.2e6"),
        (-0.00012, "−1.2e−4"),
    ],
)
def test_numbers_are_short(number: float, words: str) -> None:
    assert spoken(number) == words


@pytest.mark.parametrize("width", [20, 57, 300])
def test_wrapped_lines_fit_and_lose_nothing(width: int) -> None:
    text = "go to the unbelievablylongword and then " * 5
    lines = wrap(text, width, 14)
    assert all(font(14).getlength(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert font(14).getlength(cut(text, width, 14)) <= width


def test_a_line_is_drawn_over_what_is_there_and_not_around_it() -> None:
    canvas = Canvas(100, 100)
    canvas.image.paste(Image.new("RGB", (100, 100), (9, 9, 9)))
    canvas.line(Box(10, 10, 90, 90), [(10, 10), (89, 89)], (255, 0, 0))
    pixels = np.asarray(canvas.image)
    assert pixels[50, 50, 0] > 200 and tuple(pixels[50, 80]) == (9, 9, 9)
