"""The rasters that runs and maps write, window by window: superpixels, and a model's map."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from odc.geo.geobox import GeoBox

from citygrain.errors import InputError
from citygrain.files import make_folder
from citygrain.maps.applicability import Applicability
from citygrain.maps.map_writer import MapWriter, SetFiles
from citygrain.maps.predict import BLOCK, Listener, Marker, predict_windows
from citygrain.models.classifier import Classifier, Embedder
from citygrain.scene.codes import open_codes
from citygrain.scene.cog_writer import CogWriter
from citygrain.segments.slic import stream_superpixels
from citygrain.tessellation import value_table
from citygrain.tiles import Engine, Progress, Tile, processors
from citygrain.workflows.units import Units, strip_tiles

__all__ = ["copy_segments", "count_codes", "write_applicability", "write_dissimilarity", "write_map", "write_segments"]

DISSIMILARITY, APPLICABLE = "dissimilarity.tif", "applicable.tif"
"""Files of how unlike the training rows each pixel is, and of where that is too much."""


def write_segments(
    path: Path,
    features: xr.DataArray,
    *,
    n_segments: int | None = None,
    area_ha: float | None = None,
    area_pixels: float | None = None,
    compactness: float = 0.1,
    iterations: int = 10,
    memory: int | None = None,
    engine: "Engine | None" = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Cut a scene into superpixels and write their labels as a COG; see `citygrain.segments.slic.stream_superpixels`.

    Where `memory` (bytes) is too little, a file beside `path` holds the scene's quantised features meanwhile.
    """
    make_folder(path.parent)
    with CogWriter(path, features.odc.geobox, np.int32, nodata=0, band_names=["superpixel"]) as target:
        return stream_superpixels(
            features,
            lambda rows, columns, labels: target.write((rows, columns), labels),
            n_segments=n_segments,
            area_ha=area_ha,
            area_pixels=area_pixels,
            compactness=compactness,
            iterations=iterations,
            memory=memory,
            scratch=path.parent,
            engine=engine,
            progress=progress,
        )


def copy_segments(labels: xr.DataArray, path: Path) -> None:
    """Write superpixel labels (y, x), lazy or not, as `write_segments` does."""
    with CogWriter(path, labels.odc.geobox, np.int32, nodata=0, band_names=["superpixel"]) as target:
        for tile in strip_tiles(labels.shape):
            target.write(tile, labels.variable[tile.slices].values.astype(np.int32))


def write_map(
    path: Path,
    features: xr.DataArray,
    units: Units,
    model: Classifier,
    *,
    marker: Marker | None = None,
    sets: bool = False,
    listener: Listener | None = None,
    memory: int | None = None,
    engine: "Engine | None" = None,
    progress: Progress | None = None,
) -> None:
    """Map a scene with a model and write codes, styles and confidence; see `citygrain.maps.predict.predict_windows`.

    Where `marker` gives sets of classes, their size is written too, and with `sets` what is in them. `memory` (bytes)
    bounds the blocks that are worked on at a time. Without an engine a forest judges with all processors; a network has
    threads of its own.
    """
    kept: SetFiles = "none" if marker is None else "all" if sets else "size"
    chosen = _threads(model, len(features), memory) if engine is None else engine
    windows = predict_windows(
        features, units, model, marker=marker, listener=listener, engine=chosen, progress=progress
    )
    with MapWriter(path, units.geobox, model.card.legend, sets=kept) as target:
        for window in windows:
            target.write(window)


def _threads(model: Classifier, bands: int, memory: int | None) -> int:
    """Return how many threads may judge blocks, each with a window of the scene and what it is computed from."""
    if model.card.kind != "forest":
        return 1
    each = 16 * bands * BLOCK**2
    return processors() if memory is None else max(1, min(processors(), memory // each))


def write_applicability(
    folder: Path,
    features: xr.DataArray,
    units: Units,
    model: Classifier,
    known: Applicability,
    *,
    progress: Progress | None = None,
) -> None:
    """Write how unlike the training rows each pixel is, and where that is too much, window by window.

    ``dissimilarity.tif`` holds the index (float32, NaN = no data), ``applicable.tif`` 1 = inside and 2 = outside the
    area of applicability (uint8, 0 = no data).

    Raises
    ------
    InputError
        If the model does not tell what it decides on.
    """
    if not isinstance(model, Embedder):
        raise InputError("a model that does not tell what it decides on", wanted="a forest or a network")
    index, rows, done = np.full(len(units), np.nan, np.float32), units.rows(features), 0
    for _, numbers in units.blocks(BLOCK):
        if numbers.size:
            near = rows.subset(numbers).loaded()
            index[numbers] = known.dissimilarity(model.embed(near[:] if len(rows.shape) == 2 else near))
        done += numbers.size
        if progress:
            progress(done, len(units))
    table = value_table(units, index)
    strips = ((tile, units.spread(table, tile)) for tile in strip_tiles(tuple(units.geobox.shape)))
    write_dissimilarity(folder, strips, units.geobox, known.threshold)


def write_dissimilarity(
    folder: Path, windows: Iterable[tuple[Tile, npt.NDArray[np.float32]]], geobox: GeoBox, threshold: float
) -> None:
    """Write the files of `write_applicability` from windows of the index, each pixel of the grid once.

    Parameters
    ----------
    folder : Path
        Gets ``dissimilarity.tif`` and ``applicable.tif``.
    windows : iterable of (Tile, ndarray of float32)
        The dissimilarity index, NaN = no data.
    geobox : GeoBox
        The grid.
    threshold : float
        Largest index that is inside.
    """
    words = {1: "applicable", 2: "not applicable"}
    colors = {1: (169, 203, 226, 255), 2: (213, 94, 0, 255)}
    with (
        CogWriter(folder / DISSIMILARITY, geobox, np.float32, nodata=np.nan, band_names=["dissimilarity"]) as target,
        CogWriter(
            folder / APPLICABLE, geobox, np.uint8, nodata=0, band_names=["applicable"], names=words, colormap=colors
        ) as mask,
    ):
        for tile, values in windows:
            target.write(tile, values)
            inside = np.where(values <= threshold, 1, 2)
            mask.write(tile, np.where(np.isfinite(values), inside, 0).astype(np.uint8))


def count_codes(path: Path) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Count the pixels of each code in a map file, (256,)."""
    codes, counts = open_codes(path), np.zeros(256, np.int64)
    for tile in strip_tiles(codes.shape):
        counts += np.bincount(codes.variable[tile.slices].values.ravel(), minlength=256)
    return counts
