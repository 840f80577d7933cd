"""Several dates of one scene, side by side as features: seasons tell apart what one date cannot."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr

from citygrain.errors import InputError
from citygrain.lazy import is_lazy, lazy_raster, read_window
from citygrain.scene.read import read_scene
from citygrain.sensors import light_seen_at
from citygrain.workflows.config import SceneConfig

__all__ = ["join_dates", "read_dates"]


def read_dates(config: SceneConfig, *, lazy: bool | Callable[[tuple[int, ...]], bool] = False) -> list[xr.DataArray]:
    """Read the scene of a run: one image, or each of its dates; lazily, if so wished (see `read_scene`).

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
        "lazy": lazy,
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
        levels = [light_seen_at(str(each.attrs.get("level", ""))) for each in (scene, first)]
        if all(levels) and levels[0] != levels[1]:
            came = f"{path.name} is of {scene.attrs['level']}, {config.paths[0].name} of {first.attrs['level']}"
            raise InputError(came, wanted="dates of one level")
        if list(scene.band.values) != list(first.band.values):
            raise InputError(
                f"{path.name} has bands {', '.join(map(str, scene.band.values))}",
                wanted=f"{', '.join(map(str, first.band.values))}, as {config.paths[0].name}",
            )
    return scenes


def join_dates(features: Sequence[xr.DataArray]) -> xr.DataArray:
    """Join the features of each date; those of several dates are called ``"B04 @1"``, ``"B04 @2"``, ...

    Where a date has no value (cloud, the edge of its swath), the mean of the other dates stands in for it: else a model
    would read the gap as a colour of its own, and map the edge of a swath as a class. Of lazy rasters the result is
    lazy, too.

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
    names = [f"{name} @{number}" for number, date in enumerate(features, start=1) for name in date.band.values]
    first = features[0]
    coords = {key: coord for key, coord in first.coords.items() if "band" not in coord.dims and key != "band"}
    if any(map(is_lazy, features)):
        joined = lazy_raster(DatesReader(tuple(features)), first.odc.geobox, names, attrs=first.attrs, name="features")
        joined.encoding.update(next(date for date in features if is_lazy(date)).encoding)
        return joined.assign_coords(coords)
    values = _filled([date.values for date in features])
    return xr.DataArray(values, {**coords, "band": names}, first.dims, name="features", attrs=dict(first.attrs))


@dataclass(frozen=True)
class DatesReader:
    """Joins windows of dates, see `citygrain.lazy.WindowReader`.

    Attributes
    ----------
    dates : tuple of DataArray, (band, y, x)
        The same features of each date.
    """

    dates: tuple[xr.DataArray, ...]

    def __call__(self, bands: npt.NDArray[np.int64], rows: slice, columns: slice) -> npt.NDArray[np.float32]:
        """Return values (bands, height, width): the bands of the first date, those of the second, ..."""
        date, feature = np.divmod(bands, len(self.dates[0]))
        needed, place = np.unique(feature, return_inverse=True)
        windows = [read_window(each.isel(band=needed), rows, columns) for each in self.dates]
        joined = _filled(windows).reshape(len(windows), *windows[0].shape)
        return joined[date, place]


def _filled(dates: Sequence[npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
    """Put dates one after another, each gap filled with the mean over the dates that have a value."""
    total, count = np.zeros(dates[0].shape, np.float32), np.zeros(dates[0].shape, np.float32)
    for date in dates:
        there = np.isfinite(date)
        total[there] += date[there]
        count += there
    mean = np.where(count > 0, total / np.maximum(count, 1), np.float32(np.nan))
    filled = np.concatenate(dates)
    for number, date in enumerate(dates):
        part = filled[number * len(date) : (number + 1) * len(date)]
        np.copyto(part, mean, where=~np.isfinite(part))
    return filled
