"""The kinds of file that a film can be. Imports nothing heavy, so that a mistake is seen at once."""

from importlib.util import find_spec
from pathlib import Path

FORMATS = (".mp4", ".gif", ".png")
"""Two kinds of video, and a contact sheet of some frames."""


def check_format(path: Path) -> None:
    """Refuse a file that cannot be written.

    Raises:
        ValueError: its suffix is unknown, its writer is not installed, or it is a folder.
    """
    if path.suffix.lower() not in FORMATS:
        raise ValueError(f"expected a file that ends in {', '.join(FORMATS[:-1])} or {FORMATS[-1]}, found {path}")
    if path.suffix.lower() == ".mp4" and find_spec("av") is None:
        raise ValueError(
            f"{path}: mp4 needs the package av: pip install 'gradient-conflict[video]'; .gif and .png do without"
        )
    if path.is_dir():
        raise ValueError(f"{path} is a folder")
