"""Figures of two maps of the same ground: what one calls otherwise than the other, and which of them is right."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from odc.geo.geobox import GeoBox

from citygrain.errors import InputError
from citygrain.legend import Legend
from citygrain.report.display import Codes, furnish_map, thin
from citygrain.report.map_page import draw_legend, legend_height, map_page
from citygrain.report.style import INK, PALE, TRIO, styled

__all__ = ["figure_changes", "figure_right_where"]

CHANGE_COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Okabe and Ito's colours: the six largest changes, told apart without red-green vision."""
_OTHER = INK
_BOTH_WRONG = "#5f6670"


@styled
def figure_changes(
    first: Codes,
    second: Codes,
    legend: Legend,
    geobox: GeoBox | None = None,
    *,
    names: tuple[str, str] = ("the first", "the second"),
) -> Figure:
    """Draw where two maps differ: the six largest changes in their own colours, the others in black.

    Parameters
    ----------
    first, second : ndarray of uint8, (h, w)
        Class codes; 0 = no data.
    legend : Legend
        The classes.
    geobox : GeoBox, optional
        Geometry, for scale bar and north arrow.
    names : tuple of str
        What the maps are called.

    Raises
    ------
    InputError
        If the shapes differ.
    """
    if first.shape != second.shape:
        raise InputError(f"maps of {first.shape} and {second.shape} pixels", wanted="one grid")
    both = (first > 0) & (second > 0)
    number = first.astype(np.int32) * 256 + second
    found, counts = np.unique(number[both & (first != second)], return_counts=True)
    order = np.argsort(-counts, kind="stable")
    total = max(int(both.sum()), 1)
    layers: list[tuple[npt.NDArray[np.bool_], str]] = [(both, PALE), (both & (first != second), _OTHER)]
    entries = [("both agree", PALE)]
    for place, color in zip(order, CHANGE_COLORS, strict=False):
        old, new = divmod(int(found[place]), 256)
        layers.append((number == found[place], color))
        said = f"{legend.name_of(old)} → {legend.name_of(new)}"
        entries.append((f"{said} ({_share(counts[place], total)})", color))
    rest = order[len(CHANGE_COLORS) :]
    if rest.size:
        entries.append((f"{len(rest)} other changes ({_share(counts[rest].sum(), total)})", _OTHER))
    figure = map_page(first.shape, under=0.25 + legend_height(entries))
    _paint(figure, layers, geobox)
    figure.axes[0].set_title(f"{names[0]} → {names[1]}: they differ at {_share(counts.sum(), total)} of pixels")
    draw_legend(figure, entries)
    return figure


@styled
def figure_right_where(
    first: Codes,
    second: Codes,
    reference: Codes,
    geobox: GeoBox | None = None,
    *,
    names: tuple[str, str] = ("the first", "the second"),
) -> Figure:
    """Draw which of two maps agrees with the reference.

    Parameters
    ----------
    first, second, reference : ndarray of uint8, (h, w)
        Class codes; where one of them is 0, nothing is judged: white.
    geobox : GeoBox, optional
        Geometry, for scale bar and north arrow.
    names : tuple of str
        What the maps are called.
    """
    known = (first > 0) & (second > 0) & (reference > 0)
    one, other = first == reference, second == reference
    parts: Sequence[tuple[npt.NDArray[np.bool_], str, str]] = [
        (known & one & other, PALE, "both right"),
        (known & one & ~other, TRIO[0], f"only {names[0]} right"),
        (known & other & ~one, TRIO[1], f"only {names[1]} right"),
        (known & ~one & ~other, _BOTH_WRONG, "both wrong"),
    ]
    total = max(int(known.sum()), 1)
    entries = [(f"{name} ({_share(mask.sum(), total)})", color) for mask, color, name in parts]
    entries.append(("not judged", "#ffffff"))
    figure = map_page(first.shape, under=legend_height(entries))
    _paint(figure, [(mask, color) for mask, color, _ in parts], geobox)
    draw_legend(figure, entries)
    return figure


def _paint(figure: Figure, layers: Sequence[tuple[npt.NDArray[np.bool_], str]], geobox: GeoBox | None) -> None:
    picture = np.full((*thin(layers[0][0]).shape, 3), 255, np.uint8)
    for mask, color in layers:
        picture[thin(mask)] = np.rint(255 * np.array(to_rgb(color))).astype(np.uint8)
    axes = figure.add_subplot()
    axes.imshow(picture, interpolation="nearest" if max(picture.shape) < 900 else "antialiased")
    furnish_map(axes, (picture.shape[0], picture.shape[1]), geobox)


def _share(part: float, whole: int) -> str:
    return f"{100 * float(part) / whole:.1f} %"
