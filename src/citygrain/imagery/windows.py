"""One window of a composite: what the images saw of it, and what is made of that.

Clouds are grown by metres, so a mask looks at more ground than its window has: of the quality layers alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from odc.geo.geobox import GeoBox

from citygrain.imagery.clouds import (
    DILATION_M,
    SKIES,
    Sky,
    clear_mask,
    cloud_distance,
    halo_pixels,
    probable_cloud,
)
from citygrain.imagery.composite import best_pixel_score, composite
from citygrain.imagery.loading import load_window
from citygrain.imagery.observation import Observation
from citygrain.imagery.overpasses import overpasses, quality_layer
from citygrain.imagery.radiometry import Radiometry
from citygrain.imagery.reading import read_numbers

__all__ = ["Recipe", "map_window", "optical_window", "radar_stack", "reach_m"]

_REACH_M = 1500.0
"""How far a cloud matters to the best pixel."""


@dataclass(frozen=True)
class Recipe:
    """How images become one.

    Attributes
    ----------
    method : str
        ``"median"``, ``"medoid"`` or ``"best"``.
    bands : tuple of str
        Reflectance bands.
    radiometry : mapping of str to Radiometry
        By the images' names.
    middle : datetime
        Middle of the days, for the best pixel.
    dilation_m : float
        How far clouds and shadows are grown, in metres.
    """

    method: Any
    bands: tuple[str, ...]
    radiometry: Mapping[str, Radiometry]
    middle: datetime
    dilation_m: float = DILATION_M


def optical_window(
    observations: Sequence[Observation], grid: GeoBox, recipe: Recipe
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint16]]:
    """Return a window's composite and how many clear observations each pixel has.

    Parameters
    ----------
    observations : sequence of Observation
        Their files lie on the disk (`citygrain.imagery.mirror`).
    grid : GeoBox
        The window.
    recipe : Recipe
        Method, bands, radiometry.

    Returns
    -------
    values : ndarray of float32, (band, y, x)
        Reflectance, NaN = no data.
    count : ndarray of uint16, (y, x)
        Clear observations.
    """
    near = _near(observations, grid)
    if not near:
        shape = (int(grid.shape[0]), int(grid.shape[1]))
        return np.full((len(recipe.bands), *shape), np.nan, np.float32), np.zeros(shape, np.uint16)
    layers = load_window(near, grid, recipe.bands, radiometry=recipe.radiometry)
    masked = all(quality_layer(each) for each in near)
    best = recipe.method == "best"
    metres = abs(grid.affine.a)
    halo = halo_pixels(reach_m(recipe.method, recipe.dilation_m), metres) if masked else 0
    skies = _skies(near, grid.pad(halo)) if masked else layers.sky.values
    inside = np.s_[halo : skies.shape[1] - halo, halo : skies.shape[2] - halo]
    clear = np.stack([clear_mask(sky, resolution_m=metres, dilation_m=recipe.dilation_m)[inside] for sky in skies])
    score = None
    if best:
        far = np.stack([cloud_distance(sky, resolution_m=metres, limit_m=_REACH_M)[inside] for sky in skies])
        times = [group[0].time for group in overpasses(near)]
        percent = None if layers.cloud_percent is None else layers.cloud_percent.values
        score = best_pixel_score(far, times, middle=recipe.middle, cloud_percent=percent)
    made = composite(layers.values, clear & (layers.sky.values != Sky.MISSING), method=recipe.method, score=score)
    return made.values.values, made.count.values


def reach_m(method: str, dilation_m: float = DILATION_M) -> float:
    """Return how far around a window a method looks at clouds, in metres.

    Examples
    --------
    >>> reach_m("median"), reach_m("best")
    (100.0, 1500.0)
    """
    return max(_REACH_M, dilation_m) if method == "best" else dilation_m


def radar_stack(
    observations: Sequence[Observation], grid: GeoBox, *, bands: Sequence[str] = ("VV", "VH")
) -> xr.DataArray | None:
    """Return a window of radar images, one layer for each overpass.

    Returns
    -------
    DataArray of float32, (time, band, y, x), or None
        Linear power, NaN = no data; None if no image touches the window.
    """
    near = _near(observations, grid)
    return load_window(near, grid, bands, masked=False).values if near else None


def map_window(observations: Sequence[Observation], grid: GeoBox, *, band: str = "MAP") -> npt.NDArray[np.uint8]:
    """Return a window of a map of classes, nearest pixels; 0 = no data."""
    codes = np.zeros((int(grid.shape[0]), int(grid.shape[1])), np.uint8)
    for observation in _near(observations, grid):
        numbers = read_numbers(observation, grid, [band])[band]
        np.copyto(codes, np.nan_to_num(numbers).astype(np.uint8), where=(codes == 0) & np.isfinite(numbers))
    return codes


def _near(observations: Sequence[Observation], grid: GeoBox) -> list[Observation]:
    """Keep the images whose box touches the window."""
    box = grid.geographic_extent.boundingbox
    kept = []
    for observation in observations:
        west, south, east, north = observation.item.bbox or (-180, -90, 180, 90)
        if west <= box.right and east >= box.left and south <= box.top and north >= box.bottom:
            kept.append(observation)
    return kept


def _skies(observations: Sequence[Observation], grid: GeoBox) -> npt.NDArray[np.uint8]:  # (time, y, x)
    """Return where each overpass saw the ground, by the quality layers alone."""
    groups = overpasses(observations)
    skies = np.full((len(groups), int(grid.shape[0]), int(grid.shape[1])), Sky.MISSING, np.uint8)
    for sky, group in zip(skies, groups, strict=True):
        for observation in group:
            layer = quality_layer(observation)
            if layer is None:
                continue
            wanted = [layer, *(["CLD"] if "CLD" in observation.assets else [])]
            numbers = read_numbers(observation, grid, wanted)
            seen = probable_cloud(SKIES[layer](numbers[layer]), cloud=numbers.get("CLD"))
            np.copyto(sky, seen, where=sky == Sky.MISSING)
    return skies
