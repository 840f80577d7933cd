"""Files kept open between reads, each lent to one thread at a time.

A lazy raster is read in thousands of windows, by several threads, and in several processes. Opening the file for each
would cost more than reading, and one open file cannot serve two threads at once: so open files wait here, a bounded
number of them, and whoever reads takes one or opens another.
"""

import os
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

from rasterio.env import get_gdal_config, set_gdal_config

from citygrain.errors import InputError

__all__ = ["bound_cache", "close_after", "close_files", "lent_file"]

_KEPT = 64
"""Files that wait open."""
_CACHE_BYTES = 2**27
"""Decoded blocks that GDAL keeps for all files together; by itself it takes a twentieth of the machine's memory."""


class _File(Protocol):
    def close(self) -> Any: ...


FileT = TypeVar("FileT", bound=_File)
_Key = tuple[Callable[[Path], Any], Path, tuple[int, int, int]]


class _Waiting:
    """Open files that nobody uses, the longest unused first."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.files: OrderedDict[_Key, list[Any]] = OrderedDict()

    def take(self, key: _Key) -> Any:
        """Return a file that waits, or None."""
        with self.lock:
            files = self.files.get(key)
            file = files.pop() if files else None
            if not files:
                self.files.pop(key, None)
            return file

    def put(self, key: _Key, file: Any) -> None:
        """Let a file wait; the ones unused for longest are closed where too many do."""
        with self.lock:
            self.files.setdefault(key, []).append(file)
            self.files.move_to_end(key)
            excess = []
            while sum(map(len, self.files.values())) > _KEPT:
                oldest, files = next(iter(self.files.items()))
                excess.append(files.pop(0))
                if not files:
                    del self.files[oldest]
        for old in excess:
            old.close()

    def drop(self, paths: Collection[Path], *, wait: bool = True) -> None:
        """Close the files of these paths; without `wait` only if nobody is at the table just now."""
        if not self.lock.acquire(blocking=wait):
            return
        try:
            dropped = [self.files.pop(key) for key in list(self.files) if key[1] in paths]
        finally:
            self.lock.release()
        for files in dropped:
            for file in files:
                file.close()


_waiting = _Waiting()


def _after_fork() -> None:
    """Forget the parent's files: a child that read them would move the parent's place in them."""
    global _waiting  # noqa: PLW0603
    _waiting = _Waiting()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@contextmanager
def lent_file(opener: Callable[[Path], FileT], path: Path) -> Iterator[FileT]:
    """Lend a file that `opener` has opened, now or before; a file that has changed since is opened again.

    Parameters
    ----------
    opener : callable
        Opens a path: a function of a module, one and the same for all files of a kind.
    path : Path
        The file.

    Raises
    ------
    InputError
        If it is not there any more, and what `opener` raises.

    Examples
    --------
    >>> import rasterio
    >>> with lent_file(rasterio.open, Path("gone.tif")):
    ...     pass
    Traceback (most recent call last):
    citygrain.errors.InputError: gone.tif is not there (No such file or directory); wanted: the file, where it was
    """
    key = (opener, path, _state(path))
    waiting = _waiting
    file: FileT | None = waiting.take(key)
    if file is None:
        bound_cache()
        file = opener(path)
    try:
        yield file
    except BaseException:
        file.close()
        raise
    waiting.put(key, file)


def close_files(paths: Collection[Path]) -> None:
    """Close the files of these paths that wait; they are opened again where they are read again."""
    _waiting.drop(paths)


def close_after(owner: object, paths: Collection[Path]) -> None:
    """Close the files of these paths when `owner`, which reads them, is gone."""
    weakref.finalize(owner, _close_now_or_later, paths)


def _close_now_or_later(paths: Collection[Path]) -> None:
    # Python may collect `owner` in the middle of anything, of `put` too, whose lock must not be waited for then.
    _waiting.drop(paths, wait=False)


def _state(path: Path) -> tuple[int, int, int]:
    try:
        state = path.stat()
    except OSError as error:
        raise InputError(f"{path.name} is not there ({error.strerror})", wanted="the file, where it was") from error
    return state.st_ino, state.st_size, state.st_mtime_ns


def bound_cache() -> None:
    """Hold GDAL to 128 MB of decoded blocks in this process; where it has less already, it stays."""
    if get_gdal_config("GDAL_CACHEMAX") > _CACHE_BYTES:
        set_gdal_config("GDAL_CACHEMAX", _CACHE_BYTES)
