"""Procgen's shared library without its Python package, so that neither `gym` nor `gym3` is imported.

The package `procgen` ships one shared library with a small C interface ("libenv"); its Python part registers the games
in the old `gym`, which prints a notice, and steps them through `gym3`, which copies every array twice. Here the library
is found without importing the package and called by `ctypes`. A wrong option makes the library end the whole process,
so nothing may come here unchecked: `Procgen.make` checks names and modes, `StateLayout` the saved states.

Source: Cobbe et al. 2020, "Leveraging Procedural Generation to Benchmark Reinforcement Learning" (the games); the
interface is described by the header ``libenv.h`` of gym3 0.3.3.
"""

import ctypes
import os
import platform
from dataclasses import asdict, dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from sys import version_info
from typing import Any

import numpy as np
from numpy.typing import NDArray

HEIGHT = WIDTH = 64
NUM_ACTIONS = 15
RESTART = -1
"""The action that ends the episode at once: the library plays one step without input and begins the next level."""
DISTRIBUTION_MODES = {"easy": 0, "hard": 1, "memory": 10}

_LIBENV_VERSION = 1
_LONGEST_STATE = 2**20
_UINT8, _INT32 = 1, 2
_INFO = 3


class _Option(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char * 128),
        ("dtype", ctypes.c_int),
        ("count", ctypes.c_int),
        ("data", ctypes.c_void_p),
    )


class _Options(ctypes.Structure):
    _fields_ = (("items", ctypes.POINTER(_Option)), ("count", ctypes.c_int))


class _TensorType(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char * 128),
        ("scalar_type", ctypes.c_int),
        ("dtype", ctypes.c_int),
        ("shape", ctypes.c_int * 16),
        ("ndim", ctypes.c_int),
        ("low", ctypes.c_int32),
        ("high", ctypes.c_int32),
    )


class _Buffers(ctypes.Structure):
    _fields_ = (
        ("observation", ctypes.POINTER(ctypes.c_void_p)),
        ("reward", ctypes.c_void_p),
        ("first", ctypes.c_void_p),
        ("info", ctypes.POINTER(ctypes.c_void_p)),
        ("action", ctypes.POINTER(ctypes.c_void_p)),
    )


@dataclass(frozen=True)
class Look:
    """How a game is drawn; names and defaults are the library's.

    Backgrounds and colours change nothing that happens. With `restrict_themes` fewer numbers are drawn, and bossfight
    and fruitbot go on otherwise from the same level.
    """

    use_backgrounds: bool = True
    """Off: black."""
    restrict_themes: bool = False
    """One appearance for every kind of thing, in place of several."""
    use_monochrome_assets: bool = False
    """Rectangles of one colour for things."""


class Game:
    """One game in the library; a step is played in the caller's thread.

    Args:
        name: one of the 16 games.
        mode: key of `DISTRIBUTION_MODES`; the game must have it.
        start_level: the level to begin with, from 0 to 2^31 - 2.
        look: how it is drawn.
    Attributes:
        frame: what the last step showed, uint8 ``[64, 64, 3]``; the next step overwrites it.
    """

    def __init__(self, name: str, mode: str, *, start_level: int, look: Look = Look()) -> None:
        self._library, assets = _load()
        self._keep: list[Any] = []
        options = self._options(
            {
                "env_name": name,
                "num_levels": 1,
                "start_level": start_level,
                "num_actions": NUM_ACTIONS,
                "use_sequential_levels": False,
                "debug_mode": 0,
                "rand_seed": 0,
                "num_threads": 0,
                "render_human": False,
                "resource_root": f"{assets}{os.sep}",
                "center_agent": True,
                "use_generated_assets": False,
                **asdict(look),
                "paint_vel_info": False,
                "distribution_mode": DISTRIBUTION_MODES[mode],
            }
        )
        self._handle: int | None = self._library.libenv_make(1, options)
        self.frame: NDArray[np.uint8] = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        self._reward, self._first = ctypes.c_float(), ctypes.c_uint8()
        self._action = ctypes.c_int32()
        self._info = self._info_fields()
        buffers = _Buffers(
            observation=self._pointers(self.frame.ctypes.data),
            reward=ctypes.addressof(self._reward),
            first=ctypes.addressof(self._first),
            info=self._pointers(*map(ctypes.addressof, self._info.values())),
            action=self._pointers(ctypes.addressof(self._action)),
        )
        self._keep.append(buffers)
        self._act = self._library.libenv_act
        self._library.libenv_set_buffers(self._handle, ctypes.byref(buffers))

    @property
    def closed(self) -> bool:
        """Whether `close` was called; nothing else may be called then."""
        return self._handle is None

    @property
    def level(self) -> int:
        """The level that is being played."""
        return int(self._info["level_seed"].value)

    @property
    def level_complete(self) -> bool:
        """Whether the last step reached the level's goal."""
        return bool(self._info["prev_level_complete"].value)

    def step(self, action: int) -> tuple[float, bool]:
        """Play one action from 0 to 14, or `RESTART`; the picture is then in `frame`.

        Returns:
            The reward, and whether the episode ended; if so, the frame is the first of the next episode.
        """
        self._action.value = action
        self._act(self._handle)
        return self._reward.value, self._first.value != 0

    def get_state(self) -> bytes:
        """Everything that the future depends on."""
        buffer = np.empty(_LONGEST_STATE, np.uint8)  # not zeroed, so that what stays unused costs nothing
        length: int = self._library.get_state(self._handle, 0, buffer.ctypes.data, _LONGEST_STATE)
        return buffer[:length].tobytes()

    def set_state(self, state: bytes) -> None:
        """Go on from a state of the same game and mode; the frame is drawn anew."""
        self._library.set_state(self._handle, 0, state, len(state))

    def close(self) -> None:
        """Free the game."""
        handle, self._handle = self._handle, None
        if handle is not None:
            self._library.libenv_close(handle)

    def __del__(self) -> None:
        """Free the game if nobody closed it."""
        if getattr(self, "_handle", None) is not None:
            self.close()

    def _options(self, values: dict[str, str | bool | int]) -> _Options:
        items = (_Option * len(values))()
        for item, (name, value) in zip(items, values.items(), strict=True):
            data: Any
            if isinstance(value, str):
                data = ctypes.create_string_buffer(value.encode())
                dtype, count = _UINT8, len(value.encode())
            elif isinstance(value, bool):
                data, dtype, count = ctypes.c_uint8(value), _UINT8, 1
            else:
                data, dtype, count = ctypes.c_int32(value), _INT32, 1
            self._keep.append(data)
            item.name, item.dtype, item.count, item.data = name.encode(), dtype, count, ctypes.addressof(data)
        self._keep.append(items)
        return _Options(items, len(values))

    def _info_fields(self) -> dict[str, Any]:
        count = self._library.libenv_get_tensortypes(self._handle, _INFO, None)
        types = (_TensorType * count)()
        self._library.libenv_get_tensortypes(self._handle, _INFO, types)
        return {kind.name.decode(): ctypes.c_uint8() if kind.dtype == _UINT8 else ctypes.c_int32() for kind in types}

    def _pointers(self, *addresses: int) -> Any:
        array = (ctypes.c_void_p * len(addresses))(*addresses)
        self._keep.append(array)
        return ctypes.cast(array, ctypes.POINTER(ctypes.c_void_p))


@cache
def _load() -> tuple[Any, Path]:
    """The library and the folder of its pictures.

    Raises:
        ImportError: the package is not installed, or is not built as expected.
    """
    spec = find_spec("procgen")
    if spec is None or spec.origin is None:
        raise ImportError(
            "Procgen's games need the package procgen-mirror: pip install 'gradient-conflict[procgen]'. It exists for "
            f"Python 3.11 and 3.12 on Linux (x86_64); this is Python {version_info.major}.{version_info.minor} on "
            f"{platform.system()} ({platform.machine()})"
        )
    data = Path(spec.origin).parent / "data"
    file, assets = data / "prebuilt" / "libenv.so", data / "assets"
    if not file.is_file() or not assets.is_dir():
        raise ImportError(
            f"expected Procgen's library in {file} and its pictures in {assets}; the installed package is built in "
            "another way: pip install 'gradient-conflict[procgen]'"
        )
    # The library brings a Qt of its own, whose symbols must not meet those of another one.
    library = ctypes.CDLL(str(file), mode=ctypes.RTLD_LOCAL | getattr(os, "RTLD_DEEPBIND", 0))
    library.libenv_version.argtypes = ()
    if (version := library.libenv_version()) != _LIBENV_VERSION:
        raise ImportError(f"expected version {_LIBENV_VERSION} of the interface libenv, got {version} in {file}")
    handle = ctypes.c_void_p
    library.libenv_make.argtypes, library.libenv_make.restype = (ctypes.c_int, _Options), handle
    library.libenv_get_tensortypes.argtypes = (handle, ctypes.c_int, ctypes.POINTER(_TensorType))
    library.libenv_set_buffers.argtypes, library.libenv_set_buffers.restype = (handle, ctypes.POINTER(_Buffers)), None
    library.libenv_act.argtypes, library.libenv_act.restype = (handle,), None
    library.libenv_close.argtypes, library.libenv_close.restype = (handle,), None
    library.get_state.argtypes = (handle, ctypes.c_int, ctypes.c_void_p, ctypes.c_int)
    library.set_state.argtypes = (handle, ctypes.c_int, ctypes.c_char_p, ctypes.c_int)
    library.set_state.restype = None
    return library, assets
