"""The reliability diagram: how often the map is right where it is so and so sure."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from citygrain.accuracy.reliability import ReliabilityBins
from citygrain.report.style import INK, MUTED, PALE, TRIO, WRONG, new_figure, styled

__all__ = ["figure_calibration", "figure_reliability"]


@styled
def figure_reliability(bins: ReliabilityBins, *, unit: str = "unit") -> Figure:
    """Draw accuracy by confidence beside the diagonal of a calibrated model, and how many units each bin has.

    Parameters
    ----------
    bins : ReliabilityBins
        As `citygrain.accuracy.reliability.reliability_bins` makes them.
    unit : str
        What was judged: ``"superpixel"``, ``"pixel"``.
    """
    figure = new_figure(4.2, 5.0)
    above, below = figure.subplots(2, 1, height_ratios=(3.4, 1), sharex=True)
    _draw(above, below, bins, unit)
    above.set_title(f"Expected calibration error {100 * bins.ece:.1f} %" if bins.counts.any() else "No units")
    return figure


@styled
def figure_calibration(before: ReliabilityBins, after: ReliabilityBins, *, unit: str = "unit") -> Figure:
    """Draw accuracy by confidence before and after the confidence was calibrated, on the same units.

    Parameters
    ----------
    before, after : ReliabilityBins
        As `citygrain.accuracy.reliability.reliability_bins` makes them.
    unit : str
        What was judged: ``"superpixel"``, ``"pixel"``.
    """
    figure = new_figure(7.6, 5.0)
    grid = figure.subplots(2, 2, height_ratios=(3.4, 1), sharex=True, sharey="row")
    for column, (word, bins) in enumerate({"Before": before, "After": after}.items()):
        _draw(grid[0, column], grid[1, column], bins, unit)
        grid[0, column].set_title(f"{word}: expected calibration error {100 * bins.ece:.1f} %")
    for axes in grid[:, 1]:
        axes.set_ylabel("")
    grid[0, 1].get_legend().remove()
    return figure


def _draw(above: Axes, below: Axes, bins: ReliabilityBins, unit: str) -> None:
    filled = bins.counts > 0
    middle, width = (bins.edges[1:] + bins.edges[:-1])[filled] / 2, np.diff(bins.edges)[filled]
    sure, right = bins.confidence[filled], bins.accuracy[filled]
    above.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle="--", label="calibrated")
    above.bar(middle, right, 0.94 * width, color=TRIO[0], alpha=0.85, label="share that is right")
    above.vlines(sure, np.minimum(sure, right), np.maximum(sure, right), color=WRONG, linewidth=2.2, label="gap")
    above.plot(sure, right, "o", color="white", markeredgecolor=INK, markersize=5)
    above.set_ylabel("accuracy")
    above.set_ylim(0, 1)
    above.legend(loc="upper left", fontsize=8)
    below.bar(middle, bins.counts[filled], 0.94 * width, color=PALE, edgecolor="#9aa1a9", linewidth=0.5)
    below.set_ylabel(f"{unit}s")
    below.set_xlabel("confidence")
    below.set_xlim(0, 1)
    below.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    below.locator_params(axis="y", nbins=3)
    for axes in (above, below):
        axes.grid(axis="y")
    ticks = np.linspace(0, 1, 6)
    below.set_xticks(ticks, [f"{100 * tick:.0f} %" for tick in ticks])
    above.set_yticks(ticks, [f"{100 * tick:.0f} %" for tick in ticks])
