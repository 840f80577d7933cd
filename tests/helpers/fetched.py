"""What a fetch left, beside the truth of the world that it was fetched from."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio
from scipy import ndimage

from helpers.commands import Command, Said
from helpers.stac_scenes import METRES
from helpers.stac_server import Site
from helpers.stac_world import World

__all__ = ["Fetched", "fetch_middle", "inner_bbox", "read_fetched", "rms"]

MARGIN = 12
"""Pixels of the ground left out on each side, so that the area lies within it."""
SUMMER = ("2025-05-01", "2025-08-31")


@dataclass(frozen=True)
class Fetched:
    """What a fetch left, beside the truth on the same pixels.

    Attributes
    ----------
    folder : Path
        The results.
    bands : dict of str to ndarray, (y, x)
        Reflectance; NaN = no data.
    count : ndarray, (y, x)
        Clear observations.
    world : World
        The truth.
    window : tuple of slice
        Where the results lie on the ground's grid.
    """

    folder: Path
    bands: dict[str, npt.NDArray[np.float32]]
    count: npt.NDArray[np.uint16]
    world: World
    window: tuple[slice, slice]

    def error(self, band: str, season: float = 0.0) -> npt.NDArray[np.float32]:
        """Reflectance less its truth, (y, x); where the band is coarser than the grid, its truth is interpolated."""
        truth = self.world.truth_in(season).sel(band=band).values
        step = METRES[band] // 10
        if step > 1:
            cells = truth.reshape(truth.shape[0] // step, step, truth.shape[1] // step, step).mean((1, 3))
            truth = ndimage.zoom(cells, step, order=1, mode="nearest", grid_mode=True)
        return self.bands[band] - truth[self.window]

    def clear(self) -> npt.NDArray[np.int_]:
        """How many Sentinel-2 items truly see each pixel."""
        seen = [self.world.clear(name)[self.window] for name in self.world.overpasses if name.startswith("S2")]
        return np.sum(seen, 0)


def fetch_middle(
    citygrain: Command, world: World, site: Site, out: Path, *words: object, dates: Sequence[str] = SUMMER
) -> Said:
    """Run `citygrain fetch` for the middle of a world's ground; Sentinel-2 alone, if no products are named."""
    bbox = ",".join(f"{edge:.7f}" for edge in inner_bbox(world))
    asked = ["--bbox", bbox, "--from", dates[0], "--to", dates[1], "--catalogue", site.api, "--out", out]
    asked += [] if "--products" in words else ["--products", "sentinel-2"]
    return citygrain("fetch", *asked, *words)


def inner_bbox(world: World) -> tuple[float, float, float, float]:
    """West, south, east, north of an area that lies within the ground though its edges are not parallel to it."""
    box = world.ground.geobox[MARGIN:-MARGIN, MARGIN:-MARGIN].extent.to_crs("EPSG:4326").geom
    west, south, east, north = box.bounds
    height, width = world.ground.geobox.shape
    slack_x, slack_y = 8 * (east - west) / width, 8 * (north - south) / height
    return (west + slack_x, south + slack_y, east - slack_x, north - slack_y)


def read_fetched(folder: Path, world: World, season: str = "") -> Fetched:
    """Read a composite back; `season` is what its name ends with, ``_summer``."""
    with rasterio.open(folder / f"s2{season}.tif") as file:
        numbers, names, scale = file.read().astype(np.float32), file.descriptions, file.scales[0]
        nodata, transform, crs = file.nodata, file.transform, file.crs
    with rasterio.open(folder / f"clear{season}.tif") as file:
        count = file.read(1)
    grid = world.ground.geobox
    assert crs.to_epsg() == grid.crs.epsg and transform.a == 10
    left, top = (transform.c - grid.affine.c) / 10, (grid.affine.f - transform.f) / 10
    assert left == round(left) >= 0 and top == round(top) >= 0, "the pixels are those of the tiles"
    window = np.s_[round(top) : round(top) + numbers.shape[1], round(left) : round(left) + numbers.shape[2]]
    bands = np.where(numbers == nodata, np.nan, numbers * scale)
    return Fetched(folder, dict(zip(names, bands, strict=True)), count, world, window)


def rms(error: npt.NDArray[np.floating]) -> float:
    return float(np.sqrt(np.nanmean(error**2)))
