"""Figures of the ground: composites, maps and their legends, confidence, and where a map is wrong."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import odc.geo.xr  # noqa: F401 (adds the .odc accessor to rasters)
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from odc.geo.geobox import GeoBox

from citygrain.legend import Legend
from citygrain.report.display import Codes, Picture, color_codes, furnish_map, natural_bands, rgb_image, thin
from citygrain.report.map_page import WIDTH, draw_legend, legend_height, legend_keys, map_page, show_picture
from citygrain.report.style import INK, PALE, RIGHT, SEQUENTIAL, WRONG, new_figure, styled

__all__ = [
    "draw_composite",
    "figure_composite",
    "figure_confidence",
    "figure_errors",
    "figure_legend",
    "figure_map",
    "figure_maps",
]


@styled
def figure_composite(
    scene: xr.DataArray, bands: Sequence[str] | None = None, *, percentiles: tuple[float, float] = (1.0, 99.0)
) -> Figure:
    """Draw three bands as a picture.

    Parameters
    ----------
    scene : DataArray, (band, y, x)
        The scene.
    bands : sequence of str, optional
        Bands for red, green and blue; the natural colours where the scene has them.
    percentiles : tuple of float
        Percentiles that become black and white.
    """
    chosen = tuple(bands) if bands else natural_bands(scene)
    figure = map_page(scene.shape[1:], under=0.3)
    axes = figure.add_subplot()
    draw_composite(axes, scene, chosen, percentiles)
    return figure


def draw_composite(
    axes: Axes, scene: xr.DataArray, bands: Sequence[str], percentiles: tuple[float, float] = (1.0, 99.0)
) -> None:
    """Draw a composite into axes, with its bands as title."""
    picture = rgb_image(thin(scene), bands, percentiles=percentiles)
    show_picture(axes, picture, scene.odc.geobox)
    axes.set_title(" ".join(bands))


@styled
def figure_map(codes: Codes, legend: Legend, geobox: GeoBox | None = None) -> Figure:
    """Draw a map in the legend's colours with the classes in words.

    Parameters
    ----------
    codes : ndarray of uint8, (h, w)
        Class codes; 0 = no data, drawn white.
    legend : Legend
        The classes.
    geobox : GeoBox, optional
        Geometry, for scale bar and north arrow.
    """
    present = np.bincount(codes.ravel(), minlength=256) > 0
    entries = [(c.name, c.color) for c in legend if present[c.code]]
    figure = map_page(codes.shape, under=legend_height(entries))
    show_picture(figure.add_subplot(), color_codes(thin(codes), legend), geobox)
    draw_legend(figure, entries)
    return figure


@styled
def figure_maps(
    panels: Mapping[str, Codes],
    legend: Legend,
    geobox: GeoBox | None = None,
    *,
    difference: tuple[str, str] | None = None,
) -> Figure:
    """Draw maps side by side, and where two of them differ.

    Parameters
    ----------
    panels : mapping of str to ndarray of uint8, (h, w)
        Title and class codes of each map.
    legend : Legend
        The classes.
    geobox : GeoBox, optional
        Geometry, for scale bar and north arrow.
    difference : tuple of str, optional
        Titles of two panels; a last panel shows where both have a class and not the same.
    """
    count = len(panels) + (difference is not None)
    shape = next(iter(panels.values())).shape
    across = min(count, 3)
    down = -(-count // across)
    entries = [(c.name, c.color) for c in legend]
    if difference is not None:
        entries += [("the two differ", WRONG), ("the two agree", PALE)]
    below = legend_height(entries, WIDTH * 1.35)
    figure = new_figure(WIDTH * 1.35, (WIDTH * 1.35 / across * shape[0] / shape[1] + 0.3) * down + below)
    grid = figure.subplots(down, across, squeeze=False).ravel()
    for axes, (title, codes) in zip(grid, panels.items(), strict=False):
        show_picture(axes, color_codes(thin(codes, 700), legend), geobox)
        axes.set_title(title)
    if difference is not None:
        one, other = (panels[title] for title in difference)
        both = (one > 0) & (other > 0)
        share = float((one != other)[both].mean()) if both.any() else 0.0
        show_picture(grid[count - 1], _difference(thin(one, 700), thin(other, 700)), geobox)
        grid[count - 1].set_title(f"They differ at {100 * share:.1f} % of pixels")
    for axes in grid[count:]:
        axes.set_axis_off()
    draw_legend(figure, entries)
    return figure


@styled
def figure_legend(legend: Legend, present: Iterable[int] | None = None) -> Figure:
    """Draw a legend alone, one class below the other, to lie over a map on a screen.

    Parameters
    ----------
    legend : Legend
        The classes.
    present : iterable of int, optional
        Codes of the classes to draw; all of them if not given.
    """
    chosen = set(legend.values.tolist() if present is None else present)
    wide = len(str(max(chosen, default=0)))
    numbers = {code: str(code).rjust(wide, "\u2007") for code in chosen}  # a space as wide as a digit
    entries = [(f"{numbers[c.code]}  {c.name}", c.color) for c in legend if c.code in chosen]
    longest = max((len(name) for name, _ in entries), default=1)
    figure = new_figure(0.6 + 0.085 * longest, 0.15 + 0.21 * len(entries))
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.legend(*legend_keys(entries), loc="center", labelcolor=INK, borderpad=0)
    return figure


@styled
def figure_confidence(confidence: npt.NDArray[np.float32], geobox: GeoBox | None = None) -> Figure:
    """Draw the model's probability of the mapped class.

    Parameters
    ----------
    confidence : ndarray of float32, (h, w)
        0 to 1, NaN = no data.
    geobox : GeoBox, optional
        Geometry, for scale bar and north arrow.
    """
    figure = map_page(confidence.shape, under=0.7)
    axes = figure.add_subplot()
    shown = thin(confidence)
    lowest = float(np.nanmin(shown)) if np.isfinite(shown).any() else 0.0
    low = np.floor(10 * lowest) / 10 if lowest < 1 else 0.0
    image = axes.imshow(shown, cmap=SEQUENTIAL, vmin=low, vmax=1, interpolation="nearest")
    furnish_map(axes, shown.shape, geobox)
    bar = figure.colorbar(image, ax=axes, orientation="horizontal", shrink=0.6, aspect=38, pad=0.02)
    bar.set_label("confidence: the probability of the mapped class")
    bar.outline.set_visible(False)
    return figure


@styled
def figure_errors(codes: Codes, reference: Codes, split: npt.NDArray[np.uint8], geobox: GeoBox | None = None) -> Figure:
    """Draw where the map disagrees with the reference in the test blocks; training ground is grey.

    Parameters
    ----------
    codes, reference : ndarray of uint8, (h, w)
        Classes of map and reference, 0 = none.
    split : ndarray of uint8, (h, w)
        0 neither, 1 training blocks, 2 test blocks.
    geobox : GeoBox, optional
        Geometry, for scale bar and north arrow.
    """
    names = [("test: agrees with the reference", RIGHT), ("test: disagrees", WRONG), ("training", PALE)]
    entries = [*names, ("not used", "#ffffff")]
    figure = map_page(codes.shape, under=legend_height(entries))
    mapped, wanted, part = (thin(raster) for raster in (codes, reference, split))
    judged = (part == 2) & (mapped > 0) & (wanted > 0)
    picture = np.full((*mapped.shape, 3), 255, np.uint8)
    for mask, color in (
        ((part == 1), PALE),
        (judged & (mapped == wanted), RIGHT),
        (judged & (mapped != wanted), WRONG),
    ):
        picture[mask] = _bytes(color)
    show_picture(figure.add_subplot(), picture, geobox)
    draw_legend(figure, entries)
    return figure


def _bytes(color: str) -> npt.NDArray[np.uint8]:
    return np.array([round(255 * part) for part in to_rgb(color)], np.uint8)


def _difference(one: Codes, other: Codes) -> Picture:
    picture = np.full((*one.shape, 3), 255, np.uint8)
    both = (one > 0) & (other > 0)
    picture[both] = _bytes(PALE)
    picture[both & (one != other)] = _bytes(WRONG)
    return picture
