"""A synthetic city with known truth: what `citygrain demo` maps, and what tests measure against.

Real references are wrong in places, so a real scene cannot say how wrong a map is. Here the truth is known, and a
reference that is coarser and partly wrong stands beside it, so that both scores can be told apart. The scene is made as
a sensor makes it: 5-m cells of single materials, mixed by the point-spread function, six bands at 20 m, noise.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr
from numpy.random import SeedSequence
from odc.geo.geobox import GeoBox
from odc.geo.xr import xr_coords
from scipy import ndimage

from citygrain.errors import InputError
from citygrain.legend import URBAN, Legend
from citygrain.scene.synthetic_materials import (
    BANDS,
    COARSE_BANDS,
    OBJECT_SPREAD,
    SPECTRA,
    TEXTURE,
    Cover,
    cover_classes,
)
from citygrain.scene.synthetic_paint import Canvas, paint_tile
from citygrain.scene.synthetic_plan import Plan, draw_plan
from citygrain.tiles import Tile, map_tiles, tile_grid

__all__ = ["SyntheticCity", "synthetic_city"]

Floats = npt.NDArray[np.float32]
Codes = npt.NDArray[np.uint8]

_GROWS = np.isin(np.arange(9), [Cover.GREEN_CROP, Cover.BARE_CROP, Cover.MEADOW]).astype(np.float32)
"""Covers whose brightness follows the soil below."""
_THREADS = 2
"""Windows are drawn each from its own seed, so the number of threads changes nothing but the time."""
_COLUMNS = np.ascontiguousarray(SPECTRA.T)
"""Reflectance (band, material)."""
_TILE = 128
"""Pixels painted at a time: small enough for the processor's cache, and part of the recipe of a city."""


@dataclass(frozen=True)
class SyntheticCity:
    """A scene, its truth, and a reference such as one would have.

    Attributes
    ----------
    scene : DataArray of float32, (band, y, x)
        Surface reflectance of ten Sentinel-2 bands.
    truth : DataArray of uint8, (y, x)
        Majority land cover of each pixel's footprint, codes of `legend`. Gardens of built plots are urban.
    reference : DataArray of uint8, (y, x)
        The truth as a coarser product would have it: majority of 3 x 3 pixels, and wrong in patches.
    legend : Legend
        Urban, crop, vegetation, water.
    """

    scene: xr.DataArray
    truth: xr.DataArray
    reference: xr.DataArray
    legend: Legend


def synthetic_city(
    shape: tuple[int, int] = (1024, 1024),
    *,
    seed: int = 0,
    resolution_m: float = 10.0,
    reference_error: float = 0.06,
) -> SyntheticCity:
    """Make a city of streets, blocks, suburbs, industry, parks, river, lakes, fields and forest.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns, each at least 16.
    seed : int
        The same seed gives the same city.
    resolution_m : float
        Pixel size in metres; bands that Sentinel-2 samples at 20 m have half the resolution of the others.
    reference_error : float
        Share of the reference's cells that are wrong beyond what its coarseness makes wrong, 0 to 0.5.

    Returns
    -------
    SyntheticCity
        In EPSG:32633, reflectance in steps of 0.0001 as in Level-2A products.

    Raises
    ------
    InputError
        If the shape is smaller than 16 x 16 or the error share is not within 0 to 0.5.

    Examples
    --------
    >>> city = synthetic_city((64, 96), seed=1)
    >>> city.scene.shape, city.scene.dtype.name, city.legend.names
    ((10, 64, 96), 'float32', ('Urban', 'Crop', 'Vegetation', 'Water'))
    """
    if min(shape) < 16:
        raise InputError(f"a synthetic city of {shape[0]} x {shape[1]} pixels", wanted="at least 16 x 16")
    if not 0 <= reference_error <= 0.5:
        raise InputError(f"reference_error {reference_error}", wanted="a share from 0 to 0.5")
    plan_seed, paint_seed, sensor_seed, error_seed = SeedSequence(seed).spawn(4)
    size_m = (shape[0] * resolution_m, shape[1] * resolution_m)
    plan = draw_plan(size_m, np.random.Generator(np.random.PCG64(plan_seed)))
    bands, truth, cover = _paint(plan, shape, resolution_m, paint_seed)
    _observe(bands, sensor_seed)
    reference = _err(truth, cover, reference_error, np.random.Generator(np.random.PCG64(error_seed)))
    geobox = GeoBox.from_bbox(
        (385_000, 5_815_000 - size_m[0], 385_000 + size_m[1], 5_815_000),
        crs="EPSG:32633",
        shape=shape,
    )
    attrs = {"units": "reflectance", "sensor": "sentinel-2", "scale": 1.0, "offset": 0.0}
    coords = xr_coords(geobox)
    scene = xr.DataArray(
        bands,
        dims=("band", "y", "x"),
        coords={"band": list(BANDS), **coords},
        name="reflectance",
        attrs={**attrs, "source": f"synthetic city, seed {seed}"},
    )
    truth_map, reference_map = (
        xr.DataArray(codes, dims=("y", "x"), coords=coords, name=name)
        for codes, name in ((truth, "truth"), (reference, "reference"))
    )
    return SyntheticCity(scene, truth_map, reference_map, URBAN)


def _paint(plan: Plan, shape: tuple[int, int], resolution_m: float, seed: SeedSequence) -> tuple[Floats, Codes, Codes]:
    """Paint the cells window by window and mix 2 x 2 of them into each pixel: reflectance, truth, cover."""
    bands = np.empty((len(BANDS), *shape), np.float32)
    truth, cover = np.empty(shape, np.uint8), np.empty(shape, np.uint8)
    tiles = tile_grid(shape, _TILE)

    def paint(job: tuple[Tile, SeedSequence]) -> None:
        tile, own_seed = job
        rng, window = np.random.Generator(np.random.PCG64(own_seed)), tile.slices
        cells = Tile(2 * tile.row, 2 * tile.column, 2 * tile.height, 2 * tile.width)
        canvas = paint_tile(plan, cells, resolution_m / 2, rng)
        truth[window], cover[window] = _majority(canvas.cover)
        visible, infrared = _brightness(plan, canvas, rng)
        material = canvas.material.astype(np.intp)
        for number, name in enumerate(BANDS):
            shine = visible if name < "B05" else infrared
            bands[number][window] = _mean(_COLUMNS[number].take(material) * shine)

    map_tiles(paint, list(zip(tiles, seed.spawn(len(tiles)), strict=True)), engine=_THREADS)
    return bands, truth, cover


def _mean(cells: Floats) -> Floats:
    """Average 2 x 2 cells."""
    rows = cells[0::2] + cells[1::2]
    return np.asarray((rows[:, 0::2] + rows[:, 1::2]) * np.float32(0.25))


def _brightness(plan: Plan, canvas: Canvas, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return factors of the visible and the infrared bands: object by object, within a field, and cell by cell."""
    material, thing = canvas.material.astype(np.intp), canvas.thing.astype(np.intp)
    spread, texture = OBJECT_SPREAD.take(material), TEXTURE.take(material)
    grain = 1 + texture * rng.standard_normal(canvas.material.shape, np.float32)
    bright = plan.dice[3].take(thing) * 2 - 1
    soil = canvas.soil * (np.float32(0.10) * _GROWS).take(canvas.cover)
    tint = (plan.dice[4].take(thing) * 2 - 1) * np.float32(0.5)
    visible = np.maximum(grain * (1 + spread * (bright + tint) + soil), np.float32(0.2))
    infrared = np.maximum(grain * (1 + spread * (bright - tint) - soil), np.float32(0.2))
    return visible, infrared


def _majority(cells: Codes) -> tuple[Codes, Codes]:
    """Return the class that most of 2 x 2 cells have (the lower code on a tie) and a cover of that class."""
    quarters = np.stack([cells[i::2, j::2] for i in (0, 1) for j in (0, 1)])
    classes = cover_classes()[quarters]
    votes = np.stack([(classes == code).sum(0, dtype=np.uint8) for code in range(1, 5)])
    truth = (votes.argmax(0) + 1).astype(np.uint8)
    first = (classes == truth).argmax(0)
    return truth, np.take_along_axis(quarters, first[None], 0)[0]


def _observe(bands: Floats, seed: SeedSequence) -> None:
    """Blur by the point-spread function, sample six bands at 20 m, add noise, round as a product does; in place."""

    def observe(job: tuple[Floats, str, SeedSequence]) -> None:
        image, name, own_seed = job
        rng = np.random.Generator(np.random.PCG64(own_seed))
        if name in COARSE_BANDS:
            padded = np.pad(image, [(0, n % 2) for n in image.shape], mode="edge")
            coarse = ndimage.gaussian_filter(_mean(padded), 0.45, mode="nearest", truncate=3)
            fine = np.repeat(np.repeat(_noisy(coarse, rng), 2, 0), 2, 1)
            image[:] = fine[: image.shape[0], : image.shape[1]]
        else:
            image[:] = _noisy(ndimage.gaussian_filter(image, 0.5, mode="nearest", truncate=3), rng)

    map_tiles(observe, list(zip(bands, BANDS, seed.spawn(len(BANDS)), strict=True)), engine=_THREADS)


def _noisy(image: Floats, rng: np.random.Generator) -> Floats:
    noise = rng.standard_normal(image.shape, np.float32) * (np.float32(0.0012) + np.float32(0.006) * image)
    counts = np.rint(np.maximum(image + noise, np.float32(0.0005)) * np.float32(10_000))
    return np.asarray(counts / np.float32(10_000), np.float32)


_MISTAKES = {
    Cover.FABRIC: (1, 0.0),
    Cover.GARDEN: (3, 0.55),
    Cover.PAVED: (1, 0.0),
    Cover.GREEN_CROP: (3, 0.45),
    Cover.BARE_CROP: (1, 0.60),
    Cover.PARK: (1, 0.75),
    Cover.MEADOW: (2, 0.60),
    Cover.FOREST: (2, 0.15),
    Cover.WATER: (3, 0.20),
}
"""What a reference takes each cover for (bare fields for urban, parks for urban, ...), and how readily."""


def _err(truth: Codes, cover: Codes, share: float, rng: np.random.Generator) -> Codes:
    """Return the reference: majority of 3 x 3 pixels off by one pixel, with the readiest mistakes in smooth patches."""
    height, width = truth.shape
    pads = [(1, 3 - (n + 1) % 3) for n in truth.shape]
    classes, covers = (np.pad(codes, pads, mode="edge") for codes in (truth, cover))
    rows, columns = classes.shape[0] // 3, classes.shape[1] // 3
    nine = classes.reshape(rows, 3, columns, 3)
    votes = np.stack([(nine == code).sum((1, 3), dtype=np.uint8) for code in range(1, 5)])
    coarse = (votes.argmax(0) + 1).astype(np.uint8)
    kind = covers[1::3, 1::3]
    taken_for, readiness = (np.array([_MISTAKES[c][part] for c in range(9)], np.float32) for part in (0, 1))
    smooth = ndimage.gaussian_filter(rng.standard_normal(coarse.shape), 5)
    fine = ndimage.gaussian_filter(rng.standard_normal(coarse.shape), 1.2)
    score = readiness[kind] + 0.35 * (smooth / smooth.std() + 0.7 * fine / fine.std())
    score[(readiness[kind] == 0) | (taken_for[kind] == coarse)] = -np.inf
    wrong = _highest(score, share)
    coarse[wrong] = taken_for[kind][wrong].astype(np.uint8)
    return np.repeat(np.repeat(coarse, 3, 0), 3, 1)[1 : height + 1, 1 : width + 1]


def _highest(score: npt.NDArray[np.float64], share: float) -> npt.NDArray[np.bool_]:
    """Return a mask of the `share` of cells with the highest finite scores."""
    number = min(round(share * score.size), int(np.isfinite(score).sum()))
    mask = np.zeros(score.size, bool)
    mask[np.argsort(-score, axis=None, kind="stable")[:number]] = True
    return mask.reshape(score.shape)
