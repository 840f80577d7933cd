"""Figures of the ground: composites, superpixels over the scene, maps, confidence, and where a map is wrong."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import odc.geo.xr  # noqa: F401 (adds the .odc accessor to rasters)
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from odc.geo.geobox import GeoBox

from citygrain.legend import Legend
from citygrain.report.display import (
    Codes,
    Picture,
    color_codes,
    draw_outlines,
    furnish_map,
    natural_bands,
    rgb_image,
    thin,
)
from citygrain.report.style import INK, PALE, RIGHT, SEQUENTIAL, WRONG, new_figure, styled
from citygrain.tiles import Tile

__all__ = [
    "draw_composite",
    "draw_legend",
    "figure_composite",
    "figure_confidence",
    "figure_errors",
    "figure_legend",
    "figure_map",
    "figure_maps",
    "figure_segments",
    "figure_sweep",
    "legend_height",
    "map_page",
    "middle_window",
]

Labels = npt.NDArray[np.integer[Any]]
_WIDTH = 7.2  # inches: two columns of a journal page


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
    _show(axes, picture, scene.odc.geobox)
    axes.set_title(" ".join(bands))


@styled
def figure_segments(
    scene: xr.DataArray,
    labels: Labels,
    *,
    crop: Tile | None = None,
    mark: Tile | None = None,
    bands: Sequence[str] | None = None,
    width: float = _WIDTH,
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
    _show(axes, picture, scene.odc.geobox, part=crop)
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
    cell = _WIDTH / len(weights)
    figure = new_figure(_WIDTH, (cell * window.height / window.width + 0.4) * len(numbers))
    grid = figure.subplots(len(numbers), len(weights), squeeze=False)
    for axes in grid.ravel():
        axes.set_axis_off()
    for n, weight, labels in cuts:
        axes = grid[numbers.index(n), weights.index(weight)]
        axes.set_axis_on()
        _show(axes, _outlined(scene, labels, chosen, window, size=360), scene.odc.geobox, part=window)
        number = f"{n:,}".replace(",", "\u202f")
        axes.set_title(f"{number} superpixels,\ncompactness {weight:g}", fontsize=7.5)
    return figure


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
    _show(figure.add_subplot(), color_codes(thin(codes), legend), geobox)
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
    below = legend_height(entries, _WIDTH * 1.35)
    figure = new_figure(_WIDTH * 1.35, (_WIDTH * 1.35 / across * shape[0] / shape[1] + 0.3) * down + below)
    grid = figure.subplots(down, across, squeeze=False).ravel()
    for axes, (title, codes) in zip(grid, panels.items(), strict=False):
        _show(axes, color_codes(thin(codes, 700), legend), geobox)
        axes.set_title(title)
    if difference is not None:
        one, other = (panels[title] for title in difference)
        both = (one > 0) & (other > 0)
        share = float((one != other)[both].mean()) if both.any() else 0.0
        _show(grid[count - 1], _difference(thin(one, 700), thin(other, 700)), geobox)
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
    axes.legend(*_keys(entries), loc="center", labelcolor=INK, borderpad=0)
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
    bar.set_label("confidence: the model's own probability of the mapped class")
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
    _show(figure.add_subplot(), picture, geobox)
    draw_legend(figure, entries)
    return figure


def middle_window(shape: tuple[int, ...], side: int) -> Tile:
    """Return a window of at most `side` pixels in the middle of a raster."""
    height, width = min(side, shape[0]), min(side, shape[1])
    return Tile((shape[0] - height) // 2, (shape[1] - width) // 2, height, width)


def map_page(shape: tuple[int, ...], *, under: float, width: float = _WIDTH) -> Figure:
    """Return a figure for a map of this shape, with `under` inches for what stands around it."""
    height = min(width * shape[0] / shape[1], 1.25 * width)
    return new_figure(width, height + under)


def _show(axes: Axes, picture: Picture, geobox: GeoBox | None, *, part: Tile | None = None) -> None:
    axes.imshow(picture, interpolation="nearest" if max(picture.shape) < 900 else "antialiased")
    furnish_map(axes, picture.shape[:2], geobox, part=part)


def draw_legend(figure: Figure, entries: Sequence[tuple[str, str]]) -> None:
    """Name colours below the figure, in as many columns as the names leave room for."""
    patches, names = _keys(entries)
    columns = _columns(names, figure.get_figwidth())
    figure.legend(patches, names, loc="outside lower center", ncols=columns, labelcolor=INK, columnspacing=1.6)


def legend_height(entries: Sequence[tuple[str, str]], width: float = _WIDTH) -> float:
    """Return the inches that `draw_legend` needs below a figure of `width` inches."""
    return 0.27 + 0.18 * -(-len(entries) // _columns([name for name, _ in entries], width))


def _columns(names: Sequence[str], width: float) -> int:
    room = 12.5 * width  # letters; a swatch and a gap take as much as eight
    if sum(len(name) + 8 for name in names) <= room:
        return max(1, len(names))
    rows = -(-len(names) // max(1, int(room / (max(len(name) for name in names) + 8))))
    return -(-len(names) // rows)


def _keys(entries: Sequence[tuple[str, str]]) -> tuple[list[Patch], list[str]]:
    patches = [Patch(facecolor=color, edgecolor="#8a9199", linewidth=0.5) for _, color in entries]
    return patches, [f"\u200b{name}" if name.startswith("_") else name for name, _ in entries]  # else they are hidden


def _bytes(color: str) -> npt.NDArray[np.uint8]:
    return np.array([round(255 * part) for part in to_rgb(color)], np.uint8)


def _difference(one: Codes, other: Codes) -> Picture:
    picture = np.full((*one.shape, 3), 255, np.uint8)
    both = (one > 0) & (other > 0)
    picture[both] = _bytes(PALE)
    picture[both & (one != other)] = _bytes(WRONG)
    return picture


def _outlined(
    scene: xr.DataArray, labels: Labels, bands: Sequence[str], crop: Tile | None, *, size: int = 960
) -> Picture:
    """Return the picture with outlines: of a window in full, of a large scene thinned."""
    if crop is None:
        return draw_outlines(rgb_image(thin(scene), bands), thin(labels), opacity=0.6)
    return draw_outlines(rgb_image(scene, bands, window=crop), labels[crop.slices], size=size)
