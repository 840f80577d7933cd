"""The files of a product: a folder, a zip or a tar, read in place and never beyond it.

A product comes from somewhere else. What its own lists call its files is checked against what is there, so that no
name, and no link, leads to another place of the machine.
"""

import tarfile
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from citygrain.errors import InputError

__all__ = ["Archive", "is_harmless", "open_archive"]

_MOST_FILES = 20_000
"""A Sentinel-2 product has about 100, a Landsat product about 25."""
_PIECE = 2**16
_TARS, _PACKED_TARS = (".tar",), (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_BROKEN = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError)


@dataclass(frozen=True)
class Archive:
    """A folder, zip or tar.

    Attributes
    ----------
    path : Path
        Where it is, absolute.
    kind : str
        ``"folder"``, ``"zip"`` or ``"tar"``.
    names : tuple of str
        Its files, with slashes, relative to it; in order of their names.
    """

    path: Path
    kind: str
    names: tuple[str, ...]

    def read(self, name: str, *, most: int) -> bytes:
        """Return a file's bytes.

        Raises
        ------
        InputError
            If it is not there, cannot be read, leads out of the product, or has more than `most` bytes.
        """
        try:
            content = self._read(self._checked(name), most + 1)
        except _BROKEN as error:
            raise InputError(
                f"{name} in {self.path.name} cannot be read ({_words(error)})", wanted="a whole file"
            ) from None
        if len(content) > most:
            came = f"{name} in {self.path.name} has more than {most / 2**20:.0f} MB"
            raise InputError(came, wanted="the metadata of a product")
        return content

    def locate(self, name: str) -> tuple[Path, str]:
        """Return where GDAL finds a file: a path on the disk and, in a zip or tar, what lies inside it.

        Raises
        ------
        InputError
            If it is not there, or leads out of the product.
        """
        name = self._checked(name)
        return (self.path / name, "") if self.kind == "folder" else (self.path, f"{self.kind}:{name}")

    def find(self, stem: str, suffixes: Sequence[str], *, root: str = "") -> str | None:
        """Return the file `stem` with one of the suffixes, whatever their case; None where there is none."""
        wanted = {f"{root}{stem}{suffix}".lower() for suffix in suffixes}
        return next((name for name in self.names if name.lower() in wanted), None)

    def _checked(self, name: str) -> str:
        if name not in self.names:
            raise InputError(f"{name!r:.200} is not in {self.path.name}", wanted="a file of the product")
        if self.kind == "folder":
            real, home = (self.path / name).resolve(), self.path.resolve()
            if not real.is_relative_to(home):
                came = f"{name} in {self.path.name} is a link that leads out of the product"
                raise InputError(came, wanted="a file of the product", mend="copy the file to its place")
        return name

    def _read(self, name: str, size: int) -> bytes:
        if self.kind == "zip":
            with zipfile.ZipFile(self.path) as archive, archive.open(name) as file:
                return _first(file, size)
        if self.kind == "tar":
            with tarfile.open(self.path, "r:") as tar:
                member = tar.extractfile(name)
                return _first(member, size) if member else b""
        with (self.path / name).open("rb") as file:
            return _first(file, size)


def open_archive(path: Path) -> Archive | None:
    """Return the files of a folder, zip or tar; None if it is something else.

    Names that could lead out of it (absolute, with ``..`` or a backslash) are left out.

    Raises
    ------
    InputError
        If it is a damaged zip or tar, a packed tar, or holds far more files than a product.
    """
    path = path.absolute()
    if path.is_dir():
        return _archive(path, "folder", _files_below(path))
    name = path.name.lower()
    if name.endswith(_PACKED_TARS):
        raise InputError(f"{path.name} is packed as a whole", wanted="the .tar as it was delivered", mend="unpack it")
    try:
        if name.endswith(".zip"):
            with zipfile.ZipFile(path) as archive:
                return _archive(path, "zip", [item.filename for item in archive.infolist() if not item.is_dir()])
        if name.endswith(_TARS):
            with tarfile.open(path, "r:") as archive:
                return _archive(path, "tar", [item.name for item in archive if item.isreg()])
    except _BROKEN as error:
        raise InputError(
            f"{path.name} breaks off or is damaged ({_words(error)})",
            wanted=f"a whole {name.rpartition('.')[2]}",
            mend="copy or download it again",
        ) from None
    return None


def _archive(path: Path, kind: str, names: Sequence[str]) -> Archive:
    if len(names) > _MOST_FILES:
        raise InputError(f"{path.name} holds {len(names)} files", wanted="one product")
    return Archive(path, kind, tuple(sorted(filter(is_harmless, names))))


def _files_below(folder: Path) -> list[str]:
    """Return the files of a folder and of the folders in it; links to folders are not followed."""
    found: list[str] = []
    waiting = [folder]
    while waiting and len(found) <= _MOST_FILES:
        here = waiting.pop()
        try:
            entries = sorted(here.iterdir())
        except OSError as error:
            raise InputError(f"{here} cannot be read: {error.strerror}", wanted="a readable folder") from None
        waiting += [entry for entry in entries if entry.is_dir() and not entry.is_symlink()]
        found += [entry.relative_to(folder).as_posix() for entry in entries if entry.is_file()]
    return found


def _first(file: IO[bytes], size: int) -> bytes:
    """Read at most `size` bytes, in pieces: ``read(size)`` would take memory for all that there might be."""
    pieces, left = [], size
    while left > 0 and (piece := file.read(min(left, _PIECE))):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def is_harmless(name: str) -> bool:
    """Tell whether a name stays within the folder that it is relative to.

    Examples
    --------
    >>> is_harmless("GRANULE/B02.jp2"), is_harmless("../../etc/passwd"), is_harmless("/etc/passwd")
    (True, False, False)
    """
    parts = PurePosixPath(name).parts
    return bool(parts) and not name.startswith("/") and ".." not in parts and not set("\\\0\n") & set(name)


def _words(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
