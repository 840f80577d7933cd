"""Write rasters as Cloud Optimized GeoTIFF, with colours and class names where the values are classes.

The file is made in memory and put in place in one step, so a full disk or a killed run leaves the old file or none.
Class names have no place inside a GeoTIFF: GDAL and QGIS read them from the ``.aux.xml`` beside it.
"""

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
import numpy.typing as npt
import rasterio
from odc.geo.geobox import GeoBox
from rasterio.errors import RasterioError

from citygrain.errors import InputError, OutputError
from citygrain.files import whole_file, write_text

__all__ = ["write_cog"]

_TYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64")
_BLOCK = 256
_EXTRA_SAMPLES = 338  # the TIFF tag that says what bands beyond the colours mean: 0 plain data, 2 transparency
_BIG_TIFF = 43

Colors = Mapping[int, tuple[int, int, int, int]]


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
    cube = _checked(values, geobox, colormap, band_names)
    _check_nodata(nodata, cube.dtype)
    profile = _profile(cube, geobox, nodata, colormap)
    image = _cog_bytes(cube, profile, colormap, band_names, tags=tags or {}, scale=scale)
    beside = path.with_name(f"{path.name}.aux.xml")
    if names:
        # First, so that the raster never stands without its names; alone it does no harm.
        write_text(beside, _side_file(names, colormap or {}, len(cube)))
    with whole_file(path) as partial:
        partial.write_bytes(image)
    if not names:
        # Names or statistics of an earlier file would be read as this one's.
        beside.unlink(missing_ok=True)


def _checked(
    values: npt.NDArray[np.generic], geobox: GeoBox, colormap: Colors | None, band_names: Sequence[str]
) -> npt.NDArray[np.generic]:
    values = np.asarray(values)
    cube = values[np.newaxis] if values.ndim == 2 else values
    if cube.ndim != 3 or cube.shape[1:] != tuple(geobox.shape) or cube.size == 0:
        raise InputError(f"an array of shape {values.shape}", wanted=f"{tuple(geobox.shape)}, with bands in front")
    cube = cube.astype(np.uint8) if cube.dtype == bool else cube
    if cube.dtype.name not in _TYPES:
        raise InputError(f"an array of {cube.dtype}", wanted=f"one of {', '.join(_TYPES)}")
    if colormap and (cube.dtype.name not in {"uint8", "uint16"} or len(cube) > 2):
        came = f"a colour table for {len(cube)} bands of {cube.dtype}"
        raise InputError(came, wanted="one or two bands of uint8 or uint16")
    if colormap and not all(0 <= c <= np.iinfo(cube.dtype.name).max and len(rgba) == 4 for c, rgba in colormap.items()):
        raise InputError(f"colour table {dict(colormap)}", wanted=f"(r, g, b, a) for codes of {cube.dtype}")
    if band_names and len(band_names) != len(cube):
        raise InputError(f"{len(band_names)} band names for {len(cube)} bands", wanted="one name per band")
    return cube


def _check_nodata(nodata: float | None, dtype: np.dtype[np.generic]) -> None:
    if nodata is None or dtype.kind == "f":
        return
    limits = np.iinfo(dtype.name)
    if not (limits.min <= nodata <= limits.max and float(nodata).is_integer()):
        raise InputError(f"no data number {nodata:g} in a raster of {dtype}", wanted="a number it can hold")


def _profile(
    cube: npt.NDArray[np.generic], geobox: GeoBox, nodata: float | None, colormap: Colors | None
) -> dict[str, object]:
    return {
        "driver": "COG",
        "count": len(cube),
        "height": cube.shape[1],
        "width": cube.shape[2],
        "dtype": cube.dtype.name,
        "crs": geobox.crs.to_wkt() if geobox.crs else None,
        "transform": geobox.affine,
        "nodata": nodata,
        "compress": "DEFLATE",
        # Differences of neighbouring class codes compress worse than the codes.
        "predictor": "NO" if colormap else "YES",
        "blocksize": _BLOCK,
        "overview_resampling": "NEAREST" if cube.dtype.kind in "iu" else "AVERAGE",
        "bigtiff": "IF_SAFER",
    }


def _cog_bytes(
    cube: npt.NDArray[np.generic],
    profile: Mapping[str, object],
    colormap: Colors | None,
    band_names: Sequence[str],
    *,
    tags: Mapping[str, str],
    scale: float,
) -> bytes:
    try:
        with rasterio.MemoryFile() as memory:
            with memory.open(**profile) as target:
                target.write(cube)
                if colormap:
                    target.write_colormap(1, dict(colormap))
                if scale != 1:
                    target.scales = [scale] * len(cube)
                for index, name in enumerate(band_names, start=1):
                    target.set_band_description(index, name)
                target.update_tags(**tags)
            image = bytearray(memory.getbuffer())
    except (RasterioError, OSError) as error:
        raise OutputError(f"the raster cannot be made ({str(error).splitlines()[0]})") from error
    if colormap and len(cube) == 2:
        _deny_transparency(image)
    return bytes(image)


def _deny_transparency(image: bytearray) -> None:
    """Say in each directory of a TIFF that its extra band is plain data: beside a palette GDAL calls it transparency.

    No option of the COG driver does. The number is changed in place, so that no offset in the file moves.
    """
    order = "<" if image[:2] == b"II" else ">"
    big = struct.unpack_from(f"{order}H", image, 2)[0] == _BIG_TIFF
    counter, pointer, entry = ("Q", "Q", 20) if big else ("H", "I", 12)
    (directory,) = struct.unpack_from(f"{order}{pointer}", image, 8 if big else 4)
    while directory:
        (number,) = struct.unpack_from(f"{order}{counter}", image, directory)
        first = directory + struct.calcsize(counter)
        for start in range(first, first + number * entry, entry):
            if struct.unpack_from(f"{order}H", image, start)[0] == _EXTRA_SAMPLES:
                struct.pack_into(f"{order}H", image, start + (12 if big else 8), 0)
        (directory,) = struct.unpack_from(f"{order}{pointer}", image, first + number * entry)


def _side_file(names: Mapping[int, str], colormap: Colors, bands: int) -> str:
    """Class names as GDAL keeps them beside a raster: a list without gaps, and a table of code, name and colour."""
    table = _class_table(names, colormap)
    of_bands = "".join(f'<PAMRasterBand band="{band}">\n{table}</PAMRasterBand>\n' for band in range(1, bands + 1))
    return f"<PAMDataset>\n{of_bands}</PAMDataset>\n"


def _class_table(names: Mapping[int, str], colormap: Colors) -> str:
    categories = "".join(f"<Category>{_text(names.get(code, ''))}</Category>\n" for code in range(max(names) + 1))
    # Field types 0 and 2 are integer and string; usages 5, 2 and 6 to 9 are value, name and the colour parts.
    fields = [("Value", 0, 5), ("Class", 2, 2), ("Red", 0, 6), ("Green", 0, 7), ("Blue", 0, 8), ("Alpha", 0, 9)]
    if not set(names) <= set(colormap):
        fields = fields[:2]
    columns = "".join(
        f'<FieldDefn index="{i}"><Name>{name}</Name><Type>{kind}</Type><Usage>{usage}</Usage></FieldDefn>\n'
        for i, (name, kind, usage) in enumerate(fields)
    )
    rows = "".join(
        f'<Row index="{i}">' + "".join(f"<F>{_text(str(value))}</F>" for value in row[: len(fields)]) + "</Row>\n"
        for i, row in enumerate((code, name, *colormap.get(code, ())) for code, name in sorted(names.items()))
    )
    return (
        f"<CategoryNames>\n{categories}</CategoryNames>\n"
        f'<GDALRasterAttributeTable tableType="thematic">\n{columns}{rows}</GDALRasterAttributeTable>\n'
    )


def _text(text: str) -> str:
    # Control characters have no spelling in XML 1.0.
    return escape("".join(c if c.isprintable() else " " for c in text))
