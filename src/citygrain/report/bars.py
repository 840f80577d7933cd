"""Bars by class in the classes' colours: samples and their roles, balance before and after, areas with intervals."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from citygrain.errors import InputError
from citygrain.legend import Legend
from citygrain.report.style import INK, MUTED, PALE, new_figure, styled

__all__ = ["figure_area_bars", "figure_balance", "figure_sample_counts"]

_WIDTH = 7.2
_EDGE = "#8a9199"
_ROLES = ("#0072b2", "#e69f00", "#009e73", PALE)
"""Training, validation, test; what is left is pale."""


@styled
def figure_sample_counts(counts: Mapping[str, Mapping[str, int]], legend: Legend) -> Figure:
    """Draw how many samples of each class train, validate, test, and are left out.

    Parameters
    ----------
    counts : mapping of str to mapping of str to int
        By role, in the order of the bars, the samples of each class by name; at most four roles.
    legend : Legend
        The classes.

    Raises
    ------
    InputError
        If there are no roles, or more than four.
    """
    if not 1 <= len(counts) <= len(_ROLES):
        raise InputError(f"{len(counts)} roles of samples", wanted=f"1 to {len(_ROLES)}")
    figure, axes = _rows(len(legend), 0.36, 1.05)
    left = np.zeros(len(legend))
    for color, (role, by_class) in zip(_ROLES, counts.items(), strict=False):
        widths = np.array([by_class.get(name, 0) for name in legend.names], float)
        axes.barh(
            range(len(legend)), widths, 0.66, left=left, color=color, label=role, edgecolor="white", linewidth=0.5
        )
        left += widths
    for place, total in enumerate(left):
        _say(axes, total, place, f"{total:,.0f}")
    _name(axes, legend, "samples", reach=1.12 * left.max(initial=1))
    figure.legend(loc="outside lower center", ncols=len(counts), labelcolor=INK)
    return figure


@styled
def figure_balance(before: Mapping[str, int], after: Mapping[str, int], legend: Legend) -> Figure:
    """Draw the training samples of each class before and after balancing.

    Parameters
    ----------
    before, after : mapping of str to int
        Samples by class name.
    legend : Legend
        The classes.
    """
    figure, axes = _rows(len(legend), 0.52, 1.05)
    most = max([1, *before.values(), *after.values()])
    for row, c in enumerate(legend):
        for shift, count, face, width in ((-0.2, before, "white", 1.1), (0.2, after, c.color, 0.5)):
            value = count.get(c.name, 0)
            axes.barh(row + shift, value, 0.36, color=face, edgecolor=c.color if face == "white" else _EDGE, lw=width)
            _say(axes, value, row + shift, f"{value:,}")
    _name(axes, legend, "training samples", reach=1.12 * most)
    handles = [Patch(facecolor="white", edgecolor=INK, linewidth=1.1), Patch(facecolor=MUTED, edgecolor=_EDGE)]
    figure.legend(handles, ["as drawn", "balanced"], loc="outside lower center", ncols=2, labelcolor=INK)
    return figure


@styled
def figure_area_bars(areas: Sequence[Mapping[str, Any]], legend: Legend, *, unit: str = "ha") -> Figure:
    """Draw the area of each class, with its interval where there is one.

    Parameters
    ----------
    areas : sequence of mapping
        name, area, low, high (in `unit`; low and high None = no interval), and, where it differs from the estimate,
        mapped: the area counted on the map, drawn as a diamond.
    legend : Legend
        Colours of the classes.
    unit : str
        Unit of area, for the axis.
    """
    figure, axes = _rows(len(areas), 0.42, 0.75)
    colors = {c.name: c.color for c in legend}
    spans = [_span(row) for row in areas]
    ends = [high or float(row["area"]) for row, (_, high) in zip(areas, spans, strict=True)]
    far = max([1e-9, *ends, *(float(row.get("mapped") or 0.0) for row in areas)])
    for place, (row, (low, high)) in enumerate(zip(areas, spans, strict=True)):
        area = float(row["area"])
        axes.barh(place, area, 0.62, color=colors.get(str(row["name"]), MUTED), edgecolor=_EDGE, linewidth=0.5)
        text = f"{area:,.0f}"
        if low is not None and high is not None:
            for line, color in ((3.4, "white"), (1.4, INK)):
                axes.errorbar(
                    area, place, xerr=[[area - low], [high - area]], color=color, lw=line, capsize=3.5, capthick=line
                )
            text += f"  ({low:,.0f} to {high:,.0f})"
        if row.get("mapped") is not None:
            axes.plot(float(row["mapped"]), place, "D", color="white", markeredgecolor=INK, markersize=4.5, zorder=4)
        _say(axes, max(area, high or 0.0, float(row.get("mapped") or 0.0)), place, text)
    _name(axes, [str(row["name"]) for row in areas], _axis(areas, unit), reach=1.3 * far)
    return figure


def _axis(areas: Sequence[Mapping[str, Any]], unit: str) -> str:
    parts = [f"area, {unit}"]
    if any(row.get("low") is not None for row in areas):
        parts.append("with 95 % interval")
    if any(row.get("mapped") is not None for row in areas):
        parts.append("diamond: counted on the map")
    return "; ".join(parts)


def _span(row: Mapping[str, Any]) -> tuple[float | None, float | None]:
    low, high = row.get("low"), row.get("high")
    if low is None or high is None:
        return None, None
    if not float(low) <= float(row["area"]) <= float(high):
        raise InputError(f"area {row['area']} of {row['name']!r} outside its interval", wanted=f"{low} to {high}")
    return float(low), float(high)


def _rows(count: int, each: float, around: float) -> tuple[Figure, Axes]:
    figure = new_figure(_WIDTH, each * max(count, 1) + around)
    return figure, figure.add_subplot()


def _say(axes: Axes, value: float, place: float, text: str) -> None:
    axes.annotate(
        text, (value, place), (6, 0), textcoords="offset points", va="center", fontsize=7.5, color=INK, zorder=5
    )


def _name(axes: Axes, legend: Legend | Sequence[str], what: str, *, reach: float) -> None:
    names = list(legend.names if isinstance(legend, Legend) else legend)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlim(0, reach)
    axes.set_xlabel(what)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
