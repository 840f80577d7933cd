"""Layers of NetCDF and Zarr, read through xarray: the 2-D variables of a dataset, or the slices of one 3-D variable."""

import logging
import warnings
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import odc.geo.xr  # noqa: F401 - registers the .odc accessor
import xarray as xr
from odc.geo.geobox import GeoBox
from rasterio import Affine

from citygrain.errors import InputError
from citygrain.scene.layers import FloatBand, Layer, checked_grid

__all__ = ["cube_layers", "is_cube"]

logger = logging.getLogger(__name__)

_ZARR_MARKS = ("zarr.json", ".zgroup", ".zmetadata", ".zattrs")


def is_cube(path: Path) -> bool:
    """Return whether `path` is for xarray: NetCDF by its suffix, Zarr by what its folder holds."""
    return path.suffix.lower() in {".nc", ".nc4", ".cdf"} or _is_zarr(path)


def cube_layers(path: Path, files: ExitStack) -> list[Layer]:
    """Return the bands of a NetCDF file or a Zarr store; it stays open until `files` closes.

    Raises
    ------
    InputError
        If it cannot be opened, holds no rasters, or has no usable geometry.
    """
    dataset = _opened(path, files)
    rasters = {str(name): _squeezed(array, path.name) for name, array in dataset.data_vars.items() if array.ndim >= 2}
    rasters = {name: array for name, array in rasters.items() if array.dtype.kind in "iuf"}
    flat = {name: array for name, array in rasters.items() if array.ndim == 2}
    if flat and len(flat) == len(rasters):
        return [_layer(array, name, path.name) for name, array in flat.items()]
    if len(rasters) == 1:
        (array,) = rasters.values()
        if array.ndim == 3:
            return _slices(array, path.name)
    shapes = ", ".join(f"{name} {tuple(map(str, array.dims))}" for name, array in rasters.items()) or "none"
    raise InputError(f"{path.name} holds these rasters: {shapes}", wanted="2-D variables only, or one 3-D variable")


def _is_zarr(path: Path) -> bool:
    return path.is_dir() and (path.suffix.lower() == ".zarr" or any((path / mark).exists() for mark in _ZARR_MARKS))


def _opened(path: Path, files: ExitStack) -> xr.Dataset:
    with warnings.catch_warnings():
        # xarray complains of stores without consolidated metadata, which only costs it a directory listing.
        warnings.simplefilter("ignore", RuntimeWarning)
        try:
            return files.enter_context(
                xr.open_dataset(
                    path,
                    engine="zarr" if _is_zarr(path) else None,
                    mask_and_scale=False,
                    decode_times=False,
                    decode_coords="all",
                )
            )
        except (OSError, ValueError, KeyError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise InputError(f"{path.name} cannot be opened ({reason})", wanted="NetCDF or Zarr") from error


def _squeezed(array: xr.DataArray, file: str) -> xr.DataArray:
    single = [dim for dim in array.dims if array.sizes[dim] == 1 and str(dim) not in {"y", "x", "band"}]
    if single and array.ndim > 2:
        logger.info("%s: variable %s has one %s only, which is taken", file, array.name, ", ".join(map(str, single)))
        return array.squeeze(single[: array.ndim - 2])
    return array


def _slices(array: xr.DataArray, file: str) -> list[Layer]:
    dim = str(next(d for d in array.dims if d not in (array.odc.spatial_dims or array.dims[-2:])))
    labels = array.coords[dim].values if dim in array.coords else np.arange(array.sizes[dim])
    long_name = array.attrs.get("long_name")
    if labels.dtype.kind not in "UOST" and isinstance(long_name, (list, tuple)) and len(long_name) == len(labels):
        labels = np.array(long_name, str)
    named = labels.dtype.kind in "UOST"
    return [_layer(array.isel({dim: index}), str(label) if named else None, file) for index, label in enumerate(labels)]


def _layer(array: xr.DataArray, name: str | None, file: str) -> Layer:
    dims = array.odc.spatial_dims
    geobox = array.odc.geobox
    if dims is None or geobox is None:
        raise InputError(
            f"{file} has no regular grid for {array.name}", wanted="1-D coordinates y and x at even spacing and a CRS"
        )
    upside_down = geobox.affine.e > 0

    def load(out: FloatBand) -> None:
        try:
            values = array.transpose(*dims).values
        except (OSError, ValueError, RuntimeError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise InputError(f"{file} breaks off or is damaged in {name} ({reason})", wanted="a whole file") from error
        out[:] = values[::-1] if upside_down else values

    if upside_down:
        logger.info("%s: %s runs from south to north and is turned north up", file, name or array.name)
    return Layer(
        file=file,
        name=name,
        geobox=checked_grid(_north_up(geobox) if upside_down else geobox, file),
        load=load,
        scale=1 / (_number(array, "scale_factor") or 1.0),
        offset=_number(array, "add_offset") or 0.0,
        nodata=_number(array, "_FillValue", "missing_value"),
    )


def _north_up(geobox: GeoBox) -> GeoBox:
    turned = geobox.affine * Affine.translation(0, geobox.shape[0]) * Affine.scale(1, -1)
    return GeoBox(geobox.shape, turned, geobox.crs)


def _number(array: xr.DataArray, *keys: str) -> float | None:
    for key in keys:
        value: Any = array.attrs.get(key, array.encoding.get(key))
        if value is not None:
            return float(np.asarray(value).ravel()[0])
    return None
