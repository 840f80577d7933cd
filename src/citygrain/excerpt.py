"""Rectangles of a scene that know where they lie, in memory or still to be read: what rows are made from.

A row of a unit needs a few pixels around it. Whoever makes rows asks for the one rectangle that holds the pixels of
many units together, reads it once, and cuts all of them from it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from citygrain.lazy import is_lazy

__all__ = ["Excerpt", "around", "near_each_other", "reflected"]

Boxes = npt.NDArray[np.int64]
"""(n, 4): top, left, bottom, right in pixels of the scene, ends excluded."""


@dataclass(frozen=True)
class Excerpt:
    """A rectangle of a raster.

    Attributes
    ----------
    data : ndarray or Variable, (..., height, width)
        The pixels; a Variable is read when asked for.
    origin : tuple of int
        Row and column of its upper left pixel in the scene.
    scene : tuple of int
        Rows and columns of the scene.

    Examples
    --------
    >>> raster = xr.DataArray(np.arange(12).reshape(3, 4), dims=("y", "x"))
    >>> part = Excerpt.of(raster).cut((1, 2, 3, 4))
    >>> part.values.tolist(), part.origin, part.scene
    ([[6, 7], [10, 11]], (1, 2), (3, 4))
    """

    data: npt.NDArray[Any] | xr.Variable
    origin: tuple[int, int]
    scene: tuple[int, int]

    @classmethod
    def of(cls, raster: xr.DataArray) -> "Excerpt":
        """Return the whole of a raster (..., y, x), unread if it is lazy."""
        data = raster.variable if is_lazy(raster) else raster.values
        return cls(data, (0, 0), (int(raster.shape[-2]), int(raster.shape[-1])))

    @property
    def lazy(self) -> bool:
        """Whether the pixels are still to be read."""
        return not isinstance(self.data, np.ndarray)

    @property
    def values(self) -> npt.NDArray[Any]:
        """The pixels; read now if they are not in memory."""
        return np.asarray(self.data if isinstance(self.data, np.ndarray) else self.data.values)

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Top, left, bottom, right in the scene, ends excluded."""
        height, width = self.data.shape[-2:]
        return self.origin[0], self.origin[1], self.origin[0] + int(height), self.origin[1] + int(width)

    @property
    def place(self) -> tuple[int, int, int, int]:
        """Row and column of its upper left pixel in the scene, rows and columns of the scene."""
        return *self.origin, *self.scene

    def cut(self, box: tuple[int, int, int, int]) -> "Excerpt":
        """Return the part in a box of the scene (top, left, bottom, right), unread; it lies within this one."""
        rows = slice(box[0] - self.origin[0], box[2] - self.origin[0])
        columns = slice(box[1] - self.origin[1], box[3] - self.origin[1])
        return Excerpt(self.data[..., rows, columns], box[:2], self.scene)

    def read(self) -> "Excerpt":
        """Return it with its pixels in memory, side by side."""
        return Excerpt(np.ascontiguousarray(self.values), self.origin, self.scene)


def reflected(corners: Boxes, size: int, scene: tuple[int, int]) -> Boxes:
    """Return the pixels that patches touch in a scene that is reflected at its edges, (n, 4).

    Parameters
    ----------
    corners : ndarray of int, (n, 2)
        Upper left pixel of each patch; it may lie outside the scene.
    size : int
        Side of the patches in pixels.
    scene : tuple of int
        Rows and columns of the scene, at least `size` each.

    Examples
    --------
    >>> reflected(np.array([[-2, 3]]), 4, (9, 9)).tolist()
    [[0, 3, 3, 7]]
    """
    last = np.array(scene) - 1
    ends = corners + size - 1
    low = np.minimum(np.clip(corners, 0, None), np.where(ends > last, 2 * last - ends, last))
    high = np.maximum(np.minimum(ends, last), np.where(corners < 0, -corners, 0))
    return np.column_stack([low, high + 1])


def around(*boxes: Boxes) -> tuple[int, int, int, int]:
    """Return the box that holds all boxes of the arrays (n, 4).

    Examples
    --------
    >>> around(np.array([[0, 5, 2, 7], [1, 1, 2, 2]]), np.array([[0, 0, 1, 1]]))
    (0, 0, 2, 7)
    """
    joined = np.concatenate(boxes)
    low, high = joined[:, :2].min(0), joined[:, 2:].max(0)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def near_each_other(places: Boxes, side: int) -> list[npt.NDArray[np.int64]]:
    """Group pixels (n, 2) by the square of `side` pixels that they lie in; return the rows of each group, in order.

    Examples
    --------
    >>> [group.tolist() for group in near_each_other(np.array([[0, 0], [9, 9], [1, 2]]), 5)]
    [[0, 2], [1]]
    """
    if len(places) == 0:
        return []
    square = places // side
    order = np.lexsort((square[:, 1], square[:, 0]))
    starts = np.flatnonzero((np.diff(square[order], axis=0) != 0).any(1)) + 1
    return np.split(order, starts)
