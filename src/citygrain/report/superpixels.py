"""Figures of superpixels: their outlines over the scene, and several cuts of it side by side."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import odc.geo.xr  # noqa: F401 (adds the .odc accessor to rasters)
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from citygrain.report.display import Picture, draw_outlines, natural_bands, rgb_image, thin
from citygrain.report.map_page import WIDTH, map_page, middle_window, show_picture
from citygrain.report.style import new_figure, styled
from citygrain.tiles import Tile

__all__ = ["figure_segments", "figure_sweep"]

Labels = npt.NDArray[np.integer[Any]]


@styled
def figure_segments(
    scene: xr.DataArray,
    labels: Labels,
    *,
    crop: Tile | None = None,
    mark: Tile | None = None,
    bands: Sequence[str] | None = None,
    width: float = WIDTH,
) -> Figure:
    """Draw the outlines of superpixels over the scene.

    Parameters
    ----------
    scene : DataArray, (band, y, x)
        The scene.
    labels : ndarray of int, (h, w)
        Label of each pixel's superpixel.
    crop : Tile, optional
        Draw this window alone, enlarged.
    mark : Tile, optional
        Frame this window.
    bands : sequence of str, optional
        Bands for red, green and blue.
    width : float
        Inches.
    """
    chosen = tuple(bands) if bands else natural_bands(scene)
    picture = _outlined(scene, labels, chosen, crop)
    figure = map_page(picture.shape[:2], under=0.05, width=width)
    axes = figure.add_subplot()
    show_picture(axes, picture, scene.odc.geobox, part=crop)
    if mark is not None:
        scale = picture.shape[1] / labels.shape[1]
        place, size = (mark.column * scale, mark.row * scale), (mark.width * scale, mark.height * scale)
        for color, line in (("#111111", 3.2), ("white", 1.6)):
            axes.add_patch(Rectangle(place, *size, fill=False, edgecolor=color, linewidth=line))
    return figure


@styled
def figure_sweep(
    scene: xr.DataArray,
    cuts: Sequence[tuple[int, float, Labels]],
    *,
    crop: Tile | None = None,
    bands: Sequence[str] | None = None,
) -> Figure:
    """Draw superpixels for several numbers and compactnesses in a grid: numbers downwards, compactness to the right.

    Parameters
    ----------
    scene : DataArray, (band, y, x)
        The scene.
    cuts : sequence of (n_segments, compactness, labels)
        The cuts to compare.
    crop : Tile, optional
        Draw this window of each; a window of 120 pixels in the middle where the scene is larger.
    bands : sequence of str, optional
        Bands for red, green and blue.
    """
    chosen = tuple(bands) if bands else natural_bands(scene)
    window = crop or middle_window(scene.shape[1:], 120)
    numbers = sorted({n for n, _, _ in cuts})
    weights = sorted({weight for _, weight, _ in cuts})
    cell = WIDTH / len(weights)
    figure = new_figure(WIDTH, (cell * window.height / window.width + 0.4) * len(numbers))
    grid = figure.subplots(len(numbers), len(weights), squeeze=False)
    for axes in grid.ravel():
        axes.set_axis_off()
    for n, weight, labels in cuts:
        axes = grid[numbers.index(n), weights.index(weight)]
        axes.set_axis_on()
        show_picture(axes, _outlined(scene, labels, chosen, window, size=360), scene.odc.geobox, part=window)
        number = f"{n:,}".replace(",", "\u202f")
        axes.set_title(f"{number} superpixels,\ncompactness {weight:g}", fontsize=7.5)
    return figure


def _outlined(
    scene: xr.DataArray, labels: Labels, bands: Sequence[str], crop: Tile | None, *, size: int = 960
) -> Picture:
    """Return the picture with outlines: of a window in full, of a large scene thinned."""
    if crop is None:
        return draw_outlines(rgb_image(thin(scene), bands), thin(labels), opacity=0.6)
    return draw_outlines(rgb_image(scene, bands, window=crop), labels[crop.slices], size=size)
