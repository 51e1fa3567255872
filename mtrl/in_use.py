"""One writer at a time: two processes in one folder would mix their records and overwrite each other's checkpoints."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

FILE = ".lock"


class InUseError(OSError):
    """Another process, or another part of this one, writes into the folder."""


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold an existing folder; the operating system lets go of it when the process ends, however it ends.

    Where the file system has no locks nobody is kept out.

    Raises:
        InUseError: somebody else holds it.
    """
    lock = FileLock(folder / FILE, timeout=0, thread_local=False)
    try:
        lock.acquire()
    except Timeout:
        raise InUseError(
            f"{folder} is in use: another process writes into it; wait for it, stop it, or name another folder"
        ) from None
    except NotImplementedError:
        pass
    try:
        yield
    finally:
        lock.release()
