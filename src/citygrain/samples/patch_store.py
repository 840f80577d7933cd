"""A folder or a zip as a store of small files, read into memory and never unpacked to disk.

Both come from strangers: a file that is too large is not read to its end, and a zip that would unpack to far more than
images do is not opened.
"""

import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from citygrain.errors import InputError

__all__ = ["LARGEST", "Folder", "PatchStore", "Zip", "open_store"]

LARGEST = 64 * 2**20
"""Bytes of one patch, packed or not: a thousand times a usual one."""

_RATIO = 200
"""A zip that unpacks to more than this many times its size is no archive of images."""


class PatchStore(Protocol):
    """Where files lie: a folder or a zip."""

    def names(self) -> list[str]:
        """Return the names of all files, with ``/`` between folders."""
        ...

    def read(self, name: str) -> bytes:
        """Return a file's bytes, at most 64 MiB."""
        ...


@dataclass(frozen=True)
class Folder:
    """Files below a folder."""

    path: Path

    def names(self) -> list[str]:
        """Return the names of all files, with ``/`` between folders."""
        found = []
        for folder, _, files in os.walk(self.path):
            above = Path(folder).relative_to(self.path)
            found += [(above / name).as_posix() for name in files]
        return sorted(found)

    def read(self, name: str) -> bytes:
        """Return a file's bytes, at most 64 MiB."""
        with (self.path / name).open("rb") as file:
            return _whole(file.read(LARGEST + 1), name)


@dataclass(frozen=True)
class Zip:
    """Files in a zip, read from it without unpacking to disk."""

    path: Path
    archive: zipfile.ZipFile = field(repr=False, compare=False)

    def __reduce__(self) -> "tuple[Callable[[Path], PatchStore], tuple[Path]]":
        """Another process opens the zip for itself."""
        return open_store, (self.path,)

    def names(self) -> list[str]:
        """Return the names of all files, with ``/`` between folders."""
        return sorted(entry.filename for entry in self.archive.infolist() if not entry.is_dir())

    def read(self, name: str) -> bytes:
        """Return a file's bytes, at most 64 MiB, whatever the archive says of its size."""
        with self.archive.open(name) as file:
            return _whole(file.read(LARGEST + 1), name)


def open_store(path: Path) -> PatchStore:
    """Open a folder or zip of files.

    Raises
    ------
    InputError
        If it is neither, or a zip that would unpack to far more than images do.
    """
    if path.is_dir():
        return Folder(path)
    try:
        archive = zipfile.ZipFile(path)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist", wanted="a folder or zip with one subfolder per class") from None
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise InputError(f"{path} is not a whole zip: {error}", wanted="a folder or zip of patches") from error
    unpacked, packed = sum(entry.file_size for entry in archive.infolist()), path.stat().st_size
    if unpacked > max(_RATIO * packed, LARGEST):
        raise InputError(f"{path} would unpack to {unpacked / packed:.0f} times its size", wanted="a zip of images")
    return Zip(path, archive)


def _whole(content: bytes, name: str) -> bytes:
    if len(content) > LARGEST:
        raise InputError(f"{name} is larger than {LARGEST // 2**20} MiB", wanted="a patch")
    return content
