"""The pixels of a made world: a ground as a sensor saw it on a day, in the numbers that its files hold."""

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.warp import Resampling, reproject

from helpers.stac_ground import BANDS, Ground, Weather, backscatter
from helpers.stac_plans import Overpass, WorldSpec

__all__ = [
    "METRES",
    "Layer",
    "in_season",
    "landcover_layer",
    "landsat_layers",
    "radar_layers",
    "seed_of",
    "sentinel2_layers",
]

Floats = npt.NDArray[np.float32]

_PATH = np.array([.09, .08, .05, .035, .03, .025, .02, .018, .015, .012, .006, .003], np.float32)  # fmt: skip
"""Reflectance of haze by band."""
_CLOUD = np.array([.62, .60, .60, .61, .62, .63, .63, .64, .64, .40, .45, .35], np.float32)  # fmt: skip
_SHADE = np.array([.45, .48, .55, .60, .62, .66, .67, .68, .69, .69, .72, .74], np.float32)  # fmt: skip
"""Share of the reflectance that a full shadow takes; the blue sky still lights the ground."""
_LEAF = np.array([0, 0, -.05, -.25, 0, .15, .25, .25, .25, .25, -.1, -.15], np.float32)  # fmt: skip
"""What full summer does to a green canopy, relative."""
METRES = (
    dict.fromkeys(BANDS, 10) | dict.fromkeys(("B05", "B06", "B07", "B8A", "B11", "B12"), 20) | {"B01": 60, "B09": 60}
)


_LOOKS = 4.4
"""Of the speckle: those of a Sentinel-1 GRD."""

Layer = tuple[npt.NDArray[Any], GeoBox, float | None, float | None, float]
"""Values, grid, scale and offset that the item tells (or None), and the number that means no data."""
Layers = dict[str, Layer]
Mask = npt.NDArray[np.bool_]


def sentinel2_layers(spec: WorldSpec, ground: Ground, sky: Weather, one: Overpass) -> tuple[Layers, GeoBox, Mask]:
    """Return the files of an item by band, its grid of 10 m, and where on the ground's grid it has data."""
    scene, grid = _tile(_seen_from_above(ground, sky, one), one, ground.geobox)
    rng = np.random.default_rng(seed_of(spec.seed, one.day, one.tile, one.processed))
    told = (None, None) if one.says_offset is None else (0.0001, one.says_offset)
    layers: Layers = {}
    for band, values in zip(BANDS, scene, strict=True):
        numbers = _numbers(_coarser(values, METRES[band] // 10), one.offset, rng)
        layers[band] = (numbers, _grid_of(grid, METRES[band]), *told, 0)
    layers |= _companions(spec, ground, sky, one, scene)
    seen = _warped(np.isfinite(scene[1]).astype(np.uint8), grid, ground.geobox, Resampling.nearest).astype(bool)
    return {band: layer for band, layer in layers.items() if band not in one.missing}, grid, seen


def _numbers(reflectance: Floats, offset: int, rng: np.random.Generator) -> npt.NDArray[np.uint16]:
    """Add the sensor's noise and count in steps of 0.0001; 0 = no data."""
    noise = rng.standard_normal(reflectance.shape, np.float32) * (0.0004 + 0.003 * reflectance)
    numbers = np.rint((reflectance + noise) * 10_000 + offset)
    return np.where(np.isfinite(reflectance), np.clip(numbers, 1, 65_535), 0).astype(np.uint16)


def _companions(spec: WorldSpec, ground: Ground, sky: Weather, one: Overpass, scene: Floats) -> Layers:
    """Classes, aerosol and, where wanted, the probability of clouds, at 20 m."""
    parts = [_tile(layer[None], one, ground.geobox) for layer in (sky.cloud, sky.shadow, sky.haze)]
    flat, grid = Weather(*(part[0][0] for part in parts)), parts[0][1]
    cover = np.asarray(_warped(ground.cover, ground.geobox, grid, Resampling.nearest), np.uint8)
    half = _grid_of(grid, 20)
    layers: Layers = {
        "SCL": (_classes(flat, cover, np.isfinite(scene[1])), half, None, None, 0),
        "AOT": (_filled((0.1 + flat.haze) * 1000, np.uint16), half, 0.001, 0.0, 0),
    }
    if spec.cloud_probability:
        layers["CLD"] = (_filled(flat.cloud * 100, np.uint8), half, None, None, 0)
    return layers


def in_season(ground: Ground, season: float) -> Floats:
    """Return the ground's reflectance (band, y, x) with its green canopy as in winter (-1) to full summer (1)."""
    red, nir = ground.bands[3], ground.bands[7]
    leaf = np.clip(((nir - red) / (nir + red) - 0.2) / 0.5, 0, 1) * np.float32(season)
    return np.asarray(ground.bands * (1 + _LEAF[:, None, None] * leaf), np.float32)


def radar_layers(spec: WorldSpec, ground: Ground, day: str) -> Layers:
    """Return gamma nought of VV and VH, linear power with speckle."""
    rng = np.random.default_rng(seed_of(spec.seed, "radar", day))
    power = backscatter(ground)
    seen = power * rng.gamma(_LOOKS, 1 / _LOOKS, power.shape).astype(np.float32)
    return {name: (seen[i], ground.geobox, None, None, -32768) for i, name in enumerate(("VV", "VH"))}


def landcover_layer(ground: Ground, bbox: tuple[float, float, float, float]) -> Layers:
    """Return the cover in geographic coordinates, as ESA has it."""
    step = 1 / 12_000
    west, south, east, north = (round(edge / step) * step for edge in bbox)
    shape = (round((north - south) / step), round((east - west) / step))
    grid = GeoBox(shape, Affine(step, 0, west, 0, -step, north), "EPSG:4326")
    return {"map": (_warped(ground.cover, ground.geobox, grid, Resampling.nearest), grid, None, None, 0)}


def landsat_layers(ground: Ground, sky: Weather, one: Overpass) -> Layers:
    """Return surface reflectance of 30 m as Collection 2 scales it, with its quality bits."""
    grid, scene = ground.geobox.zoom_out(3), _seen_from_above(ground, sky, one)
    layers: Layers = {}
    for number, band in enumerate(("B01", "B02", "B03", "B04", "B8A", "B11", "B12"), start=1):
        numbers = np.rint((_coarser(scene[BANDS.index(band)], 3) + 0.2) / 0.0000275)
        layers[f"B{number}"] = (np.clip(numbers, 1, 65_535).astype(np.uint16), grid, 0.0000275, -0.2, 0)
    cloud, shadow = (_coarser(layer, 3) for layer in (sky.cloud, sky.shadow))
    water = ground.cover[1::3, 1::3] == 80
    bits = np.select([cloud > 0.3, shadow > 0.3], [1 << 3, 1 << 4], 1 << 6) | (water << 7)
    return layers | {"QA_PIXEL": (bits.astype(np.uint16), grid, None, None, 1)}


def _seen_from_above(ground: Ground, sky: Weather, one: Overpass) -> Floats:
    """Reflectance (band, y, x) of a day on the ground's grid; NaN beyond the swath."""
    bands = in_season(ground, one.season)
    bands = bands * (1 - 0.3 * sky.haze) + _PATH[:, None, None] * sky.haze
    bands = bands * (1 - _SHADE[:, None, None] * sky.shadow)
    bands = bands * (1 - sky.cloud) + _CLOUD[:, None, None] * sky.cloud
    height, width = bands.shape[1:]
    edge = one.swath * width * (1 - 0.5 * np.arange(height) / height)
    bands[:, np.arange(width) < edge[:, None]] = np.nan
    return np.asarray(bands, np.float32)


def _tile(scene: Floats, one: Overpass, grid: GeoBox) -> tuple[Floats, GeoBox]:
    """Cut the columns that the tile covers, on its own grid."""
    first, last = (round(share * grid.shape[1] / 12) * 12 for share in one.columns)
    cut, own = scene[:, :, first:last], grid[:, first:last]
    if one.epsg is None:
        return cut, own
    target = _aligned(own.to_crs(f"EPSG:{one.epsg}", resolution=10))
    return _warped(cut, own, target, Resampling.cubic), target


def _aligned(grid: GeoBox) -> GeoBox:
    """A grid of whole cells of 60 m around another."""
    box = grid.boundingbox
    left, top = box.left // 60 * 60, -(-box.top // 60) * 60
    shape = (-(-int(top - box.bottom) // 120) * 12, -(-int(box.right - left) // 120) * 12)
    return GeoBox(shape, Affine(10, 0, left, 0, -10, top), grid.crs)


def _warped(values: npt.NDArray[Any], source: GeoBox, target: GeoBox, how: Resampling) -> npt.NDArray[Any]:
    empty = np.nan if values.dtype.kind == "f" else 0
    out = np.full((*values.shape[:-2], *target.shape), empty, values.dtype)
    reproject(
        values, out, src_transform=source.affine, src_crs=f"EPSG:{source.crs.epsg}", src_nodata=empty,
        dst_transform=target.affine, dst_crs=f"EPSG:{target.crs.epsg}", dst_nodata=empty, resampling=how,
    )  # fmt: skip
    return out


def _filled(values: Floats, dtype: type) -> npt.NDArray[Any]:
    return np.nan_to_num(np.rint(_coarser(values, 2))).astype(dtype)


def _coarser(values: Floats, step: int) -> Floats:
    height, width = values.shape
    cells = values.reshape(height // step, step, width // step, step)
    return np.asarray(cells.mean((1, 3)), np.float32)


def _grid_of(grid: GeoBox, metres: int) -> GeoBox:
    return grid if metres == 10 else grid.zoom_out(metres / 10)


def _classes(sky: Weather, cover: npt.NDArray[np.uint8], seen: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    """Scene classification of 20 m: like the real one it overlooks the thin edges of clouds and shadows."""
    cloud, shadow, whole = (_coarser(values.astype(np.float32), 2) for values in (sky.cloud, sky.shadow, seen))
    cover = cover[::2, ::2]
    ground = np.select([cover == 80, cover == 10, cover == 40], [6, 4, 4], 5)
    kinds = [whole < 1, cloud > 0.7, cloud > 0.35, cloud > 0.2, shadow > 0.4]
    return np.select(kinds, [0, 9, 8, 10, 3], ground).astype(np.uint8)


def seed_of(*words: object) -> int:
    """Return a number that is the same wherever the words are."""
    return int.from_bytes(hashlib.sha256(repr(words).encode()).digest()[:4], "little")
