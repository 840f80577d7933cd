"""The variogram of a run: how far features and labels are alike, and where the size of its blocks lies."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from citygrain.report.style import INK, MUTED, TRIO, WRONG, new_figure, styled
from citygrain.samples.variogram import Variogram, VariogramModel

__all__ = ["figure_variogram"]

_TITLES = {"features": "Features, first principal components", "labels": "Labels"}
_SIDES = {"features": "half the mean squared difference", "labels": "pairs whose classes differ"}


@styled
def figure_variogram(found: Mapping[str, Any]) -> Figure:
    """Draw the variograms of features and labels with their models, ranges and the size of the blocks.

    Parameters
    ----------
    found : mapping
        The content of a run's ``variogram.json``, with `features` and `labels`.
    """
    figure = new_figure(7.6, 3.1)
    for axes, key, color in zip(figure.subplots(1, 2, sharex=True), _TITLES, TRIO, strict=False):
        _draw(axes, found[key], color)
        axes.set_title(_TITLES[key])
        axes.set_ylabel(_SIDES[key])
        if found.get("block") is not None:
            _mark(axes, float(found["block"]["size"]), "block", WRONG, "-")
        _tell_marks(axes)
    figure.supxlabel("distance between two units, km", fontsize=9)
    return figure


def _draw(axes: Axes, part: Mapping[str, Any], color: str) -> None:
    seen, model = Variogram.from_dict(part["variogram"]), VariogramModel.from_dict(part["model"])
    distance = np.linspace(0, seen.longest, 200)
    sizes = 8 + 40 * np.sqrt(seen.pairs / seen.pairs.max())
    axes.scatter(seen.distance / 1000, seen.semivariance, s=sizes, color=color, alpha=0.55, linewidths=0, zorder=2)
    axes.plot(distance / 1000, model(distance), color=INK, linewidth=1.4, zorder=3)
    axes.set_xlim(0, 1.02 * seen.longest / 1000)
    axes.set_ylim(0, 1.18 * float(max(seen.semivariance.max(), model(distance).max())))
    axes.grid(axis="y")
    if part["range_m"] and part["levels_off"]:
        _mark(axes, part["range_m"], "range", MUTED, ":")
    elif part["range_m"]:
        axes.text(0.98, 0.97, "does not level off", transform=axes.transAxes, ha="right", va="top", color=MUTED, size=8)


def _mark(axes: Axes, metres: float, what: str, color: str, line: str) -> None:
    axes.axvline(metres / 1000, color=color, lw=1.2, linestyle=line, zorder=1, label=f"{what} {_distance(metres)}")


def _tell_marks(axes: Axes) -> None:
    """Name the lines below the curve, at the right: words beside lines that lie near each other are struck through."""
    if axes.get_legend_handles_labels()[1]:
        key = axes.legend(loc="lower right", frameon=True, facecolor="white", edgecolor="none", framealpha=1.0)
        key.set_zorder(5)


def _distance(metres: float) -> str:
    return f"{metres / 1000:.2g} km" if metres >= 1000 else f"{metres:.0f} m"
