"""How odc-stac reads a raster for us: the same pixels whatever the window, and no data where a file forgot to say so.

Overviews are left alone: producers make them in ways they do not tell.
"""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt
from odc.geo.converters import rio_geobox
from odc.geo.geobox import GeoBox
from odc.loader._rio import RioDriver, RioReader
from odc.loader.types import RasterLoadParams, RasterSource
from rasterio.errors import RasterioIOError
from rasterio.windows import Window

from citygrain.imagery.opening import open_image
from citygrain.imagery.resample import Read, Resampling, resample

__all__ = ["ExactDriver", "KindDriver"]


class KindDriver(RioDriver):
    """Reads as odc-loader's own driver does, overviews too, but GeoTIFF and JPEG 2000 alone."""

    def open(self, src: RasterSource, ctx: Any) -> RioReader:
        """Return what reads one file.

        Raises
        ------
        rasterio.errors.RasterioIOError
            If it is of another kind; nothing that it names is looked at.
        """
        open_image(src.uri).close()
        return RioReader(src, ctx)


class ExactDriver(RioDriver):
    """Reads as odc-loader's own driver does, but each pixel by itself; numbers come as float32, NaN = no data.

    Parameters
    ----------
    nodata : float or None
        The number without meaning, for files that do not say theirs.
    """

    def __init__(self, nodata: float | None = 0) -> None:
        super().__init__()
        self.nodata = nodata

    def open(self, src: RasterSource, ctx: Any) -> "ExactReader":
        """Return what reads one file."""
        return ExactReader(src, ctx, self.nodata)


class ExactReader(RioReader):
    """Reads windows of one file."""

    def __init__(self, src: RasterSource, ctx: Any, nodata: float | None) -> None:
        super().__init__(src, ctx)
        self._nodata = nodata

    def read(
        self, cfg: RasterLoadParams, dst_geobox: GeoBox, *, dst: Any = None, selection: Any = None
    ) -> tuple[tuple[slice, slice], npt.NDArray[np.float32]]:
        """Return which part of `dst_geobox` was read (all of it), and the numbers there.

        Raises
        ------
        rasterio.errors.RasterioError
            If the file cannot be read.
        """
        source: RasterSource = self._src
        with open_image(source.uri) as file:
            how: Resampling = "nearest" if cfg.resampling == "nearest" else "bilinear"
            grid = rio_geobox(file)
            if not isinstance(grid, GeoBox) or grid.crs is None:
                # An answer that broke off leaves a header without its last tags: asking again may help.
                raise RasterioIOError(f"{Path(urlsplit(source.uri).path).name} has no projection")
            values = resample(_windows(file, source.band or 1, self._nodata), grid, dst_geobox, how)
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
