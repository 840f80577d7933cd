"""Unpack KMZ: one KML entry of a zip archive from a stranger, in memory, and no longer than a limit allows."""

import io
import zipfile
import zlib

from citygrain.errors import InputError

__all__ = ["LARGEST", "unpack_kmz"]

LARGEST = 32 * 2**20
"""Bytes of KML, and of the archive: a city's training areas are well below 1 MB."""
_ENTRIES = 1000
_RATIO = 200
"""Unpacked to packed size, above a megabyte; coordinates pack to a quarter, deflate's bombs to a thousandth."""


def unpack_kmz(content: bytes, file: str) -> bytes:
    """Return the KML of an archive, unpacked to no more than the limit whatever its headers say.

    Parameters
    ----------
    content : bytes
        The archive.
    file : str
        Its name, for messages.

    Raises
    ------
    InputError
        If it is damaged or encrypted, holds too many entries or no KML, or unpacks to more than 32 MiB or 200 times its
        size (in its headers or in fact).
    """
    wanted = "a KMZ archive with one doc.kml"
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entry = _kml_entry(archive.infolist(), file)
            with archive.open(entry) as packed:
                text = packed.read(LARGEST + 1)
    except InputError:
        raise
    # Encrypted entries are a RuntimeError, unknown packing a NotImplementedError; headers that lie are any of the rest.
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, RuntimeError, OverflowError) as error:
        raise InputError(f"{file} cannot be unpacked ({error})", wanted=wanted) from error
    _check_size(len(text), entry.compress_size, file)
    return text


def _kml_entry(entries: list[zipfile.ZipInfo], file: str) -> zipfile.ZipInfo:
    if len(entries) > _ENTRIES:
        raise InputError(f"{file} is an archive of {len(entries):,} entries", wanted=f"at most {_ENTRIES:,}")
    found = [entry for entry in entries if entry.filename.lower().endswith(".kml")]
    if not found:
        raise InputError(f"{file} is an archive without KML", wanted="a KMZ archive with one doc.kml")
    entry = min(found, key=lambda entry: (entry.filename.lower() != "doc.kml", "/" in entry.filename))
    if entry.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise InputError(f"{file} is packed by method {entry.compress_type}", wanted="deflate, as KMZ has it")
    _check_size(entry.file_size, entry.compress_size, file)
    return entry


def _check_size(unpacked: int, packed: int, file: str) -> None:
    if unpacked > LARGEST:
        raise InputError(f"{file} unpacks to more than {LARGEST:,} bytes", wanted="the training areas of one city")
    if unpacked > 2**20 and unpacked > _RATIO * max(packed, 1):
        raise InputError(f"{file} unpacks to {unpacked // max(packed, 1)} times its size", wanted=f"at most {_RATIO}")
