"""What a satellite would see: a cloud-free ground of known reflectance, and the weather of one day above it."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.warp import Resampling, reproject, transform
from scipy import ndimage

from citygrain.scene.synthetic import synthetic_city

__all__ = [
    "BANDS",
    "GROUNDS",
    "LANDCOVER",
    "Ground",
    "Weather",
    "backscatter",
    "data_folder",
    "ground_named",
    "weather",
]

Floats = npt.NDArray[np.float32]

BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12")
_TEN = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
LANDCOVER = {"Urban": 50, "Crop": 40, "Vegetation": 10, "Water": 80}
"""Codes of ESA WorldCover."""
_STEP_M, _CELL = 60, 12
"""Origins lie on multiples of 60 m as those of real tiles; sizes are multiples of 12 pixels, two of the coarsest."""


@dataclass(frozen=True)
class Ground:
    """Reflectance without any cloud, on a grid of 10 m in UTM.

    Attributes
    ----------
    name : str
        Where it comes from.
    bands : ndarray of float32, (12, y, x)
        Surface reflectance in the order of `BANDS`, in steps of 0.0001.
    cover : ndarray of uint8, (y, x)
        Land cover in the codes of ESA WorldCover.
    geobox : GeoBox
        The grid.
    """

    name: str
    bands: Floats
    cover: npt.NDArray[np.uint8]
    geobox: GeoBox


@dataclass(frozen=True)
class Weather:
    """What stands between the ground and the sensor; all (y, x) float32, 0 to 1.

    Attributes
    ----------
    cloud : ndarray
        Opacity.
    shadow : ndarray
        Share of the light that is missing.
    haze : ndarray
        Share of the path that is hazy.
    """

    cloud: Floats
    shadow: Floats
    haze: Floats

    @property
    def clear(self) -> npt.NDArray[np.bool_]:
        """Where neither cloud nor shadow changes the reflectance by more than a hundredth of itself."""
        return np.asarray((self.cloud <= 0.005) & (self.shadow <= 0.01))


def ground_named(name: str, shape: tuple[int, int] = (264, 264)) -> Ground:
    """Return one of `GROUNDS`; `shape` is that of the synthetic one.

    Raises
    ------
    FileNotFoundError
        If its scene is not among the data at hand.
    """
    return GROUNDS[name](shape)


def data_folder() -> Path:
    """Folder of the real scenes; it need not be there."""
    root = Path(__file__).parents[2]
    return Path(os.environ.get("CITYGRAIN_DATA", root / "../shared/data")).resolve() / "scenes"


def _synthetic(shape: tuple[int, int]) -> Ground:
    city = synthetic_city(shape, seed=11)
    codes = np.array([0, *(LANDCOVER[name] for name in city.legend.names)], np.uint8)
    return _ground("synthetic", city.scene.values, codes[city.truth.values], city.scene.odc.geobox)


def _border12(shape: tuple[int, int]) -> Ground:
    """The synthetic city on the meridian of 12 degrees, between UTM zones 32 and 33, in the grid of the latter."""
    city = _synthetic(shape)
    middle = [axis[0] for axis in transform("EPSG:4326", "EPSG:32633", [12.0], [52.45])]
    left, top = (
        round((n + sign * 5 * side) / _STEP_M) * _STEP_M
        for n, sign, side in zip(middle, (-1, 1), shape[::-1], strict=True)
    )
    return Ground(
        "border12", city.bands, city.cover, GeoBox(city.geobox.shape, Affine(10, 0, left, 0, -10, top), "EPSG:32633")
    )


def _berlin(_: tuple[int, int]) -> Ground:
    with rasterio.open(data_folder() / "berlin/s2_20241024.tif") as file:
        bands, geobox = file.read().astype(np.float32) / 10_000, GeoBox.from_rio(file)
    return _ground("berlin", bands, _cover_of(bands), geobox)


def _aberystwyth(_: tuple[int, int]) -> Ground:
    """The Welsh town in UTM; what the warp leaves empty at the corners is cut off."""
    with rasterio.open(data_folder() / "aberystwyth/s2_20210527.tif") as file:
        source, grid = file.read().astype(np.float32) / 1000, GeoBox.from_rio(file)
    target = grid.to_crs("EPSG:32630", resolution=10)
    bands = np.full((len(source), *target.shape), np.nan, np.float32)
    reproject(
        source, bands, src_transform=grid.affine, src_crs=str(grid.crs), dst_transform=target.affine,
        dst_crs=str(target.crs), resampling=Resampling.bilinear, src_nodata=None, dst_nodata=np.nan,
    )  # fmt: skip
    rows, columns = _full(np.isfinite(bands).all(0))
    return _ground("aberystwyth", bands[:, rows, columns], _cover_of(bands[:, rows, columns]), target[rows, columns])


def _leipzig(_: tuple[int, int]) -> Ground:
    """Three of the ten bands are not in the file; they are put in from their neighbours in the spectrum."""
    with rasterio.open(data_folder() / "leipzig/s2_2021.tif") as file:
        b02, b03, b04, b06, b07, b08, b11, _ndvi = np.nan_to_num(file.read().astype(np.float32)) / 10_000
        geobox = GeoBox.from_rio(file)
    bands = np.stack([b02, b03, b04, (b04 + b06) / 2, b06, b07, b08, b08, b11, b11 * np.float32(0.7)])
    return _ground("leipzig", bands, _cover_of(bands), geobox)


GROUNDS: dict[str, Callable[[tuple[int, int]], Ground]] = {
    "synthetic": _synthetic,
    "border12": _border12,
    "berlin": _berlin,
    "aberystwyth": _aberystwyth,
    "leipzig": _leipzig,
}


def _full(valid: npt.NDArray[np.bool_]) -> tuple[slice, slice]:
    """Rows and columns of a rectangle without holes: the middle, grown by what every side allows."""
    top, bottom, left, right = 0, valid.shape[0], 0, valid.shape[1]
    while not valid[top:bottom, left:right].all():
        holes = ~valid[top:bottom, left:right]
        sides = [holes[0].mean(), holes[-1].mean(), holes[:, 0].mean(), holes[:, -1].mean()]
        worst = int(np.argmax(sides))
        top, bottom = top + (worst == 0), bottom - (worst == 1)
        left, right = left + (worst == 2), right - (worst == 3)
    return slice(top, bottom), slice(left, right)


def _ground(name: str, ten: Floats, cover: npt.NDArray[np.uint8], geobox: GeoBox) -> Ground:
    """Cut to whole cells of 60 m, put the origin on their lattice, and add the two bands of 60 m."""
    height, width = (n // _CELL * _CELL for n in ten.shape[1:])
    left, top = (round(n / _STEP_M) * _STEP_M for n in (geobox.affine.c, geobox.affine.f))
    grid = GeoBox((height, width), Affine(10, 0, left, 0, -10, top), geobox.crs)
    by_name = dict(zip(_TEN, ten[:, :height, :width], strict=True))
    by_name["B01"], by_name["B09"] = 0.85 * by_name["B02"], 0.4 * by_name["B8A"]
    bands = np.stack([by_name[band] for band in BANDS])
    return Ground(name, np.round(np.clip(bands, 0.0005, 1.4), 4).astype(np.float32), cover[:height, :width], grid)


def _cover_of(ten: Floats) -> npt.NDArray[np.uint8]:
    """A plausible land cover of a scene that has no truth: by two indices."""
    green, red, nir, swir = ten[1], ten[2], ten[6], ten[8]
    ndvi, mndwi = (nir - red) / (nir + red + 1e-6), (green - swir) / (green + swir + 1e-6)
    return np.select([mndwi > 0.1, ndvi > 0.6, ndvi > 0.35], [80, 10, 40], 50).astype(np.uint8)


def weather(shape: tuple[int, int], *, cloud: float, haze: float, seed: int) -> Weather:
    """Draw clouds with soft edges over a share of the ground, their shadows to the north-west, and haze.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns.
    cloud : float
        Share of the ground under a cloud of an opacity above one half; 1 = all of it.
    haze : float
        Largest share of haze.
    seed : int
        The same seed gives the same sky.
    """
    rng = np.random.default_rng(seed)
    margin = 40  # the cloud of a shadow may stand outside
    wide = (shape[0] + 2 * margin, shape[1] + 2 * margin)
    field = _smooth(rng, wide, 14) + 0.35 * _smooth(rng, wide, 4)
    inner = (slice(margin, -margin), slice(margin, -margin))
    if cloud <= 0:
        opacity = np.zeros(wide, np.float32)
    elif cloud >= 1:
        opacity = np.clip(0.92 + 0.06 * field, 0.75, 1).astype(np.float32)
    else:
        edge = np.quantile(field[inner], 1 - cloud)
        opacity = np.clip((field - edge) / 0.5 + 0.5, 0, 1).astype(np.float32)
    moved = np.roll(opacity, (-17, -11), (0, 1))  # the sun stands in the south-east
    shade = ndimage.gaussian_filter(moved, 1.5) * (1 - opacity)
    hazy = np.clip(0.5 + 0.5 * _smooth(rng, wide, 60), 0, 1) * haze
    return Weather(opacity[inner], shade[inner].astype(np.float32), hazy[inner].astype(np.float32))


def _smooth(rng: np.random.Generator, shape: tuple[int, int], sigma: float) -> Floats:
    """Noise of one scale, of mean 0 and deviation 1; drawn coarsely and enlarged, for speed."""
    step = max(1, int(sigma // 3))
    small = rng.standard_normal([n // step + 2 for n in shape]).astype(np.float32)
    small = ndimage.gaussian_filter(small, sigma / step, mode="wrap")
    field = ndimage.zoom(small, step, order=1)[: shape[0], : shape[1]] if step > 1 else small[: shape[0], : shape[1]]
    return np.asarray((field - field.mean()) / field.std(), np.float32)


def backscatter(ground: Ground) -> Floats:
    """Gamma nought without speckle, linear power, (2, y, x): VV and VH."""
    vv = {80: 0.012, 10: 0.09, 40: 0.06, 50: 0.28}
    vh = {80: 0.002, 10: 0.025, 40: 0.011, 50: 0.055}
    brightness = 1 + 0.5 * (ground.bands[10] - ground.bands[10].mean())
    layers = [_painted(ground.cover, table) * brightness for table in (vv, vh)]
    return np.stack([ndimage.gaussian_filter(layer, 0.8) for layer in layers]).astype(np.float32)


def _painted(cover: npt.NDArray[np.uint8], table: dict[int, float]) -> Any:
    lookup = np.zeros(256, np.float32)
    lookup[list(table)] = list(table.values())
    return lookup[cover]
