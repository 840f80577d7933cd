"""Rows of a tessellation, cut from the scene only when they are asked for.

Thirty thousand patches hold many times the scene's own bytes; these array-likes hold the scene and a table of corners.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
import numpy.typing as npt

__all__ = ["LazyRows", "MappedRows", "PatchRows", "PixelRows"]


@runtime_checkable
class LazyRows(Protocol):
    """Rows that are read or made only when they are asked for; a choice of them stays lazy."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, c) or (n, c, h, w)."""
        ...

    @property
    def dtype(self) -> np.dtype[np.float32]:
        """float32."""
        ...

    def __len__(self) -> int: ...

    def subset(self, rows: npt.NDArray[Any]) -> Self:
        """Return the chosen rows (indices), unread."""
        ...

    def __getitem__(self, rows: Any) -> npt.NDArray[np.float32]: ...


@dataclass(frozen=True)
class MappedRows:
    """Rows through a function, as they are read: radar channels to decibels, a choice of channels.

    Attributes
    ----------
    rows : array-like, (n, c, ...)
        Where the values come from.
    function : callable
        (m, c, ...) -> (m, channels, ...), for any m.
    channels : int
        Channels that `function` returns.

    Examples
    --------
    >>> rows = MappedRows(np.ones((3, 2, 4, 4), np.float32), lambda x: x[:, :1] * 2, 1)
    >>> rows.shape, rows.subset(np.array([0, 2]))[1:].max()
    ((3, 1, 4, 4), np.float32(2.0))
    """

    rows: Any
    function: Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]
    channels: int

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, channels, ...)."""
        return int(self.rows.shape[0]), self.channels, *(int(side) for side in self.rows.shape[2:])

    @property
    def dtype(self) -> np.dtype[np.float32]:
        """float32."""
        return np.dtype(np.float32)

    def __len__(self) -> int:
        return self.shape[0]

    def subset(self, rows: npt.NDArray[Any]) -> "MappedRows":
        """Return the chosen rows, unread where the source is lazy."""
        kept = self.rows.subset(rows) if isinstance(self.rows, LazyRows) else self.rows[rows]
        return replace(self, rows=kept)

    def __getitem__(self, rows: Any) -> npt.NDArray[np.float32]:
        one = np.ndim(rows) == 0 and not isinstance(rows, slice)
        values = np.asarray(self.rows[rows], np.float32)
        made = np.asarray(self.function(values[None] if one else values), np.float32)
        return made[0] if one else made


@dataclass(frozen=True)
class PixelRows:
    """Rows (n, c) over a (c, height, width) array, without a copy until they are asked for."""

    values: npt.NDArray[np.float32]

    @property
    def shape(self) -> tuple[int, int]:
        """(n, c)."""
        return int(np.prod(self.values.shape[1:])), self.values.shape[0]

    @property
    def dtype(self) -> np.dtype[np.float32]:
        """float32."""
        return np.dtype(np.float32)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> npt.NDArray[np.float32]:
        return np.ascontiguousarray(self.values.reshape(self.values.shape[0], -1)[:, rows].T, np.float32)


@dataclass(frozen=True)
class PatchRows:
    """Windows (n, c, w, w) over a (c, height, width) array, cut when they are asked for.

    Attributes
    ----------
    values : ndarray, (c, height, width)
        The features.
    corners : ndarray of int, (n, 2)
        Row and column of each window's upper left pixel.
    window : int
        Side in pixels.
    labels : ndarray or None
        Superpixels, for the outline channel.
    index : ndarray of int, (n,)
        Unit of each row.
    """

    values: npt.NDArray[np.float32]
    corners: npt.NDArray[np.int64]
    window: int
    labels: npt.NDArray[np.integer[Any]] | None
    index: npt.NDArray[np.int64]

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(n, c, w, w)."""
        channels = self.values.shape[0] + (self.labels is not None)
        return len(self.index), channels, self.window, self.window

    @property
    def dtype(self) -> np.dtype[np.float32]:
        """float32."""
        return np.dtype(np.float32)

    def __len__(self) -> int:
        return len(self.index)

    def subset(self, rows: npt.NDArray[Any]) -> "PatchRows":
        """Return the chosen rows, still uncut."""
        return replace(self, index=self.index[rows])

    def __getitem__(self, rows: Any) -> npt.NDArray[np.float32]:
        from citygrain._rows import cut  # noqa: PLC0415 - compiled code only when patches are cut

        units = np.atleast_1d(self.index[rows])
        out = np.empty((len(units), *self.shape[1:]), np.float32)
        channels = self.values.shape[0]
        cut(self.values, self.corners, units, out[:, :channels])
        if self.labels is not None:
            outlines = np.empty((len(units), 1, self.window, self.window), self.labels.dtype)
            cut(self.labels[None], self.corners, units, outlines)
            out[:, channels] = outlines[:, 0] == units[:, None, None] + 1
        return out[0] if np.ndim(rows) == 0 and not isinstance(rows, slice) else out
