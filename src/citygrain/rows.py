"""Rows of a tessellation, cut from the scene only when they are asked for.

Thirty thousand patches hold many times the scene's own bytes; these array-likes hold the scene and a table of corners.
The scene may be lazy too: rows that lie near each other are then made from one window, which is read once.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
import numpy.typing as npt

from citygrain.excerpt import Excerpt, around, near_each_other, reflected
from citygrain.tiles import map_tiles, processors

__all__ = ["LazyRows", "MappedRows", "PatchRows", "PixelRows", "SceneRows", "asked", "cut_patches"]

NEAR = 512
"""Rows of a lazy scene whose windows begin in one square of so many pixels are made from one window."""
SHARED = 2**20
"""Values of patches for each thread that cuts them: starting one costs as much as cutting a tenth of these."""


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


class SceneRows(LazyRows, Protocol):
    """Rows that are made from a scene."""

    @property
    def lazy(self) -> bool:
        """Whether the scene is still to be read."""
        ...

    def cropped(self) -> Self:
        """Return the rows with the part of the scene that they are made from, and no other part; nothing is read.

        This is what is sent to another process: a recipe or a window, never the whole scene.
        """
        ...

    def loaded(self) -> Self:
        """Return the rows with that part in memory.

        Where rows lie near each other this is the way to make all of them: their pixels are read once.
        """
        ...


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


def asked(numbers: npt.NDArray[Any], rows: Any) -> tuple[npt.NDArray[Any], bool]:
    """Return the entries of the rows asked for, and whether a single one was asked for by its number.

    Examples
    --------
    >>> asked(np.array([5, 6, 7]), 1), asked(np.array([5, 6, 7]), slice(1, None))
    ((array([6]), True), (array([6, 7]), False))
    """
    return np.atleast_1d(numbers[rows]), np.ndim(rows) == 0 and not isinstance(rows, slice)


def cut_patches(scene: Excerpt, corners: npt.NDArray[np.int64], size: int, out: npt.NDArray[Any]) -> None:
    """Cut a window at each corner from a scene that is reflected at its edges.

    Parameters
    ----------
    scene : Excerpt, (c, height, width) or (height, width)
        Pixels; a lazy one is read window by window, each once.
    corners : ndarray of int64, (n, 2)
        Upper left pixel of each window; it may lie outside the scene.
    size : int
        Side of the windows in pixels.
    out : ndarray, (n, c, size, size)
        Gets them.

    Examples
    --------
    >>> out = np.empty((1, 1, 2, 2))
    >>> cut_patches(Excerpt(np.arange(6.0).reshape(1, 2, 3), (0, 0), (2, 3)), np.array([[0, -1]]), 2, out)
    >>> out[0, 0].tolist()
    [[1.0, 0.0], [4.0, 3.0]]
    """
    groups = near_each_other(corners, NEAR) if scene.lazy else [np.arange(len(corners))]
    for group in groups:
        here = scene
        if scene.lazy:
            here = scene.cut(around(reflected(corners[group], size, scene.scene))).read()
        values = here.values.reshape(-1, *here.values.shape[-2:])
        parts = np.array_split(group, min(processors(), max(1, values.shape[0] * size * size * len(group) // SHARED)))
        cut_part = partial(_cut_part, values, here.place, corners, out)
        map_tiles(cut_part, parts, engine=len(parts))


def _cut_part(
    values: npt.NDArray[Any],
    place: tuple[int, int, int, int],
    corners: npt.NDArray[np.int64],
    out: npt.NDArray[Any],
    part: npt.NDArray[np.int64],
) -> None:
    """Cut some of the windows; threads that cut others write to other rows of `out`."""
    from citygrain._rows import cut  # noqa: PLC0415 - compiled code only when patches are cut

    cut(values, place, corners[part], part, out)


@dataclass(frozen=True)
class PixelRows:
    """Rows (n, c) of the pixels of a scene, in reading order or a choice of them.

    Attributes
    ----------
    source : Excerpt, (c, height, width)
        The features.
    chosen : ndarray of int64, (n,), or None
        Number of each row's pixel in the scene; None = all pixels.
    """

    source: Excerpt
    chosen: npt.NDArray[np.int64] | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """(n, c)."""
        return len(self), int(self.source.data.shape[0])

    @property
    def dtype(self) -> np.dtype[np.float32]:
        """float32."""
        return np.dtype(np.float32)

    @property
    def lazy(self) -> bool:
        """Whether the scene is still to be read."""
        return self.source.lazy

    def __len__(self) -> int:
        return self.source.scene[0] * self.source.scene[1] if self.chosen is None else len(self.chosen)

    def subset(self, rows: npt.NDArray[Any]) -> "PixelRows":
        """Return the chosen rows, unread."""
        return replace(self, chosen=self._numbers(rows)[0])

    def cropped(self) -> "PixelRows":
        """Return the rows with their part of the scene."""
        if self.chosen is None or len(self) == 0:
            return self
        corners = self._corners(self.chosen)
        return replace(self, source=self.source.cut(around(np.hstack([corners, corners + 1]))))

    def loaded(self) -> "PixelRows":
        """Return the rows with their part of the scene in memory."""
        here = self.cropped()
        return replace(here, source=here.source.read())

    def __getitem__(self, rows: Any) -> npt.NDArray[np.float32]:
        numbers, single = self._numbers(rows)
        if not self.lazy:
            row, column = (self._corners(numbers) - np.array(self.source.origin)).T
            values = self.source.values
            flat = values.reshape(len(values), -1)
            out = np.ascontiguousarray(flat[:, row * values.shape[2] + column].T, np.float32)
        else:
            patches = np.empty((len(numbers), self.shape[1], 1, 1), np.float32)
            cut_patches(self.source, self._corners(numbers), 1, patches)
            out = patches[:, :, 0, 0]
        return out[0] if single else out

    def _numbers(self, rows: Any) -> tuple[npt.NDArray[np.int64], bool]:
        if self.chosen is not None:
            return asked(self.chosen, rows)
        if isinstance(rows, slice):
            return np.arange(*rows.indices(len(self))), False
        index = np.asarray(rows)
        numbers = np.atleast_1d(np.flatnonzero(index) if index.dtype == bool else index.astype(np.int64))
        return np.where(numbers < 0, numbers + len(self), numbers), index.ndim == 0

    def _corners(self, numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return np.column_stack(np.divmod(numbers, self.source.scene[1]))


@dataclass(frozen=True)
class PatchRows:
    """Windows (n, c, w, w) of a scene that is reflected at its edges, cut when they are asked for.

    Attributes
    ----------
    source : Excerpt, (c, height, width)
        The features.
    corners : ndarray of int64, (n, 2)
        Row and column of each window's upper left pixel.
    window : int
        Side in pixels.
    units : ndarray of int64, (n,)
        Unit of each row: label - 1.
    labels : Excerpt or None
        Superpixels, for the outline channel.
    """

    source: Excerpt
    corners: npt.NDArray[np.int64]
    window: int
    units: npt.NDArray[np.int64]
    labels: Excerpt | None = None

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(n, c, w, w)."""
        channels = int(self.source.data.shape[0]) + (self.labels is not None)
        return len(self.units), channels, self.window, self.window

    @property
    def dtype(self) -> np.dtype[np.float32]:
        """float32."""
        return np.dtype(np.float32)

    @property
    def lazy(self) -> bool:
        """Whether the scene is still to be read."""
        return self.source.lazy or (self.labels is not None and self.labels.lazy)

    def __len__(self) -> int:
        return len(self.units)

    def subset(self, rows: npt.NDArray[Any]) -> "PatchRows":
        """Return the chosen rows, still uncut."""
        return replace(self, corners=self.corners[rows], units=self.units[rows])

    def cropped(self) -> "PatchRows":
        """Return the rows, still uncut, with their part of the scene."""
        if len(self) == 0:
            return self
        box = around(reflected(self.corners, self.window, self.source.scene))
        return replace(self, source=self.source.cut(box), labels=self.labels and self.labels.cut(box))

    def loaded(self) -> "PatchRows":
        """Return the rows, still uncut, with their part of the scene in memory."""
        if len(self) == 0:
            return self
        here = self.cropped()
        return replace(here, source=here.source.read(), labels=here.labels and here.labels.read())

    def has_data(self) -> npt.NDArray[np.bool_]:
        """Tell which rows hold a value, without cutting them, (n,)."""
        from citygrain._rows import any_finite  # noqa: PLC0415 - compiled code only when it is needed

        def look(rows: PatchRows) -> npt.NDArray[np.bool_]:
            found: npt.NDArray[np.bool_] = any_finite(rows.source.values, rows.source.place, rows.corners, rows.window)
            return found

        here = replace(self, labels=None)
        if not self.source.lazy:
            return look(here)
        found = np.zeros(len(self), bool)
        for bands in (slice(0, 1), slice(1, None)):  # most rows have data in the first band: the others stay unread
            part = replace(here, source=replace(self.source, data=self.source.data[bands]))
            for group in near_each_other(self.corners, NEAR):
                left = group[~found[group]]
                if left.size and part.shape[1]:
                    found[left] = look(part.subset(left).loaded())
        return found

    def __getitem__(self, rows: Any) -> npt.NDArray[np.float32]:
        units, single = asked(self.units, rows)
        corners = np.atleast_2d(self.corners[rows])
        out = np.empty((len(units), *self.shape[1:]), np.float32)
        channels = int(self.source.data.shape[0])
        cut_patches(self.source, corners, self.window, out[:, :channels])
        if self.labels is not None:
            outlines = np.empty((len(units), 1, self.window, self.window), self.labels.data.dtype)
            cut_patches(self.labels, corners, self.window, outlines)
            out[:, channels] = outlines[:, 0] == units[:, None, None] + 1
        return out[0] if single else out
