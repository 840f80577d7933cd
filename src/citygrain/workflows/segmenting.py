"""Superpixels of a scene as a file, with figures of their quality; and the figure that helps to choose their size."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from citygrain.excerpt import Excerpt
from citygrain.features.stack import compute_features
from citygrain.report.figures import figure_sweep, save_figure
from citygrain.scene.codes import open_codes
from citygrain.segments.quality import SegmentQuality, explained_variation
from citygrain.segments.slic import superpixels
from citygrain.tiles import Engine, Progress
from citygrain.workflows.rasters import write_segments
from citygrain.zones import strips

__all__ = ["segment_scene", "sweep_scene"]

SWEEP_COMPACTNESS = (0.01, 0.1, 1.0, 10.0)
"""Compactnesses of the sweep, evenly spaced on a log scale."""
_CROP = 256  # pixels a side that the sweep shows: enough to see outlines


def segment_scene(
    scene: xr.DataArray,
    indices: Sequence[str],
    path: Path,
    *,
    n_segments: int | None = None,
    area_ha: float | None = None,
    compactness: float = 0.1,
    memory: int | None = None,
    engine: "Engine | None" = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Cut a scene into superpixels of its bands and indices, write them, and return the figures of their quality.

    Parameters
    ----------
    scene : DataArray, (band, y, x)
        Bands; lazy, where they do not fit into memory.
    indices : sequence of str
        Indices or band maths that join the bands.
    path : Path
        GeoTIFF of labels 1..n, 0 = no data.
    n_segments, area_ha : int, float
        Number of superpixels, or their area in hectares.
    compactness : float
        Weight of closeness against likeness.
    memory : int, optional
        Bytes to work in; without it, what is needed.
    engine : int or distributed.Client, optional
        Number of threads, or a client of a cluster; by default all processors. The superpixels are the same.
    progress : callable, optional
        Called with (done, total).
    """
    features = _stack(scene, indices)
    made = write_segments(
        path, features, n_segments=n_segments, area_ha=area_ha, compactness=compactness, memory=memory, engine=engine,
        progress=progress,
    )  # fmt: skip
    labels, n = Excerpt.of(open_codes(path)), int(made["n_segments"])
    pixels = sum(int((labels.cut(strip).read().values > 0).sum()) for strip in strips(labels.box))
    share = explained_variation(labels, Excerpt.of(features), n)
    return asdict(SegmentQuality(n, pixels / n, explained_variation=share))


def sweep_scene(scene: xr.DataArray, indices: Sequence[str], n_segments: int, path: Path) -> None:
    """Draw the outlines of superpixels for three numbers and four compactnesses over the middle of the scene.

    Parameters
    ----------
    scene : DataArray, (band, y, x)
        Bands.
    indices : sequence of str
        Indices or band maths that join the bands.
    n_segments : int
        Middle number for the whole scene; a third and three times as many stand beside it.
    path : Path
        The figure.
    """
    height, width = scene.shape[1:]
    top, left = max(0, (height - _CROP) // 2), max(0, (width - _CROP) // 2)
    crop = scene.isel(y=slice(top, top + _CROP), x=slice(left, left + _CROP))
    features = _stack(crop, indices)
    share = crop[0].size / scene[0].size
    cuts = [
        (number, compactness, _cut(features, max(1, round(number * share)), compactness))
        for number in (n_segments // 3, n_segments, 3 * n_segments)
        for compactness in SWEEP_COMPACTNESS
    ]
    save_figure(figure_sweep(crop, cuts), path)


def _cut(features: xr.DataArray, number: int, compactness: float) -> npt.NDArray[np.int32]:
    labels: npt.NDArray[np.int32] = superpixels(features, n_segments=number, compactness=compactness).values
    return labels


def _stack(scene: xr.DataArray, indices: Sequence[str]) -> xr.DataArray:
    bands = [str(name) for name in scene.band.values]
    return compute_features(scene, [*bands, *(index for index in indices if index not in bands)])
