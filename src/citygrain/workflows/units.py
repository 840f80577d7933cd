"""What gets a class in a run: superpixels, cells or pixels, as the configured model sees them.

The steps of a run are the same for all three. What differs is here: the tessellation, the word for a unit, the grid of
the reference, and how a raster of units is brought back to the scene's pixels to be drawn.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import xarray as xr

from citygrain.errors import ConfigError, InputError
from citygrain.grid_patches import GridPatches
from citygrain.pixel_context import PixelContext
from citygrain.sensors import sensor_named
from citygrain.tessellation import Pixels, SegmentPatches, SegmentStatistics
from citygrain.tiles import Tile, tile_grid
from citygrain.workflows.config import ModelConfig, RunConfig

__all__ = [
    "NOUNS",
    "Units",
    "choose_features",
    "choose_units",
    "count_values",
    "map_values",
    "number_units",
    "on_scene",
    "preparation",
    "strip_tiles",
    "unit_values",
]

Units: TypeAlias = SegmentPatches | SegmentStatistics | GridPatches | PixelContext | Pixels

_STRIP = 2**20

NOUNS = {"superpixels": "superpixel", "cells": "cell", "pixels": "pixel"}
"""The word for one unit, also its key in ``assessment.json``."""


def choose_features(features: xr.DataArray, names: Sequence[str] | None, sensor: str) -> xr.DataArray:
    """Return the named features in that order (all, if none is named); a band goes by any of its names.

    Raises
    ------
    InputError
        If one is not there.
    """
    if names is None:
        return features
    known = [str(name) for name in features.band.values]
    found = []
    for name in names:
        band = sensor_named(sensor).find(name)
        matches = [k for k in known if k.lower() == name.lower() or (band is not None and k == band.name)]
        if not matches:
            raise InputError(f"feature {name!r} is not there", wanted=f"one of {', '.join(known)}")
        found.append(known.index(matches[0]))
    return features.isel(band=found)


def sees_patches(model: ModelConfig) -> bool:
    """Tell whether a model of superpixels sees patches; the others see statistics of it and its surroundings."""
    return model.name not in ("forest", "mlp") or model.recipe == "course"


def choose_units(features: xr.DataArray, segments: xr.DataArray | None, config: RunConfig) -> Units:
    """Return the units of a run as the configured model sees them.

    Parameters
    ----------
    features : DataArray, (band, y, x)
        The features; they tell where there is data.
    segments : DataArray of int, (y, x), or None
        The superpixels, where they are the units.
    config : RunConfig
        The run.

    Raises
    ------
    ConfigError
        If a model of patches is asked to see pixels, or the cells are no whole number of pixels.
    """
    window = config.samples.window
    if segments is not None:
        if not sees_patches(config.model):
            return SegmentStatistics(segments, window)
        outline = config.model.name in ("auto", "cnn") and config.model.recipe == "default"
        return SegmentPatches(segments, window, outline=outline)
    if config.units.kind == "cells":
        return GridPatches.of(features, size=window, stride=_stride(features, config.units.cell))
    if config.model.name not in ("auto", "forest", "mlp"):
        raise ConfigError(
            f"[units] kind = 'pixels' with [model] name = {config.model.name!r}, which sees patches",
            wanted="auto, forest or mlp",
            mend="or [units] kind = 'cells' with a cell of one pixel",
        )
    course = config.model.recipe == "course"
    return Pixels.of(features) if course or config.units.context == 1 else _in_context(features, config.units.context)


def _in_context(features: xr.DataArray, window: int) -> PixelContext:
    if window > min(features.shape[1:]):
        size = " x ".join(map(str, features.shape[1:]))
        raise ConfigError(
            f"[units] context = {window} on a scene of {size} pixels", wanted="1, or a smaller odd number"
        )
    return PixelContext.of(features, window=window)


def _stride(features: xr.DataArray, cell: float) -> int:
    pixel = abs(float(features.odc.geobox.resolution.x))
    stride = round(cell / pixel)
    if stride < 1 or abs(stride * pixel - cell) > 0.01 * cell:
        raise ConfigError(
            f"[units] cell = {cell:g} on pixels of {pixel:g}",
            wanted=f"a multiple of {pixel:g}",
            mend=f"set cell = {max(1, stride) * pixel:g}",
        )
    return stride


def preparation(config: RunConfig, features: xr.DataArray, units: Units) -> dict[str, Any]:
    """Return what another scene needs to be prepared for the model: features, units, window.

    Parameters
    ----------
    config : RunConfig
        The run.
    features : DataArray, (band, y, x)
        All features of the run: those the superpixels were made of.
    units : Units
        The units; with the valid area their number gives the size of the superpixels.
    """
    chosen = choose_features(features, config.model.bands, config.scene.sensor)
    pixel = abs(features.odc.geobox.resolution.x * features.odc.geobox.resolution.y)
    common = {
        "window": config.samples.window,
        "pixel_m2": round(float(pixel), 3),
        "features": [str(name) for name in chosen.band.values],
        "sensor": config.scene.sensor,
        **({"level": str(features.attrs["level"])} if features.attrs.get("level") else {}),
    }
    if isinstance(units, GridPatches):
        return {"tessellation": "cells", "cell_m": round(float(pixel) ** 0.5 * units.stride, 3), **common}
    if isinstance(units, Pixels):
        return {"tessellation": "pixels", **common}
    if isinstance(units, PixelContext):
        return {"tessellation": "pixels", "context": units.window, **common}
    valid = count_values(features[0])
    return {
        "tessellation": "patches" if isinstance(units, SegmentPatches) else "statistics",
        "outline": isinstance(units, SegmentPatches) and units.outline,
        "segment_pixels": round(valid / len(units), 1),
        "compactness": config.segments.compactness,
        "segment_features": [str(name) for name in features.band.values],
        **common,
    }


def number_units(units: Units) -> npt.NDArray[np.int64]:
    """Return the row of the unit at each pixel of the units' grid; -1 is no data."""
    height, width = units.geobox.shape
    return units.parts(Tile(0, 0, height, width))


def unit_values(raster: npt.NDArray[Any], units: npt.NDArray[np.int64], n: int) -> npt.NDArray[Any]:
    """Return each unit's value from a raster that is constant within units, (n,).

    Parameters
    ----------
    raster : ndarray, (height, width)
        On the units' grid.
    units : ndarray of int, (height, width)
        Row of the unit at each pixel, see `number_units`.
    n : int
        Number of units.

    Examples
    --------
    >>> unit_values(np.array([[7, 7, 9]]), np.array([[0, 0, 1]]), 2).tolist()
    [7, 9]
    """
    values = np.zeros(n + 1, raster.dtype)
    values[units] = raster  # -1 is the last one, which is dropped
    return values[:n]


def map_values(raster: xr.DataArray, units: Units) -> npt.NDArray[Any]:
    """Return each unit's value from a raster (y, x) that is constant within units, (n,); read by strips."""
    values = np.zeros(len(units), raster.dtype)
    for tile in strip_tiles(tuple(units.geobox.shape)):
        numbers = units.parts(tile)
        there = numbers >= 0
        values[numbers[there]] = raster.variable[tile.slices].values[there]
    return values


def count_values(raster: xr.DataArray) -> int:
    """Count the pixels of a raster (y, x) that have a value, by strips."""
    return sum(int(np.isfinite(raster.variable[tile.slices].values).sum()) for tile in strip_tiles(raster.shape))


def strip_tiles(shape: tuple[int, ...]) -> list[Tile]:
    """Cut a raster of `shape` (rows, columns) into strips of about a million pixels."""
    height, width = shape
    return tile_grid((height, width), (max(1, _STRIP // max(1, width)), max(1, width)))


def on_scene(raster: npt.NDArray[Any], units: Units, shape: tuple[int, int]) -> npt.NDArray[Any]:
    """Return a raster of the units' grid pixel by pixel of the scene; what no cell covers is 0, or NaN for floats."""
    if not isinstance(units, GridPatches):
        return raster
    fine = np.kron(raster, np.ones((units.stride, units.stride), raster.dtype))[: shape[0], : shape[1]]
    fill = np.nan if raster.dtype.kind == "f" else 0
    missing = [(0, side - there) for side, there in zip(shape, fine.shape, strict=True)]
    return np.pad(fine, missing, constant_values=fill)
