"""Writers of frames, one after the other: however long the film, only a few frames are in memory.

Source of the GIF stream: CompuServe 1990, "Graphics Interchange Format, version 89a".
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import GifImagePlugin, Image, ImageChops

from mtrl.report.video.formats import check_format

_SHEET_FRAMES, _SHEET_COLUMNS = 6, 2


class Writer(ABC):
    """Takes frames, all of one size, with even sides."""

    @abstractmethod
    def add(self, frame: Image.Image, repeats: int = 1) -> None:
        """Show a frame for so many times the usual time."""

    @abstractmethod
    def close(self) -> None:
        """Write what is left."""


class Mp4(Writer):
    """H.264, as every browser plays it."""

    def __init__(self, path: Path, fps: float) -> None:
        import av

        self.rate = Fraction(fps).limit_denominator(1000)
        self.container = av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"})
        self.stream: Any = None

    def add(self, frame: Image.Image, repeats: int = 1) -> None:
        import av

        if self.stream is None:
            self.stream = self.container.add_stream(
                "libx264", rate=self.rate, options={"crf": "18", "preset": "veryfast"}
            )
            self.stream.width, self.stream.height = frame.size
            self.stream.pix_fmt = "yuv420p"
        for _ in range(repeats):
            picture = av.VideoFrame.from_ndarray(np.asarray(frame), format="rgb24")
            self.container.mux(self.stream.encode(picture))

    def close(self) -> None:
        if self.stream is not None:
            self.container.mux(self.stream.encode(None))
        self.container.close()


class Gif(Writer):
    """Each frame holds what has changed since the one before, with colours of its own."""

    def __init__(self, path: Path, fps: float) -> None:
        self.file: BinaryIO = path.open("wb")
        self.fps = fps
        self.shown: Image.Image | None = None
        self.frames, self.hundredths = 0, 0

    def add(self, frame: Image.Image, repeats: int = 1) -> None:
        place = (0, 0, 1, 1)  # of a frame like the one before: a pixel will do
        if self.shown is None:
            header, _ = GifImagePlugin.getheader(_indexed(frame), info={"loop": 0})
            self.file.writelines(header)
            place = (0, 0, *frame.size)
        else:
            place = ImageChops.difference(self.shown, frame).getbbox() or place
        self.frames += repeats
        # The unit is a hundredth of a second: what is rounded off now is made up for later.
        until = round(100 * self.frames / self.fps)
        time, self.hundredths = until - self.hundredths, until
        part = _indexed(frame.crop(place))
        blocks = GifImagePlugin.getdata(part, place[:2], duration=10 * time, disposal=1, include_color_table=True)
        self.file.writelines(blocks)
        self.shown = frame

    def close(self) -> None:
        self.file.write(b";")
        self.file.close()


class Sheet(Writer):
    """A PNG with a few of the frames, evenly spaced, the first and the last among them."""

    def __init__(self, path: Path, fps: float) -> None:
        self.path = path
        self.kept: list[Image.Image] = []
        self.count, self.stride = 0, 1
        self.last: Image.Image | None = None

    def add(self, frame: Image.Image, repeats: int = 1) -> None:
        if self.count % self.stride == 0:
            self.kept.append(frame)
        self.count, self.last = self.count + 1, frame
        if len(self.kept) > 4 * _SHEET_FRAMES:
            self.kept, self.stride = self.kept[::2], 2 * self.stride

    def close(self) -> None:
        if self.last is None:
            return
        frames = self.kept if self.kept[-1] is self.last else [*self.kept, self.last]
        count = min(_SHEET_FRAMES, len(frames))
        chosen = [frames[round(place * (len(frames) - 1) / max(1, count - 1))] for place in range(count)]
        width, height = self.last.size
        columns = min(_SHEET_COLUMNS, count)
        sheet = Image.new("RGB", (columns * width, -(-count // columns) * height), (255, 255, 255))
        for place, frame in enumerate(chosen):
            sheet.paste(frame, (place % columns * width, place // columns * height))
        sheet.save(self.path, format="PNG", optimize=True)


_WRITERS: dict[str, Callable[[Path, float], Writer]] = {".mp4": Mp4, ".gif": Gif, ".png": Sheet}


@contextmanager
def writing(path: Path, fps: float) -> Iterator[Writer]:
    """A writer for the path's suffix. The file appears when it is whole; an error leaves what was there.

    Raises:
        ValueError: see `check_format`.
    """
    check_format(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.new")
    writer = _WRITERS[path.suffix.lower()](fresh, fps)
    try:
        try:
            yield writer
        finally:
            writer.close()
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def _indexed(frame: Image.Image) -> Image.Image:
    # Slower than an octree, but flat areas keep their colours, so that a changed part does not stand out.
    return frame.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
