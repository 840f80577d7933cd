"""A product as one file: named bands on one grid, with what is known of their level and radiometry.

Reflectance is kept as whole numbers of 0.0001, half the size of floats and as exact as the product; -32768 is no data.
Bands that are no reflectance (heat, masks) need floats, and then all are floats.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from citygrain.errors import InputError
from citygrain.lazy import blocks_of
from citygrain.scene.cog_writer import CogWriter
from citygrain.scene.crop import BoundingBox
from citygrain.scene.read import read_scene
from citygrain.scene.tags import KEPT, scene_tags
from citygrain.sensors import sensor_named
from citygrain.tiles import Progress, block_tiles

__all__ = ["SceneRequest", "write_scene"]

log = logging.getLogger(__name__)

_SCALE, _NODATA, _LARGEST = 10_000.0, -32_768, 32_767
_THERMAL_NM = 3000.0
_WINDOW_VALUES = 2**23
"""Values of all bands in a window: 32 MB."""


@dataclass(frozen=True)
class SceneRequest:
    """What is wanted of a product.

    Attributes
    ----------
    paths : tuple of Path
        The product, or files of bands.
    bands : tuple of str or None
        In this order; those that see the ground if none is named.
    resolution : float or None
        Side of a pixel; the finest of the bands by default.
    bbox : (float, float, float, float) or None
        West, south, east, north in degrees.
    scale, offset : float or None
        What the numbers mean, against the metadata.
    sensor : str or None
        Whose bands; the product knows.
    """

    paths: tuple[Path, ...]
    bands: tuple[str, ...] | None = None
    resolution: float | None = None
    bbox: BoundingBox | None = None
    scale: float | None = None
    offset: float | None = None
    sensor: str | None = None

    def read(self) -> xr.DataArray:
        """Return the scene, lazy."""
        return read_scene(
            self.paths[0] if len(self.paths) == 1 else self.paths,
            bands=self.bands,
            scale=self.scale,
            offset=self.offset,
            sensor=self.sensor,
            resolution=self.resolution,
            bbox=self.bbox,
            lazy=True,
        )


def write_scene(request: SceneRequest, out: Path, *, progress: Progress | None = None) -> dict[str, Any]:
    """Write a product as a Cloud Optimized GeoTIFF that `read_scene` reads as it is.

    It is read and written window by window: beside the libraries it takes about 250 MB, half of them GDAL's decoded
    blocks, whatever the size, and on the disk for a while as much as the scene uncompressed. A product is decoded
    twice, the first time to hold its numbers against its metadata.

    Parameters
    ----------
    request : SceneRequest
        What is wanted of which product.
    out : Path
        The file.
    progress : callable, optional
        Called with (done, total) windows.

    Returns
    -------
    dict
        ``scene``, ``bands``, ``width``, ``height``, ``pixel``, ``crs``, ``too_bright`` (values above 3.2767, which are
        written as that), and what is known: ``product``, ``level``, ``baseline``, ``time``, ``tile``, ``radiometry``,
        ``evidence``, ``resampling``.

    Raises
    ------
    InputError
        If the product cannot be read, or `out` lies within it.
    OutputError
        If the file cannot be written; an earlier one stays as it was.
    """
    for path in request.paths:
        if out.resolve() == path.resolve() or (path.is_dir() and out.resolve().is_relative_to(path.resolve())):
            raise InputError(f"{out} lies within {path}", wanted="a place outside the product")
    scene = request.read()
    whole = _all_reflectance(scene)
    names = [str(name) for name in scene.band.values]
    tags = scene_tags(scene.attrs)
    height, width = scene.shape[1:]
    tiles = block_tiles((height, width), blocks_of(scene), pixels=_WINDOW_VALUES // len(scene))
    too_bright = 0
    with CogWriter(
        out,
        scene.odc.geobox,
        np.int16 if whole else np.float32,
        bands=len(scene),
        nodata=_NODATA if whole else float("nan"),
        band_names=names,
        tags=tags,
        scale=1 / _SCALE if whole else 1.0,
    ) as target:
        for done, tile in enumerate(tiles, start=1):
            values = scene.variable[(slice(None), *tile.slices)].values
            if whole:
                values, brighter = _as_whole_numbers(values)
                too_bright += brighter
            target.write(tile, values)
            if progress:
                progress(done, len(tiles))
    if too_bright:
        log.warning("%d values of %s are above 3.2767 and are written as that", too_bright, out.name)
    return {"scene": str(out), "bands": names, **_grid(scene), "too_bright": too_bright, **_known(scene)}


def _all_reflectance(scene: xr.DataArray) -> bool:
    sensor = sensor_named(str(scene.attrs["sensor"]))
    found = [sensor.find(str(name)) for name in scene.band.values]
    return scene.attrs["units"] == "reflectance" and all(
        band is not None and 0 < band.wavelength_nm < _THERMAL_NM for band in found
    )


def _as_whole_numbers(values: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.int16], int]:
    whole, brighter = np.empty(values.shape, np.int16), 0
    for band, numbers in zip(values, whole, strict=True):  # one by one: a window of all bands is 40 MB
        missing = np.isnan(band)
        band[missing] = 0
        np.multiply(band, np.float32(_SCALE), out=band)
        np.rint(band, out=band)
        brighter += int((band > _LARGEST).sum())
        numbers[:] = np.clip(band, -_LARGEST, _LARGEST)
        numbers[missing] = _NODATA
    return whole, brighter


def _grid(scene: xr.DataArray) -> dict[str, Any]:
    geobox = scene.odc.geobox
    code = geobox.crs.epsg
    return {
        "width": int(scene.shape[2]),
        "height": int(scene.shape[1]),
        "pixel": float(abs(geobox.resolution.x)),
        "crs": f"EPSG:{code}" if code else str(geobox.crs),
    }


def _known(scene: xr.DataArray) -> dict[str, str]:
    order: Sequence[str] = [key for key in KEPT if scene.attrs.get(key)]
    return {key: str(scene.attrs[key]) for key in order}
