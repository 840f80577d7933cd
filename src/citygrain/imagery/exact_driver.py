"""How odc-stac reads a raster for us: the same pixels whatever the window, and no data where a file forgot to say so.

Overviews are left alone: producers make them in ways they do not tell. Of odc-loader only public names are used:
its protocols of a driver and of a reader, and its own driver, which does all but the opening of files.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt
from odc.geo.converters import rio_geobox
from odc.geo.geobox import GeoBox
from odc.loader import RasterLoadParams, RasterSource, RioDriver
from odc.loader.types import AuxReader, DaskRasterReader, MDParser
from rasterio.errors import RasterioIOError
from rasterio.windows import Window

from citygrain.imagery.opening import open_image
from citygrain.imagery.resample import Read, Resampling, resample

__all__ = ["ExactDriver", "ExactReader"]


class ExactDriver:
    """A driver for odc-loader that reads each pixel by itself; numbers come as float32, NaN = no data.

    All but the opening of files is done by odc-loader's own driver.

    Parameters
    ----------
    nodata : float or None
        The number without meaning, for files that do not say theirs.
    """

    md_parser: MDParser | None = None
    dask_reader: DaskRasterReader | None = None
    aux_reader: AuxReader | None = None

    def __init__(self, nodata: float | None = 0) -> None:
        self.nodata, usual = nodata, RioDriver()
        self.new_load, self.finalise_load = usual.new_load, usual.finalise_load
        self.capture_env, self.restore_env = usual.capture_env, usual.restore_env

    def open(self, src: RasterSource, ctx: Any) -> "ExactReader":
        """Return what reads one file."""
        return ExactReader(src, self.nodata)


@dataclass(frozen=True)
class ExactReader:
    """Reads windows of one file.

    Attributes
    ----------
    source : RasterSource
        The file's address, and which of its bands.
    nodata : float or None
        The number without meaning, if the file does not say its own.
    """

    source: RasterSource
    nodata: float | None

    def read(
        self, cfg: RasterLoadParams, dst_geobox: GeoBox, *, dst: Any = None, selection: Any = None
    ) -> tuple[tuple[slice, slice], npt.NDArray[np.float32]]:
        """Return which part of `dst_geobox` was read (all of it), and the numbers there.

        Raises
        ------
        rasterio.errors.RasterioError
            If the file cannot be read.
        """
        with open_image(self.source.uri) as file:
            how: Resampling = "nearest" if cfg.resampling == "nearest" else "bilinear"
            grid = rio_geobox(file)
            if not isinstance(grid, GeoBox) or grid.crs is None:
                # An answer that broke off leaves a header without its last tags: asking again may help.
                raise RasterioIOError(f"{Path(urlsplit(self.source.uri).path).name} has no projection")
            values = resample(_windows(file, self.source.band or 1, self.nodata), grid, dst_geobox, how)
        height, width = dst_geobox.shape
        return (slice(0, height), slice(0, width)), values


def _windows(file: Any, band: int, fallback: float | None) -> Read:
    own = file.nodatavals[band - 1]
    nodata = fallback if own is None else own

    def read(rows: slice, columns: slice) -> npt.NDArray[np.float32]:
        values: npt.NDArray[np.float32] = file.read(
            band, window=Window.from_slices(rows, columns), out_dtype=np.float32
        )
        if nodata is not None and not np.isnan(nodata):
            values[values == np.float32(nodata)] = np.nan
        return values

    return read
