"""How far a training area's spectrum is from its own class and from the others."""

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import odc.geo.xr  # noqa: F401 (adds the .odc accessor to rasters)
import pandas as pd
import xarray as xr

from citygrain.samples.rasterise import burn_numbers
from citygrain.samples.shapes import grid_crs

__all__ = ["polygon_means", "spectral_distances"]

_FEWEST = 3


def polygon_means(frame: gpd.GeoDataFrame, scene: xr.DataArray) -> npt.NDArray[np.float64]:
    """Return the mean spectrum of each polygon, (n, bands); NaN where it holds no pixel with data in every band.

    Parameters
    ----------
    frame : geopandas.GeoDataFrame
        ``code`` and ``geometry``, in any CRS. Pixels that polygons of two classes claim count for none.
    scene : DataArray, (band, y, x)
        The scene, NaN = no data.

    Raises
    ------
    InputError
        If the scene has no CRS.
    """
    grid = scene.odc.geobox
    there = frame.to_crs(grid_crs(grid)).reset_index(drop=True)
    numbers = burn_numbers(there.assign(value=there["code"]), grid)
    held = numbers > 0
    numbers, values = numbers[held] - 1, np.asarray(scene.values)[:, held].astype(np.float64)
    whole = np.isfinite(values).all(0)
    numbers, values = numbers[whole], values[:, whole]
    count = np.bincount(numbers, minlength=len(there))
    means = np.full((len(there), len(values)), np.nan)
    for band, row in enumerate(values):
        total = np.bincount(numbers, row, len(there))
        np.divide(total, count, out=means[:, band], where=count > 0)
    return means


def spectral_distances(frame: gpd.GeoDataFrame, scene: xr.DataArray) -> pd.DataFrame:
    """Return how far each polygon is from its own class and from the nearest other one, in robust deviations.

    With x[i, b] the mean of polygon i in band b, and m[c, b] the median of x over the polygons of class c other than i:
    the deviation of a band is s[b] = 1.4826 median over all i of abs(x[i, b] - m[class of i, b]), and the distance of i
    to class c is the root of the mean over b of ((x[i, b] - m[c, b]) / s[b])^2. A polygon is judged only where its own
    class has two others, and compared only with classes of three polygons or more.

    Parameters
    ----------
    frame : geopandas.GeoDataFrame
        ``code`` and ``geometry``.
    scene : DataArray, (band, y, x)
        The scene.

    Returns
    -------
    pandas.DataFrame
        Index of `frame`; ``own_distance``, ``other_distance``, ``nearest_code`` (of the nearest other class), NaN where
        a polygon cannot be judged.
    """
    means, codes = polygon_means(frame, scene), frame["code"].to_numpy()
    measured = np.asarray(np.isfinite(means).all(1))
    counts = {int(code): int((measured & (codes == code)).sum()) for code in np.unique(codes)}
    known = np.array([code for code, count in counts.items() if count >= _FEWEST], np.int64)
    result = np.full((len(frame), 3), np.nan)
    judged = np.flatnonzero(measured & np.isin(codes, known)).tolist()
    medians = [_medians(means, codes, known, measured, without=i) for i in judged]
    own = [int(np.flatnonzero(known == codes[i])[0]) for i in judged]
    if len(judged):
        off = np.abs([means[i] - median[c] for i, c, median in zip(judged, own, medians, strict=True)])
        scale = np.maximum(1.4826 * np.median(off, axis=0), 1e-12)
        for i, c, median in zip(judged, own, medians, strict=True):
            distance = np.sqrt((((means[i] - median) / scale) ** 2).mean(1))
            others = np.delete(np.arange(len(known)), c)
            result[i, 0] = distance[c]
            if len(others):
                nearest = others[distance[others].argmin()]
                result[i, 1:] = distance[nearest], known[nearest]
    return pd.DataFrame(result, frame.index, ["own_distance", "other_distance", "nearest_code"])


def _medians(
    means: npt.NDArray[np.float64],
    codes: npt.NDArray[np.int64],
    known: npt.NDArray[np.int64],
    measured: npt.NDArray[np.bool_],
    *,
    without: int,
) -> npt.NDArray[np.float64]:
    """Return the median spectrum of each known class, leaving one polygon out, (classes, bands)."""
    used = measured.copy()
    used[without] = False
    return np.stack([np.median(means[used & (codes == code)], axis=0) for code in known])
