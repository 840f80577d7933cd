"""Bands of several resolutions on one grid: said aloud, and never warped.

A coarser band is repeated (nearest neighbour: the numbers stay those that were measured), a finer one is averaged over
the whole pixels of the coarser grid, and codes are taken from the middle. Anything else needs a choice that is not
ours.
"""

import logging
from collections.abc import Sequence

import numpy as np
from odc.geo.geobox import GeoBox
from rasterio import Affine

from citygrain.errors import InputError
from citygrain.scene.layers import FloatBand, FloatBands, Layer, Source, missing_numbers

__all__ = ["common_grid", "read_layers", "resampling"]

logger = logging.getLogger(__name__)


def common_grid(layers: Sequence[Layer], resolution: float | None = None) -> GeoBox:
    """Return the grid that all `layers` are brought to: the finest among them, or that of `resolution`.

    Parameters
    ----------
    layers : sequence of Layer
        In one CRS; the coarser ones cover the grid.
    resolution : float, optional
        Side of a pixel in units of the CRS: that of a layer, or a whole multiple or fraction of the finest.

    Raises
    ------
    InputError
        If a layer cannot be brought to that grid without warping or leaving gaps.
    """
    finest = min(layers, key=lambda layer: _pixel_area(layer.geobox))
    leader = finest
    if resolution is not None:
        leader = next((layer for layer in layers if abs(_side(layer.geobox) - resolution) < 1e-3 * resolution), finest)
    grid = leader.geobox if resolution is None else _at(leader, resolution)
    told: dict[str, list[str]] = {}
    for layer in layers:
        problem = _misfit(layer.geobox, grid)
        if problem:
            raise InputError(
                f"{layer.file} {problem} {leader.file}",
                wanted="files on one grid, or coarser ones that cover it",
                mend="bring them together with gdalwarp",
            )
        how = resampling(layer, grid)
        if how:
            told.setdefault(how, []).append(layer.name or layer.file)
    for how, names in told.items():
        what = f"the grid of {leader.file}" if resolution is None else f"pixels of {resolution:g}"
        logger.info("%s: resampled to %s by %s", ", ".join(names), what, how)
    return grid


def resampling(layer: Layer, grid: GeoBox) -> str:
    """Return how a layer is brought to `grid`, in words; nothing where it is on it."""
    if _same_grid(layer.geobox, grid):
        return ""
    factor = _times_finer(layer.geobox, grid)
    if factor is None:
        return "nearest neighbour"
    return "the pixel in the middle" if layer.codes else f"the mean of {factor} x {factor} pixels"


def read_layers(layers: Sequence[Layer], geobox: GeoBox, rows: slice, columns: slice) -> FloatBands:
    """Return a window (n, height, width) of the layers' numbers on `geobox`, brought there as `resampling` says.

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
                _resample(layers[position], geobox, rows, columns, out[position])
            continue
        keys = [layers[position].key for position in positions]
        if positions == list(range(positions[0], positions[-1] + 1)):
            source.read(keys, rows, columns, out[positions[0] : positions[-1] + 1])
        else:
            for key, position in zip(keys, positions, strict=True):
                source.read([key], rows, columns, out[position : position + 1])
    return out


def _resample(layer: Layer, geobox: GeoBox, rows: slice, columns: slice, out: FloatBand) -> None:
    factor = _times_finer(layer.geobox, geobox)
    if factor is None:
        _read_coarse(layer, geobox, rows, columns, out)
    else:
        _read_fine(layer, geobox, factor, (rows, columns), out)


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


def _read_fine(layer: Layer, geobox: GeoBox, factor: int, window: tuple[slice, slice], out: FloatBand) -> None:
    """Average the valid numbers of `factor` x `factor` pixels; where none is valid, the result is none."""
    down, across = _shift(layer.geobox, geobox)
    rows = slice(window[0].start * factor + down, window[0].stop * factor + down)
    columns = slice(window[1].start * factor + across, window[1].stop * factor + across)
    fine = np.empty((1, rows.stop - rows.start, columns.stop - columns.start), np.float32)
    layer.source.read([layer.key], rows, columns, fine)
    if layer.codes:
        out[:] = fine[0, factor // 2 :: factor, factor // 2 :: factor]
        return
    missing = missing_numbers(fine[0], layer.nodata)
    if layer.saturated is not None:
        missing |= fine[0] == np.float32(layer.saturated)
    fine[0][missing] = 0
    height, width = out.shape
    cells = (height, factor, width, factor)
    count = (~missing).reshape(cells).sum((1, 3), dtype=np.float32)
    np.divide(fine[0].reshape(cells).sum((1, 3)), np.maximum(count, 1), out=out)
    out[count == 0] = np.nan if layer.nodata is None else layer.nodata


def _at(layer: Layer, resolution: float) -> GeoBox:
    """Return the grid of a layer with pixels of another size from the same corner."""
    side, (height, width) = _side(layer.geobox), layer.geobox.shape
    if abs(side - resolution) < 1e-3 * resolution:
        return layer.geobox
    scale = resolution / side
    times = round(scale) if scale > 1 else round(1 / scale)
    ratio = scale if scale > 1 else 1 / scale
    sizes = (height / times, width / times) if scale > 1 else (height * times, width * times)
    if abs(ratio - times) > 1e-6 or not all(float(size).is_integer() for size in sizes):
        raise InputError(
            f"resolution {resolution:g} for {layer.file} with {width} x {height} pixels of {side:g}",
            wanted="a whole multiple or fraction that fits",
        )
    shape = (int(sizes[0]), int(sizes[1]))
    return GeoBox(shape, layer.geobox.affine * Affine.scale(scale), layer.geobox.crs)


def _side(geobox: GeoBox) -> float:
    return float(abs(geobox.affine.a))


def _pixel_area(geobox: GeoBox) -> float:
    return float(abs(geobox.affine.a * geobox.affine.e))


def _same_grid(one: GeoBox, other: GeoBox) -> bool:
    if one.shape != other.shape or one.crs != other.crs:
        return False
    # A thousandth of a pixel: coordinates stored as centres come back with rounding errors.
    difference = np.abs(np.array(one.affine[:6]) - np.array(other.affine[:6]))
    return bool((difference < 1e-3 * abs(other.affine.a)).all())


def _times_finer(fine: GeoBox, grid: GeoBox) -> int | None:
    """Return how many pixels of `fine` lie along one of `grid`, if whole ones do and cover it; else None."""
    across, down = grid.affine.a / fine.affine.a, grid.affine.e / fine.affine.e
    factor = round(across)
    if factor < 2 or max(abs(across - factor), abs(down - factor)) > 1e-6:
        return None
    rows, columns = _shift(fine, grid)
    height, width = grid.shape
    inside = rows >= 0 and columns >= 0
    fits = rows + height * factor <= fine.shape[0] and columns + width * factor <= fine.shape[1]
    return factor if inside and fits and _on_lattice(fine, grid) else None


def _shift(fine: GeoBox, grid: GeoBox) -> tuple[int, int]:
    """Return row and column of the grid's corner in pixels of `fine`."""
    down = (grid.affine.f - fine.affine.f) / fine.affine.e
    across = (grid.affine.c - fine.affine.c) / fine.affine.a
    return round(down), round(across)


def _on_lattice(fine: GeoBox, grid: GeoBox) -> bool:
    rows, columns = _shift(fine, grid)
    down, across = rows * fine.affine.e + fine.affine.f, columns * fine.affine.a + fine.affine.c
    return bool(max(abs(down - grid.affine.f), abs(across - grid.affine.c)) < 1e-3 * abs(fine.affine.a))


def _misfit(layer: GeoBox, grid: GeoBox) -> str:
    if _same_grid(layer, grid):
        return ""
    if layer.crs != grid.crs:
        return "is in another CRS than"
    if _times_finer(layer, grid) is not None:
        return ""
    if _pixel_area(layer) < 1.5 * _pixel_area(grid):
        return "is shifted or cropped against"
    outer, inner, slack = layer.boundingbox, grid.boundingbox, abs(grid.affine.a) / 2
    if (
        outer.left > inner.left + slack
        or outer.right < inner.right - slack
        or outer.bottom > inner.bottom + slack
        or outer.top < inner.top - slack
    ):
        return "does not cover"
    return ""
