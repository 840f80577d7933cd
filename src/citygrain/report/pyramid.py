"""Rasters as tiles within a page, in full and at halved sizes, so that a browser unpacks only what it shows.

Pictures are JPEG. Codes are packed bytes (zlib), not PNG: some browsers blur what a page reads back from a picture to
hinder tracking, and a class read from there would be wrong.
"""

import base64
import io
import math
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from citygrain.tiles import Tile, map_tiles, processors, tile_grid

__all__ = ["TILE", "Pyramid", "code_pyramid", "label_pyramid", "level_shapes", "pack", "picture_pyramid"]

TILE = 512
"""Side of a tile in pixels; even, so that a halved tile is a tile's quarter."""
_EFFORT = 4
"""Of zlib: from 6 on, a noisy map takes ten times as long and becomes a tenth smaller."""

Codes = npt.NDArray[np.uint8]
Picture = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Pyramid:
    """The tiles of one layer as text.

    Attributes
    ----------
    base : int
        Finest level there is: 0 = every pixel, 1 = every other pixel of each row and column, and so on.
    tiles : dict of (level, row, column) to str
        Base64.
    """

    base: int
    tiles: dict[tuple[int, int, int], str]

    @property
    def size(self) -> int:
        """Characters of all tiles."""
        return sum(map(len, self.tiles.values()))


def level_shapes(shape: tuple[int, int]) -> list[tuple[int, int]]:
    """Return the shape of each level, from the raster itself to what fits into one tile.

    Examples
    --------
    >>> level_shapes((900, 1500))
    [(900, 1500), (450, 750), (225, 375)]
    """
    levels = max(0, math.ceil(math.log2(max(shape) / TILE))) + 1
    return [(-(-shape[0] >> k), -(-shape[1] >> k)) for k in range(levels)]


def code_pyramid(codes: Codes, *, base: int = 0) -> Pyramid:
    """Pack class codes or other bytes; level k holds every 2^k-th row and column, so each value is one of the raster.

    Parameters
    ----------
    codes : ndarray of uint8, (h, w)
        Any raster of bytes.
    base : int
        Finest level to keep.

    Examples
    --------
    >>> pyramid = code_pyramid(np.full((2, 3), 7, np.uint8))
    >>> [*zlib.decompress(base64.b64decode(pyramid.tiles[0, 0, 0]))]
    [7, 7, 7, 7, 7, 7]
    """
    levels = ((k, codes[:: 1 << k, :: 1 << k]) for k in range(base, len(level_shapes(codes.shape))))
    return Pyramid(base, _tiles(levels, pack))


def label_pyramid(labels: npt.NDArray[np.int32], *, base: int = 0) -> Pyramid:
    """Pack the finest level of a raster of unit numbers, each tile with its own short numbers and their list.

    A tile unpacks to little-endian bytes: the count n (uint32), the n numbers that occur (uint32), and for each pixel
    the place in that list (uint16; uint32 where n is above 65,536).

    Parameters
    ----------
    labels : ndarray of int32, (h, w)
        0 or more.
    base : int
        The level to keep.
    """
    return Pyramid(base, _tiles([(base, labels[:: 1 << base, :: 1 << base])], _pack_labels))


def picture_pyramid(picture: Picture, *, quality: int, base: int = 0) -> Pyramid:
    """Encode a picture as JPEG tiles; each level is the mean of two by two pixels of the one below.

    Parameters
    ----------
    picture : ndarray of uint8, (h, w, 3)
        Red, green, blue.
    quality : int
        Of the JPEG, 1 to 95; colours keep their full resolution from 85 on.
    base : int
        Finest level to keep.
    """

    def levels() -> Iterator[tuple[int, Picture]]:
        level = picture
        for k in range(len(level_shapes((picture.shape[0], picture.shape[1])))):
            level = level if k == 0 else _halved(level)
            if k >= base:
                yield k, level

    return Pyramid(base, _tiles(levels(), lambda tile: _jpeg(tile, quality)))


def pack(values: npt.NDArray[Any]) -> str:
    """Return the bytes of an array, little-endian and compressed, as base64."""
    little = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    return base64.b64encode(zlib.compress(little.tobytes(), _EFFORT)).decode("ascii")


def _tiles(
    levels: Iterator[tuple[int, npt.NDArray[Any]]] | list[tuple[int, npt.NDArray[Any]]],
    encode: Callable[[npt.NDArray[Any]], str],
) -> dict[tuple[int, int, int], str]:
    packed = {}
    for k, raster in levels:
        grid = tile_grid((raster.shape[0], raster.shape[1]), TILE)

        def encoded(tile: Tile, raster: npt.NDArray[Any] = raster) -> str:
            return encode(raster[tile.slices])

        for tile, text in zip(grid, map_tiles(encoded, grid, engine=processors()), strict=True):
            packed[k, tile.row // TILE, tile.column // TILE] = text
    return packed


def _pack_labels(tile: npt.NDArray[np.int32]) -> str:
    lowest = int(tile.min())
    place = np.zeros(int(tile.max()) - lowest + 1, np.uint32)
    place[tile.ravel() - lowest] = 1
    found = np.flatnonzero(place)
    place[found] = np.arange(found.size)
    short = place[tile - lowest].astype("<u2" if found.size <= 1 << 16 else "<u4")
    head = np.concatenate([[found.size], found + lowest]).astype("<u4")
    return pack(np.frombuffer(head.tobytes() + short.tobytes(), np.uint8))


def _halved(picture: Picture) -> Picture:
    """Return the mean of two by two pixels; an odd last row or column counts twice."""
    height, width = picture.shape[:2]
    if height % 2 or width % 2:
        picture = np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    down = picture[::2].astype(np.uint16) + picture[1::2]
    return ((down[:, ::2] + down[:, 1::2] + 2) >> 2).astype(np.uint8)


def _jpeg(tile: Picture, quality: int) -> str:
    target = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(tile)).save(
        target, "jpeg", quality=quality, subsampling=0 if quality >= 85 else 2
    )
    return base64.b64encode(target.getvalue()).decode("ascii")
