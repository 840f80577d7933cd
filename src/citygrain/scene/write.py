"""Write rasters as Cloud Optimized GeoTIFF, with colours and class names where the values are classes.

The file is made in memory and put in place in one step, so a full disk or a killed run leaves the old file or none. A
raster that comes by windows is written by `citygrain.scene.cog_writer`, with the same bytes.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio
from odc.geo.geobox import GeoBox
from rasterio.errors import RasterioError

from citygrain.errors import InputError, OutputError
from citygrain.files import whole_file
from citygrain.scene.cog import CogSpec, Colors, deny_transparency, drop_names, write_names

__all__ = ["write_cog"]


def write_cog(
    path: Path,
    values: npt.NDArray[np.generic],
    geobox: GeoBox,
    *,
    nodata: float | None = None,
    colormap: Colors | None = None,
    names: Mapping[int, str] | None = None,
    band_names: Sequence[str] = (),
    tags: Mapping[str, str] | None = None,
    scale: float = 1.0,
) -> None:
    """Write an array as a COG; the same input gives the same bytes.

    Overviews take the nearest value of integers, which may be classes, and the average of floats.

    Parameters
    ----------
    path : Path
        The file; its folder is made if need be.
    values : numpy.ndarray
        Shape (height, width) or (bands, height, width); integers, floats or bool (written as 0 and 1).
    geobox : GeoBox
        The grid, of the same height and width.
    nodata : float, optional
        Number that means no data.
    colormap : mapping of int to (red, green, blue, alpha), optional
        Colour table of the first band, 0 to 255 each; for one or two bands of uint8 or uint16.
    names : mapping of int to str, optional
        Class names by code, written for each band as category names and attribute table to ``<path>.aux.xml``.
    band_names : sequence of str
        One name per band.
    tags : mapping of str to str, optional
        Metadata of the file.
    scale : float
        What a reader multiplies the numbers of all bands by.

    Raises
    ------
    InputError
        If shape, type, colours or names do not fit each other.
    OutputError
        If the file cannot be written; nothing half-written stays behind.

    Examples
    --------
    >>> import tempfile
    >>> from affine import Affine
    >>> grid = GeoBox((2, 3), Affine(10, 0, 500_000, 0, -10, 6_000_000), "EPSG:32633")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_cog(Path(folder) / "map.tif", np.ones((2, 3), np.uint8), grid, names={1: "Water"})
    ...     sorted(file.name for file in Path(folder).iterdir())
    ['map.tif', 'map.tif.aux.xml']
    """
    path = Path(path)
    cube = _cube(values, geobox)
    spec = CogSpec(geobox, cube.dtype, len(cube), nodata, colormap, names, band_names, tags, scale)
    spec.check()
    image = _cog_bytes(cube, spec)
    write_names(path, spec)
    with whole_file(path) as partial:
        partial.write_bytes(image)
    drop_names(path, spec)


def _cube(values: npt.NDArray[np.generic], geobox: GeoBox) -> npt.NDArray[np.generic]:
    values = np.asarray(values)
    cube = values[np.newaxis] if values.ndim == 2 else values
    if cube.ndim != 3 or cube.shape[1:] != tuple(geobox.shape) or cube.size == 0:
        raise InputError(f"an array of shape {values.shape}", wanted=f"{tuple(geobox.shape)}, with bands in front")
    return cube.astype(np.uint8) if cube.dtype == bool else cube


def _cog_bytes(cube: npt.NDArray[np.generic], spec: CogSpec) -> bytes:
    profile = {
        "driver": "COG",
        "count": spec.bands,
        "height": cube.shape[1],
        "width": cube.shape[2],
        "dtype": spec.dtype.name,
        "crs": spec.geobox.crs.to_wkt() if spec.geobox.crs else None,
        "transform": spec.geobox.affine,
        "nodata": spec.nodata,
    }
    try:
        with rasterio.MemoryFile() as memory:
            with memory.open(**profile, **spec.layout()) as target:
                target.write(cube)
                spec.dress(target)
            image = bytearray(memory.getbuffer())
    except (RasterioError, OSError) as error:
        raise OutputError(f"the raster cannot be made ({str(error).splitlines()[0]})") from error
    if spec.two_with_palette:
        deny_transparency(image)
    return bytes(image)
