"""One file from the web, once: a download goes on where it stopped, stays within its size, and is checked.

A published weights file is worth a download that survives a bad connection; anything but the file with the right
checksum is not kept.
"""

import hashlib
import logging
from pathlib import Path
from typing import BinaryIO

import pooch

from citygrain.errors import InputError
from citygrain.files import make_folder
from citygrain.tiles import Progress

__all__ = ["cache_folder", "digest", "fetch"]

_log = logging.getLogger(__name__)
_TIMEOUT_S = 30
_PIECE = 65_536


def cache_folder() -> Path:
    """Return where fetched files are kept unless another folder is named: the user's cache folder.

    Examples
    --------
    >>> cache_folder().name
    'citygrain'
    """
    return Path(pooch.os_cache("citygrain"))


def fetch(url: str, path: Path, *, sha256: str, size: int, progress: Progress | None = None) -> None:
    """Fetch a file, unless it is there already.

    A file at `path` whose checksum fits is taken, whoever put it there. Otherwise the file is fetched beside it, and
    named `path` when it is whole and its checksum fits; what an interrupted download left is gone on with.

    Parameters
    ----------
    url : str
        Where it lies.
    path : Path
        Where it belongs.
    sha256 : str
        Its checksum.
    size : int
        Its size in bytes; no more is ever written.
    progress : callable, optional
        Called with (bytes, all bytes).

    Raises
    ------
    InputError
        If it cannot be fetched, or what came is another file: the line says which file to put where.
    OutputError
        If the folder cannot be written.
    """
    if path.is_file() and digest(path) == sha256:
        return
    make_folder(path.parent)
    _log.info("fetching %s (%.1f MB) from %s", path.name, size / 1e6, url)
    pooch.get_logger().setLevel(logging.WARNING)  # the line above says it
    part = path.with_name(f".{path.name}.part")
    store = pooch.create(path.parent, "", registry={path.name: sha256}, urls={path.name: url}, retry_if_failed=1)
    try:
        store.fetch(path.name, downloader=lambda _, out, __: _go_on(url, part, Path(out), size, progress))
    except ValueError:  # of pooch, for a wrong checksum
        reason = "what came has another checksum"
    except OSError as error:
        reason = _reason(error)
    else:
        return
    raise InputError(
        f"{path.name} could not be fetched from {url}: {reason}",
        mend=f"fetch that file by other means and put it at {path}",
    )


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _go_on(url: str, part: Path, out: Path, size: int, progress: Progress | None) -> None:
    """Fetch the rest of a file into `part`, and name it `out` when all has come."""
    done = part.stat().st_size if part.exists() else 0
    if done >= size:
        part.unlink()
        done = 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={done}-"} if done else {})
    try:
        with part.open("ab") as file:
            fetch = pooch.HTTPDownloader(chunk_size=_PIECE, timeout=_TIMEOUT_S, headers=headers)
            fetch(url, _Bounded(file, size, progress), None)
            done = file.tell()
    except _TooLongError:
        part.unlink()  # a server that began anew, or another file
        raise
    finally:
        if part.exists() and not part.stat().st_size:
            part.unlink()
    if done < size:
        raise OSError(f"the connection ended after {done:,} of {size:,} bytes")
    part.replace(out)


class _TooLongError(ValueError):
    """More came than the file has."""


class _Bounded:
    """A file that takes no more than `size` bytes, and tells how many it has."""

    def __init__(self, file: BinaryIO, size: int, progress: Progress | None) -> None:
        self.file, self.size, self.progress = file, size, progress

    def write(self, data: bytes) -> int:
        if self.file.tell() + len(data) > self.size:
            raise _TooLongError(f"more than {self.size:,} bytes")
        written = self.file.write(data)
        if self.progress is not None:
            self.progress(self.file.tell(), self.size)
        return written

    def flush(self) -> None:
        self.file.flush()


def _reason(error: OSError) -> str:
    """Say in a few words what a chain of connection errors means."""
    response = getattr(error, "response", None)
    if response is not None:
        return f"the server answers {response.status_code}"
    if "Timeout" in type(error).__name__:
        return "the server does not answer"
    if "Connection" in type(error).__name__:
        return "no connection to the server"
    return " ".join(str(error).split())[:160]
