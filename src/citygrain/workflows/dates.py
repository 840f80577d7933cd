"""Several dates of one scene, side by side as features: seasons tell apart what one date cannot."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import xarray as xr

from citygrain.errors import InputError
from citygrain.scene.read import read_scene
from citygrain.workflows.config import SceneConfig

__all__ = ["join_dates", "read_dates"]


def read_dates(config: SceneConfig) -> list[xr.DataArray]:
    """Read the scene of a run: one image, or each of its dates.

    Raises
    ------
    InputError
        If a file cannot be used, or the dates differ in grid or bands.
    """
    options = {
        "bands": config.bands,
        "scale": config.scale,
        "offset": config.offset,
        "sensor": config.sensor,
        "reflectance": config.reflectance,
    }
    if config.dates is None:
        paths = config.paths
        return [read_scene(paths if isinstance(config.path, list) else paths[0], **options)]  # type: ignore[arg-type]
    scenes = [read_scene(path, **options) for path in config.paths]  # type: ignore[arg-type]
    first = scenes[0]
    for path, scene in zip(config.paths, scenes, strict=True):
        if scene.odc.geobox != first.odc.geobox:
            raise InputError(
                f"{path.name} lies on another grid than {config.paths[0].name}",
                wanted="dates of one grid",
                mend="bring it there with gdalwarp",
            )
        if list(scene.band.values) != list(first.band.values):
            raise InputError(
                f"{path.name} has bands {', '.join(map(str, scene.band.values))}",
                wanted=f"{', '.join(map(str, first.band.values))}, as {config.paths[0].name}",
            )
    return scenes


def join_dates(features: Sequence[xr.DataArray]) -> xr.DataArray:
    """Join the features of each date; those of several dates are called ``"B04 @1"``, ``"B04 @2"``, ...

    Where a date has no value (cloud, the edge of its swath), the mean of the other dates stands in for it: else a model
    would read the gap as a colour of its own, and map the edge of a swath as a class.

    Parameters
    ----------
    features : sequence of DataArray, (band, y, x)
        The same features on one grid.

    Examples
    --------
    >>> from odc.geo.geobox import GeoBox
    >>> from citygrain.tessellation import raster_like
    >>> grid = GeoBox.from_bbox((0, 0, 20, 10), "EPSG:32633", resolution=10)
    >>> one = raster_like(np.ones((1, 2), np.float32), grid).expand_dims(band=["B04"])
    >>> joined = join_dates([one, one * np.nan])
    >>> joined.band.values.tolist(), joined.values.tolist()
    (['B04 @1', 'B04 @2'], [[[1.0, 1.0]], [[1.0, 1.0]]])
    """
    if len(features) == 1:
        return features[0]
    mean = _mean_of_dates(features)
    named = []
    for number, date in enumerate(features, start=1):
        names = [f"{name} @{number}" for name in date.band.values]
        named.append(date.where(np.isfinite(date.values), mean).assign_coords(band=names))
    joined: xr.DataArray = xr.concat(named, "band").assign_attrs(features[0].attrs)
    return joined


def _mean_of_dates(features: Sequence[xr.DataArray]) -> npt.NDArray[np.float32]:
    """Mean over the dates that have a value; NaN where none has."""
    total, count = np.zeros(features[0].shape, np.float32), np.zeros(features[0].shape, np.float32)
    for date in features:
        there = np.isfinite(date.values)
        total[there] += date.values[there]
        count += there
    return np.where(count > 0, total / np.maximum(count, 1), np.float32(np.nan))
