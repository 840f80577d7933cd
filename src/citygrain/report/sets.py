"""The map of how many classes each place may be: where the model is undecided."""

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from odc.geo.geobox import GeoBox

from citygrain.report.display import thin
from citygrain.report.map_page import draw_legend, legend_height, map_page, show_picture
from citygrain.report.style import PALE, SEQUENTIAL, styled

__all__ = ["figure_set_sizes"]

_MOST = 6
"""Sizes that have a colour of their own; the largest one stands for all beyond."""


@styled
def figure_set_sizes(sizes: npt.NDArray[np.uint8], geobox: GeoBox | None = None) -> Figure:
    """Draw how many classes each place may be.

    Parameters
    ----------
    sizes : ndarray of uint8, (h, w)
        Classes in the set of each pixel; 0 = no data, drawn white.
    geobox : GeoBox, optional
        Geometry, for scale bar and north arrow.
    """
    counts = np.bincount(sizes.ravel(), minlength=2)
    largest = min(int(np.flatnonzero(counts).max(initial=1)), _MOST)
    ramp = colormaps[SEQUENTIAL](np.linspace(0.85, 0.05, max(largest - 1, 2)))[: largest - 1]
    shades = [PALE, *(to_hex(color) for color in ramp)]
    total, entries = counts[1:].sum(), []
    for size, color in enumerate(shades, start=1):
        here = counts[size:].sum() if size == _MOST else counts[size]
        words = "one class" if size == 1 else f"{size} classes" + (" or more" if size == _MOST else "")
        entries.append((f"{words}: {100 * here / max(total, 1):.1f} %", color))
    colors = np.array([[255] * 3, *([round(255 * part) for part in to_rgb(shade)] for shade in shades)], np.uint8)
    figure = map_page(sizes.shape, under=legend_height(entries))
    show_picture(figure.add_subplot(), colors[np.minimum(thin(sizes), largest)], geobox)
    draw_legend(figure, entries)
    return figure
