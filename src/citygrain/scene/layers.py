"""What a file holds before its bands are named and scaled: layers, each on its own grid, none of them loaded yet.

GDAL's formats and xarray's are opened by two different libraries; both answer with layers, so that names, units and
no data are settled in one place. A layer is a recipe, small and picklable: its source opens the file when it is read.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from odc.geo.geobox import GeoBox

from citygrain.errors import InputError

__all__ = ["FloatBand", "FloatBands", "Layer", "Source", "checked_grid", "common_grid", "read_layers"]

logger = logging.getLogger(__name__)

FloatBand = npt.NDArray[np.float32]
FloatBands = npt.NDArray[np.float32]


class Source(Protocol):
    """A file: hashable, picklable, safe in several threads."""

    @property
    def path(self) -> Path:
        """Where it is, absolute."""
        ...

    def read(self, keys: Sequence[Any], rows: slice, columns: slice, out: FloatBands) -> None:
        """Fill `out` (n, height, width) with the file's numbers of these bands in this window."""
        ...


@dataclass(frozen=True)
class Layer:
    """One band of a file.

    Attributes
    ----------
    file : str
        Name of the file, for messages.
    name : str or None
        What the file calls the band, if anything.
    geobox : GeoBox
        The grid, north up.
    source : Source
        The file.
    key
        What the source calls the band.
    scale, offset : float
        The file's own tags, as ``value = number / scale + offset``; 1 and 0 where it has none.
    nodata : float or None
        The number that means no data.
    blocks : (int, int)
        Height and width of the blocks in which the file keeps the band.
    """

    file: str
    name: str | None
    geobox: GeoBox
    source: Source
    key: Any
    scale: float = 1.0
    offset: float = 0.0
    nodata: float | None = None
    blocks: tuple[int, int] = (256, 256)


def checked_grid(geobox: GeoBox, file: str) -> GeoBox:
    """Return `geobox` if it is north up, unrotated and has a CRS.

    Raises
    ------
    InputError
        If it has no CRS, no place on the ground, or is rotated or mirrored.
    """
    affine = geobox.affine
    if geobox.crs is None:
        raise InputError(f"{file} has no CRS", wanted="a georeferenced raster", mend="set it with gdal_edit -a_srs")
    if affine.is_identity:
        raise InputError(f"{file} has no geotransform", wanted="a georeferenced raster", mend="use gdalwarp first")
    if affine.b or affine.d:
        raise InputError(f"the grid of {file} is rotated", wanted="a north-up grid", mend="use gdalwarp first")
    if affine.a <= 0 or affine.e >= 0:
        raise InputError(f"the grid of {file} is mirrored", wanted="a north-up grid", mend="use gdalwarp first")
    return geobox


def common_grid(layers: Sequence[Layer]) -> GeoBox:
    """Return the finest grid among `layers`; all others are on it or coarser, in the same CRS, and cover it.

    Raises
    ------
    InputError
        If a layer cannot be brought to that grid without warping or leaving gaps.
    """
    finest = min(layers, key=lambda layer: _pixel_area(layer.geobox))
    for layer in layers:
        if _same_grid(layer.geobox, finest.geobox):
            continue
        problem = _misfit(layer.geobox, finest.geobox)
        if problem:
            raise InputError(
                f"{layer.file} {problem} {finest.file}",
                wanted="files on one grid, or coarser ones that cover it",
                mend="bring them together with gdalwarp",
            )
        logger.info("%s: resampled to the grid of %s by nearest neighbour", layer.file, finest.file)
    return finest.geobox


def read_layers(layers: Sequence[Layer], geobox: GeoBox, rows: slice, columns: slice) -> FloatBands:
    """Return a window (n, height, width) of the layers' numbers on `geobox`, by nearest neighbour where one is coarser.

    Layers of one file and grid are read together: where a file keeps its bands pixel by pixel, its blocks are decoded
    once for all of them.
    """
    out = np.empty((len(layers), rows.stop - rows.start, columns.stop - columns.start), np.float32)
    together: dict[tuple[Source, bool], list[int]] = {}
    for position, layer in enumerate(layers):
        together.setdefault((layer.source, _same_grid(layer.geobox, geobox)), []).append(position)
    for (source, same), positions in together.items():
        if not same:
            for position in positions:  # one by one, as a whole scene of coarse bands would not fit beside the result
                _read_coarse(layers[position], geobox, rows, columns, out[position])
            continue
        keys = [layers[position].key for position in positions]
        if positions == list(range(positions[0], positions[-1] + 1)):
            source.read(keys, rows, columns, out[positions[0] : positions[-1] + 1])
        else:
            for key, position in zip(keys, positions, strict=True):
                source.read([key], rows, columns, out[position : position + 1])
    return out


def _read_coarse(layer: Layer, geobox: GeoBox, rows: slice, columns: slice, out: FloatBand) -> None:
    near, far = geobox.affine, layer.geobox.affine
    x = near.c + (np.arange(columns.start, columns.stop) + 0.5) * near.a
    y = near.f + (np.arange(rows.start, rows.stop) + 0.5) * near.e
    across = np.clip(np.floor((x - far.c) / far.a).astype(int), 0, layer.geobox.shape[1] - 1)
    down = np.clip(np.floor((y - far.f) / far.e).astype(int), 0, layer.geobox.shape[0] - 1)
    part = slice(int(down.min()), int(down.max()) + 1), slice(int(across.min()), int(across.max()) + 1)
    coarse = np.empty((1, part[0].stop - part[0].start, part[1].stop - part[1].start), np.float32)
    layer.source.read([layer.key], *part, coarse)
    for row, source_row in enumerate(down - part[0].start):
        out[row] = coarse[0, source_row, across - part[1].start]


def _pixel_area(geobox: GeoBox) -> float:
    return float(abs(geobox.affine.a * geobox.affine.e))


def _same_grid(one: GeoBox, other: GeoBox) -> bool:
    if one.shape != other.shape or one.crs != other.crs:
        return False
    # A thousandth of a pixel: coordinates stored as centres come back with rounding errors.
    difference = np.abs(np.array(one.affine[:6]) - np.array(other.affine[:6]))
    return bool((difference < 1e-3 * abs(other.affine.a)).all())


def _misfit(coarse: GeoBox, fine: GeoBox) -> str:
    if coarse.crs != fine.crs:
        return "is in another CRS than"
    if _pixel_area(coarse) < 1.5 * _pixel_area(fine):
        return "is shifted or cropped against"
    outer, inner, slack = coarse.boundingbox, fine.boundingbox, abs(fine.affine.a) / 2
    if (
        outer.left > inner.left + slack
        or outer.right < inner.right - slack
        or outer.bottom > inner.bottom + slack
        or outer.top < inner.top - slack
    ):
        return "does not cover"
    return ""
