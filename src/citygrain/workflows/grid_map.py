"""Map a city in cells, or pixel by pixel, with a trained model: a published network, or one of the user's own.

Patches are cut, judged and forgotten batch by batch, so a map of any fineness needs little more memory than its scene.
Overlapping patches share no computation, though a network could run over the scene as a whole: each patch is padded
with zeros before every convolution. Without that padding Sen2LCZ-Net-MF is another function, which gives 73 to 75 % of
Berlin's cells the same label, and it is quicker only where the cells divide its poolings.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import xarray as xr

from citygrain.errors import InputError, ModelMismatchError
from citygrain.files import make_folder
from citygrain.grid_patches import GridPatches, GridRows
from citygrain.legend import LCZ
from citygrain.maps import smooth
from citygrain.maps.thematic_map import NO_SHARE, ThematicMap, share_numbers
from citygrain.models.card import ModelCard
from citygrain.models.classifier import Classifier
from citygrain.models.shelf import find_model
from citygrain.rows import LazyRows, PixelRows
from citygrain.sensors import light_seen_at
from citygrain.tessellation import Pixels, raster_like
from citygrain.tiles import Progress, tile_grid
from citygrain.workflows.grid_files import write_files, write_record
from citygrain.workflows.model_input import model_features

__all__ = ["Level", "map_grid", "maps_cells"]

_log = logging.getLogger(__name__)

Level = Literal["toa", "boa"]
"""Reflectance at the top of the atmosphere (Level-1C) or at the surface (Level-2A)."""

_CELL_M = 100.0
_BATCH = 4096  # cells between two reports of progress; the model reads their patches in smaller slices


@dataclass(frozen=True)
class _Judged:
    """What the model says of each cell of the grid, (..., y, x)."""

    codes: npt.NDArray[np.uint8]
    confidence: npt.NDArray[np.float32]
    shares: npt.NDArray[np.uint16] | None  # (k, y, x)


def maps_cells(card: ModelCard) -> bool:
    """Tell whether a model sees patches around cells, or pixels, and not superpixels or rows of a table."""
    sides = {"grid": 3, "cells": 3, "pixels": 1}
    return sides.get(card.preparation.get("tessellation", "grid")) == len(card.input_shape)


def map_grid(
    scenes: Sequence[xr.DataArray],
    model: Classifier | Path | str,
    folder: Path,
    *,
    grid: float | None = None,
    lcz_filter: bool = True,
    probabilities: bool = False,
    kmz: bool = True,
    level: Level | None = None,
    progress: Progress | None = None,
) -> ThematicMap:
    """Map a city in cells, each labelled by the patch centred on it, and write the map into a folder.

    Beyond the scenes and the libraries it holds about 100 MB for the patches under way and at most 60 bytes for each
    cell, 35 more if `probabilities` are asked for: for 40 x 40 km that is 10 MB in cells of 100 m, 1 GB in cells of
    10 m. A scene whose bands are not exactly the model's is copied once. Nothing is written before all cells are
    judged.

    Parameters
    ----------
    scenes : sequence of DataArray, (band, y, x)
        One date or several on one grid. A cell's probabilities are averaged over the dates on which it has data,
        unless the model was trained on several dates side by side.
        Bands that the model does not use are left out.
    model : Classifier, Path or str
        A model of patches or pixels, its folder, or the name of a published one.
    folder : Path
        Gets ``map.tif`` (Local Climate Zones: bands ``lcz`` and ``lczFilter``), ``map.qml``, ``map.clr``, ``map.kmz``,
        ``map.png``, ``confidence.tif``, ``map.json`` (what the map is made of) and perhaps ``probabilities.tif``.
    grid : float, optional
        Side of a cell in metres, a whole number of pixels. The model's own if not given, else 100.
    lcz_filter : bool
        Filter a map of Local Climate Zones (see `citygrain.maps.smooth.lcz_filter`).
    probabilities : bool
        Write the probability of every class.
    kmz : bool
        Write the map for Google Earth.
    level : {"toa", "boa"}, optional
        What the scenes' reflectance is. A model that was trained on top-of-atmosphere reflectance warns of any other.
    progress : callable, optional
        Called with (done, total) cells.

    Raises
    ------
    InputError
        If the dates differ in grid, the pixels are not metres, or the cells are no whole number of pixels.
    ModelMismatchError
        If bands, units or pixel size are not those that the model was trained on.
    OutputError
        If a file cannot be written.
    """
    make_folder(folder)
    classifier = find_model(model) if isinstance(model, (str, Path)) else model
    card = classifier.card
    if not maps_cells(card):
        what = card.preparation.get("tessellation", "rows")
        raise ModelMismatchError(f"a model of {what}", wanted="a model of patches or pixels")
    dates = model_features(scenes, card)
    level = _level(scenes, level)
    _warn_of_level(card, level)
    stride = _stride(dates[0], card, grid)
    cells = [_units(date, card, stride) for date in dates]
    judged = _judge(dates, cells, classifier, shares=probabilities, progress=progress)
    city = _assembled(judged, cells[0], card, filtered=lcz_filter)
    write_files(city, judged.shares, folder, kmz=kmz)
    write_record(folder / "map.json", city, card, scenes, stride=stride, level=level)
    return city


def _level(scenes: Sequence[xr.DataArray], given: Level | None) -> Level | None:
    """Return where the scenes' light was seen: as they say themselves, else as it is given."""
    said = {light_seen_at(str(scene.attrs.get("level", ""))) for scene in scenes} - {""}
    if len(said) > 1:
        raise InputError("scenes of the surface and of the top of the atmosphere", wanted="dates of one level")
    if not said:
        return given
    level: Level = "boa" if said == {"surface"} else "toa"
    if given not in (None, level):
        came = f"--level {given} for a scene of {scenes[0].attrs['level']}"
        raise InputError(came, wanted=f"--level {level}, or none", mend="leave it out: the scene says it itself")
    return level


def _warn_of_level(card: ModelCard, level: Level | None) -> None:
    if card.origin.get("level") != "top-of-atmosphere" or level == "toa":
        return
    came = "the scene is surface reflectance" if level == "boa" else "the scene is not said to be that"
    effect = card.origin.get("level_effect")
    _log.warning(
        "%s was trained on top-of-atmosphere reflectance (Level-1C) and %s%s; %s",
        card.origin.get("name", "the model"),
        came,
        f": {effect}" if effect else "",
        "use a Level-1C scene" if level == "boa" else "if it is Level-1C, say so with --level toa",
    )


def _stride(scene: xr.DataArray, card: ModelCard, grid: float | None) -> int:
    pixel = abs(float(scene.odc.geobox.resolution.x))
    own = card.preparation.get("cell_m", _CELL_M) if len(card.input_shape) == 3 else pixel
    side = float(own) if grid is None else grid
    stride = round(side / pixel) if np.isfinite(side) else 0
    if stride < 1 or abs(stride * pixel - side) > 1e-3 * pixel:
        raise InputError(
            f"cells of {side:g} m on pixels of {pixel:g} m",
            wanted=f"a multiple of {pixel:g} m",
            mend=f"set --grid {max(1, stride) * pixel:g}",
        )
    return stride


def _units(date: xr.DataArray, card: ModelCard, stride: int) -> GridPatches | Pixels:
    if len(card.input_shape) == 3:
        return GridPatches.of(date, size=card.input_shape[1], stride=stride)
    if stride != 1:
        raise InputError(f"cells of {stride} pixels for a model of pixels", wanted="no --grid and no --stride")
    return Pixels.of(date)


def _judge(
    dates: Sequence[xr.DataArray],
    cells: Sequence[GridPatches | Pixels],
    model: Classifier,
    *,
    shares: bool,
    progress: Progress | None,
) -> _Judged:
    """Average each cell's probabilities over the dates on which it has data, strip by strip of the grid."""
    legend, (height, width) = model.card.legend, cells[0].geobox.shape
    for date in dates:
        names, units = [str(name) for name in date.band.values], str(date.attrs.get("units", ""))
        model.card.check(names, units, level=str(date.attrs.get("level", "")))
    rows = [each.gather(date) for each, date in zip(cells, dates, strict=True)]
    judged = _Judged(
        np.zeros((height, width), np.uint8),
        np.full((height, width), np.nan, np.float32),
        np.full((len(legend), height, width), NO_SHARE, np.uint16) if shares else None,
    )
    for strip in tile_grid((height, width), (max(1, _BATCH // width), width)):
        probabilities = _average(rows, [each.parts(strip) for each in cells], model)  # (strip, width, k)
        there = np.isfinite(probabilities[..., 0])
        judged.codes[strip.slices] = legend.codes(np.where(there, probabilities.argmax(-1), -1))
        judged.confidence[strip.slices] = probabilities.max(-1)
        if judged.shares is not None:
            judged.shares[:, *strip.slices] = share_numbers(probabilities).transpose(2, 0, 1)
        if progress:
            progress((strip.row + strip.height) * width, height * width)
    return judged


def _average(
    rows: Sequence[GridRows | PixelRows], parts: Sequence[npt.NDArray[np.int64]], model: Classifier
) -> npt.NDArray[np.float32]:
    """Return the mean probabilities of cells over the dates that have them, (y, x, k); NaN where none has."""
    total = np.zeros((*parts[0].shape, len(model.card.legend)), np.float32)
    dates = np.zeros(parts[0].shape, np.float32)
    for each, part in zip(rows, parts, strict=True):
        there = part >= 0
        if there.any():
            # Patches stay uncut until the model reads them, slice by slice; pixels are small.
            chosen = each.subset(part[there]) if isinstance(each, LazyRows) else each[part[there]]
            total[there] += model.predict_proba(chosen)
            dates += there
    return np.where(dates[..., None] > 0, total / np.maximum(dates, 1)[..., None], np.float32(np.nan))


def _assembled(judged: _Judged, cells: GridPatches | Pixels, card: ModelCard, *, filtered: bool) -> ThematicMap:
    codes, geobox = raster_like(judged.codes, cells.geobox), cells.geobox
    smoothed = None
    if filtered and card.legend == LCZ:
        smoothed = raster_like(smooth.lcz_filter(judged.codes, abs(float(geobox.resolution.x))), geobox)
    return ThematicMap(codes, raster_like(judged.confidence, geobox), card.legend, smoothed)
