"""Scenes in memory and their lazy twins, and scenes of any size that are computed where they are looked at."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from odc.geo.geobox import GeoBox

from citygrain.lazy import lazy_raster
from citygrain.tessellation import raster_like

BANDS = ["B02", "B04", "B08"]


@dataclass
class Windows:
    """A reader of an array's windows that notes the size of each."""

    values: npt.NDArray[Any]
    read: list[tuple[int, int]] = field(default_factory=list)

    def __call__(self, bands: npt.NDArray[np.int64], rows: slice, columns: slice) -> npt.NDArray[Any]:
        self.read.append((rows.stop - rows.start, columns.stop - columns.start))
        return self.values[bands][:, rows, columns]


def lazy_twin(raster: xr.DataArray) -> tuple[xr.DataArray, Windows]:
    """The same raster (band, y, x) or (y, x), read by windows."""
    values = raster.values if raster.ndim == 3 else raster.values[None]
    names = [str(name) for name in raster.band.values] if raster.ndim == 3 else ["labels"]
    reader = Windows(values)
    twin = lazy_raster(reader, raster.odc.geobox, names, dtype=values.dtype, attrs=raster.attrs)
    return (twin if raster.ndim == 3 else twin.isel(band=0)), reader


def grid(height: int, width: int) -> GeoBox:
    return GeoBox.from_bbox((0, 0, 10 * width, 10 * height), "EPSG:32633", resolution=10)


def patchwork(height: int = 70, width: int = 90, *, seed: int = 0) -> tuple[xr.DataArray, xr.DataArray]:
    """Features with gaps, and superpixels: Voronoi cells, a frame around the scene, a pair of far pixels, a hole."""
    rng = np.random.default_rng(seed)
    values = rng.random((len(BANDS), height, width), np.float32) * 0.4
    y, x = np.mgrid[:height, :width]
    seeds = rng.uniform(0, (height, width), (60, 2))
    labels = 1 + ((y[..., None] - seeds[:, 0]) ** 2 + (x[..., None] - seeds[:, 1]) ** 2).argmin(-1)
    labels[[0, -1]] = labels[:, [0, -1]] = 61  # wider than any window
    labels[5, 5] = labels[height - 6, width - 6] = 62
    hole = (abs(y - height // 2) < 6) & (abs(x - width // 2) < 9)
    labels[hole] = 0
    labels = np.unique(labels, return_inverse=True)[1].reshape(height, width)
    values[:, hole] = np.nan
    values[rng.random(values.shape) < 0.01] = np.nan
    values[0, 3, 4] = np.inf
    layers = [raster_like(layer, grid(height, width)) for layer in values]
    features = xr.concat(layers, "band").assign_coords(band=BANDS)
    features.attrs["units"] = "reflectance"
    return features, raster_like(labels.astype(np.int32), grid(height, width))


@dataclass
class Waves:
    """Values of any pixel of any scene, computed."""

    def __call__(self, bands: npt.NDArray[np.int64], rows: slice, columns: slice) -> npt.NDArray[np.float32]:
        y = np.arange(rows.start, rows.stop, dtype=np.float32)[:, None]
        x = np.arange(columns.start, columns.stop, dtype=np.float32)
        layers = [0.3 + 0.2 * np.sin(y * (0.011 + 0.003 * b)) * np.cos(x * (0.013 + 0.002 * b)) for b in bands]
        return np.stack(layers).astype(np.float32)


@dataclass
class Squares:
    """Superpixels of any scene: squares of `side` pixels, `across` in a row."""

    side: int
    across: int

    def __call__(self, bands: npt.NDArray[np.int64], rows: slice, columns: slice) -> npt.NDArray[np.int32]:
        y, x = (np.arange(each.start, each.stop, dtype=np.int32) // self.side for each in (rows, columns))
        return (y[:, None] * np.int32(self.across) + x + 1)[None].astype(np.int32)


def endless(side: int, bands: int = 10) -> tuple[xr.DataArray, xr.DataArray]:
    """Lazy features and superpixels of 20 x 20 pixels of a scene of `side` x `side` pixels."""
    names = [f"B{band:02}" for band in range(bands)]
    features = lazy_raster(Waves(), grid(side, side), names, attrs={"units": "reflectance"})
    squares = lazy_raster(Squares(20, -(-side // 20)), grid(side, side), ["labels"], dtype=np.int32)
    return features, squares.isel(band=0)
