"""A file that exists is whole: results are written beside and renamed.

A run killed at any moment leaves the old file, the new one, or none, and at most a hidden ``.part`` file, which the
next run overwrites.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from citygrain.errors import OutputError

__all__ = ["make_folder", "refuse_full_disk", "scratch_folder", "speak_of", "whole_file", "write_text"]


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
        raise OutputError(
            f"the disk of {folder} has {free / 1e9:.1f} GB free",
            wanted=f"{need / 1e9:.1f} GB for {what}",
            mend="free disk space or choose another folder",
        )
