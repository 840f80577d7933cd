"""Layers of the rasters that GDAL reads: GeoTIFF and COG, JPEG 2000, and whatever else opens with a CRS."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import rasterio
from odc.geo.geobox import GeoBox
from rasterio.enums import MaskFlags
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window

from citygrain.errors import InputError
from citygrain.scene.layers import FloatBands, Layer, checked_grid
from citygrain.scene.open_files import lent_file

__all__ = ["open_raster", "raster_layers"]


def raster_layers(path: Path) -> list[Layer]:
    """Return the bands of a raster file.

    Raises
    ------
    InputError
        If it is not a raster, has no bands, or has no usable geometry.
    """
    with lent_file(open_raster, path.absolute()) as source:
        if source.count == 0:
            raise InputError(
                f"{path.name} has no bands of its own but {len(source.subdatasets)} datasets inside",
                wanted="a raster with bands",
                mend="extract one with gdal_translate",
            )
        geobox = checked_grid(GeoBox((source.height, source.width), source.transform, source.crs or None), path.name)
        masked = tuple(MaskFlags.per_dataset in flags for flags in source.mask_flag_enums)
        file = RasterSource(path.absolute(), (source.height, source.width), masked)
        return [_layer(source, index, geobox, file) for index in source.indexes]


def open_raster(path: Path) -> rasterio.DatasetReader:
    """Open a raster for reading; missing geometry is no warning.

    Raises
    ------
    InputError
        If it is none.
    """
    with warnings.catch_warnings():
        # Missing geometry is an error of ours, with a way to mend it.
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        try:
            return rasterio.open(path)
        except (RasterioError, OSError) as error:
            raise InputError(
                f"{path.name} cannot be opened as a raster ({_first_line(error)})",
                wanted="GeoTIFF, COG, JP2, NetCDF or Zarr",
            ) from error


@dataclass(frozen=True)
class RasterSource:
    """A raster file.

    Attributes
    ----------
    path : Path
        Where it is, absolute, so that another process finds it.
    shape : (int, int)
        Height and width that it had when it was looked at.
    masked : tuple of bool
        Which bands have a mask beside their numbers.
    """

    path: Path
    shape: tuple[int, int]
    masked: tuple[bool, ...]

    def read(self, keys: Sequence[int], rows: slice, columns: slice, out: FloatBands) -> None:
        """Fill `out` (n, height, width) with the numbers of bands `keys`, from 1; NaN where a mask hides them.

        Raises
        ------
        InputError
            If the file is damaged, or no longer the one that was looked at.
        """
        window = Window.from_slices(rows, columns)
        with lent_file(open_raster, self.path) as source:
            if source.shape != self.shape or source.count != len(self.masked):
                raise InputError(f"{self.path.name} has changed since it was opened", mend="begin again")
            try:
                source.read(list(keys), window=window, out=out)
                for key, band in zip(keys, out, strict=True):
                    if self.masked[key - 1]:
                        band[source.read_masks(key, window=window) == 0] = float("nan")
            except (RasterioError, OSError) as error:
                raise InputError(
                    f"{self.path.name} breaks off or is damaged in band {_damaged(source, keys, window)} "
                    f"({_first_line(error)})",
                    wanted="a whole file",
                    mend="copy or download it again",
                ) from error


def _damaged(source: rasterio.DatasetReader, keys: Sequence[int], window: Window) -> int:
    for key in keys[:-1]:
        try:
            source.read(key, window=window)
        except (RasterioError, OSError):
            return key
    return keys[-1]


def _layer(source: rasterio.DatasetReader, index: int, geobox: GeoBox, file: RasterSource) -> Layer:
    tag = source.scales[index - 1]
    return Layer(
        file=file.path.name,
        name=source.descriptions[index - 1],
        geobox=geobox,
        source=file,
        key=index,
        scale=1 / tag if tag else 1.0,
        offset=source.offsets[index - 1],
        nodata=source.nodatavals[index - 1],
        blocks=source.block_shapes[index - 1],
    )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
