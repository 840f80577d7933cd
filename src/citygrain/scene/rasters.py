"""Layers of the rasters that GDAL reads: GeoTIFF and COG, JPEG 2000, and whatever else opens with a CRS.

A raster may lie inside a zip or tar. A band of a product is opened as GeoTIFF or JPEG 2000 or not at all: GDAL knows
formats, such as VRT, that are lists of other files and addresses, whatever the name of the file.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import rasterio
from odc.geo.geobox import GeoBox
from rasterio.enums import MaskFlags
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window

from citygrain.errors import InputError
from citygrain.scene.layers import FloatBands, Layer, checked_grid
from citygrain.scene.open_files import lent_file

__all__ = ["BandFile", "RasterSource", "band_layer", "open_raster", "raster_layers", "raster_tags"]

_TIFF = (".tif", ".tiff")
"""A product's band is this, or JPEG 2000."""


def raster_layers(path: Path) -> list[Layer]:
    """Return the bands of a raster file.

    Raises
    ------
    InputError
        If it is not a raster, has no bands, or has no usable geometry.
    """
    return _layers(RasterSource(path.absolute(), (0, 0), ()))


def band_layer(path: Path, inside: str = "") -> Layer:
    """Return the one band of a raster of a product, see `citygrain.scene.archive.Archive.locate`.

    Raises
    ------
    InputError
        If it is no GeoTIFF or JPEG 2000, has several bands, or no usable geometry.
    """
    source = RasterSource(path.absolute(), (0, 0), (), BandFile(inside))
    layers = _layers(source)
    if len(layers) > 1:
        raise InputError(f"{source.name} has {len(layers)} bands", wanted="one band in each file of a product")
    return layers[0]


def _layers(raster: "RasterSource") -> list[Layer]:
    path = Path(raster.name)
    with lent_file(raster.opener, raster.path) as source:
        if source.count == 0:
            raise InputError(
                f"{path.name} has no bands of its own but {len(source.subdatasets)} datasets inside",
                wanted="a raster with bands",
                mend="extract one with gdal_translate",
            )
        geobox = checked_grid(GeoBox((source.height, source.width), source.transform, source.crs or None), path.name)
        masked = tuple(MaskFlags.per_dataset in flags for flags in source.mask_flag_enums)
        file = replace(raster, shape=(source.height, source.width), masked=masked)
        return [_layer(source, index, geobox, file) for index in source.indexes]


def open_raster(path: Path) -> rasterio.DatasetReader:
    """Open a raster for reading; missing geometry is no warning.

    Raises
    ------
    InputError
        If it is none.
    """
    return _opened(path, path.name, "GeoTIFF, COG, JP2, NetCDF or Zarr")


def raster_tags(path: Path) -> dict[str, str]:
    """Return the metadata of a raster file, the part that is its own."""
    with lent_file(open_raster, path.absolute()) as source:
        return dict(source.tags())


@dataclass(frozen=True)
class BandFile:
    """Opens a band of a product: GeoTIFF or JPEG 2000, on the disk or inside a zip or tar.

    Attributes
    ----------
    inside : str
        What lies inside the file: ``"zip:GRANULE/..."``, ``"tar:..._B4.TIF"``; nothing where the file is the band.
    """

    inside: str = ""

    def __call__(self, path: Path) -> rasterio.DatasetReader:
        """Open the band in the file at `path`.

        Raises
        ------
        InputError
            If it is none.
        """
        kind, _, member = self.inside.partition(":")
        # With braces GDAL needs no suffix to know where the archive ends.
        place = f"/vsi{kind}/{{{path}}}/{member}" if kind else path
        name = Path(member or path).name
        driver = "GTiff" if name.lower().endswith(_TIFF) else "JP2OpenJPEG"
        return _opened(place, name, "a band as JPEG 2000 or GeoTIFF", driver)


def _opened(place: Path | str, name: str, wanted: str, driver: str | None = None) -> rasterio.DatasetReader:
    with warnings.catch_warnings():
        # Missing geometry is an error of ours, with a way to mend it.
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        try:
            return rasterio.open(place, driver=driver)
        except (RasterioError, OSError) as error:
            raise InputError(f"{name} cannot be opened as a raster ({_first_line(error)})", wanted=wanted) from error


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
    band : BandFile or None
        How it is opened, if it is a band of a product.
    """

    path: Path
    shape: tuple[int, int]
    masked: tuple[bool, ...]
    band: BandFile | None = None

    @property
    def name(self) -> str:
        """Name of the raster, for messages."""
        return Path(self.band.inside.partition(":")[2]).name if self.band and self.band.inside else self.path.name

    @property
    def opener(self) -> Callable[[Path], rasterio.DatasetReader]:
        """What opens it."""
        return self.band or open_raster

    def read(self, keys: Sequence[int], rows: slice, columns: slice, out: FloatBands) -> None:
        """Fill `out` (n, height, width) with the numbers of bands `keys`, from 1; NaN where a mask hides them.

        Raises
        ------
        InputError
            If the file is damaged, or no longer the one that was looked at.
        """
        window = Window.from_slices(rows, columns)
        with lent_file(self.opener, self.path) as source:
            if source.shape != self.shape or source.count != len(self.masked):
                raise InputError(f"{self.name} has changed since it was opened", mend="begin again")
            try:
                source.read(list(keys), window=window, out=out)
                for key, band in zip(keys, out, strict=True):
                    if self.masked[key - 1]:
                        band[source.read_masks(key, window=window) == 0] = float("nan")
            except (RasterioError, OSError) as error:
                raise InputError(
                    f"{self.name} breaks off or is damaged in band {_damaged(source, keys, window)} "
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
        file=file.name,
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
