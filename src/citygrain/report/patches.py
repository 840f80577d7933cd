"""Contact sheets of patches: what each class looks like to Sentinel-2 and to Sentinel-1, and how many there are.

One stretch serves a whole sheet, so that a dark patch is dark. Only the patches that are drawn are read.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import hsv_to_rgb
from matplotlib.figure import Figure
from matplotlib.transforms import offset_copy

from citygrain.errors import InputError
from citygrain.features.sar import decibels
from citygrain.legend import LCZ, LandClass, Legend
from citygrain.report.display import natural_bands, stretch, stretch_limits
from citygrain.report.matrices import short_names
from citygrain.report.style import MUTED, new_figure, styled
from citygrain.samples.samples import Samples
from citygrain.sensors import SO2SAT_SENTINEL1

__all__ = ["draw_rows", "figure_patch_sheet", "figure_radar_sheet"]

Picture = npt.NDArray[np.uint8]
Values = npt.NDArray[np.float32]

_BARS = 3.6  # room for the bars and their numbers, in patches
_ASIDE = 0.45  # gap between two sheets, in patches


def draw_rows(samples: Samples, per_class: int, *, rng: np.random.Generator) -> list[npt.NDArray[np.int64]]:
    """Draw rows of each class without repeats, in file order, for each class of the legend.

    Examples
    --------
    >>> from citygrain.legend import URBAN
    >>> samples = Samples.of(np.zeros((4, 1), np.float32), [1, 4, 4, 4], features=("B02",), legend=URBAN)
    >>> [len(rows) for rows in draw_rows(samples, 2, rng=np.random.default_rng(0))]
    [1, 0, 0, 2]
    """
    drawn = []
    for c in samples.legend:
        rows = np.flatnonzero(samples.y == c.code)
        drawn.append(np.sort(rng.choice(rows, min(per_class, len(rows)), replace=False)))
    return drawn


@styled
def figure_patch_sheet(
    samples: Samples, *, rng: np.random.Generator, bands: Sequence[str] | None = None, per_class: int = 10
) -> Figure:
    """Draw a row of patches for each class, under one stretch, with the number of patches of the class as a bar.

    Memory: the patches drawn, no more.

    Parameters
    ----------
    samples : Samples
        Patches, x of shape (n, c, h, w).
    rng : numpy.random.Generator
        Chooses the patches.
    bands : sequence of str, optional
        Features for red, green and blue; the natural colours where they are there, else the first three.
    per_class : int
        Patches of each class.

    Raises
    ------
    InputError
        If the samples are not patches, a band is not there, or no row has a class.
    """
    drawn, shown = _drawn(samples, per_class, rng)
    chosen = _composite(samples, bands)
    values = shown.select(chosen).take(np.arange(len(shown)))  # (n, 3, h, w)
    natural = chosen == _composite(samples, None)
    pictures = _stretched(values, together=natural)
    counts = samples.counts()
    present = [c for c in samples.legend if counts[c.name]]
    figure, axes = _sheet(samples.legend, present, width=per_class + _BARS, below=0.0)
    _paste(axes, pictures, [len(rows) for rows in drawn if len(rows)], at=0.0)
    plain = chosen == ("red", "green", "blue")
    _heading(axes, 0.0, "Patches" if plain else f"Patches, {' '.join(chosen)} as red, green, blue")
    _bars(axes, present, [counts[c.name] for c in present], at=per_class + 0.4)
    absent = [short for c, short in zip(samples.legend, short_names(samples.legend), strict=True) if not counts[c.name]]
    if absent:
        figure.supxlabel(f"no patches of {', '.join(absent)}", fontsize=7.5, color=MUTED)
    return figure


@styled
def figure_radar_sheet(samples: Samples, *, rng: np.random.Generator, per_class: int = 4) -> Figure:
    """Draw Sentinel-1 patches of each class in three ways: intensity, false colour, and phase with coherence.

    The intensity is VV in decibels; the false colour is VV, VH and their difference in decibels as red, green and
    blue, which are distinct channels; phase and coherence are those of the Lee-filtered covariance of VV and VH,
    phase as hue and coherence as brightness. Memory: the patches drawn, no more.

    Parameters
    ----------
    samples : Samples
        Patches with the eight raw channels of So2Sat (``citygrain.sensors.SO2SAT_SENTINEL1``).
    rng : numpy.random.Generator
        Chooses the patches.
    per_class : int
        Patches of each class.

    Raises
    ------
    InputError
        If the channels are not there.
    """
    missing = [name for name in SO2SAT_SENTINEL1 if name not in samples.features]
    if missing:
        raise InputError(
            f"Sentinel-1 patches without {', '.join(missing)}", wanted=f"channels {', '.join(SO2SAT_SENTINEL1)}"
        )
    drawn, shown = _drawn(samples, per_class, rng)
    radar = Radar.of(shown.select(SO2SAT_SENTINEL1).take(np.arange(len(shown))))
    counts = [len(rows) for rows in drawn if len(rows)]
    present = [c for c in samples.legend if (shown.y == c.code).any()]
    limits = _limits(radar.vv)
    views = (
        ("Intensity VV", _grey(radar.vv, limits)),
        ("VV, VH and VV−VH", _stretched(np.stack([radar.vv, radar.vh, radar.vv - radar.vh], 1), together=False)),
        ("Phase and coherence", phase_picture(radar.phase, radar.coherence)),
    )
    figure, axes = _sheet(samples.legend, present, width=3 * per_class + 2 * _ASIDE, below=1.25)
    for nth, (title, pictures) in enumerate(views):
        at = nth * (per_class + _ASIDE)
        _paste(axes, pictures, counts, at=at)
        _heading(axes, at, title)
        _radar_key(axes, nth, limits, box=(at, len(present) + 0.25, per_class, 0.3))
    return figure


@dataclass(frozen=True)
class Radar:
    """What is drawn of Sentinel-1: intensities in dB, phase in radians and coherence 0 to 1, each (n, h, w)."""

    vv: Values
    vh: Values
    phase: Values
    coherence: Values

    @classmethod
    def of(cls, raw: Values) -> "Radar":
        """Compute them from the eight raw channels, (n, 8, h, w)."""
        vh, vv, re, im = raw[:, 4], raw[:, 5], raw[:, 6], raw[:, 7]
        power = np.sqrt(np.maximum(vh, 0) * np.maximum(vv, 0))
        size = np.hypot(re, im)
        coherence = np.divide(size, power, out=np.zeros_like(size), where=power > 0)
        return cls(decibels(vv), decibels(vh), np.arctan2(im, re), np.clip(coherence, 0, 1))


def phase_picture(phase: Values, coherence: Values) -> Picture:
    """Return phase (radians) as hue and coherence (0 to 1) as brightness, (..., 3).

    Examples
    --------
    >>> phase_picture(np.zeros(2, np.float32), np.array([0, 1], np.float32)).tolist()
    [[0, 0, 0], [255, 38, 38]]
    """
    hue = (np.nan_to_num(phase) / (2 * np.pi)) % 1
    value = np.sqrt(np.clip(np.nan_to_num(coherence), 0, 1))  # coherence is mostly low: the root shows it
    colors = hsv_to_rgb(np.stack([hue, np.full_like(hue, 0.85), value], -1))
    return np.asarray(np.rint(255 * colors).astype(np.uint8))


def _drawn(samples: Samples, per_class: int, rng: np.random.Generator) -> tuple[list[npt.NDArray[np.int64]], Samples]:
    """Return the rows drawn of each class, and their samples, still unread where they are lazy."""
    if len(samples.x.shape) != 4:
        raise InputError(f"samples of shape {tuple(samples.x.shape)}", wanted="patches, (n, c, h, w)")
    drawn = draw_rows(samples, per_class, rng=rng)
    if not sum(len(rows) for rows in drawn):
        raise InputError("patches without a class", wanted="a class for some rows")
    return drawn, samples[np.concatenate(drawn)]


def _composite(samples: Samples, bands: Sequence[str] | None) -> tuple[str, str, str]:
    if bands is not None:
        if len(bands) != 3:
            raise InputError(f"bands {', '.join(bands)} for a picture", wanted="three")
        return bands[0], bands[1], bands[2]
    names = xr.DataArray(np.zeros((len(samples.features), 1, 1)), dims=("band", "y", "x"))
    return natural_bands(names.assign_coords(band=list(samples.features)))


def _stretched(values: Values, *, together: bool) -> Picture:
    """Stretch (n, 3, h, w) to pictures (n, h, w, 3) under limits common to all."""
    n, _, height, width = values.shape
    strip = np.moveaxis(values, 1, 0).reshape(3, n * height, width)
    return stretch(strip, stretch_limits(strip, (1, 99), together=together)).reshape(n, height, width, 3)


def _limits(values: Values) -> tuple[float, float]:
    known = values[np.isfinite(values)]
    low, high = np.percentile(known, (1, 99)) if known.size else (0.0, 1.0)
    return float(low), float(max(high, low + 1e-6))


def _grey(values: Values, limits: tuple[float, float]) -> Picture:
    shown = np.clip((values - limits[0]) / (limits[1] - limits[0]), 0, 1)
    grey = np.where(np.isfinite(shown), np.rint(255 * shown), 255).astype(np.uint8)
    return np.asarray(grey[..., None].repeat(3, -1))


def _sheet(legend: Legend, present: Sequence[LandClass], *, width: float, below: float) -> tuple[Figure, Axes]:
    """Return axes in which a patch is one unit wide and high, a row for each class, named; `below` is room for keys."""
    label = 0.5 + 0.07 * max(len(c.name) for c in present)
    patch = max(0.34, min(0.52, 6.6 / width))
    figure = new_figure(label + patch * width, 0.45 + patch * (len(present) + below))
    axes = figure.add_subplot()
    axes.set_aspect("equal")
    axes.set_xlim(0, width)
    axes.set_ylim(len(present) + below, 0)
    axes.set_xticks([])
    _name_rows(axes, legend, present)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return figure, axes


def _heading(axes: Axes, at: float, text: str) -> None:
    axes.annotate(
        text, (at, 0), (0, 6), textcoords="offset points", fontsize=9.5, fontweight="bold", annotation_clip=False
    )


def _paste(axes: Axes, pictures: Picture, counts: Sequence[int], *, at: float) -> None:
    """Show patches (n, h, w, 3) from the left edge `at`, each in a unit square with a gap around it."""
    nth, gap = 0, 0.035
    for row, count in enumerate(counts):
        for column in range(count):
            left, top = at + column, float(row)
            extent = (left + gap, left + 1 - gap, top + 1 - gap, top + gap)
            axes.imshow(pictures[nth], interpolation="nearest", extent=extent, aspect="auto")
            nth += 1


def _name_rows(axes: Axes, legend: Legend, present: Sequence[LandClass]) -> None:
    """Name the rows, each name behind a swatch of its class's colour."""
    numbered = dict(zip(legend.names, short_names(legend), strict=True))
    texts = [f"{numbered[c.name]}  {c.name}" if legend.scheme == LCZ.scheme else c.name for c in present]
    places = np.arange(len(present)) + 0.5
    axes.set_yticks(places, texts)
    axes.tick_params(axis="y", length=0, pad=13)
    moved = offset_copy(axes.get_yaxis_transform(), axes.get_figure(root=True), -7, 0, units="points")
    axes.scatter(
        np.zeros(len(present)),
        places,
        34 * np.ones(len(present)),
        [c.color for c in present],
        marker="s",
        transform=moved,
        edgecolors="#8a9199",
        linewidths=0.5,
        clip_on=False,
    )


def _bars(axes: Axes, present: Sequence[LandClass], counts: Sequence[int], *, at: float) -> None:
    """Draw the number of patches of each class as a bar in its colour, beside its row."""
    longest = _BARS - 1.5
    for row, (c, count) in enumerate(zip(present, counts, strict=True)):
        length = longest * count / max(counts)
        axes.barh(row + 0.5, length, 0.6, left=at, color=c.color, edgecolor="#8a9199", linewidth=0.4)
        axes.annotate(f"{count:,}", (at + length, row + 0.5), (3, 0), textcoords="offset points", va="center", size=7.5)
    _heading(axes, at, f"{sum(counts):,} patches")


def _radar_key(axes: Axes, nth: int, limits: tuple[float, float], *, box: tuple[float, float, float, float]) -> None:
    """Draw below its sheet what grey, colour or hue means; `box` is left, top, width and height."""
    left, top, width, height = box
    if nth == 1:
        words = "VV red, VH green, VV−VH blue, each in dB"
        axes.text(left + width / 2, top + height / 2, words, ha="center", va="center", fontsize=7)
        return
    across, down = axes.get_xlim()[1], axes.get_ylim()[0]
    key = axes.inset_axes(
        (
            (left + 0.15 * width) / across,
            1 - (top + height) / down,
            0.7 * width / across,
            height / down,
        )
    )
    if nth == 0:
        key.imshow(np.linspace(0, 1, 256)[None], cmap="gray", aspect="auto", extent=(*limits, 0, 1))
        key.set_xlabel("VV, dB", fontsize=7, labelpad=1)
    else:
        phase = np.linspace(-np.pi, np.pi, 256, dtype=np.float32)[None].repeat(24, 0)
        coherence = np.linspace(1, 0, 24, dtype=np.float32)[:, None].repeat(256, 1)
        key.imshow(phase_picture(phase, coherence), aspect="auto", extent=(-180, 180, 0, 1))
        key.set_xticks([-180, 0, 180], ["−180°", "phase of VV·VH*", "180°"])
        key.set_xlabel("brightness: coherence, 0 to 1", fontsize=7, labelpad=1)
    key.set_yticks([])
    key.tick_params(labelsize=6.5, length=2, pad=1.5)
