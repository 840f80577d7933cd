"""Radar images of several days as one: mean and median over time, in linear power.

Speckle of different days is independent, so the mean of :math:`n` days has :math:`n` times the looks. The median is not
moved by a ship or a wet day, but lies below the mean, by about a third of one over the number of looks (8 % for
Sentinel-1 GRD): do not mix the two in one model. Decibels are for showing (`citygrain.features.sar.decibels`): what is
averaged in decibels is darker than the ground.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from citygrain.errors import InputError
from citygrain.features._over_time import mean_pixels
from citygrain.imagery._pixels import median_pixels

__all__ = ["temporal_mean", "temporal_median"]

Power = npt.NDArray[np.float32]


def temporal_mean(stack: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """Return the mean power of each pixel over time, and of how many days it is.

    Parameters
    ----------
    stack : DataArray of float32, (time, band, y, x)
        Linear power; NaN = no data. Each band is taken by itself.

    Returns
    -------
    mean : DataArray of float32, (band, y, x)
        NaN where there was never a value. The order of the days changes no bit of it.
    count : DataArray of uint16, (band, y, x)
        Days with a value.

    Raises
    ------
    InputError
        If the stack has other dimensions, or holds negative power (decibels?).

    Examples
    --------
    >>> days = xr.DataArray(np.float32([1, 3, np.nan]).reshape(3, 1, 1, 1), dims=("time", "band", "y", "x"))
    >>> mean, count = temporal_mean(days)
    >>> mean.item(), count.item()
    (2.0, 2)
    """
    return _over_time(stack, "mean")


def temporal_median(stack: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """Return the median power of each pixel over time, and of how many days it is; as `temporal_mean`.

    Examples
    --------
    >>> days = xr.DataArray(np.float32([1, 9, 2]).reshape(3, 1, 1, 1), dims=("time", "band", "y", "x"))
    >>> temporal_median(days)[0].item()
    2.0
    """
    return _over_time(stack, "median")


def _over_time(stack: xr.DataArray, how: str) -> tuple[xr.DataArray, xr.DataArray]:
    if stack.ndim != 4 or len(stack) == 0:
        raise InputError(f"a radar stack of shape {stack.shape}", wanted="(time, band, y, x) with at least one day")
    values = np.ascontiguousarray(stack.values, np.float32)
    with np.errstate(invalid="ignore"):
        if (values < 0).any():
            raise InputError("negative power", wanted="linear power", mend="turn decibels back: 10 ** (dB / 10)")
    good = np.isfinite(values)
    out = np.empty(values.shape[1:], np.float32)
    for band in range(values.shape[1]):
        layer = np.ascontiguousarray(values[:, band : band + 1])
        fill: Any = mean_pixels if how == "mean" else median_pixels
        fill(layer, np.ascontiguousarray(good[:, band]), out[band : band + 1])
    coords = {key: coord for key, coord in stack.coords.items() if "time" not in coord.dims and key != "time"}
    attrs = {**stack.attrs, "composite": how, "observations": len(stack)}
    dims = ("band", "y", "x")
    return (
        xr.DataArray(out, coords, dims, name="power", attrs=attrs),
        xr.DataArray(good.sum(0, dtype=np.uint16), coords, dims, name="days"),
    )
