"""Rows of a tessellation, cut from the scene only when they are asked for.

Thirty thousand patches hold many times the scene's own bytes; these array-likes hold the scene and a table of corners.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["PatchRows", "PixelRows"]


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
