"""Read KML and KMZ: the shapes of its placemarks, with their names, folders and data fields.

Training areas come from strangers, by mail and from web forms, so nothing in the file is trusted. The XML is read as a
stream with defusedxml, which refuses document type declarations, entities and references to other files; network links
are not followed. Of an archive only one entry is read, into memory, and no longer than the limit allows.
"""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree.ElementTree import ParseError

import numpy as np
import numpy.typing as npt
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser
from shapely.geometry import GeometryCollection, LineString, MultiPoint, MultiPolygon, Point, Polygon
from shapely.geometry.base import BaseGeometry

from citygrain.errors import InputError
from citygrain.samples.kmz import LARGEST, unpack_kmz

__all__ = ["Placemark", "is_kml", "parse_kml", "read_kml"]

logger = logging.getLogger(__name__)

_DEEPEST = 64
_LONGEST = 200


@dataclass(frozen=True)
class Placemark:
    """One placemark with a shape.

    Attributes
    ----------
    name : str
        As written, spaces collapsed.
    folders : tuple of str
        Names of the document and folders that it lies in, from the outermost.
    fields : dict of str to str
        Its data fields (``ExtendedData``).
    geometry : shapely geometry
        Degrees, longitude first (EPSG:4326), without heights. Several shapes of different kinds are a collection.
    """

    name: str
    folders: tuple[str, ...]
    fields: dict[str, str]
    geometry: BaseGeometry


def is_kml(path: Path) -> bool:
    """Return whether `path` is named as KML or KMZ."""
    return path.suffix.lower() in {".kml", ".kmz"}


def read_kml(path: Path | str) -> tuple[Placemark, ...]:
    """Read the placemarks of a KML or KMZ file, in file order.

    Parameters
    ----------
    path : Path or str
        KML of any version, at most 32 MiB; or KMZ of at most 32 MiB and 1,000 entries, of which the first ``doc.kml``,
        or else the first ``.kml`` at the root, or else the first anywhere is read. Told apart by content.

    Returns
    -------
    tuple of Placemark
        Polygons with holes, points, lines and collections. Placemarks without a shape, or with one of too few corners,
        are left out with a word in the log.

    Raises
    ------
    InputError
        If the file is missing, too large, packed too tightly, no KML, or holds entities or impossible coordinates.
    """
    path = Path(path)
    try:
        if path.stat().st_size > LARGEST:
            raise InputError(f"{path.name} has {path.stat().st_size:,} bytes", wanted=f"at most {LARGEST:,}")
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})", wanted="a KML or KMZ file") from error
    return parse_kml(content, name=path.name)


def parse_kml(content: bytes, *, name: str = "KML") -> tuple[Placemark, ...]:
    """Read the placemarks of KML or KMZ that is in memory; see `read_kml`.

    Examples
    --------
    >>> text = '''<kml><Folder><name>LCZ 5</name><Placemark><name>north</name><Polygon><outerBoundaryIs><LinearRing>
    ... <coordinates>13,52,0 13.1,52,0 13.1,52.1,0 13,52,0</coordinates></LinearRing></outerBoundaryIs></Polygon>
    ... </Placemark></Folder></kml>'''
    >>> [(mark.name, mark.folders, round(mark.geometry.area, 3)) for mark in parse_kml(text.encode())]
    [('north', ('LCZ 5',), 0.005)]
    """
    if content[:2] == b"PK":
        content = unpack_kmz(content, name)
    reader = _Reader(name)
    parser = DefusedXMLParser(target=reader, forbid_dtd=True, forbid_entities=True, forbid_external=True)
    try:
        parser.feed(content)
        parser.close()
    except DefusedXmlException as error:
        raise InputError(
            f"{name} has a document type or entities ({type(error).__name__})", wanted="plain KML without them"
        ) from error
    except (ParseError, LookupError, UnicodeError) as error:
        raise InputError(f"{name} is no KML that can be read ({error})", wanted="a whole KML or KMZ file") from error
    except ValueError as error:  # expat's word for encodings of several bytes
        if isinstance(error, InputError):
            raise
        raise InputError(f"{name} is no KML that can be read ({error})", wanted="KML in UTF-8") from error
    if reader.root != "kml":
        raise InputError(f"{name} is XML with root {_short(reader.root)!r}", wanted="KML")
    if reader.broken:
        spoken = ", ".join(f"{count} {what}" for what, count in sorted(reader.broken.items()))
        logger.warning("%s: left out: %s", name, spoken)
    return tuple(reader.placemarks)


@dataclass
class _Shape:
    """What is known so far of one shape: its corners, holes and other parts."""

    kind: str
    corners: npt.NDArray[np.float64] | None = None
    holes: list[npt.NDArray[np.float64]] = field(default_factory=list)
    parts: list[BaseGeometry] = field(default_factory=list)


_SHAPES = frozenset({"Point", "LineString", "Polygon", "MultiGeometry"})
_TEXTS = frozenset({"name", "coordinates", "value", "SimpleData"})


class _Reader:
    """Takes the elements as they come; keeps names, fields and coordinates, and forgets everything else."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.root = ""
        self.placemarks: list[Placemark] = []
        self.broken: Counter[str] = Counter()
        self._path: list[str] = []
        self._text: list[str] | None = None
        self._folders: list[str] = []
        self._key = ""
        self._mark: tuple[str, dict[str, str]] | None = None
        self._open: list[_Shape] = []
        self._found: list[BaseGeometry] = []
        self._inner = False

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Open an element."""
        kind = tag.rpartition("}")[2]
        if len(self._path) >= _DEEPEST:
            raise InputError(f"{self.file} nests more than {_DEEPEST} elements", wanted="KML as programs write it")
        self.root = self.root or kind
        self._path.append(kind)
        if kind in {"Document", "Folder"}:
            self._folders.append("")
        elif kind == "Placemark":
            self._mark, self._found, self._open = ("", {}), [], []
        elif kind in _SHAPES and self._mark is not None:
            self._open.append(_Shape(kind))
        elif kind in {"innerBoundaryIs", "outerBoundaryIs"}:
            self._inner = kind == "innerBoundaryIs"
        elif kind in {"Data", "SimpleData"}:
            self._key = attributes.get("name", "")
        self._text = [] if kind in _TEXTS else None

    def data(self, text: str) -> None:
        """Take a piece of text."""
        if self._text is not None:
            self._text.append(text)

    def end(self, tag: str) -> None:
        """Close an element."""
        kind = self._path.pop()
        if self._text is not None and kind in _TEXTS:
            self._take(kind, "".join(self._text))
        self._text = None
        if kind in {"Document", "Folder"}:
            self._folders.pop()
        elif kind == "Placemark":
            self._close_placemark()
        elif kind in _SHAPES and self._open and self._open[-1].kind == kind:
            self._close_shape(self._open.pop())

    def close(self) -> None:
        """End the document."""

    def _take(self, kind: str, text: str) -> None:
        parent = self._path[-1] if self._path else ""
        if kind == "coordinates":
            if self._open:
                self._take_corners(_corners(text, self.file))
        elif kind == "name" and parent == "Placemark" and self._mark is not None:
            self._mark = (_short(text), self._mark[1])
        elif kind == "name" and parent in {"Document", "Folder"}:
            self._folders[-1] = _short(text)
        elif kind in {"value", "SimpleData"} and self._mark is not None:
            self._mark[1][_short(self._key)] = _short(text)

    def _take_corners(self, corners: npt.NDArray[np.float64]) -> None:
        shape = self._open[-1]
        if shape.kind == "Polygon" and self._inner:
            shape.holes.append(corners)
        elif shape.corners is None:
            shape.corners = corners
        else:
            self.broken["further outlines of one shape"] += 1

    def _close_shape(self, shape: _Shape) -> None:
        parts = shape.parts if shape.kind == "MultiGeometry" else _made(shape)
        if shape.kind != "MultiGeometry" and not parts:
            self.broken[f"{shape.kind} with too few corners"] += 1
        (self._open[-1].parts if self._open else self._found).extend(parts)

    def _close_placemark(self) -> None:
        if self._mark is None:
            return
        name, fields = self._mark
        if self._found:
            self.placemarks.append(Placemark(name, tuple(self._folders), fields, _joined(self._found)))
        else:
            self.broken["placemarks without a shape"] += 1
        self._mark = None


def _made(shape: _Shape) -> list[BaseGeometry]:
    corners = shape.corners
    if corners is None or len(corners) < {"Polygon": 3, "LineString": 2}.get(shape.kind, 1):
        return []
    if shape.kind == "Polygon":
        return [Polygon(corners, [hole for hole in shape.holes if len(hole) > 2])]
    return [Point(corners[0]) if shape.kind == "Point" else LineString(corners)]


def _joined(parts: Sequence[BaseGeometry]) -> BaseGeometry:
    if len(parts) == 1:
        return parts[0]
    if all(isinstance(part, Polygon) for part in parts):
        return MultiPolygon([part for part in parts if isinstance(part, Polygon)])
    if all(isinstance(part, Point) for part in parts):
        return MultiPoint([part for part in parts if isinstance(part, Point)])
    return GeometryCollection(list(parts))


def _corners(text: str, file: str) -> npt.NDArray[np.float64]:
    """Return longitude and latitude of each corner, (n, 2)."""
    corners = " ".join(text.split()).replace(" ,", ",").replace(", ", ",").split()
    try:
        values = np.array([_corner(corner) for corner in corners], np.float64).reshape(-1, 2)
    except ValueError as error:
        raise InputError(
            f"{file} has coordinates {_short(text)[:40]!r}", wanted="longitude,latitude[,height] with spaces between"
        ) from error
    if not (np.abs(values) <= (180, 90)).all():  # false for NaN too
        worst = values[~(np.abs(values) <= (180, 90)).all(1)][0]
        raise InputError(f"{file} has a corner at {worst[0]:g}, {worst[1]:g}", wanted="longitude and latitude")
    return values


def _corner(text: str) -> tuple[float, float]:
    longitude, latitude, *_ = text[:_LONGEST].split(",")
    return float(longitude), float(latitude)


def _short(text: str) -> str:
    return " ".join(text.split())[:_LONGEST]
