"""Observations of a window, as reflectance on one grid: read, converted one by one, and only then mosaicked.

The tiles that one overpass left in a window become one layer. Each image is turned into reflectance by its own
radiometry before, since tiles of one day may have been processed by two baselines. A pixel is taken from one image with
all its bands and its quality, so none is of two tiles.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from odc.geo.geobox import GeoBox
from odc.geo.xr import xr_coords

from citygrain.errors import InputError
from citygrain.imagery.clouds import SKIES, Sky
from citygrain.imagery.observation import Observation
from citygrain.imagery.overpasses import overpasses, quality_layer, usable
from citygrain.imagery.reading import Sign, read_numbers, read_sample
from citygrain.scene.radiometry import Radiometry, reflectance

__all__ = ["Layers", "load_window", "overpasses", "read_numbers", "read_sample", "usable", "window_bytes"]

Float32 = npt.NDArray[np.float32]
Codes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Layers:
    """What the overpasses saw of a window.

    Attributes
    ----------
    values : DataArray of float32, (time, band, y, x)
        Reflectance or power; NaN = no data.
    sky : DataArray of uint8, (time, y, x)
        `citygrain.imagery.clouds.Sky` codes; of products without a quality layer, clear where there is data.
    cloud_percent : DataArray of float32, (time, y, x), or None
        Probability of cloud where the product offers it (CLD), NaN elsewhere; None if no image has it.
    sources : tuple of tuple of str
        Names of the images of each overpass.
    left_out : tuple of str
        A line for each image that could not be used, and why.
    """

    values: xr.DataArray
    sky: xr.DataArray
    cloud_percent: xr.DataArray | None
    sources: tuple[tuple[str, ...], ...]
    left_out: tuple[str, ...] = ()


def load_window(
    observations: Sequence[Observation],
    geobox: GeoBox,
    bands: Sequence[str],
    *,
    radiometry: Mapping[str, Radiometry] | None = None,
    masked: bool = True,
    sign: Sign | None = None,
    threads: int = 1,
) -> Layers:
    """Load a window of several images, one layer for each overpass.

    Bands and probabilities are resampled bilinearly (to coarser pixels by their mean), classes by nearest neighbour;
    numbers depend on the pixel alone, so windows give what the whole gives. Where tiles overlap, that one comes first
    whose projection is the grid's own, then by time and name.

    Parameters
    ----------
    observations : sequence of Observation
        Images that touch the window or not; their order does not matter.
    geobox : GeoBox
        The window.
    bands : sequence of str
        Our names, ``"B04"``, ``"VV"``.
    radiometry : mapping of str to Radiometry, optional
        By the images' names; left out for radar: its numbers stay as they are.
    masked : bool
        Whether the images' quality layer is read.
    sign : callable, optional
        Makes an address readable just before it is read.
    threads : int
        Files read at a time.

    Returns
    -------
    Layers

    Raises
    ------
    InputError
        If no image is left, one has no radiometry, they are of several products or levels, or a file cannot be read
        (its error is the cause).
    """
    kept, left_out = usable(observations, bands, masked=masked)
    groups = overpasses(kept)
    if not groups:
        why = f" ({left_out[0]})" if left_out else ""
        raise InputError(f"none of {len(left_out)} images can be used{why}", wanted=f"images with {', '.join(bands)}")
    _refuse_mixed(kept)
    wish = _Wish(geobox, tuple(bands), radiometry, masked, sign, threads)
    seen = _Seen.nothing(wish, len(groups), any("CLD" in one.assets for one in kept) and masked)
    for number, group in enumerate(groups):
        for one in sorted(group, key=lambda each: _epsg(each) != wish.epsg):
            seen.paste(number, _image(one, wish))
    return replace(_layers(seen, wish, groups), left_out=tuple(left_out))


def window_bytes(shape: tuple[int, int], observations: int, bands: int) -> int:
    """Return the most memory that a window takes while it is loaded, masked and composited.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns, the halo included.
    observations : int
        Overpasses, or images if it is not known which belong together.
    bands : int
        Reflectance bands.

    Returns
    -------
    int
        Bytes: of each observation its bands, quality, probability, mask and score; of the one that is being read its
        numbers twice and its places; the composite. What files take in GDAL's cache comes on top.

    Examples
    --------
    >>> window_bytes((1024, 1024), 30, 10) / 2**30  # GiB
    1.86328125
    """
    kept = observations * (4 * bands + 1 + 4 + 1 + 4 + 4)
    reading = 3 * 4 * (bands + 2) + 96
    return shape[0] * shape[1] * (kept + reading + 4 * bands + 8)


@dataclass(frozen=True)
class _Wish:
    """What is wanted of every image."""

    geobox: GeoBox
    bands: tuple[str, ...]
    radiometry: Mapping[str, Radiometry] | None
    masked: bool
    sign: Sign | None
    threads: int

    @property
    def epsg(self) -> int | None:
        return self.geobox.crs.epsg if self.geobox.crs else None

    @property
    def shape(self) -> tuple[int, int]:
        return int(self.geobox.shape[0]), int(self.geobox.shape[1])


@dataclass(frozen=True)
class _Seen:
    """Values (.., band, y, x), sky and probability of cloud (.., y, x): of one image, or of all overpasses."""

    values: Float32
    sky: Codes
    percent: Float32 | None

    @staticmethod
    def nothing(wish: _Wish, times: int, with_percent: bool) -> "_Seen":
        return _Seen(
            np.full((times, len(wish.bands), *wish.shape), np.nan, np.float32),
            np.full((times, *wish.shape), Sky.MISSING, np.uint8),
            np.full((times, *wish.shape), np.nan, np.float32) if with_percent else None,
        )

    def paste(self, number: int, image: "_Seen") -> None:
        """Fill what an overpass still misses with an image's pixels, whole ones only."""
        take = (self.sky[number] == Sky.MISSING) & (image.sky != Sky.MISSING)
        np.copyto(self.values[number], image.values, where=take)
        np.copyto(self.sky[number], image.sky, where=take)
        if self.percent is not None and image.percent is not None:
            np.copyto(self.percent[number], image.percent, where=take)


def _image(one: Observation, wish: _Wish) -> _Seen:
    layer = quality_layer(one) if wish.masked else None
    extra = [name for name in (layer, "CLD" if wish.masked and "CLD" in one.assets else None) if name]
    numbers = read_numbers(one, wish.geobox, [*wish.bands, *extra], sign=wish.sign, threads=wish.threads)
    values = np.stack([numbers.pop(band) for band in wish.bands])
    if wish.radiometry is None:
        values[values <= 0] = np.nan  # no power is none measured
    elif one.id in wish.radiometry:
        values = reflectance(values, wish.radiometry[one.id], nodata=None)
    else:
        raise InputError(f"{one.id} has no radiometry", mend="decide_radiometry")
    there = np.isfinite(values).all(0)
    sky = SKIES[layer](numbers[layer]) if layer else np.full(there.shape, Sky.CLEAR, np.uint8)
    sky[~there] = Sky.MISSING
    return _Seen(values, sky, numbers.get("CLD"))


def _refuse_mixed(observations: Sequence[Observation]) -> None:
    """Refuse images that cannot be one composite: of several products, or at and above the atmosphere."""
    kinds = sorted({f"{one.product} {one.level}".strip() for one in observations})
    if len(kinds) > 1:
        raise InputError(f"images of {' and '.join(kinds)} together", wanted="one product and level")


def _layers(seen: _Seen, wish: _Wish, groups: Sequence[tuple[Observation, ...]]) -> Layers:
    times = np.array([group[0].time.replace(tzinfo=None) for group in groups], "datetime64[ns]")
    coords: dict[Any, Any] = {"time": times, **xr_coords(wish.geobox, always_yx=True)}
    name = "power" if wish.radiometry is None else "reflectance"
    stack = xr.DataArray(
        seen.values,
        {**coords, "band": list(wish.bands)},
        ("time", "band", "y", "x"),
        name=name,
        attrs=_attributes(wish, [one for group in groups for one in group]),
    )
    dims = ("time", "y", "x")
    return Layers(
        stack,
        xr.DataArray(seen.sky, coords, dims, name="sky"),
        None if seen.percent is None else xr.DataArray(seen.percent, coords, dims, name="cloud_percent"),
        tuple(tuple(one.id for one in group) for group in groups),
    )


def _attributes(wish: _Wish, observations: Sequence[Observation]) -> dict[str, Any]:
    first = observations[0]
    said: dict[str, Any] = {
        "units": "linear power" if wish.radiometry is None else "reflectance",
        "sensor": first.product,
        "level": first.level,
    }
    used = [wish.radiometry[one.id] for one in observations] if wish.radiometry else []
    if used:
        said["baseline"] = ", ".join(sorted({one.baseline for one in used if one.baseline}))
        said["radiometry"] = "; ".join(sorted({str(one.attributes()["radiometry"]) for one in used}))
    return said


def _epsg(one: Observation) -> int | None:
    """Return the projection of an image as its item says it."""
    for fields in (one.item.properties, *_asset_fields(one)):
        code = fields.get("proj:code") or fields.get("proj:epsg")
        if code:
            digits = str(code).rpartition(":")[2]
            return int(digits) if digits.isdigit() else None
    return None


def _asset_fields(one: Observation) -> Iterator[Mapping[str, Any]]:
    for key in one.assets.values():
        if key in one.item.assets:
            yield one.item.assets[key].extra_fields
