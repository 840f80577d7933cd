"""Names of the files that a global product is cut into, for an area in degrees."""

from dataclasses import dataclass
from itertools import product
from math import ceil, floor

from citygrain.errors import InputError

__all__ = ["Bounds", "TileScheme", "tile_names"]

Bounds = tuple[float, float, float, float]
"""West, south, east, north in degrees."""

_LETTERS = "CDEFGHJKLMNPQRSTUVWX"
"""Latitude bands of 8 degrees from 80 south; the last is 12 degrees high."""


@dataclass(frozen=True)
class TileScheme:
    """How the files of a product are called.

    Attributes
    ----------
    url : str
        Address of a file, with ``{name}``.
    name : str
        Name of a file: a format string of its lower left corner (``{south}``, ``{west}`` with their signs; ``{ns}``,
        ``{lat}``, ``{ew}``, ``{lon}`` without), or of ``{zone}`` and ``{band}``.
    degrees : int
        Side of a tile.
    bands : bool
        Cut by UTM zone and latitude band instead.
    whole : bool
        Not cut at all.
    """

    url: str
    name: str
    degrees: int = 0
    bands: bool = False
    whole: bool = False


def tile_names(scheme: TileScheme, bounds: Bounds) -> list[str]:
    """Return the files that meet an area, from south to north, then from west to east.

    Parameters
    ----------
    scheme : TileScheme
        How the product is cut.
    bounds : (float, float, float, float)
        West, south, east and north in degrees; west is greater than east across the antimeridian.

    Raises
    ------
    InputError
        If the bounds are no area on the globe.

    Examples
    --------
    >>> tile_names(TileScheme("", "{ns}{lat:02d}{ew}{lon:03d}", degrees=3), (-0.5, -1, 0.5, 1))
    ['S03W003', 'S03E000', 'N00W003', 'N00E000']
    >>> tile_names(TileScheme("", "{zone}{band}", bands=True), (11.5, 52, 12.5, 52.5))
    ['32U', '33U']
    """
    west, south, east, north = bounds
    if not (-180 <= west <= 180 and -180 <= east <= 180 and -90 <= south < north <= 90) or west == east:
        raise InputError(
            f"bounds {west:g}, {south:g}, {east:g}, {north:g}", wanted="west, south, east, north in degrees"
        )
    if scheme.whole:
        return [scheme.name]
    if west > east:
        parts = ((west, south, 180.0, north), (-180.0, south, east, north))
        return [name for part in parts if part[0] < part[2] for name in tile_names(scheme, part)]
    if scheme.bands:
        zones = [60 if zone > 60 else zone for zone in _steps(west + 180, east + 180, 6, first=1)]
        rows = sorted({min(max(row, 0), len(_LETTERS) - 1) for row in _steps(south + 80, north + 80, 8)})
        return [scheme.name.format(zone=f"{zone:02d}", band=_LETTERS[row]) for row, zone in product(rows, zones)]
    side = scheme.degrees
    corners = product(_steps(south, north, side), _steps(west, east, side))
    return [_named(scheme, row * side, column * side) for row, column in corners]


def _steps(low: float, high: float, side: float, *, first: int = 0) -> list[int]:
    """Return the numbers of the cells of `side` that an open span meets."""
    return [first + number for number in range(floor(low / side), max(ceil(high / side), floor(low / side) + 1))]


def _named(scheme: TileScheme, south: int, west: int) -> str:
    ns, ew = "N" if south >= 0 else "S", "E" if west >= 0 else "W"
    return scheme.name.format(south=south, west=west, ns=ns, lat=abs(south), ew=ew, lon=abs(west))
