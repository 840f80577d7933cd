"""The layers of a report that can be explored, within a budget: what is given up to keep it is said."""

import numpy as np
import numpy.typing as npt
import xarray as xr

from citygrain.report.display import natural_bands, stretch, stretched_bands
from citygrain.report.pyramid import TILE, Pyramid, code_pyramid, label_pyramid, level_shapes, picture_pyramid
from citygrain.tiles import Tile, map_tiles, processors, tile_grid

__all__ = ["percent_codes", "scene_layer", "unit_layers"]

_STEPS = ((0, 90), (0, 80), (0, 62), (0, 45), (1, 80), (1, 55), (2, 70), (3, 60))
"""Finest level and JPEG quality of the scene, from the best to the smallest."""
_POOR = 62
"""JPEG quality up to which the loss can be seen."""

Codes = npt.NDArray[np.uint8]


def percent_codes(confidence: npt.NDArray[np.float32]) -> Codes:
    """Return whole per cents, 255 = no data, by rows to spare memory."""
    percent = np.empty(confidence.shape, np.uint8)
    for top in range(0, len(percent), TILE):
        part = 100 * confidence[top : top + TILE]
        percent[top : top + TILE] = np.where(np.isfinite(part), np.rint(np.nan_to_num(part)), 255)
    return percent


def unit_layers(
    rasters: dict[str, Codes], segments: npt.NDArray[np.int32] | None, budget: int
) -> tuple[dict[str, Pyramid], list[str]]:
    """Pack map, reference, confidence and split, and the superpixels where there are any.

    Where they are too large, the confidence goes in steps of 5 per cent, then all go in every second pixel, or fewer.

    Parameters
    ----------
    rasters : dict of str to ndarray of uint8, (h, w)
        ``confidence`` among them, in per cent, 255 = no data.
    segments : ndarray of int32, (h, w), or None
        Superpixel labels.
    budget : int
        Characters.

    Returns
    -------
    layers : dict of str to Pyramid
        Under the names of `rasters`, and ``label``.
    notes : list of str
        What was given up, in plain words.
    """
    layers = _packed(rasters, segments, 0)
    if _total(layers) <= budget:
        return layers, []
    notes = ["Confidence is shown in steps of 5 per cent, to keep this file small."]
    percent = rasters["confidence"]
    rasters = rasters | {"confidence": np.where(percent == 255, percent, (percent + 2) // 5 * 5).astype(np.uint8)}
    layers["confidence"] = code_pyramid(rasters["confidence"])
    base, coarsest = 0, len(level_shapes((percent.shape[0], percent.shape[1]))) - 1
    while _total(layers) > budget and base < coarsest:
        base += 1
        layers = _packed(rasters, segments, base)
    if base:
        nth = "second" if base == 1 else f"{1 << base}th"
        notes.append(f"To keep this file small, map, reference and confidence are shown at every {nth} pixel.")
    return layers, notes


def _packed(rasters: dict[str, Codes], segments: npt.NDArray[np.int32] | None, base: int) -> dict[str, Pyramid]:
    layers = {name: code_pyramid(raster, base=base) for name, raster in rasters.items()}
    return layers if segments is None else layers | {"label": label_pyramid(segments, base=base)}


def _total(layers: dict[str, Pyramid]) -> int:
    return sum(layer.size for layer in layers.values())


def scene_layer(scene: xr.DataArray, budget: int) -> tuple[Pyramid, list[str]]:
    """Encode the scene as well as a budget allows; a sample of its tiles tells which steps need not be tried.

    Parameters
    ----------
    scene : DataArray, (band, y, x)
        The scene.
    budget : int
        Characters; the smallest step is taken whatever it needs.

    Returns
    -------
    layer : Pyramid
        JPEG tiles in natural colours.
    notes : list of str
        What was given up, in plain words.
    """
    picture = _picture(scene)
    some = _sampled(picture)
    coarsest = len(level_shapes((picture.shape[0], picture.shape[1]))) - 1
    *steps, smallest = [(min(base, coarsest), quality) for base, quality in _STEPS]
    for base, quality in steps:
        expected = picture_pyramid(some, quality=quality, base=base).size * picture.size / some.size
        if expected > 1.1 * budget:
            continue
        layer = picture_pyramid(picture, quality=quality, base=base)
        if layer.size <= budget:
            break
    else:
        base, quality = smallest
        layer = picture_pyramid(picture, quality=quality, base=base)
    if base:
        return layer, [f"To keep this file small, the scene is shown at {1 / 2**base:.3g} of its resolution."]
    poor = quality <= _POOR
    return layer, ["To keep this file small, the scene is stored as JPEG of low quality."] if poor else []


def _picture(scene: xr.DataArray) -> Codes:
    """Return the scene in natural colours, stretched as the report's figure is, (h, w, 3), made tile by tile."""
    bands, limits = stretched_bands(scene, natural_bands(scene))
    picture = np.empty((*scene.shape[1:], 3), np.uint8)
    grid = tile_grid((picture.shape[0], picture.shape[1]), TILE)

    def paint(tile: Tile) -> None:
        picture[tile.slices] = stretch(bands[(slice(None), *tile.slices)].values.astype(np.float32), limits)

    map_tiles(paint, grid, engine=processors())
    return picture


def _sampled(picture: Codes) -> Codes:
    """Return tiles from all over a large picture, side by side, (h, w, 3)."""
    grid = tile_grid((picture.shape[0], picture.shape[1]), TILE)
    whole = [tile for tile in grid if (tile.height, tile.width) == (TILE, TILE)]
    if len(whole) < 9:
        return picture
    return np.concatenate([picture[tile.slices] for tile in whole[:: len(whole) // 5]], axis=1)
