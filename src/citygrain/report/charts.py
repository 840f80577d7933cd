"""Figures that are no maps: histograms, confusion matrices, bars of accuracy, learning curves, patches, times."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from citygrain.errors import InputError
from citygrain.legend import Legend
from citygrain.report.display import natural_bands, stretch, stretch_limits, thin
from citygrain.report.style import INK, MUTED, PALE, TRIO, new_figure, styled
from citygrain.samples.samples import Samples

__all__ = [
    "draw_histograms",
    "figure_class_bars",
    "figure_confusion",
    "figure_histograms",
    "figure_learning_curves",
    "figure_patches",
    "figure_times",
]

_WIDTH = 7.2


@styled
def figure_histograms(scene: xr.DataArray) -> Figure:
    """Draw the histogram of every band, with its 2nd, 50th and 98th percentile.

    Parameters
    ----------
    scene : DataArray, (band, y, x)
        The scene; NaN = no data.
    """
    rows = math.ceil(scene.shape[0] / 5)
    figure = new_figure(_WIDTH * 1.25, 1.35 * rows + 0.3)
    draw_histograms(figure, scene)
    return figure


def draw_histograms(figure: Any, scene: xr.DataArray) -> None:
    """Draw the histograms into a figure or a part of one."""
    count = scene.shape[0]
    columns = min(5, count)
    grid = figure.subplots(math.ceil(count / columns), columns, squeeze=False).ravel()
    for axes, name, image in zip(grid, scene.band.values, thin(scene.values, 700), strict=False):
        _histogram(axes, image[np.isfinite(image)])
        axes.set_title(str(name), fontsize=8)
    for axes in grid[count:]:
        axes.set_axis_off()
    figure.supxlabel(str(scene.attrs.get("units", "value")), fontsize=9)


def _histogram(axes: Axes, values: npt.NDArray[np.float32]) -> None:
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    if values.size == 0:
        axes.text(0.5, 0.5, "no data", ha="center", va="center", transform=axes.transAxes, color=MUTED)
        return
    low, middle, high = np.percentile(values, (2, 50, 98))
    reach = max(float(high - low), 1e-6)
    span = (max(float(values.min()), low - 0.25 * reach), min(float(values.max()), high + 0.35 * reach))
    if span[1] <= span[0]:
        span = (span[0] - 0.5, span[0] + 0.5)
    counts, edges = np.histogram(values, _bins(values, span))
    axes.stairs(counts, edges, fill=True, color=TRIO[0], alpha=0.75)
    for place, style in ((low, ":"), (middle, "-"), (high, ":")):
        axes.axvline(place, color=INK, linewidth=0.8, linestyle=style)
    axes.set_xlim(*span)
    axes.locator_params(axis="x", nbins=3)
    axes.tick_params(labelsize=7)


def _bins(values: npt.NDArray[np.float32], span: tuple[float, float]) -> npt.NDArray[np.float64]:
    """Return about 80 bins; of coarsely stored values each takes in as many steps as the next, or it looks a comb."""
    stored = np.unique(values[(values >= span[0]) & (values <= span[1])]).astype(float)
    if not 2 <= stored.size <= 1000:
        return np.linspace(*span, 81)
    step = float(np.diff(stored).min())
    width = step * math.ceil((span[1] - span[0]) / step / 80)
    return np.arange(stored[0] - step / 2, stored[-1] + width, width)


@styled
def figure_confusion(matrix: npt.ArrayLike, legend: Legend) -> Figure:
    """Draw a confusion matrix twice: counts, and shares of each map class.

    Parameters
    ----------
    matrix : array-like of int, (k, k)
        Counts, rows = map, columns = reference, in legend order.
    legend : Legend
        The classes.

    Raises
    ------
    InputError
        If the matrix does not fit the legend.
    """
    counts = np.asarray(matrix, np.int64)
    k = len(legend)
    if counts.shape != (k, k):
        raise InputError(f"confusion matrix of shape {counts.shape}", wanted=f"({k}, {k}) for legend {legend.scheme!r}")
    total = counts.sum(1, keepdims=True)
    share = np.divide(counts, total, out=np.full(counts.shape, np.nan), where=total > 0)
    beside = k <= 8
    side = max(2.6, 0.42 * k + 1.6)
    figure = new_figure(*((2 * side + 1.2, side) if beside else (side + 2.2, 2 * side)))
    left, right = figure.subplots(1, 2) if beside else figure.subplots(2, 1)
    _matrix(left, share, [[f"{n:d}" for n in row] for row in counts], legend)
    _matrix(right, share, [["" if np.isnan(s) else f"{100 * s:.0f}" for s in row] for row in share], legend)
    left.set_title("Number of units")
    right.set_title("Per cent of each map class")
    return figure


def _matrix(axes: Axes, share: npt.NDArray[np.float64], texts: Sequence[Sequence[str]], legend: Legend) -> None:
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1.25)
    size = 8.5 if len(legend) <= 6 else max(5.0, 9.5 - 0.25 * len(legend))
    for row, line in enumerate(texts):
        for column, text in enumerate(line):
            value = share[row, column]
            bold = "bold" if row == column else "normal"
            color = "white" if value > 0.72 else (INK if value > 0 else "#a3a9b1")
            axes.text(column, row, text, ha="center", va="center", fontsize=size, fontweight=bold, color=color)
    slanted = len(legend) > 3
    axes.set_xticks(
        range(len(legend)), legend.names, rotation=40 if slanted else 0, ha="right" if slanted else "center"
    )
    axes.set_yticks(range(len(legend)), legend.names)
    axes.tick_params(length=0)
    axes.set_xlabel("Reference", fontweight="bold")
    axes.set_ylabel("Map", fontweight="bold")
    for spine in axes.spines.values():
        spine.set_visible(False)


@styled
def figure_class_bars(per_class: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Draw user's accuracy, producer's accuracy and F1 of each class.

    Parameters
    ----------
    per_class : mapping
        By class name: users_accuracy, producers_accuracy, f1 (0 to 1, None = undefined), as in ``assessment.json``.
    """
    figure = new_figure(_WIDTH, 0.62 * len(per_class) + 1.0)
    axes = figure.add_subplot()
    kinds = {"users_accuracy": "user's accuracy", "producers_accuracy": "producer's accuracy", "f1": "F1"}
    places = np.arange(len(per_class), dtype=float)
    for nth, (key, name) in enumerate(kinds.items()):
        values = [row.get(key) for row in per_class.values()]
        at = places + (nth - 1) * 0.26
        axes.barh(at, [value or 0 for value in values], 0.24, color=TRIO[nth], label=name)
        for place, value in zip(at, values, strict=True):
            text = "undefined" if value is None else f"{100 * value:.1f}"
            axes.text((value or 0) + 0.008, place, text, va="center", fontsize=7, color=MUTED)
    axes.set_yticks(places, list(per_class))
    axes.invert_yaxis()
    axes.set_xlim(0, 1.06)
    axes.set_xticks(np.linspace(0, 1, 6), [f"{v:.0f} %" for v in np.linspace(0, 100, 6)])
    axes.grid(axis="x")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    figure.legend(loc="outside lower center", ncols=3)
    return figure


@styled
def figure_learning_curves(history: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw loss and accuracy by epoch, in training and validation, and mark the epoch with the lowest validation loss.

    Parameters
    ----------
    history : sequence of mapping
        Per epoch: epoch, train_loss, valid_loss, train_accuracy, valid_accuracy; what is missing is left out.
    """
    figure = new_figure(_WIDTH, 2.6)
    epochs = [row.get("epoch", number) for number, row in enumerate(history, start=1)]
    best = _best_epoch(history, epochs)
    for axes, what in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        for part, color, name in (("train", TRIO[0], "training"), ("valid", TRIO[1], "validation")):
            values = [row.get(f"{part}_{what}") for row in history]
            if any(value is not None for value in values):
                curve = [math.nan if value is None else value for value in values]
                axes.plot(epochs, curve, color=color, marker="o", markersize=3, label=name)
        if best is not None:
            axes.axvline(best, color=MUTED, linewidth=0.8, linestyle="--", label="lowest validation loss")
        axes.set_xlabel("epoch")
        axes.set_title(what.capitalize())
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid()
    handles, names = figure.axes[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, names, loc="outside lower center", ncols=3)
    return figure


def _best_epoch(history: Sequence[Mapping[str, Any]], epochs: Sequence[Any]) -> float | None:
    losses = [(row["valid_loss"], epoch) for row, epoch in zip(history, epochs, strict=True) if _number(row)]
    return float(min(losses)[1]) if losses else None


def _number(row: Mapping[str, Any]) -> bool:
    value = row.get("valid_loss")
    return value is not None and math.isfinite(value)


@styled
def figure_patches(samples: Samples, *, bands: Sequence[str] | None = None, per_class: int = 10) -> Figure:
    """Draw sample patches of each class in one row, all under the same stretch.

    Parameters
    ----------
    samples : Samples
        Patches, x of shape (n, c, h, w).
    bands : sequence of str, optional
        Features for red, green and blue; the natural colours where they are there.
    per_class : int
        Most patches shown of each class, the first ones.

    Raises
    ------
    InputError
        If the samples are not patches.
    """
    if len(samples.x.shape) != 4:
        raise InputError(f"samples of shape {tuple(samples.x.shape)}", wanted="patches, (n, c, h, w)")
    names = xr.DataArray(np.zeros((len(samples.features), 1, 1)), dims=("band", "y", "x"))
    chosen = tuple(bands) if bands else natural_bands(names.assign_coords(band=list(samples.features)))
    rows = [np.flatnonzero(samples.y == c.code)[:per_class] for c in samples.legend]
    picked = samples.select(chosen)
    per_class = max([1, *map(len, rows)])
    every = np.concatenate(rows)
    side = picked.x.shape[2]
    strip = np.moveaxis(np.asarray(picked.x[:])[every], 1, 0).reshape(3, -1, picked.x.shape[3])
    limits = stretch_limits(strip, (1, 99), together=True)
    patches = stretch(strip, limits).reshape(len(every), side, -1, 3)
    return _sheet(patches, [len(row) for row in rows], samples.legend, per_class)


def _sheet(patches: npt.NDArray[np.uint8], counts: Sequence[int], legend: Legend, per_class: int) -> Figure:
    """Paste patches into one picture, a row for each class."""
    side, gap = patches.shape[1], max(1, patches.shape[1] // 12)
    step = side + gap
    picture = np.full((step * len(legend) - gap, step * per_class - gap, 3), 255, np.uint8)
    first = 0
    for row, count in enumerate(counts):
        for column in range(count):
            picture[row * step : row * step + side, column * step : column * step + side] = patches[first + column]
        first += count
    wide = _WIDTH - 1.3
    figure = new_figure(_WIDTH, wide * picture.shape[0] / picture.shape[1] + 0.15)
    axes = figure.add_subplot()
    axes.imshow(picture, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([row * step + side / 2 for row in range(len(legend))], legend.names)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return figure


@styled
def figure_times(steps: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw the time of each step, with its peak memory in words; steps taken from an earlier run are pale.

    Parameters
    ----------
    steps : sequence of mapping
        name, seconds, peak_mb, reused.
    """
    figure = new_figure(_WIDTH, 0.32 * max(1, len(steps)) + 0.7)
    axes = figure.add_subplot()
    seconds = [float(step.get("seconds") or 0) for step in steps]
    colors = [PALE if step.get("reused") else TRIO[0] for step in steps]
    axes.barh(range(len(steps)), seconds, 0.62, color=colors)
    longest = max([*seconds, 1e-3])
    for place, (step, spent) in enumerate(zip(steps, seconds, strict=True)):
        memory = f", peak {step['peak_mb']:.0f} MB" if step.get("peak_mb") else ""
        again = ", reused" if step.get("reused") else ""
        axes.text(
            spent + 0.01 * longest, place, f"{spent:.1f} s{memory}{again}", va="center", fontsize=7.5, color=MUTED
        )
    axes.set_yticks(range(len(steps)), [str(step.get("name", "")) for step in steps])
    axes.invert_yaxis()
    axes.set_xlim(0, 1.3 * longest)
    axes.set_xlabel("seconds")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    return figure
