"""Map a city in cells, or pixel by pixel, with a trained model: a published network, or one of the user's own.

Patches are cut, judged and forgotten batch by batch, so a map of any fineness needs little more memory than its scene.
Overlapping patches share no computation, though a network could run over the scene as a whole: each patch is padded
with zeros before every convolution. Without that padding Sen2LCZ-Net-MF is another function, which gives 73 to 75 % of
Berlin's cells the same label, and it is quicker only where the cells divide its poolings.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr

from citygrain.errors import InputError, ModelMismatchError
from citygrain.files import make_folder
from citygrain.grid_patches import GridPatches
from citygrain.legend import LCZ
from citygrain.maps import smooth
from citygrain.maps.applicability import Applicability
from citygrain.maps.map_writer import write_sets
from citygrain.maps.thematic_map import ThematicMap
from citygrain.models.card import CARD, ModelCard
from citygrain.models.classifier import Classifier
from citygrain.models.shelf import find_model
from citygrain.pixel_context import PixelContext
from citygrain.sensors import light_seen_at
from citygrain.tessellation import Pixels, raster_like
from citygrain.tiles import Engine, Progress
from citygrain.workflows.mapping.grid_files import write_files, write_record
from citygrain.workflows.mapping.grid_judging import (
    GridCells,
    GridJob,
    JudgedGrid,
    dissimilarity_of,
    judge_grid,
    strips_of,
)
from citygrain.workflows.mapping.ground import clear_trust, refuse_what_is_not_kept, tell_of_ground
from citygrain.workflows.mapping.model_input import context_of, model_features
from citygrain.workflows.rasters import write_dissimilarity
from citygrain.workflows.trust import known_ground, set_rule

__all__ = ["Level", "map_grid", "maps_cells"]

_log = logging.getLogger(__name__)

Level = Literal["toa", "boa"]
"""Reflectance at the top of the atmosphere (Level-1C) or at the surface (Level-2A)."""

_CELL_M = 100.0


def maps_cells(card: ModelCard) -> bool:
    """Tell whether a model sees patches around cells, or pixels, and not superpixels or rows of a table."""
    sides = {"grid": 3, "cells": 3, "pixels": 1}
    return sides.get(card.preparation.get("tessellation", "grid")) == len(card.input_shape)


def map_grid(
    scenes: Sequence[xr.DataArray],
    model: Classifier | Path | str,
    folder: Path,
    *,
    kept: Path | None = None,
    grid: float | None = None,
    lcz_filter: bool = True,
    probabilities: bool = False,
    sets: bool = False,
    applicability: bool = False,
    kmz: bool = True,
    level: Level | None = None,
    engine: Engine = 1,
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
        ``map.png``, ``confidence.tif``, ``map.json`` (what the map is made of) and perhaps ``probabilities.tif``;
        ``set_size.tif`` if the model was calibrated, ``applicability.json`` if its folder tells what its training
        rows were like.
    kept : Path, optional
        The folder of a model that is given as it was loaded.
    grid : float, optional
        Side of a cell in metres, a whole number of pixels. The model's own if not given, else 100.
    lcz_filter : bool
        Filter a map of Local Climate Zones (see `citygrain.maps.smooth.lcz_filter`).
    probabilities : bool
        Write the probability of every class.
    sets : bool
        Write ``sets.tif``: which classes each cell may be, as a bit mask. Of several dates they are the sets of the
        averaged probabilities.
    applicability : bool
        Write ``dissimilarity.tif`` and ``applicable.tif``, see `citygrain.workflows.rasters.write_applicability`. Of
        several dates the one that is least like the training counts.
    kmz : bool
        Write the map for Google Earth.
    level : {"toa", "boa"}, optional
        What the scenes' reflectance is. A model that was trained on top-of-atmosphere reflectance warns of any other.
    engine : int or distributed.Client
        Number of threads, or a client of a cluster, that judge the cells. The map is the same.
    progress : callable, optional
        Called with (done, total) cells.

    Raises
    ------
    InputError
        If the dates differ in grid, the pixels are not metres, or the cells are no whole number of pixels; if sets or
        applicability are asked of a model that did not keep what they need, or was not given by its folder.
    ModelMismatchError
        If bands, units or pixel size are not those that the model was trained on.
    OutputError
        If a file cannot be written.
    """
    classifier, known = _found(model, kept)
    card = classifier.card
    if not maps_cells(card):
        what = card.preparation.get("tessellation", "rows")
        raise ModelMismatchError(f"a model of {what}", wanted="a model of patches or pixels")
    rule = set_rule(card)
    refuse_what_is_not_kept(card, rule, known, sets=sets, applicability=applicability)
    dates = model_features(scenes, card)
    level = _level(scenes, level)
    _warn_of_level(card, level)
    stride = _stride(dates[0], card, grid)
    cells = [_units(date, card, stride) for date in dates]
    job = GridJob(dates, cells, classifier)
    make_folder(folder)  # nothing is left where something above was refused
    marker = rule.masks if rule else None
    judged = judge_grid(job, shares=probabilities, marker=marker, engine=engine, progress=progress)
    city = _assembled(judged, cells[0], card, filtered=lcz_filter)
    write_files(city, judged.shares, folder, kmz=kmz)
    clear_trust(folder)
    trust: dict[str, Any] = {}
    if rule is not None and judged.marks is not None:
        write_sets(folder / "map.tif", judged.marks, city.geobox, card.legend, sets="all" if sets else "size")
        trust["sets"] = rule.to_dict()
    if known is not None:
        trust["share_outside"] = _write_ground(folder, job, known, everywhere=applicability)
    write_record(folder / "map.json", city, card, scenes, stride=stride, level=level, trust=trust)
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


def _found(model: Classifier | Path | str, kept: Path | None) -> tuple[Classifier, Applicability | None]:
    """Return a model and, where its folder is given, what its training rows were like."""
    if isinstance(model, (str, Path)):
        kept, model = Path(model), find_model(model)
    return model, known_ground(kept) if kept is not None and (kept / CARD).is_file() else None


def _write_ground(folder: Path, job: GridJob, known: Applicability, *, everywhere: bool) -> float:
    """Say and write how much of the map is unlike the training rows, and with `everywhere` where; return the share."""
    index = dissimilarity_of(job, known, everywhere=everywhere)
    if everywhere:
        strips = ((strip, index[strip.slices]) for strip in strips_of(job.shape))
        write_dissimilarity(folder, strips, job.cells[0].geobox, known.threshold)
    looked = index[np.isfinite(index)]
    return tell_of_ground(folder, looked, np.ones(looked.size, np.int64), known)


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


def _units(date: xr.DataArray, card: ModelCard, stride: int) -> GridCells:
    if len(card.input_shape) == 3:
        return GridPatches.of(date, size=card.input_shape[1], stride=stride)
    if stride != 1:
        raise InputError(f"cells of {stride} pixels for a model of pixels", wanted="no --grid and no --stride")
    window = context_of(card)
    return Pixels.of(date) if window == 1 else PixelContext.of(date, window=window)


def _assembled(judged: JudgedGrid, cells: GridCells, card: ModelCard, *, filtered: bool) -> ThematicMap:
    codes, geobox = raster_like(judged.codes, cells.geobox), cells.geobox
    smoothed = None
    if filtered and card.legend == LCZ:
        smoothed = raster_like(smooth.lcz_filter(judged.codes, abs(float(geobox.resolution.x))), geobox)
    return ThematicMap(codes, raster_like(judged.confidence, geobox), card.legend, smoothed)
