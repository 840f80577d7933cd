"""Write a raster of any size as Cloud Optimized GeoTIFF, window by window."""

import errno
import mmap
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import odc.geo.xr  # noqa: F401 - registers the .odc accessor
import rasterio
import rasterio.shutil
import xarray as xr
from odc.geo.geobox import GeoBox
from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError

from citygrain.errors import InputError, OutputError
from citygrain.files import scratch_folder, speak_of
from citygrain.lazy import blocks_of
from citygrain.scene.cog import GDAL_TYPES, CogSpec, Colors, deny_transparency, drop_names, whole_length, write_names
from citygrain.scene.open_files import bound_cache
from citygrain.tiles import Progress, Tile, block_tiles

__all__ = ["CogWriter", "stream_cog"]

_WINDOW_VALUES = 2**23
"""Values of all bands in a window of `stream_cog`."""

Window = Tile | tuple[slice, slice]


def stream_cog(
    path: Path,
    raster: xr.DataArray,
    *,
    nodata: float | None = None,
    band_names: Sequence[str] = (),
    progress: Progress | None = None,
) -> None:
    """Write a raster as a COG, window by window along the blocks of its file.

    Parameters
    ----------
    path : Path
        The file.
    raster : DataArray, (band, y, x) or (y, x)
        Lazy or not; of a lazy one no more than a window is in memory at a time.
    nodata : float, optional
        Number that means no data.
    band_names : sequence of str
        One name per band.
    progress : callable, optional
        Called with (done, total) windows.

    Raises
    ------
    InputError, OutputError
        As for `CogWriter`, and what reading the raster raises.

    Examples
    --------
    >>> from citygrain.lazy import lazy_raster
    >>> grid = GeoBox.from_bbox((0, 0, 40, 30), "EPSG:32633", resolution=10)
    >>> def zeros(bands, rows, columns):
    ...     return np.zeros((len(bands), rows.stop - rows.start, columns.stop - columns.start), np.float32)
    >>> path = getfixture("tmp_path") / "zeros.tif"
    >>> stream_cog(path, lazy_raster(zeros, grid, ["B02", "B03"]))
    >>> path.exists()
    True
    """
    bands = len(raster) if raster.ndim == 3 else 1
    height, width = raster.shape[-2:]
    tiles = block_tiles((height, width), blocks_of(raster), pixels=_WINDOW_VALUES // bands)
    geobox = raster.odc.geobox
    with CogWriter(path, geobox, raster.dtype, bands=bands, nodata=nodata, band_names=band_names) as target:
        for done, tile in enumerate(tiles, start=1):
            target.write(tile, raster.variable[(..., *tile.slices)].values)
            if progress:
                progress(done, len(tiles))


class CogWriter:
    """Writes a COG by windows, in memory that does not grow with the raster; the bytes are those of `write_cog`.

    The pixels wait uncompressed in a hidden folder beside the file, where their room is taken at once: a disk that is
    too small says so at the beginning. At the end they are copied into the COG, which takes the place of an earlier
    file; the folder is gone whichever way it ends.

    Parameters
    ----------
    path : Path
        The file; its folder is made if need be.
    geobox : GeoBox
        The grid.
    dtype : dtype
        Of the pixels: integers or floats.
    bands : int
        How many bands.
    nodata, colormap, names, band_names, tags, scale
        As for `write_cog`.

    Raises
    ------
    InputError
        If type, colours or names do not fit each other; at the end, if not every pixel was written.
    OutputError
        If the file cannot be written; nothing half-written stays behind.

    Examples
    --------
    >>> from citygrain.tiles import tile_grid
    >>> folder = getfixture("tmp_path")
    >>> grid = GeoBox.from_bbox((0, 0, 40, 30), "EPSG:32633", resolution=10)
    >>> with CogWriter(folder / "map.tif", grid, np.uint8, nodata=0) as target:
    ...     for tile in tile_grid((3, 4), 2):
    ...         target.write(tile, np.ones((tile.height, tile.width), np.uint8))
    >>> [file.name for file in folder.iterdir()]
    ['map.tif']
    """

    def __init__(
        self,
        path: Path,
        geobox: GeoBox,
        dtype: npt.DTypeLike,
        *,
        bands: int = 1,
        nodata: float | None = None,
        colormap: Colors | None = None,
        names: Mapping[int, str] | None = None,
        band_names: Sequence[str] = (),
        tags: Mapping[str, str] | None = None,
        scale: float = 1.0,
    ) -> None:
        self._path = Path(path)
        plain = np.dtype(np.uint8) if np.dtype(dtype) == bool else np.dtype(dtype)
        self._spec = CogSpec(geobox, plain, bands, nodata, colormap, names, band_names, tags, scale)
        self._spec.check()
        self._shape = (bands, int(geobox.shape[0]), int(geobox.shape[1]))
        if min(self._shape) < 1:
            raise InputError(f"a raster of shape {self._shape}", wanted="pixels")
        self._lock, self._left = threading.Lock(), self._shape[1] * self._shape[2]
        self._ending = ExitStack()

    def __enter__(self) -> Self:
        self._folder = self._ending.enter_context(scratch_folder(self._path))
        try:
            with speak_of(self._path):
                self._pixels = os.open(self._folder / "pixels", os.O_CREAT | os.O_RDWR, 0o666)
                self._ending.callback(self._close)
                _reserve(self._pixels, int(np.prod(self._shape, dtype=np.int64)) * self._spec.dtype.itemsize)
        except BaseException:
            self._ending.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._ending:
            if kind is None:
                self._finish()

    def write(self, window: Window, values: npt.NDArray[np.generic]) -> None:
        """Write a window, each pixel once; threads may write at the same time.

        Parameters
        ----------
        window : Tile or (slice, slice)
            Rows and columns.
        values : numpy.ndarray
            Shape (height, width) or (bands, height, width), of the raster's type; bool where that is uint8.

        Raises
        ------
        InputError
            If the values are of another shape or type.
        OutputError
            If they cannot be written.
        """
        rows, columns = window.slices if isinstance(window, Tile) else window
        cube = self._checked(np.asarray(values), rows, columns)
        with speak_of(self._path):
            for band, plane in enumerate(cube):
                self._put(band, rows.start, columns.start, np.ascontiguousarray(plane))
        with self._lock:
            self._left -= cube.shape[1] * cube.shape[2]

    def _checked(self, values: npt.NDArray[Any], rows: slice, columns: slice) -> npt.NDArray[Any]:
        bands, height, width = self._shape
        cube = values[np.newaxis] if values.ndim == 2 else values
        cube = cube.view(np.uint8) if cube.dtype == bool else cube
        within = 0 <= rows.start <= rows.stop <= height and 0 <= columns.start <= columns.stop <= width
        wanted = (bands, rows.stop - rows.start, columns.stop - columns.start)
        if not within or cube.shape != wanted or cube.dtype != self._spec.dtype:
            spot = f"rows {rows.start} to {rows.stop}, columns {columns.start} to {columns.stop}"
            raise InputError(
                f"{values.dtype} of shape {values.shape} for {spot}",
                wanted=f"{self._spec.dtype} of shape {wanted} within {height} rows and {width} columns",
            )
        return cube

    def _put(self, band: int, row: int, column: int, plane: npt.NDArray[Any]) -> None:
        _, height, width = self._shape
        size = self._spec.dtype.itemsize
        lines = [plane] if plane.shape[1] == width else plane  # whole rows lie one after another
        for offset, line in enumerate(lines):
            place = ((band * height + row + offset) * width + column) * size
            _write_at(self._pixels, memoryview(line.reshape(-1).view(np.uint8)), place)

    def _finish(self) -> None:
        if self._left > 0:
            height, width = self._shape[1:]
            raise InputError(
                f"{height * width - self._left} pixels written of {self._path.name}", wanted=f"all {height * width}"
            )
        with speak_of(self._path):
            _copy_cog(self._folder, self._path, self._spec)
            write_names(self._path, self._spec)
            (self._folder / "cog.tif").replace(self._path)
        drop_names(self._path, self._spec)

    def _close(self) -> None:
        # A window that comes too late must not find another file under this number.
        file, self._pixels = self._pixels, -1
        os.close(file)


def _copy_cog(folder: Path, path: Path, spec: CogSpec) -> None:
    """Make ``cog.tif`` of the pixels in `folder`."""
    bound_cache()
    raw, cog = folder / "raw.vrt", folder / "cog.tif"
    raw.write_text(_raw_description(spec), encoding="ascii")
    try:
        with rasterio.open(raw, "r+") as source:
            if spec.geobox.crs:
                source.crs = spec.geobox.crs.to_wkt()
            if spec.nodata is not None:
                source.nodata = spec.nodata
            spec.dress(source)
        rasterio.shutil.copy(raw, cog, driver="COG", **spec.layout())
    except (RasterioError, CPLE_BaseError) as error:
        raise _not_written(path, str(error).splitlines()[0]) from error
    with cog.open("r+b") as file, mmap.mmap(file.fileno(), 0) as image:
        if whole_length(image) > len(image):
            raise _not_written(path, "the disk took only a part")
        if spec.two_with_palette:
            deny_transparency(image)


def _not_written(path: Path, reason: str) -> OutputError:
    return OutputError(f"{path} could not be written: {reason}", mend="free disk space or choose another folder")


def _raw_description(spec: CogSpec) -> str:
    """Tell GDAL how the pixels lie: band after band, row after row."""
    (height, width), size, affine = map(int, spec.geobox.shape), spec.dtype.itemsize, spec.geobox.affine
    kind = GDAL_TYPES[spec.dtype.name]
    order = "LSB" if sys.byteorder == "little" else "MSB"
    ground = ", ".join(repr(float(number)) for number in affine.to_gdal())
    bands = "".join(
        f'<VRTRasterBand dataType="{kind}" band="{band + 1}" subClass="VRTRawRasterBand">'
        f'<SourceFilename relativeToVRT="1">pixels</SourceFilename>'
        f"<ImageOffset>{band * height * width * size}</ImageOffset><PixelOffset>{size}</PixelOffset>"
        f"<LineOffset>{width * size}</LineOffset><ByteOrder>{order}</ByteOrder></VRTRasterBand>"
        for band in range(spec.bands)
    )
    return (
        f'<VRTDataset rasterXSize="{width}" rasterYSize="{height}"><GeoTransform>{ground}</GeoTransform>'
        f"{bands}</VRTDataset>"
    )


def _reserve(file: int, size: int) -> None:
    try:
        os.posix_fallocate(file, 0, size)
    except (AttributeError, OSError) as error:
        # Not every system or file system can take room beforehand.
        if isinstance(error, OSError) and error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
            raise
        os.truncate(file, size)


def _write_at(file: int, data: memoryview, place: int) -> None:
    while data:
        written = os.pwrite(file, data, place)
        data, place = data[written:], place + written
