"""Image files as rows: JPEG, PNG, GeoTIFF and NumPy patches, decoded when they are asked for and then kept.

A set such as EuroSAT is 27,000 small files in a zip. Decoding one takes a tenth of a millisecond, opening one through
GDAL three times that, so each kind has a decoder of its own, which works from memory, in threads.
What lies in such files comes from strangers: sizes are checked before memory is taken, and no object is unpickled.
"""

import io
import struct
import threading
import warnings
import zipfile
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import JpegImagePlugin, PngImagePlugin
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import MemoryFile

from citygrain.errors import InputError
from citygrain.samples.patch_store import LARGEST, PatchStore
from citygrain.tiles import processors

__all__ = ["KINDS", "FileRows", "Patch", "read_patch"]

KINDS = {".jpg": "image", ".jpeg": "image", ".png": "image", ".tif": "tiff", ".tiff": "tiff", ".npy": "numpy"}
"""How a file is decoded, by the end of its name."""

_KEPT = 2**30
"""Bytes of decoded patches that are kept in memory, in the files' own type."""

_BATCH = 64
"""Files that a thread decodes at a time."""

_BROKEN = (
    OSError, ValueError, SyntaxError, EOFError, KeyError, IndexError, struct.error, zlib.error,
    zipfile.BadZipFile, RuntimeError, RasterioError,
)  # fmt: skip
"""What archives and decoders raise at files that are cut, bent or encrypted."""

_QUIET = threading.Lock()
"""Python's list of warnings to ignore is one for all threads, so that they take turns in changing it."""


@dataclass(frozen=True)
class Patch:
    """One decoded file.

    Attributes
    ----------
    values : ndarray, (h, w, c)
        Numbers as they are in the file; float32 with NaN where a GeoTIFF names its no-data value.
    bands : tuple of str
        Names of the channels where the file tells them.
    extent : ndarray of float64, (4,), or None
        xmin, ymin, xmax, ymax where the file tells them.
    """

    values: npt.NDArray[Any]
    bands: tuple[str, ...] = ()
    extent: npt.NDArray[np.float64] | None = None


def read_patch(store: PatchStore, name: str) -> Patch:
    """Read and decode a file by the kind that its name tells.

    Raises
    ------
    InputError
        If it is broken, too large, or of a form that is not an array of numbers.
    """
    kind = KINDS[Path(name).suffix.lower()]
    reader = {"image": _image, "tiff": _tiff, "numpy": _numpy}[kind]
    try:
        return reader(store.read(name), name)
    except InputError:
        raise
    except _BROKEN as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{name} cannot be decoded: {reason}", wanted="a whole image file") from error


def _image(content: bytes, name: str) -> Patch:
    # The plugins themselves, not Image.open: it would try every format that Pillow knows, one of them on each file.
    png = name.lower().endswith(".png")
    with (PngImagePlugin.PngImageFile if png else JpegImagePlugin.JpegImageFile)(io.BytesIO(content)) as picture:
        _refuse_large(picture.width * picture.height * len(picture.getbands()), name)
        bands = {"L": ("grey",), "I;16": ("grey",), "RGB": ("red", "green", "blue")}.get(picture.mode)
        if bands is None:
            raise InputError(f"{name} has pixels of mode {picture.mode}", wanted="grey or RGB", mend="convert it")
        values = np.asarray(picture)
    return Patch(values.reshape(*values.shape[:2], len(bands)), bands)


def _tiff(content: bytes, name: str) -> Patch:
    with _QUIET, warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)  # patches without coordinates are welcome
        with MemoryFile(content) as memory, memory.open(driver="GTiff") as source:
            _refuse_large(source.width * source.height * source.count * np.dtype(source.dtypes[0]).itemsize, name)
            values = np.moveaxis(source.read(), 0, -1)
            if source.nodata is not None:
                values = np.where(values == source.nodata, np.float32(np.nan), values.astype(np.float32))
            bands = tuple(text or "" for text in source.descriptions)
            known = source.crs is not None and not source.transform.is_identity
            extent = np.array(source.bounds, np.float64) if known else None
    named = all(bands) and len(set(bands)) == len(bands)
    return Patch(values, bands if named else (), extent)


def _numpy(content: bytes, name: str) -> Patch:
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = header(stream)
    if dtype.kind not in "fiub" or len(shape) not in (2, 3):
        raise InputError(f"{name} holds {dtype} {shape}", wanted="numbers (height, width) or (height, width, channels)")
    size = dtype.itemsize * int(np.prod(shape, dtype=np.float64))
    if size != len(content) - stream.tell():  # before memory is taken for what the header claims
        raise InputError(f"{name} is cut: its header speaks of {size} bytes", wanted="a whole file")
    flat = np.frombuffer(content, dtype, offset=stream.tell())
    values = flat.reshape(shape, order="F" if fortran else "C")
    return Patch(values[..., None] if len(shape) == 2 else values)


def _refuse_large(size: int, name: str) -> None:
    if size > LARGEST:
        raise InputError(f"{name} would decode to {size / 2**20:.0f} MiB", wanted="a patch")


class _Kept:
    """Decoded patches, shared by all choices of the rows: each file is decoded once where all fit in memory."""

    def __init__(self, n: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.lock = threading.Lock()
        self._made_of = (n, shape, dtype)
        fits = n * int(np.prod(shape)) * dtype.itemsize <= _KEPT
        self.values = np.empty((n, *shape), dtype) if fits else None
        self.there = np.zeros(n, bool)

    def __reduce__(self) -> tuple[type["_Kept"], tuple[int, tuple[int, ...], np.dtype[Any]]]:
        """Another process decodes for itself."""
        return _Kept, self._made_of


@dataclass(frozen=True)
class FileRows:
    """Patches in files, as float32 (n, c, h, w) when they are asked for.

    Files are decoded in one thread for each processor. Up to 1 GiB of decoded patches is kept in the files' own type
    (EuroSAT: 332 MB), so that later epochs decode nothing; a larger set is decoded anew each time.

    Attributes
    ----------
    store : PatchStore
        Where the files lie.
    names : tuple of str
        All files of the set.
    index : ndarray of int, (n,)
        File of each of these rows.
    patch : tuple of int
        (h, w, c) of each file.
    stored : dtype
        Type of each file's numbers.
    scale : float
        Values are divided by it.
    kept : object
        Decoded patches, shared. Use `FileRows.of`.
    """

    store: PatchStore
    names: tuple[str, ...]
    index: npt.NDArray[np.int64]
    patch: tuple[int, int, int]
    stored: np.dtype[Any]
    scale: float
    kept: _Kept = field(repr=False, compare=False)

    @classmethod
    def of(cls, store: PatchStore, names: Sequence[str], first: npt.NDArray[Any], scale: float) -> "FileRows":
        """Return the files as rows; `first` is the first of them, decoded, whose shape and type all must have."""
        height, width, channels = first.shape
        kept = _Kept(len(names), first.shape, first.dtype)
        return cls(store, tuple(names), np.arange(len(names)), (height, width, channels), first.dtype, scale, kept)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(n, c, h, w)."""
        height, width, channels = self.patch
        return len(self.index), channels, height, width

    @property
    def dtype(self) -> np.dtype[np.float32]:
        """float32."""
        return np.dtype(np.float32)

    def __len__(self) -> int:
        return len(self.index)

    def subset(self, rows: npt.NDArray[Any]) -> "FileRows":
        """Return the chosen rows; what is decoded already stays so."""
        return replace(self, index=self.index[rows])

    def __getitem__(self, rows: Any) -> npt.NDArray[np.float32]:
        wanted = np.atleast_1d(self.index[rows])
        values = self._values(wanted).transpose(0, 3, 1, 2).astype(np.float32, order="C")  # (n, c, h, w)
        if self.scale != 1:
            values /= np.float32(self.scale)
        return values[0] if np.ndim(rows) == 0 and not isinstance(rows, slice) else values

    def _values(self, wanted: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        kept = self.kept
        if kept.values is None:
            unique, inverse = np.unique(wanted, return_inverse=True)
            return np.stack(self._decoded(unique))[inverse]
        with kept.lock:
            missing = np.unique(wanted[~kept.there[wanted]])
            if len(missing):
                self._decoded(missing, into=kept.values)
                kept.there[missing] = True
        return np.asarray(kept.values[wanted])

    def _decoded(self, files: npt.NDArray[np.int64], into: npt.NDArray[Any] | None = None) -> list[npt.NDArray[Any]]:
        def work(batch: npt.NDArray[np.int64]) -> list[npt.NDArray[Any]]:
            found = []
            for number in batch.tolist():
                values = self._checked(self.names[number])
                if into is None:
                    found.append(values)
                else:
                    into[number] = values
            return found

        batches = [files[start : start + _BATCH] for start in range(0, len(files), _BATCH)]
        if len(batches) <= 1:
            return [values for batch in batches for values in work(batch)]
        with ThreadPoolExecutor(processors()) as pool:
            return [values for found in pool.map(work, batches) for values in found]

    def _checked(self, name: str) -> npt.NDArray[Any]:
        values = read_patch(self.store, name).values
        if values.shape != self.patch or values.dtype != self.stored:
            raise InputError(
                f"{name} is {values.dtype} {values.shape}, but {self.names[0]} is {self.stored} {self.patch}",
                wanted="patches of one size and type",
            )
        return values
