"""What a Cloud Optimized GeoTIFF of ours holds beside its pixels, and how it is laid out.

Class names have no place inside a GeoTIFF: GDAL and QGIS read them from the ``.aux.xml`` beside it.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
from odc.geo.geobox import GeoBox

from citygrain.errors import InputError
from citygrain.files import write_text

__all__ = ["GDAL_TYPES", "CogSpec", "Colors", "deny_transparency", "drop_names", "whole_length", "write_names"]

GDAL_TYPES = {
    "uint8": "Byte", "int8": "Int8", "uint16": "UInt16", "int16": "Int16", "uint32": "UInt32", "int32": "Int32",
    "uint64": "UInt64", "int64": "Int64", "float32": "Float32", "float64": "Float64",
}  # fmt: skip
"""Types that a GeoTIFF holds, as NumPy and as GDAL call them."""
_BLOCK = 256
_EXTRA_SAMPLES = 338  # the TIFF tag that says what bands beyond the colours mean: 0 plain data, 2 transparency
_TILE_OFFSETS, _TILE_BYTES = 324, 325
_BIG_TIFF = 43
_FORMS = {3: "H", 4: "I", 13: "I", 16: "Q"}  # of the numbers in a directory
_TRAILER = 4  # a COG repeats the last bytes of each block behind it

Colors = Mapping[int, tuple[int, int, int, int]]


@dataclass(frozen=True)
class CogSpec:
    """A raster to be written, without its pixels.

    Attributes
    ----------
    geobox : GeoBox
        The grid.
    dtype : numpy.dtype
        Of the pixels.
    bands : int
        How many.
    nodata : float or None
        Number that means no data.
    colormap : mapping of int to (red, green, blue, alpha), or None
        Colour table of the first band.
    names : mapping of int to str, or None
        Class names by code.
    band_names : sequence of str
        One name per band, or none.
    tags : mapping of str to str, or None
        Metadata of the file.
    scale : float
        What a reader multiplies the numbers by.
    """

    geobox: GeoBox
    dtype: np.dtype[Any]
    bands: int = 1
    nodata: float | None = None
    colormap: Colors | None = None
    names: Mapping[int, str] | None = None
    band_names: Sequence[str] = ()
    tags: Mapping[str, str] | None = None
    scale: float = 1.0

    def check(self) -> None:
        """Refuse a type, colours, names or a number that do not fit each other.

        Raises
        ------
        InputError
            If they do not.
        """
        if self.dtype.name not in GDAL_TYPES:
            raise InputError(f"an array of {self.dtype}", wanted=f"one of {', '.join(GDAL_TYPES)}")
        self._check_colors()
        if self.band_names and len(self.band_names) != self.bands:
            raise InputError(f"{len(self.band_names)} band names for {self.bands} bands", wanted="one name per band")
        if self.nodata is None or self.dtype.kind == "f":
            return
        limits = np.iinfo(self.dtype.name)
        if not (limits.min <= self.nodata <= limits.max and float(self.nodata).is_integer()):
            raise InputError(
                f"no data number {self.nodata:g} in a raster of {self.dtype}", wanted="a number it can hold"
            )

    def _check_colors(self) -> None:
        if not self.colormap:
            return
        if self.dtype.name not in {"uint8", "uint16"} or self.bands > 2:
            came = f"a colour table for {self.bands} bands of {self.dtype}"
            raise InputError(came, wanted="one or two bands of uint8 or uint16")
        largest = np.iinfo(self.dtype.name).max
        if not all(0 <= code <= largest and len(rgba) == 4 for code, rgba in self.colormap.items()):
            raise InputError(f"colour table {dict(self.colormap)}", wanted=f"(r, g, b, a) for codes of {self.dtype}")

    def layout(self) -> dict[str, object]:
        """Return GDAL's options for the file; overviews take the nearest integer, which may be a class."""
        return {
            "compress": "DEFLATE",
            # Differences of neighbouring class codes compress worse than the codes.
            "predictor": "NO" if self.colormap else "YES",
            "blocksize": _BLOCK,
            "overview_resampling": "NEAREST" if self.dtype.kind in "iu" else "AVERAGE",
            "bigtiff": "IF_SAFER",
            "num_threads": "ALL_CPUS",  # the bytes are the same
        }

    def dress(self, target: Any) -> None:
        """Give an open dataset its colours, names and tags."""
        if self.colormap:
            target.write_colormap(1, dict(self.colormap))
        if self.scale != 1:
            target.scales = [self.scale] * self.bands
        for index, name in enumerate(self.band_names, start=1):
            target.set_band_description(index, name)
        target.update_tags(**(self.tags or {}))

    @property
    def two_with_palette(self) -> bool:
        """Whether GDAL would call the second band transparency."""
        return bool(self.colormap) and self.bands == 2


def deny_transparency(image: Any) -> None:
    """Say in each directory of a TIFF that its extra band is plain data: beside a palette GDAL calls it transparency.

    No option of the COG driver does. The number is changed in place, so that no offset in the file moves.

    Parameters
    ----------
    image : bytearray or mmap
        The file.
    """
    order, entries = _directories(image)
    for tag, _, _, at in entries:
        if tag == _EXTRA_SAMPLES:
            struct.pack_into(f"{order}H", image, at, 0)


def whole_length(image: Any) -> int:
    """Return how long a COG must be to hold all its blocks: GDAL says nothing when the last ones could not be written.

    Parameters
    ----------
    image : bytes or mmap
        The file.
    """
    order, entries = _directories(image)
    ends, offsets = [0], np.zeros(0, np.int64)
    for tag, kind, count, at in entries:
        if tag in {_TILE_OFFSETS, _TILE_BYTES}:
            numbers = np.frombuffer(image, f"{order}{_FORMS[kind]}", count, at).astype(np.int64)
            if tag == _TILE_OFFSETS:
                offsets = numbers
            else:
                there = numbers > 0
                ends.append(int((offsets + numbers)[there].max(initial=0)) + _TRAILER)
    return max(ends)


def _directories(image: Any) -> tuple[str, list[tuple[int, int, int, int]]]:
    """Return a TIFF's byte order and its entries: tag, kind, count, and where the numbers are."""
    order = "<" if image[:2] == b"II" else ">"
    big = struct.unpack_from(f"{order}H", image, 2)[0] == _BIG_TIFF
    counter, pointer, entry = ("Q", "Q", 20) if big else ("H", "I", 12)
    (directory,) = struct.unpack_from(f"{order}{pointer}", image, 8 if big else 4)
    entries = []
    while directory:
        (number,) = struct.unpack_from(f"{order}{counter}", image, directory)
        first = directory + struct.calcsize(counter)
        for start in range(first, first + number * entry, entry):
            tag, kind, count = struct.unpack_from(f"{order}HH{pointer}", image, start)
            at = start + (12 if big else 8)
            if kind in _FORMS and count * struct.calcsize(_FORMS[kind]) > struct.calcsize(pointer):
                (at,) = struct.unpack_from(f"{order}{pointer}", image, at)
            entries.append((tag, kind, count, at))
        (directory,) = struct.unpack_from(f"{order}{pointer}", image, first + number * entry)
    return order, entries


def write_names(path: Path, spec: CogSpec) -> None:
    """Write the class names: first, so that the raster never stands without them; alone they do no harm."""
    if spec.names:
        write_text(_beside(path), _side_file(spec.names, spec.colormap or {}, spec.bands))


def drop_names(path: Path, spec: CogSpec) -> None:
    """Remove names or statistics of an earlier file, which would be read as this one's."""
    if not spec.names:
        _beside(path).unlink(missing_ok=True)


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.aux.xml")


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
