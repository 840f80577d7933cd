"""Rasters as pictures: stretched, thinned to what a page can show, with outlines, scale bar and north arrow."""

import math
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.patheffects import Stroke, withStroke
from odc.geo.geobox import GeoBox

from citygrain.errors import InputError
from citygrain.legend import Legend
from citygrain.sensors import SENSORS, SENTINEL2
from citygrain.tiles import Tile

__all__ = [
    "color_codes",
    "draw_outlines",
    "false_color_bands",
    "furnish_map",
    "natural_bands",
    "pixel_metres",
    "rgb_image",
    "stretch",
    "stretch_limits",
    "stretched_bands",
    "thin",
]

Picture = npt.NDArray[np.uint8]
"""(height, width, 3), red, green, blue."""
Codes = npt.NDArray[np.uint8]

Raster = TypeVar("Raster", xr.DataArray, npt.NDArray[Any])

_OUTLINE = (255, 225, 60)
LARGEST = 1200
"""Pixels along the longer side of a picture on the page."""


def thin(raster: Raster, largest: int = LARGEST) -> Raster:
    """Return every n-th row and column of the last two axes, so that neither has more than `largest`.

    Examples
    --------
    >>> thin(np.zeros((3, 2500, 100))).shape
    (3, 834, 34)
    """
    step = max(1, math.ceil(max(raster.shape[-2:]) / largest))
    return raster[..., ::step, ::step]


def natural_bands(scene: xr.DataArray) -> tuple[str, str, str]:
    """Return the names of red, green and blue; where they are not all there, of the first three bands (or the first).

    Examples
    --------
    >>> scene = xr.DataArray(np.zeros((3, 1, 1)), dims=("band", "y", "x"), coords={"band": ["B02", "B03", "B04"]})
    >>> natural_bands(scene)
    ('B04', 'B03', 'B02')
    """
    names = [str(name) for name in scene.band.values]
    return _named_bands(names, ("red", "green", "blue"), str(scene.attrs.get("sensor", ""))) or (
        (names[0], names[1], names[2]) if len(names) > 2 else (names[0],) * 3
    )


def false_color_bands(scene: xr.DataArray) -> tuple[str, str, str] | None:
    """Return the names of near infrared, red and green where all are there."""
    names = [str(name) for name in scene.band.values]
    return _named_bands(names, ("nir", "red", "green"), str(scene.attrs.get("sensor", "")))


def _named_bands(names: Sequence[str], wanted: tuple[str, str, str], sensor: str) -> tuple[str, str, str] | None:
    known = SENSORS.get(sensor.lower(), SENTINEL2)
    found = {band.common: name for name in reversed(names) if (band := known.find(name))}
    chosen = [found[common] for common in wanted if common in found]
    return (chosen[0], chosen[1], chosen[2]) if len(chosen) == 3 else None


def rgb_image(
    scene: xr.DataArray,
    bands: Sequence[str] = ("B04", "B03", "B02"),
    *,
    percentiles: tuple[float, float] = (1.0, 99.0),
    gamma: float = 0.8,
    window: Tile | None = None,
) -> Picture:
    """Stretch three bands to a picture.

    Visible bands share one stretch, which keeps their colour true; a composite with other bands stretches each by
    itself. Limits are taken over the whole array that is given, so a window looks as it does in the whole.

    Parameters
    ----------
    scene : DataArray, (band, y, x)
        With the band names as coordinate `band`; NaN = no data.
    bands : sequence of str
        Bands for red, green and blue.
    percentiles : tuple of float
        Percentiles that become black and white.
    gamma : float
        Exponent; below 1 brightens the dark.
    window : Tile, optional
        Return this window alone.

    Returns
    -------
    ndarray of uint8, (h, w, 3)
        No data is white.

    Raises
    ------
    InputError
        If a band is not there, or not three are asked for.

    Examples
    --------
    >>> scene = xr.DataArray(np.eye(3)[None].repeat(3, 0), dims=("band", "y", "x"), coords={"band": ["r", "g", "b"]})
    >>> rgb_image(scene, ("r", "g", "b"))[:, :, 0].tolist()
    [[255, 0, 0], [0, 255, 0], [0, 0, 255]]
    """
    chosen, limits = stretched_bands(scene, bands, percentiles=percentiles)
    shown = chosen if window is None else chosen[(slice(None), *window.slices)]
    return stretch(np.asarray(shown.values, np.float32), limits, gamma=gamma)


Limits = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]


def stretched_bands(
    scene: xr.DataArray, bands: Sequence[str], *, percentiles: tuple[float, float] = (1.0, 99.0)
) -> tuple[xr.DataArray, Limits]:
    """Return three bands of a scene, and the values that become black and white: as `rgb_image` draws them."""
    names = [str(name) for name in scene.band.values]
    missing = [band for band in bands if band not in names]
    if missing or len(bands) != 3:
        raise InputError(f"bands {', '.join(bands)} for a picture", wanted=f"three of {', '.join(names)}")
    known = SENSORS.get(str(scene.attrs.get("sensor", "")).lower(), SENTINEL2)
    common = {band.common for name in bands if (band := known.find(name))}
    chosen = scene.isel(band=[names.index(band) for band in bands])
    together = common == {"red", "green", "blue"}
    return chosen, stretch_limits(thin(chosen, 700).values, percentiles, together=together)


def stretch_limits(values: npt.NDArray[np.float32], percentiles: tuple[float, float], *, together: bool) -> Limits:
    """Return the values of three channels (3, h, w) that become black and white; one pair for all, or each its own."""
    sample = values.reshape(3, -1)
    sample = sample[:, np.isfinite(sample).all(0)]
    if sample.size == 0:
        return np.zeros(3, np.float32), np.ones(3, np.float32)
    low, high = np.percentile(sample, percentiles, axis=None if together else 1).astype(np.float32)
    return np.broadcast_to(low, 3), np.broadcast_to(high, 3)


def stretch(values: npt.NDArray[np.float32], limits: Limits, *, gamma: float = 0.8) -> Picture:
    """Stretch (3, h, w) to a picture (h, w, 3) between limits; no data is white."""
    low, high = (limit[:, None, None] for limit in limits)
    shown = np.clip((values - low) / np.maximum(high - low, np.float32(1e-9)), 0, 1) ** np.float32(gamma)
    shown[:, ~np.isfinite(values).all(0)] = 1
    return np.ascontiguousarray(np.rint(np.moveaxis(shown, 0, -1) * 255).astype(np.uint8))


def color_codes(codes: Codes, legend: Legend) -> Picture:
    """Return a picture in the legend's colours; 0 and unknown codes are white."""
    table = np.full((256, 3), 255, np.uint8)
    for code, color in legend.colormap().items():
        if code:
            table[code] = color[:3]
    return np.asarray(table[codes])


def draw_outlines(picture: Picture, labels: npt.NDArray[Any], *, size: int = 960, opacity: float = 0.85) -> Picture:
    """Enlarge a picture by whole multiples to at most `size` dots, and draw the borders between labels one dot wide."""
    factor = max(1, size // max(labels.shape))
    large = picture.repeat(factor, 0).repeat(factor, 1)
    wide = labels.repeat(factor, 0).repeat(factor, 1)
    border = np.zeros(wide.shape, bool)
    border[1:] |= wide[1:] != wide[:-1]
    border[:, 1:] |= wide[:, 1:] != wide[:, :-1]
    opacity *= min(1.0, 0.22 / max(float(border.mean()), 1e-6))  # many small ones must not hide the ground
    large[border] = np.rint(opacity * np.array(_OUTLINE) + (1 - opacity) * large[border]).astype(np.uint8)
    return np.asarray(large)


def pixel_metres(geobox: GeoBox | None) -> tuple[float, float] | None:
    """Return height and width of a pixel in metres (in the middle of the raster where it is in degrees)."""
    if geobox is None or geobox.crs is None:
        return None
    height, width = abs(float(geobox.resolution.y)), abs(float(geobox.resolution.x))
    if geobox.crs.geographic:
        middle = (geobox.boundingbox.bottom + geobox.boundingbox.top) / 2
        return height * 111_320, width * 111_320 * math.cos(math.radians(middle))
    unit = float(geobox.crs.proj.axis_info[0].unit_conversion_factor)
    return height * unit, width * unit


def furnish_map(axes: Axes, shape: tuple[int, int], geobox: GeoBox | None, *, part: Tile | None = None) -> None:
    """Take off the ticks, and put a scale bar and a north arrow on a map whose picture has `shape` pixels."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    metres = pixel_metres(geobox)
    if metres is None or geobox is None:
        return
    across = (part.width if part else geobox.shape[1]) * metres[1]
    length = _round_length(across * 0.24)
    span = length / across * shape[1]
    halo = [withStroke(linewidth=2.6, foreground="white")]
    left, bottom = 0.035 * shape[1], 0.955 * shape[0]
    axes.plot(
        [left, left + span], [bottom, bottom], color="#111111", linewidth=2.2, solid_capstyle="butt", path_effects=halo
    )
    text = f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"
    _haloed(axes, text, xy=(left + span / 2, bottom - 0.012 * shape[0]), ha="center", va="bottom", fontsize=8)
    arrow = {"arrowstyle": "-|>", "color": "#111111", "lw": 1.2, "path_effects": halo, "shrinkB": 0}
    north: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points", "fontweight": "bold"}
    _haloed(axes, "N", xy=(0.96, 0.98), xytext=(0, -21), ha="center", va="center", fontsize=8, arrow=arrow, **north)


def _haloed(axes: Axes, text: str, *, arrow: dict[str, Any] | None = None, **where: Any) -> None:
    """Write text over a copy with a white rim: the rim is drawn, and the text stays text in vector files."""
    axes.annotate(text, arrowprops=arrow, zorder=4, **where)
    axes.annotate(text, path_effects=[Stroke(linewidth=2.6, foreground="white")], zorder=3.5, **where)


def _round_length(metres: float) -> float:
    """Return 1, 2 or 5 times a power of ten, at most `metres`.

    Examples
    --------
    >>> [_round_length(m) for m in (0.9, 2400, 7)]
    [0.5, 2000.0, 5.0]
    """
    power = 10.0 ** math.floor(math.log10(metres))
    return max(step * power for step in (1, 2, 5) if step * power <= metres)
