"""Rows that stay in an HDF5 file until they are asked for, and an order to read them that is shuffled yet sequential.

The training file of So2Sat LCZ42 holds 50 GB. A disk gives its bytes quickly in a row and slowly here and there, so
rows are read as runs, and an epoch goes through blocks of neighbouring rows, several blocks mixed at a time.
"""

import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from citygrain.errors import InputError

__all__ = ["StoredRows", "read_ahead", "shuffled_blocks"]

_PIECE = 8 * 2**20
"""Bytes read at a time in the file's own type, before they become float32."""

_CHUNK_CACHE = 64 * 2**20
"""Bytes of chunks that HDF5 keeps, so that a chunk is not unpacked anew for each of its rows."""


_MOST = 20_000_000
"""Rows; So2Sat has 400,000."""

_LARGEST = float(np.finfo(np.float32).max)


class _SharedFile:
    """An HDF5 file that is opened when first read and closed when the last rows that use it are gone."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._file: h5py.File | None = None

    def __reduce__(self) -> tuple[type["_SharedFile"], tuple[Path]]:
        """Another process opens the file for itself."""
        return _SharedFile, (self.path,)

    def dataset(self, name: str) -> h5py.Dataset:
        with self._lock:
            if self._file is None:
                self._file = h5py.File(self.path, rdcc_nbytes=_CHUNK_CACHE)
            return self._file[name]

    def close(self) -> None:
        with self._lock:
            if self._file is not None:
                self._file.close()
            self._file = None


@dataclass(frozen=True)
class StoredRows:
    """Patches of an HDF5 data set (n, h, w, c), as float32 (n, c, h, w) when they are asked for.

    Rows may be read from several threads at once; HDF5 lets them through one after the other. Beside the rows that a
    read returns, 8 MiB are held while it runs, and up to 64 MiB of chunks.

    Attributes
    ----------
    path : Path
        The file.
    name : str
        The data set in it.
    index : ndarray of int, (n,)
        Row of the data set for each of these rows.
    patch : tuple of int
        (c, h, w).
    source : object
        The open file, shared by all choices of its rows. Use `StoredRows.of`.
    checked : bool
        Refuse patches of NaN alone and infinite values, which tell of a broken file.
    """

    path: Path
    name: str
    index: npt.NDArray[np.int64]
    patch: tuple[int, int, int]
    source: _SharedFile = field(repr=False, compare=False)
    checked: bool = True

    @classmethod
    def of(cls, path: Path, name: str, *, checked: bool = True) -> "StoredRows":
        """Return all rows of a data set, unread; unless `checked`, any number in them is taken as it is.

        Raises
        ------
        InputError
            If the data set does not hold patches of numbers, (n, h, w, c).
        """
        source = _SharedFile(path)
        stored = source.dataset(name)
        if not isinstance(stored, h5py.Dataset) or len(stored.shape) != 4 or stored.dtype.kind not in "fiu":
            what = f"{stored.dtype} {stored.shape}" if isinstance(stored, h5py.Dataset) else "a group"
            raise InputError(f"{name} of {path} is {what}", wanted="patches of numbers (n, height, width, channels)")
        n, height, width, channels = (int(side) for side in stored.shape)
        if n > _MOST:  # declared, not written: a few bytes can claim any number
            raise InputError(f"{name} of {path} claims {n:,} rows", wanted=f"at most {_MOST:,}")
        return cls(path, name, np.arange(n), (channels, height, width), source, checked)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(n, c, h, w)."""
        return len(self.index), *self.patch

    @property
    def dtype(self) -> np.dtype[np.float32]:
        """float32."""
        return np.dtype(np.float32)

    def __len__(self) -> int:
        return len(self.index)

    def subset(self, rows: npt.NDArray[Any]) -> "StoredRows":
        """Return the chosen rows, unread."""
        return replace(self, index=self.index[rows])

    def __getitem__(self, rows: Any) -> npt.NDArray[np.float32]:
        one = np.ndim(rows) == 0 and not isinstance(rows, slice)
        out = np.empty((np.atleast_1d(self.index[rows]).size, *self.patch), np.float32)
        self.fill(out, np.array([rows]) if one else rows)
        return out[0] if one else out

    def fill(self, out: npt.NDArray[np.float32], rows: Any) -> None:
        """Read the chosen rows (indices, slice or mask) into `out`, (m, c, h, w), which may be a part of an array."""
        wanted = self.index[rows]
        order = np.argsort(wanted, kind="stable")  # rows are read in the order of the file, each once
        increasing = wanted[order]
        if (np.diff(increasing) > 0).all():
            self._read(increasing, order, out)
            return
        unique, inverse = np.unique(wanted, return_inverse=True)
        once = np.empty((len(unique), *self.patch), np.float32)
        self._read(unique, np.arange(len(unique)), once)
        out[:] = once[inverse]

    def close(self) -> None:
        """Close the file; reading opens it again."""
        self.source.close()

    def _read(self, rows: npt.NDArray[np.int64], places: npt.NDArray[np.int64], out: npt.NDArray[np.float32]) -> None:
        """Read increasing rows, each to its place in `out`."""
        channels, height, width = self.patch
        try:
            stored = self.source.dataset(self.name)
            limit = max(1, _PIECE // (stored.dtype.itemsize * channels * height * width))
            scratch = np.empty((min(limit, len(rows)), height, width, channels), stored.dtype)
            for start in range(0, len(rows), limit):
                piece = rows[start : start + limit]
                for first, last in _runs(piece):
                    stored.read_direct(scratch, np.s_[piece[first] : piece[last - 1] + 1], np.s_[first:last])
                read = scratch[: len(piece)]
                self._refuse_empty(read, piece)
                out[places[start : start + len(piece)]] = read.transpose(0, 3, 1, 2)  # (n, c, h, w)
        except (OSError, KeyError) as error:
            raise InputError(
                f"{self.name} of {self.path} cannot be read: {str(error).splitlines()[0]}",
                wanted="a whole file",
                mend="copy or download it again",
            ) from error

    def _refuse_empty(self, values: npt.NDArray[Any], rows: npt.NDArray[np.int64]) -> None:
        """Single NaN are no data; a patch of NaN alone, or a value beyond float32, is a broken file."""
        if not self.checked or values.dtype.kind != "f":
            return
        flat = values.reshape(len(values), -1)
        with np.errstate(over="ignore", invalid="ignore"):
            suspects = np.flatnonzero(~(np.abs(flat.sum(axis=1)) < _LARGEST))
        for suspect in suspects:
            infinite = bool((np.abs(flat[suspect]) > _LARGEST).any())
            if infinite or bool(np.isnan(flat[suspect]).all()):
                what = "infinite values" if infinite else "nothing but NaN"
                raise InputError(
                    f"row {rows[suspect]} of {self.name} in {self.path} holds {what}",
                    wanted="numbers, with NaN for single pixels without data",
                    mend="leave the row out or write the file again",
                )


def _runs(rows: npt.NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Yield start and end of each stretch of consecutive numbers."""
    breaks = np.flatnonzero(np.diff(rows) != 1) + 1
    yield from pairwise([0, *breaks.tolist(), len(rows)])


def shuffled_blocks(n: int, *, block: int, mix: int, rng: np.random.Generator) -> Iterator[npt.NDArray[np.int64]]:
    """Yield the rows of an epoch in turn: shuffled, but so that each yield is few sequential reads.

    The rows are cut into blocks of neighbours (the first cut falls elsewhere in each epoch), the blocks are shuffled,
    `mix` of them are put together, and their rows are shuffled.

    Parameters
    ----------
    n : int
        Rows.
    block : int
        Rows of a block, the length of a sequential read.
    mix : int
        Blocks that are mixed at a time; ``block * mix`` rows at most are in one yield.
    rng : numpy.random.Generator
        Cuts and shuffles.

    Yields
    ------
    ndarray of int64
        Row numbers; all yields together hold each row once.

    Examples
    --------
    >>> turns = list(shuffled_blocks(10, block=2, mix=2, rng=np.random.default_rng(0)))
    >>> max(len(turn) for turn in turns), np.sort(np.concatenate(turns)).tolist() == list(range(10))
    (4, True)
    """
    if block < 1 or mix < 1:
        raise InputError(f"blocks of {block} rows, {mix} at a time", wanted="1 or more of both")
    cuts = [0, *range(int(rng.integers(block)) + 1, n, block), n] if n else [0]
    blocks = list(pairwise(cuts))
    order = rng.permutation(len(blocks))
    for start in range(0, len(order), mix):
        rows = np.concatenate([np.arange(*blocks[number]) for number in order[start : start + mix]])
        yield rng.permutation(rows)


def read_ahead(
    x: Any, turns: Iterable[npt.NDArray[np.int64]]
) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]]:
    """Yield each turn's row numbers with its rows, while a thread reads the next turn.

    Two turns are in memory at a time.

    Parameters
    ----------
    x : LazyRows or ndarray, (n, ...)
        Rows, on disk or in memory.
    turns : iterable of ndarray of int
        Row numbers, as `shuffled_blocks` yields them.

    Examples
    --------
    >>> x = np.arange(6, dtype=np.float32)[:, None]
    >>> [(rows.tolist(), values.ravel().tolist()) for rows, values in read_ahead(x, [np.array([3, 1]), np.array([5])])]
    [([3, 1], [3.0, 1.0]), ([5], [5.0])]
    """

    def read(rows: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        return rows, np.asarray(x[rows], np.float32)

    remaining = iter(turns)
    with ThreadPoolExecutor(1, "citygrain-read-ahead") as pool:
        coming = [pool.submit(read, rows) for rows in _first(remaining)]
        for rows in remaining:
            coming.append(pool.submit(read, rows))
            yield coming.pop(0).result()
        yield from (future.result() for future in coming)


def _first(turns: Iterator[npt.NDArray[np.int64]]) -> Iterator[npt.NDArray[np.int64]]:
    for rows in turns:
        yield rows
        return
