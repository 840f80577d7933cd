"""Layers of the rasters that GDAL reads: GeoTIFF and COG, JPEG 2000, and whatever else opens with a CRS."""

import warnings
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import rasterio
from odc.geo.geobox import GeoBox
from rasterio.enums import MaskFlags
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from citygrain.errors import InputError
from citygrain.scene.layers import FloatBand, Layer, checked_grid

__all__ = ["raster_layers"]


def raster_layers(path: Path, files: ExitStack) -> list[Layer]:
    """Return the bands of a raster file; it stays open until `files` closes.

    Raises
    ------
    InputError
        If it is not a raster, has no bands, or has no usable geometry.
    """
    source = _opened(path, files)
    if source.count == 0:
        raise InputError(
            f"{path.name} has no bands of its own but {len(source.subdatasets)} datasets inside",
            wanted="a raster with bands",
            mend="extract one with gdal_translate",
        )
    geobox = checked_grid(GeoBox((source.height, source.width), source.transform, source.crs or None), path.name)
    return [_layer(source, index, path.name, geobox) for index in source.indexes]


def _opened(path: Path, files: ExitStack) -> rasterio.DatasetReader:
    with warnings.catch_warnings():
        # Missing geometry is an error of ours, with a way to mend it.
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        try:
            return files.enter_context(rasterio.open(path))
        except (RasterioError, OSError) as error:
            raise InputError(
                f"{path.name} cannot be opened as a raster ({_first_line(error)})",
                wanted="GeoTIFF, COG, JP2, NetCDF or Zarr",
            ) from error


def _layer(source: rasterio.DatasetReader, index: int, file: str, geobox: GeoBox) -> Layer:
    masked = MaskFlags.per_dataset in source.mask_flag_enums[index - 1]

    def load(out: FloatBand) -> None:
        try:
            source.read(index, out=out)
            if masked:
                out[source.read_masks(index) == 0] = np.nan
        except (RasterioError, OSError) as error:
            raise InputError(
                f"{file} breaks off or is damaged in band {index} ({_first_line(error)})",
                wanted="a whole file",
                mend="copy or download it again",
            ) from error

    tag = source.scales[index - 1]
    return Layer(
        file=file,
        name=source.descriptions[index - 1],
        geobox=geobox,
        load=load,
        scale=1 / tag if tag else 1.0,
        offset=source.offsets[index - 1],
        nodata=source.nodatavals[index - 1],
    )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
