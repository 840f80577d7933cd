"""A file that exists is whole: results are written beside and renamed.

A run killed at any moment leaves the old file, the new one, or none, and at most a hidden ``.part`` file, which the
next run overwrites.
"""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from citygrain.errors import OutputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = [
    "make_folder", "refuse_full_disk", "reserve", "scratch_folder", "sole_use", "speak_of", "whole_file", "write_text",
]  # fmt: skip


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`, and rename it to `path` when the block ends without an error.

    The folder is made if it is not there.

    Raises
    ------
    OutputError
        If writing fails: disk full, folder not writable.

    Examples
    --------
    >>> folder = getfixture("tmp_path")
    >>> with whole_file(folder / "a.txt") as partial:
    ...     _ = partial.write_text("whole")
    >>> (folder / "a.txt").read_text(), len(list(folder.iterdir()))
    ('whole', 1)
    """
    partial = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        with speak_of(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield partial
            partial.replace(path)
    finally:
        with suppress(OSError):
            partial.unlink()


@contextmanager
def scratch_folder(path: Path) -> Iterator[Path]:
    """Give an empty hidden folder beside `path`, for what it is made of; it is gone when the block ends.

    Raises
    ------
    OutputError
        If it cannot be made.

    Examples
    --------
    >>> folder = getfixture("tmp_path")
    >>> with scratch_folder(folder / "map.tif") as scratch:
    ...     scratch.relative_to(folder).as_posix()
    '.map.tif.part'
    >>> list(folder.iterdir())
    []
    """
    folder = path.with_name(f".{path.name}.part")
    with speak_of(path):
        if folder.is_dir():  # of a run that was killed
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def speak_of(path: Path) -> Iterator[None]:
    """Turn an error of the system into one line about `path`.

    Raises
    ------
    OutputError
        If writing fails: disk full, folder not writable.
    """
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(
            f"{path} could not be written: {reason}", mend="free disk space or choose another folder"
        ) from error


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8; the file appears whole or not at all."""
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def make_folder(path: Path) -> Path:
    """Make a folder and its parents, and check that files can be written there.

    Raises
    ------
    OutputError
        If it is a file, or cannot be made or written.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / ".writable.part"
        probe.touch()
        probe.unlink()
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(f"folder {path} cannot be written: {reason}", wanted="a writable folder") from error
    return path


@contextmanager
def sole_use(folder: Path) -> Iterator[None]:
    """Keep other processes from writing into a folder at the same time; a process that is killed lets go of it.

    Where the system or the disk knows no such locks, nobody is kept out.

    Raises
    ------
    OutputError
        If another process is at it.

    Examples
    --------
    >>> with sole_use(getfixture("tmp_path")):
    ...     pass
    """
    if fcntl is None:
        yield
        return
    with speak_of(folder):
        descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OutputError(
                f"another process is writing into {folder}", mend="wait for it, or choose another folder"
            ) from None
        except OSError:  # network drives without locks
            pass
        yield
    finally:
        os.close(descriptor)


def reserve(path: Path, size: int) -> None:
    """Make a file of `size` bytes whose room is taken, so that a disk that is too small says so at once.

    Raises
    ------
    OSError
        If the disk has no room for it.
    """
    with path.open("wb") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, size)
        except (AttributeError, OSError) as error:  # not every system or file system can take room beforehand
            if isinstance(error, OSError) and error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
                raise


def refuse_full_disk(folder: Path, need: int, *, what: str) -> None:
    """Refuse to begin where the disk of a folder cannot hold what will be written.

    Parameters
    ----------
    folder : Path
        It is there.
    need : int
        Bytes.
    what : str
        What they are.

    Raises
    ------
    OutputError
        If less is free.

    Examples
    --------
    >>> refuse_full_disk(Path(), 0, what="nothing")
    """
    with speak_of(folder):
        free = shutil.disk_usage(folder).free
    if free < need:
        unit, size = next(((u, s) for u, s in (("GB", 1e9), ("MB", 1e6)) if need >= s), ("kB", 1e3))
        raise OutputError(
            f"the disk of {folder} has {free / size:.1f} {unit} free",
            wanted=f"{need / size:.1f} {unit} for {what}",
            mend="free disk space or choose another folder",
        )
