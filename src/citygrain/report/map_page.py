"""The page that a map is drawn on: its size, its scale bar and north arrow, and the legend below."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from odc.geo.geobox import GeoBox

from citygrain.report.display import Picture, furnish_map
from citygrain.report.style import INK, new_figure
from citygrain.tiles import Tile

__all__ = ["WIDTH", "draw_legend", "legend_height", "legend_keys", "map_page", "middle_window", "show_picture"]

WIDTH = 7.2
"""Inches: two columns of a journal page."""


def middle_window(shape: tuple[int, ...], side: int) -> Tile:
    """Return a window of at most `side` pixels in the middle of a raster."""
    height, width = min(side, shape[0]), min(side, shape[1])
    return Tile((shape[0] - height) // 2, (shape[1] - width) // 2, height, width)


def map_page(shape: tuple[int, ...], *, under: float, width: float = WIDTH) -> Figure:
    """Return a figure for a map of this shape, with `under` inches for what stands around it."""
    height = min(width * shape[0] / shape[1], 1.25 * width)
    return new_figure(width, height + under)


def show_picture(axes: Axes, picture: Picture, geobox: GeoBox | None, *, part: Tile | None = None) -> None:
    """Draw a picture into axes with scale bar and north arrow; `part` says which window of the raster it is."""
    axes.imshow(picture, interpolation="nearest" if max(picture.shape) < 900 else "antialiased")
    furnish_map(axes, picture.shape[:2], geobox, part=part)


def draw_legend(figure: Figure, entries: Sequence[tuple[str, str]]) -> None:
    """Name colours below the figure, in as many columns as the names leave room for."""
    patches, names = legend_keys(entries)
    columns = _columns(names, figure.get_figwidth())
    figure.legend(patches, names, loc="outside lower center", ncols=columns, labelcolor=INK, columnspacing=1.6)


def legend_height(entries: Sequence[tuple[str, str]], width: float = WIDTH) -> float:
    """Return the inches that `draw_legend` needs below a figure of `width` inches."""
    return 0.27 + 0.18 * -(-len(entries) // _columns([name for name, _ in entries], width))


def legend_keys(entries: Sequence[tuple[str, str]]) -> tuple[list[Patch], list[str]]:
    """Return a swatch and a name for each entry, as matplotlib's legends take them."""
    patches = [Patch(facecolor=color, edgecolor="#8a9199", linewidth=0.5) for _, color in entries]
    return patches, [f"\u200b{name}" if name.startswith("_") else name for name, _ in entries]  # else they are hidden


def _columns(names: Sequence[str], width: float) -> int:
    room = 12.5 * width  # letters; a swatch and a gap take as much as eight
    if sum(len(name) + 8 for name in names) <= room:
        return max(1, len(names))
    rows = -(-len(names) // max(1, int(room / (max(len(name) for name in names) + 8))))
    return -(-len(names) // rows)
