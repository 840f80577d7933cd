"""Layers of NetCDF and Zarr, read through xarray: the 2-D variables of a dataset, or the slices of one 3-D variable."""

import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import odc.geo.xr  # noqa: F401 - registers the .odc accessor
import xarray as xr
from odc.geo.geobox import GeoBox
from rasterio import Affine

from citygrain.errors import InputError
from citygrain.scene.layers import FloatBands, Layer, checked_grid
from citygrain.scene.open_files import lent_file

__all__ = ["cube_layers", "is_cube"]

logger = logging.getLogger(__name__)

_ZARR_MARKS = ("zarr.json", ".zgroup", ".zmetadata", ".zattrs")


def is_cube(path: Path) -> bool:
    """Return whether `path` is for xarray: NetCDF by its suffix, Zarr by what its folder holds."""
    return path.suffix.lower() in {".nc", ".nc4", ".cdf"} or _is_zarr(path)


def cube_layers(path: Path) -> list[Layer]:
    """Return the bands of a NetCDF file or a Zarr store.

    Raises
    ------
    InputError
        If it cannot be opened, holds no rasters, or has no usable geometry.
    """
    with lent_file(_opened, path.absolute()) as dataset:
        # Zarr lists its variables in any order; by name they are the same each time.
        names = sorted(map(str, dataset.data_vars)) if _is_zarr(path) else [str(name) for name in dataset.data_vars]
        arrays = {name: dataset[name] for name in names}
        rasters = {
            name: _squeezed(array, path.name)
            for name, array in arrays.items()
            if array.ndim >= 2 and array.dtype.kind in "iuf"
        }
        flat = {name: array for name, array in rasters.items() if array.ndim == 2}
        if flat and len(flat) == len(rasters):
            return [_layer(dataset, array, name, path) for name, array in flat.items()]
        if len(rasters) == 1:
            (array,) = rasters.values()
            if array.ndim == 3:
                return _slices(dataset, array, path)
    shapes = ", ".join(f"{name} {tuple(map(str, array.dims))}" for name, array in rasters.items()) or "none"
    raise InputError(f"{path.name} holds these rasters: {shapes}", wanted="2-D variables only, or one 3-D variable")


@dataclass(frozen=True)
class CubeBand:
    """A band inside a cube.

    Attributes
    ----------
    variable : str
        The variable that holds it.
    picks : tuple of (str, int)
        Which place along the dimensions that are not the ground's.
    dims : (str, str)
        The ground's dimensions, down and across.
    upside_down : bool
        Whether it runs from south to north.
    name : str or None
        What the file calls it.
    """

    variable: str
    picks: tuple[tuple[str, int], ...]
    dims: tuple[str, str]
    upside_down: bool
    name: str | None


@dataclass(frozen=True)
class CubeSource:
    """A NetCDF file or a Zarr store.

    Attributes
    ----------
    path : Path
        Where it is, absolute, so that another process finds it.
    """

    path: Path

    def read(self, keys: Sequence[CubeBand], rows: slice, columns: slice, out: FloatBands) -> None:
        """Fill `out` (n, height, width) with the numbers of these bands.

        Raises
        ------
        InputError
            If the file is damaged.
        """
        with lent_file(_opened, self.path) as dataset:
            for key, band in zip(keys, out, strict=True):
                try:
                    band[:] = _window(dataset, key, rows, columns)
                except (OSError, ValueError, RuntimeError) as error:
                    reason = (str(error).splitlines() or [type(error).__name__])[0]
                    came = f"{self.path.name} breaks off or is damaged in {key.name} ({reason})"
                    raise InputError(came, wanted="a whole file") from error


def _window(dataset: xr.Dataset, key: CubeBand, rows: slice, columns: slice) -> npt.NDArray[Any]:
    array = dataset[key.variable].isel(dict(key.picks))
    down, across = key.dims
    if key.upside_down:
        height = array.sizes[down]
        rows = slice(height - rows.stop, height - rows.start)
    values: npt.NDArray[Any] = array.isel({down: rows, across: columns}).transpose(down, across).values
    return values[::-1] if key.upside_down else values


def _is_zarr(path: Path) -> bool:
    return path.is_dir() and (path.suffix.lower() == ".zarr" or any((path / mark).exists() for mark in _ZARR_MARKS))


def _opened(path: Path) -> xr.Dataset:
    with warnings.catch_warnings():
        # xarray complains of stores without consolidated metadata, which only costs it a directory listing.
        warnings.simplefilter("ignore", RuntimeWarning)
        try:
            return xr.open_dataset(
                path,
                engine="zarr" if _is_zarr(path) else None,
                mask_and_scale=False,
                decode_times=False,
                decode_coords="all",
                cache=False,  # a window read does not stay
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


def _slices(dataset: xr.Dataset, array: xr.DataArray, path: Path) -> list[Layer]:
    dim = str(next(d for d in array.dims if d not in (array.odc.spatial_dims or array.dims[-2:])))
    labels = array.coords[dim].values if dim in array.coords else np.arange(array.sizes[dim])
    long_name = array.attrs.get("long_name")
    if labels.dtype.kind not in "UOST" and isinstance(long_name, (list, tuple)) and len(long_name) == len(labels):
        labels = np.array(long_name, str)
    named = labels.dtype.kind in "UOST"
    return [
        _layer(dataset, array.isel({dim: index}), str(label) if named else None, path, {dim: index})
        for index, label in enumerate(labels)
    ]


def _layer(
    dataset: xr.Dataset, array: xr.DataArray, name: str | None, path: Path, place: Mapping[str, int] | None = None
) -> Layer:
    dims = array.odc.spatial_dims
    geobox = array.odc.geobox
    if dims is None or geobox is None:
        raise InputError(
            f"{path.name} has no regular grid for {array.name}",
            wanted="1-D coordinates y and x at even spacing and a CRS",
        )
    upside_down = geobox.affine.e > 0
    if upside_down:
        logger.info("%s: %s runs from south to north and is turned north up", path.name, name or array.name)
    picks = {str(dim): 0 for dim in dataset[array.name].dims if dim not in dims} | dict(place or {})
    chunks = array.encoding.get("preferred_chunks", {})
    return Layer(
        file=path.name,
        name=name,
        geobox=checked_grid(_north_up(geobox) if upside_down else geobox, path.name),
        source=CubeSource(path.absolute()),
        key=CubeBand(str(array.name), tuple(picks.items()), (str(dims[0]), str(dims[1])), upside_down, name),
        scale=1 / (_number(array, "scale_factor") or 1.0),
        offset=_number(array, "add_offset") or 0.0,
        nodata=_number(array, "_FillValue", "missing_value"),
        blocks=(int(chunks.get(dims[0], 256)), int(chunks.get(dims[1], 256))),
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
