"""The mean of each feature over a unit: the plainest row that can be made of it, alike for every kind of unit."""

import numpy as np
import numpy.typing as npt
import xarray as xr

from citygrain.excerpt import Excerpt
from citygrain.grid_patches import GridPatches
from citygrain.pixel_context import PixelContext
from citygrain.tessellation import Pixels
from citygrain.workflows.units import Units
from citygrain.zones import add_moments, empty_moments, moments, strips

__all__ = ["mean_spectra"]

_AT_ONCE = 2_048


def mean_spectra(features: xr.DataArray, units: Units, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """Return the mean of each feature over the chosen units, whatever a model sees of them.

    Parameters
    ----------
    features : DataArray, (band, y, x)
        c features, NaN = no data; lazy ones are read once, strip by strip.
    units : Units
        n superpixels, cells or pixels.
    rows : ndarray of int64, (m,)
        The units, each once.

    Returns
    -------
    ndarray of float32, (m, c)
        NaN where no pixel of a unit has a value.
    """
    if isinstance(units, Pixels | PixelContext):
        pixels = units.pixels if isinstance(units, PixelContext) else units
        return np.asarray(pixels.rows(features)[rows], np.float32)
    if isinstance(units, GridPatches):
        return _of_cells(features, units, rows)
    source, labels = Excerpt.of(features), Excerpt.of(units.labels)
    state = empty_moments(len(rows), int(features.shape[0]))
    for strip in strips(labels.box):
        add_moments(source.cut(strip).read(), labels.cut(strip).read(), rows + 1, state)
    return moments(state)[:, : features.shape[0]]


def _of_cells(features: xr.DataArray, units: GridPatches, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """Return the means of cells: those of patches that are as large as a cell."""
    patches = GridPatches(units.valid, units.stride, units.stride).rows(features)
    means = np.empty((len(rows), features.shape[0]), np.float32)
    for start in range(0, len(rows), _AT_ONCE):
        part = rows[start : start + _AT_ONCE]
        means[start : start + len(part)] = patches.subset(part).loaded()[:].mean((2, 3))
    return means
