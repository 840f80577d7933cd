"""Figures about labels: where a map's pixels went, doubted labels as patches and on a map, and where to label next."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from citygrain.errors import InputError
from citygrain.legend import Legend
from citygrain.report.display import Picture, draw_outlines, natural_bands, rgb_image, thin
from citygrain.report.map_page import draw_legend, legend_height, map_page, show_picture
from citygrain.report.style import INK, MUTED, PALE, RIGHT, TRIO, WRONG, new_figure, styled
from citygrain.tiles import Tile

__all__ = ["figure_learning", "figure_next_samples", "figure_pixel_account", "figure_suspect_map", "figure_suspects"]

_WIDTH = 7.2
_MIXED = "#e69f00"


@styled
def figure_pixel_account(account: Mapping[str, Any]) -> Figure:
    """Draw one bar of all test pixels: right, lost to mixed superpixels, lost to wrong classes.

    Parameters
    ----------
    account : mapping
        ``pixel_accuracy``, ``lost_to_mixed_superpixels``, ``lost_to_wrong_classes``, as `PurityAccount.to_dict` has
        them.
    """
    parts = [
        ("right", account["pixel_accuracy"], RIGHT),
        ("lost to mixed superpixels", account["lost_to_mixed_superpixels"], _MIXED),
        ("lost to wrong classes", account["lost_to_wrong_classes"], WRONG),
    ]
    figure = new_figure(_WIDTH, 1.15)
    axes, left = figure.add_subplot(), 0.0
    for words, share, color in parts:
        axes.barh(0, 100 * share, 0.6, left=left, color=color, label=f"{words} {100 * share:.1f} %", edgecolor="white")
        left += 100 * share
    best = 100 * account["best_pixel_accuracy"]
    axes.axvline(best, color=INK, linewidth=1, ymin=0.02, ymax=0.98)
    axes.annotate(
        f"best with these superpixels: {best:.1f} %", (best, 0.5), (-4, 2), textcoords="offset points", fontsize=8,
        ha="right", va="bottom", annotation_clip=False,
    )  # fmt: skip
    axes.set_xlim(0, 100)
    axes.set_ylim(-0.4, 0.5)
    axes.set_yticks([])
    axes.set_xlabel("per cent of the test pixels")
    axes.spines["left"].set_visible(False)
    handles, names = axes.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper left", ncols=3, labelcolor=INK)
    return figure


@styled
def figure_suspects(
    scene: xr.DataArray, labels: npt.NDArray[np.integer[Any]], suspects: Sequence[Mapping[str, Any]], *, side: int = 48
) -> Figure:
    """Draw a contact sheet of doubted labels: the ground around each, its outline, and both classes in words.

    Parameters
    ----------
    scene : DataArray, (band, y, x)
        The scene.
    labels : ndarray of int, (h, w)
        Number of the unit (or polygon) at each pixel.
    suspects : sequence of mapping
        ``rank``, ``number`` (in `labels`), ``row`` and ``column`` of its centre, ``label``, ``suggested``, ``score``.
    side : int
        Side in pixels of the window around each.
    """
    if not suspects:
        raise InputError("no doubted labels to draw", wanted="one at least")
    across = min(6, len(suspects))
    down = -(-len(suspects) // across)
    figure = new_figure(across * _WIDTH / 6, down * (_WIDTH / 6 + 0.38))
    axes = figure.subplots(down, across, squeeze=False).ravel()
    whole = rgb_image(scene, natural_bands(scene))
    for ax, suspect in zip(axes, suspects, strict=False):
        window = _window(labels.shape, suspect["row"], suspect["column"], side)
        inside = np.asarray(labels[window.slices] == suspect["number"])
        ax.imshow(draw_outlines(whole[window.slices], inside, size=side * 3, opacity=1.0), interpolation="nearest")
        title = f"{suspect['rank']}  {suspect['score']:+.2f}\n{suspect['label']}\n→ {suspect['suggested']}"
        ax.set_title(title, fontsize=7, fontweight="normal")
    for ax in axes:
        ax.set_axis_off()
    return figure


@styled
def figure_suspect_map(scene: xr.DataArray, suspects: Sequence[Mapping[str, Any]], legend: Legend) -> Figure:
    """Draw where labels are doubted: each mark is filled with the suggested class, and edged with the label given.

    Parameters
    ----------
    scene : DataArray, (band, y, x)
        The scene.
    suspects : sequence of mapping
        ``row`` and ``column`` of the centre, ``label``, ``suggested``.
    legend : Legend
        The classes.
    """
    entries = [(c.name, c.color) for c in legend]
    figure = map_page(scene.shape[1:], under=0.25 + legend_height(entries))
    axes, scale = _ground(figure, scene)
    colors = {c.name: c.color for c in legend}
    if suspects:
        x, y = ([scale * one[key] for one in suspects] for key in ("column", "row"))
        inside, around = ([colors[one[key]] for one in suspects] for key in ("suggested", "label"))
        axes.scatter(x, y, 26, inside, edgecolors=around, linewidths=1.6)
    axes.set_title(f"{len(suspects)} doubted labels: inside the class suggested, around it the label", fontsize=9)
    draw_legend(figure, entries)
    return figure


@styled
def figure_next_samples(scene: xr.DataArray, chosen: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw where to label next: the first ten numbered, the later ones paler.

    Parameters
    ----------
    scene : DataArray, (band, y, x)
        The scene.
    chosen : sequence of mapping
        ``rank``, ``row`` and ``column`` of the centre, best first.
    """
    figure = map_page(scene.shape[1:], under=0.3)
    axes, scale = _ground(figure, scene)
    x, y = ([scale * one[key] for one in chosen] for key in ("column", "row"))
    axes.scatter(x, y, 22, "white", edgecolors=INK, linewidths=0.8)
    axes.scatter(x[:10], y[:10], 90, "#ffe13c", edgecolors=INK, linewidths=1.0)
    for one, across, down in zip(chosen[:10], x, y, strict=False):
        axes.text(across, down, str(one["rank"]), ha="center", va="center", fontsize=6.5, color=INK, fontweight="bold")
    axes.set_title(f"Where to label next: {len(chosen)} units, the first ten numbered")
    return figure


@styled
def figure_learning(
    curves: Mapping[str, Mapping[str, Sequence[float]]], *, full: float, unit: str = "labelled superpixels"
) -> Figure:
    """Draw a score against the number of labels, for each way to choose them, with the span of the seeds.

    Parameters
    ----------
    curves : mapping of str to mapping
        By name, at most three: ``labels``, ``mean``, ``low`` and ``high``.
    full : float
        The score with all labels.
    unit : str
        What is labelled.
    """
    figure = new_figure(_WIDTH, 3.6)
    axes = figure.add_subplot()
    for (name, curve), color in zip(curves.items(), TRIO, strict=False):
        axes.fill_between(curve["labels"], curve["low"], curve["high"], color=color, alpha=0.18, linewidth=0)
        axes.plot(curve["labels"], curve["mean"], color=color, label=name, marker="o", markersize=3)
    axes.axhline(full, color=MUTED, linewidth=1, linestyle="--")
    axes.annotate(
        f"all labels: {full:.3f}", (1, full), (-2, 3), xycoords=("axes fraction", "data"), textcoords="offset points",
        ha="right", fontsize=8, color=MUTED,
    )  # fmt: skip
    axes.set_xscale("log")
    ticks = next(iter(curves.values()))["labels"]
    axes.set_xticks(list(ticks), [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_xlabel(unit)
    axes.set_ylabel("macro F1 on held-out blocks")
    axes.grid(color=PALE, linewidth=0.5)
    axes.legend(loc="lower right", labelcolor=INK)
    return figure


def _window(shape: tuple[int, ...], row: float, column: float, side: int) -> Tile:
    height, width = min(side, shape[0]), min(side, shape[1])
    top = int(np.clip(round(row) - height // 2, 0, shape[0] - height))
    left = int(np.clip(round(column) - width // 2, 0, shape[1] - width))
    return Tile(top, left, height, width)


def _ground(figure: Figure, scene: xr.DataArray) -> tuple[Axes, float]:
    """Show the scene, paled, and return the axes with the factor from the scene's pixels to the picture's."""
    shown = thin(scene)
    picture: Picture = rgb_image(shown, natural_bands(scene))
    axes = figure.add_subplot()
    pale = np.rint(0.7 * picture + 0.3 * 255).astype(np.uint8)
    show_picture(axes, pale, scene.odc.geobox)
    return axes, picture.shape[1] / scene.shape[2]
