"""Confusion matrices of several models side by side, under one colour scale, so that eyes can compare them.

Each panel is the map against the reference: rows are the map, columns the reference, and a cell's colour is its share
of the reference column, so that the diagonal is the producer's accuracy whatever the class's size. It can be the share
of the map row instead, whose diagonal is the user's accuracy.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import offset_copy

from citygrain.accuracy.assess import Assessment
from citygrain.errors import InputError
from citygrain.lcz import recode_lcz
from citygrain.legend import LCZ, Legend
from citygrain.report.style import INK, MUTED, new_figure, styled

__all__ = ["figure_matrices", "short_names"]

MOST = 6
"""Panels in one figure: more could not be read."""

_EMPTY = "#eef0f2"
_GAP = 5.0  # points from a panel's edge to its classes' colours
_MANY = 11  # classes from which a panel is too wide for three in a row


def short_names(legend: Legend) -> tuple[str, ...]:
    """Return names that fit on a tick: 1 to 10 and A to G for Local Climate Zones, the names themselves otherwise.

    Examples
    --------
    >>> from citygrain.legend import URBAN
    >>> short_names(LCZ)[8:12], short_names(URBAN)[0]
    (('9', '10', 'A', 'B'), 'Urban')
    """
    if legend.scheme != LCZ.scheme:
        return legend.names
    return tuple(recode_lcz(legend.values, to="letters").tolist())


@styled
def figure_matrices(
    assessments: Mapping[str, Assessment],
    *,
    intervals: Mapping[str, Sequence[float]] | None = None,
    per: Literal["reference", "map"] = "reference",
    counts: bool = True,
    unit: str = "row",
) -> Figure:
    """Draw the confusion matrices of up to six models in a grid of panels with one colour bar.

    Classes that no model and no reference has are left out; a class that the reference lacks has a grey column.

    Parameters
    ----------
    assessments : mapping of str to Assessment
        By name of the model, all with the same legend.
    intervals : mapping of str to (float, float), optional
        Bounds of the overall accuracy, 0 to 1, for the panels' titles.
    per : str
        What a cell's colour is a share of: the ``"reference"`` column or the ``"map"`` row.
    counts : bool
        Write the counts into the cells; else the shares in per cent.
    unit : str
        What was counted, for the panels' titles.

    Raises
    ------
    InputError
        If there is none, more than six, or the legends differ.
    """
    assessments = _occurring(assessments, _common_legend(assessments))
    legend = next(iter(assessments.values())).legend
    k, count = len(legend), len(assessments)
    columns = min(count, 2 if count == 4 or k >= _MANY else 3)
    rows = -(-count // columns)
    cell = 0.24 if k >= _MANY else max(0.3, 0.62 - 0.04 * k)
    margin = 0.25 + (0.0 if legend.scheme == LCZ.scheme else 0.055 * max(len(n) for n in legend.names))
    side = max(cell * k, 1.9)
    figure = new_figure(
        columns * (side + 0.45) + margin + 1.2, rows * (side + 0.75) + (1.2 if count % columns else 0.75) * margin + 0.5
    )
    figure.set_layout_engine("constrained", h_pad=0.11, w_pad=0.07)  # the swatches and second titles need room
    grid = figure.subplots(rows, columns, squeeze=False)
    for place, (name, assessment) in enumerate(assessments.items()):
        axes = grid[place // columns, place % columns]
        outer = place % columns == 0, place + columns >= count
        short = legend.scheme == LCZ.scheme
        _panel(axes, assessment, per, counts, names=(short or outer[0], short or outer[1]), size=72 * cell)
        _title(axes, name, assessment, (intervals or {}).get(name), unit)
    for axes in grid.ravel()[count:]:
        axes.set_axis_off()
    bar = figure.colorbar(grid[0, 0].images[0], ax=grid, shrink=min(1.0, 2.6 / (rows * side)), aspect=26, pad=0.02)
    bar.set_label(f"per cent of the {per} class", fontsize=8)
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=2, labelsize=7.5)
    figure.supxlabel("Reference", fontsize=9.5, fontweight="bold")
    figure.supylabel("Map", fontsize=9.5, fontweight="bold")
    return figure


def _common_legend(assessments: Mapping[str, Assessment]) -> Legend:
    legends = {assessment.legend for assessment in assessments.values()}
    if not 1 <= len(assessments) <= MOST or len(legends) != 1:
        raise InputError(
            f"{len(assessments)} confusion matrices with {len(legends)} legends for one figure",
            wanted=f"1 to {MOST} with the same legend",
        )
    return legends.pop()


def _occurring(assessments: Mapping[str, Assessment], legend: Legend) -> dict[str, Assessment]:
    """Return the matrices of the classes that occur in one of them; the sums stay what they were."""
    tally = np.sum([a.map_count + a.reference_count for a in assessments.values()], axis=0)
    kept = np.flatnonzero(tally) if tally.any() else np.arange(len(legend))
    part = Legend(legend.scheme, tuple(legend.classes[column] for column in kept))
    return {name: Assessment(a.matrix[np.ix_(kept, kept)], part) for name, a in assessments.items()}


def _panel(
    axes: Axes, assessment: Assessment, per: str, counted: bool, *, names: tuple[bool, bool], size: float
) -> None:
    """Draw one matrix; `names` says whether the rows and the columns are named, `size` is a cell in points."""
    counts, legend = assessment.matrix, assessment.legend
    total = counts.sum(0 if per == "reference" else 1, keepdims=True)
    share = np.divide(100.0 * counts, total, out=np.full(counts.shape, np.nan), where=total > 0)
    axes.set_facecolor(_EMPTY)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=100)
    digits = len(str(counts.max())) if counted else 3
    font = min(8.5, 1.45 * size / max(digits, 2))
    for (row, column), number in np.ndenumerate(counts):
        if number:
            text = f"{number}" if counted else f"{share[row, column]:.0f}"
            color = "white" if share[row, column] > 58 else INK
            weight = "bold" if row == column else "normal"
            axes.text(column, row, text, ha="center", va="center", fontsize=font, color=color, fontweight=weight)
    _frame(axes, legend, names)


def _frame(axes: Axes, legend: Legend, names: tuple[bool, bool]) -> None:
    k, labels = len(legend), short_names(legend)
    ticks = np.arange(k)
    slanted = max(len(label) for label in labels) > 3
    size = 7.5 if k < _MANY else 6.5
    axes.set_yticks(ticks, labels if names[0] else [""] * k, fontsize=size)
    axes.set_xticks(
        ticks,
        labels if names[1] else [""] * k,
        fontsize=size,
        rotation=40 if slanted else 0,
        ha="right" if slanted else "center",
        rotation_mode="anchor" if slanted else "default",
    )
    axes.tick_params(length=0, pad=2 * _GAP)
    axes.set_xticks(ticks[:-1] + 0.5, minor=True)
    axes.set_yticks(ticks[:-1] + 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=0.6)
    axes.tick_params(which="minor", length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    _swatches(axes, legend, ticks)


def _swatches(axes: Axes, legend: Legend, ticks: npt.NDArray[np.int64]) -> None:
    """Put the classes' colours beside their rows and below their columns, between the panel and its names."""
    zeros, ones, colors = np.zeros(len(ticks)), np.ones(len(ticks)), [c.color for c in legend]
    figure = axes.get_figure(root=True)
    for x, y, transform, shift in (
        (zeros, ticks, axes.get_yaxis_transform(), (-_GAP, 0.0)),
        (ticks, zeros, axes.get_xaxis_transform(), (0.0, -_GAP)),
    ):
        moved = offset_copy(transform, figure, *shift, units="points")
        axes.scatter(
            x, y, 16 * ones, colors, marker="s", transform=moved, edgecolors="#8a9199", linewidths=0.4, clip_on=False
        )
    axes.set_xlim(-0.5, len(legend) - 0.5)
    axes.set_ylim(len(legend) - 0.5, -0.5)


def _title(axes: Axes, name: str, assessment: Assessment, interval: Sequence[float] | None, unit: str) -> None:
    spread = f" ({100 * interval[0]:.1f} to {100 * interval[1]:.1f})" if interval else ""
    axes.set_title(name, pad=16)
    axes.annotate(
        f"OA {100 * assessment.overall_accuracy:.1f} %{spread}, {assessment.total:,} {unit}s",
        xy=(0, 1),
        xytext=(0, 5),
        xycoords="axes fraction",
        textcoords="offset points",
        fontsize=7.5,
        color=MUTED,
    )
