"""Films hold the frames that they were given, and no more than a few of them in memory."""

import gc
import weakref
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from mtrl.report.video.writers import writing

SIZE = (64, 48)


def frame(place: int, size: tuple[int, int] = SIZE) -> Image.Image:
    """A bar that moves, on a ground whose brightness tells the place."""
    pixels = np.full((size[1], size[0], 3), 40 + 4 * place, np.uint8)
    pixels[:, place % size[0]] = (250, 10, 10)
    return Image.fromarray(pixels)


def write(path: Path, count: int, fps: float = 10.0, repeats: int = 1) -> None:
    with writing(path, fps) as writer:
        for place in range(count):
            writer.add(frame(place), repeats if place == count - 1 else 1)


def test_an_mp4_has_every_frame_in_order_at_its_rate(tmp_path: Path) -> None:
    write(tmp_path / "a.mp4", 30, fps=12.5, repeats=4)
    with av.open(str(tmp_path / "a.mp4")) as film:
        stream = film.streams.video[0]
        assert (stream.codec_context.name, stream.average_rate, stream.width) == ("h264", 12.5, 64)
        found = [np.asarray(picture.to_image()).astype(int) for picture in film.decode(video=0)]
    assert len(found) == 33
    for place, picture in enumerate(found):
        shown = min(place, 29)
        assert abs(np.median(picture) - (40 + 4 * shown)) < 6


def test_a_gif_has_every_frame_exactly_and_its_time(tmp_path: Path) -> None:
    write(tmp_path / "a.gif", 30, fps=12.0, repeats=4)
    with Image.open(tmp_path / "a.gif") as film:
        assert film.n_frames == 30 and film.info["loop"] == 0  # type: ignore[attr-defined]
        time = 0
        for place in range(30):
            film.seek(place)
            time += film.info["duration"]
            assert np.array_equal(np.asarray(film.convert("RGB")), np.asarray(frame(place)))
    assert time == pytest.approx(1000 * 33 / 12, abs=10)  # rounding is made up for


def test_a_gif_keeps_the_colours_of_flat_areas_beside_a_rich_picture(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 100, 3), dtype=np.uint8)
    flat = np.full((200, 100, 3), (244, 245, 247), np.uint8)
    frames = [Image.fromarray(np.concatenate([part, flat], axis=1)) for part in (noise, noise[::-1])]
    with writing(tmp_path / "a.gif", 10) as writer:
        for each in frames:
            writer.add(each)
    with Image.open(tmp_path / "a.gif") as film:
        for place in range(2):
            film.seek(place)
            assert np.abs(np.asarray(film.convert("RGB"))[:, 110:].astype(int) - (244, 245, 247)).max() <= 3


def test_a_frame_like_the_one_before_lasts_longer(tmp_path: Path) -> None:
    with writing(tmp_path / "a.gif", 10) as writer:
        for _ in range(3):
            writer.add(frame(1))
    with Image.open(tmp_path / "a.gif") as film:
        times = []
        for place in range(film.n_frames):  # type: ignore[attr-defined]
            film.seek(place)
            times.append(film.info["duration"])
    assert sum(times) == 300


@pytest.mark.parametrize(
    ("count", "shown"), [(1, [0]), (2, [0, 1]), (6, [0, 1, 2, 3, 4, 5]), (11, [0, 2, 4, 6, 8, 10])]
)
def test_a_sheet_has_evenly_spaced_frames_with_the_first_and_the_last(
    count: int, shown: list[int], tmp_path: Path
) -> None:
    write(tmp_path / "a.png", count)
    sheet = np.asarray(Image.open(tmp_path / "a.png").convert("RGB"))
    columns = min(2, count)
    assert sheet.shape == (-(-len(shown) // columns) * 48, columns * 64, 3)
    for place, number in enumerate(shown):
        top, left = place // columns * 48, place % columns * 64
        assert np.array_equal(sheet[top : top + 48, left : left + 64], np.asarray(frame(number)))


@pytest.mark.parametrize("suffix", [".mp4", ".gif", ".png"])
def test_few_frames_are_alive_however_long_the_film_is(suffix: str, tmp_path: Path) -> None:
    given: list[weakref.ref[Image.Image]] = []
    with writing(tmp_path / f"a{suffix}", 10) as writer:
        for place in range(400):
            one = frame(place % 50)
            given.append(weakref.ref(one))
            writer.add(one)
            del one
        gc.collect()
        assert sum(each() is not None for each in given) <= 26


@pytest.mark.parametrize("suffix", [".mp4", ".gif", ".png"])
def test_an_error_leaves_the_film_that_was_there(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / "new" / f"a{suffix}"
    write(path, 3)
    before = path.read_bytes()

    def fail() -> None:
        with writing(path, 10) as writer:
            writer.add(frame(9))
            raise RuntimeError("simulator")

    with pytest.raises(RuntimeError, match="simulator"):
        fail()
    assert path.read_bytes() == before and [each.name for each in path.parent.iterdir()] == [path.name]


def test_what_cannot_be_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        pytest.raises(ValueError, match=r"ends in \.mp4, \.gif or \.png, found .*a\.avi"),
        writing(tmp_path / "a.avi", 1),
    ):
        pass
    (tmp_path / "b.gif").mkdir()
    with pytest.raises(ValueError, match="is a folder"), writing(tmp_path / "b.gif", 1):
        pass
    monkeypatch.setattr("mtrl.report.video.formats.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install 'gradient-conflict\[video\]'"), writing(tmp_path / "a.mp4", 1):
        pass
