"""Read a scene: files in, one float32 raster of named bands in reflectance out.

Band names and the scale decide what every later number means, so both are taken from the file or the user, said
aloud, and refused where the values contradict them.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import xarray as xr

from citygrain.errors import InputError
from citygrain.lazy import lazy_raster
from citygrain.scene.bands import NamedLayer, choose_bands
from citygrain.scene.cubes import cube_layers, is_cube
from citygrain.scene.layers import Layer, common_grid
from citygrain.scene.open_files import close_after, close_files
from citygrain.scene.plausible import check_reflectance, refuse_empty, sample_pixels
from citygrain.scene.rasters import raster_layers
from citygrain.scene.windows import SceneBand, SceneReader
from citygrain.sensors import Sensor, sensor_named

__all__ = ["describe_scene", "read_scene"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Scaling:
    scale: float
    offset: float
    reason: str


def read_scene(
    path: Path | str | Sequence[Path | str],
    *,
    bands: Sequence[str] | None = None,
    scale: float | None = None,
    offset: float = 0.0,
    sensor: str = "sentinel-2",
    reflectance: bool = True,
    lazy: bool | Callable[[tuple[int, ...]], bool] = False,
) -> xr.DataArray:
    """Read a scene from one file or from a stack of files.

    ``value = number / scale + offset``. Without a `scale` the file's own scale and offset tags are taken, else the
    sensor's usual scale (1 for digital numbers); which one is logged. Bands that measure no reflected light (an index,
    heat) are not scaled.

    A pixel is no data, NaN in all bands, where every band is NaN or holds the file's nodata number. In single bands a
    nodata number of 0 stays a value: deep water and shadow reach 0 in one band while the others see the ground. Any
    other nodata number (-9999, 65535), or 0 in a thermal or radar band, is no measurement and becomes NaN in its band.

    Parameters
    ----------
    path : Path, str or a sequence of them
        GeoTIFF, COG, JP2, NetCDF or Zarr; several files are stacked. They share a grid, or are coarser and cover it;
        then they are resampled by nearest neighbour, which is logged.
    bands : sequence of str, optional
        Bands to take, in this order, where the files name their bands; the names in file order where they do not.
    scale : float, optional
        Numbers in the file per unit of reflectance.
    offset : float
        Added after scaling, in reflectance (-0.1 for Sentinel-2 baseline 04.00 and later).
    sensor : str
        Whose band names they are: ``"sentinel-2"``, ``"landsat-8"`` or ``"sentinel-1"``.
    reflectance : bool
        Whether the optical bands must come out as reflectance. If so, values that cannot be reflectance are refused.
    lazy : bool or callable
        Whether to leave the values in the files; a function is asked with the shape (band, y, x). Each window is read
        when it is asked for (see `citygrain.lazy`), with the values that the whole scene would have there, and an
        infinite value is refused when it is met. The blocks in which the file is kept are in
        ``.encoding["preferred_chunks"]``.

    Returns
    -------
    xarray.DataArray
        Dims ``(band, y, x)``, float32, NaN = no data, with the grid as ``.odc.geobox`` and the attributes ``units``
        (``"reflectance"`` or ``"digital numbers"``), ``scale``, ``offset``, ``sensor`` and ``source``.

    Raises
    ------
    InputError
        If a file, its geometry, its band names or its values cannot be used.

    Examples
    --------
    >>> read_scene("nowhere.tif")
    Traceback (most recent call last):
    citygrain.errors.InputError: nowhere.tif does not exist; wanted: a scene file
    """
    maker = sensor_named(sensor)
    paths = _existing(path)
    try:
        chosen = choose_bands([layer for file in paths for layer in _layers(file)], bands, maker)
        if reflectance and not any(item.optical for item in chosen):
            logger.info("no band of %s measures reflected light: the values stay as they are", paths[0].name)
            reflectance = False
        scaling = _scaling(chosen, scale, offset, maker if reflectance else None)
        attrs = {
            "units": "reflectance" if reflectance else "digital numbers",
            "scale": scaling.scale,
            "offset": scaling.offset,
            "sensor": maker.name,
            "source": ", ".join(file.name for file in paths),
        }
        scene = _raster(chosen, scaling, attrs)
        left = lazy(scene.shape) if callable(lazy) else lazy
        scene = scene if left else scene.load()
        sample = sample_pixels(scene)
        refuse_empty(scene, sample, chosen[0].layer.file)
        if reflectance:
            optical = [index for index, item in enumerate(chosen) if item.optical]
            check_reflectance(scene, sample, optical, scale=scaling.scale, offset=scaling.offset)
    finally:
        close_files([file.absolute() for file in paths])
    return scene


def describe_scene(scene: xr.DataArray) -> list[dict[str, str | float]]:
    """Return the spread of each band's values.

    Parameters
    ----------
    scene : xarray.DataArray
        Dims ``(band, y, x)``, NaN = no data.

    Returns
    -------
    list of dict
        Per band ``name``, ``minimum``, ``p2``, ``median``, ``p98``, ``maximum`` (NaN where a band has no values) and
        ``nodata_share`` (0 to 1).

    Examples
    --------
    >>> scene = xr.DataArray([[[0.1, 0.3, np.nan, 0.2]]], dims=("band", "y", "x"), coords={"band": ["B04"]})
    >>> row = describe_scene(scene)[0]
    >>> row["name"], round(row["median"], 3), row["nodata_share"]
    ('B04', 0.2, 0.25)
    """
    return [_spread(str(name), scene.variable[index].values) for index, name in enumerate(scene.band.values)]


def _spread(name: str, values: npt.NDArray[np.floating]) -> dict[str, str | float]:
    there = values[np.isfinite(values)]
    figures = np.percentile(there, [0, 2, 50, 98, 100]) if there.size else np.full(5, np.nan)
    spread = dict(zip(("minimum", "p2", "median", "p98", "maximum"), map(float, figures), strict=True))
    return {"name": name, **spread, "nodata_share": 1 - there.size / max(1, values.size)}


def _existing(path: Path | str | Sequence[Path | str]) -> list[Path]:
    paths = [Path(path)] if isinstance(path, (str, Path)) else [Path(each) for each in path]
    if not paths:
        raise InputError("no scene file was given", wanted="at least one")
    for file in paths:
        if not file.exists():
            raise InputError(f"{file} does not exist", wanted="a scene file")
        if file.is_dir() and not is_cube(file):
            raise InputError(f"{file} is a folder", wanted="a scene file, or a list of the band files in it")
    return paths


def _layers(file: Path) -> list[Layer]:
    return cube_layers(file) if is_cube(file) else raster_layers(file)


def _scaling(chosen: Sequence[NamedLayer], scale: float | None, offset: float, maker: Sensor | None) -> _Scaling:
    if scale is not None:
        if not (np.isfinite(scale) and scale > 0 and np.isfinite(offset)):
            raise InputError(f"scale {scale} with offset {offset}", wanted="a scale above 0 and a finite offset")
        return _said(_Scaling(float(scale), float(offset), "as given"), chosen)
    scaled = [item.layer for item in chosen if item.optical or (maker is None and item.band)]
    tags = {(float(f"{layer.scale:.9g}"), layer.offset) for layer in scaled} or {(1.0, 0.0)}
    if len(tags) > 1:
        raise InputError(f"{chosen[0].layer.file}: bands carry different scale tags {sorted(tags)}", mend="set scale")
    (tag,) = tags
    if tag != (1.0, 0.0):
        return _said(_Scaling(tag[0], offset or tag[1], "from the file's tags"), chosen)
    usual = _Scaling(maker.scale, offset, f"usual for {maker.name}") if maker else _Scaling(1.0, offset, "as they are")
    return _said(usual, chosen)


def _said(scaling: _Scaling, chosen: Sequence[NamedLayer]) -> _Scaling:
    logger.info("%s: value = number / %g %+g (%s)", chosen[0].layer.file, scaling.scale, scaling.offset, scaling.reason)
    return scaling


def _raster(chosen: Sequence[NamedLayer], scaling: _Scaling, attrs: dict[str, str | float]) -> xr.DataArray:
    layers = [item.layer for item in chosen]
    geobox = common_grid(layers)
    reader = SceneReader(tuple(_band(item, scaling, str(attrs["units"])) for item in chosen), geobox)
    close_after(reader, [layer.source.path for layer in layers])
    raster = lazy_raster(reader, geobox, [item.name for item in chosen], attrs=attrs, name="scene")
    down, across = next(layer.blocks for layer in layers if layer.geobox == geobox)
    raster.encoding["preferred_chunks"] = {"band": len(chosen), "y": down, "x": across}
    return raster


def _band(item: NamedLayer, scaling: _Scaling, units: str) -> SceneBand:
    if not (item.optical or (item.band is not None and units == "digital numbers")):
        scaling = _Scaling(item.layer.scale, item.layer.offset, "its own tags")
        logger.info("%s: band %s is no reflectance and is not scaled like one", item.layer.file, item.name)
    keeps_zero = item.layer.nodata == 0 and item.may_be_zero
    return SceneBand(item.name, item.layer, keeps_zero, scaling.scale, scaling.offset)
