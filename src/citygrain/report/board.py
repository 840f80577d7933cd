"""Pictures for TensorBoard, drawn while a network trains: made for speed, so plain axes and no layout to solve."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imsave

from citygrain.legend import Legend
from citygrain.report.display import color_codes, stretch, stretch_limits
from citygrain.report.matrices import short_names
from citygrain.report.style import INK, styled

__all__ = ["BoardPictures", "figure_epoch_confusion", "figure_tiles", "paint_codes"]

Picture = npt.NDArray[np.uint8]

_DPI = 90
_ACROSS = 8
_TILE = 1.15  # inches
_LONGEST = 21  # signs of a line below a patch


class BoardPictures:
    """How `citygrain.models.tensorboard.Board` draws (its protocol ``Pictures``)."""

    def __init__(self, *, together: bool = True) -> None:
        self._together = together

    def colours(self, values: npt.NDArray[np.float32]) -> Picture:
        """Return patches (n, 3, h, w) under one stretch as pictures (n, h, w, 3)."""
        n, _, height, width = values.shape
        strip = np.moveaxis(values, 1, 0).reshape(3, n * height, width)
        limits = stretch_limits(strip, (1, 99), together=self._together)
        return stretch(strip, limits).reshape(n, height, width, 3)

    def png(self, picture: Picture) -> bytes:
        """Return a picture (h, w, 3) as a PNG file."""
        target = io.BytesIO()
        imsave(target, picture, format="png", pil_kwargs={"compress_level": 1})
        return target.getvalue()

    def confusion(self, matrix: npt.NDArray[np.int64], legend: Legend) -> bytes:
        """Draw a confusion matrix as a PNG file."""
        return self.png(_rendered(figure_epoch_confusion(matrix, legend)))

    def patches(self, pictures: Picture, below: Sequence[tuple[str, str]]) -> bytes:
        """Draw patches (n, h, w, 3), a line and a coloured mark below each, as a PNG file."""
        return self.png(_rendered(figure_tiles(pictures, below)))


@styled
def figure_epoch_confusion(matrix: npt.NDArray[np.int64], legend: Legend) -> Figure:
    """Draw a confusion matrix, rows = map, columns = reference: counts, coloured by their share of the reference.

    Parameters
    ----------
    matrix : ndarray of int, (k, k)
        Counts in legend order.
    legend : Legend
        The classes.
    """
    k, names = len(legend), [_cut(name) for name in short_names(legend)]
    longest = 0.075 * max(len(name) for name in names)
    side = max(2.4, 0.42 * k)
    width, height = side + longest + 0.65, side + 0.75 * longest + 0.85
    figure = Figure(figsize=(width, height), dpi=_DPI)
    left, bottom = (longest + 0.5) / width, (0.75 * longest + 0.45) / height
    axes = figure.add_axes((left, bottom, side / width, side / height))
    total = matrix.sum(0, keepdims=True)
    share = np.divide(100.0 * matrix, total, out=np.zeros(matrix.shape), where=total > 0)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=100)
    for (row, column), count in np.ndenumerate(matrix):
        if count:
            color = "white" if share[row, column] > 58 else INK
            axes.text(column, row, str(count), ha="center", va="center", fontsize=8 if k < 11 else 6.5, color=color)
    slanted = max(len(name) for name in names) > 3
    axes.set_xticks(range(k), names, rotation=40 if slanted else 0, ha="right" if slanted else "center")
    axes.set_yticks(range(k), names)
    axes.tick_params(length=0)
    axes.set_xlabel("Reference")
    axes.set_ylabel("Map")
    axes.set_title(f"{np.trace(matrix):,} of {matrix.sum():,} right")
    return figure


@styled
def figure_tiles(pictures: Picture, below: Sequence[tuple[str, str]]) -> Figure:
    """Draw patches in rows of eight.

    Parameters
    ----------
    pictures : ndarray of uint8, (n, h, w, 3)
        The patches.
    below : sequence of (str, str)
        What stands below each patch (after a comma, on a second line), and the colour of its mark.
    """
    n, size = len(pictures), pictures.shape[1]
    rows, gap = -(-n // _ACROSS), max(1, round(0.04 * size))
    room = 0.36 * size  # for two lines
    mosaic = np.full((rows, _ACROSS, size + round(room), size + gap, 3), 255, np.uint8)
    mosaic.reshape(rows * _ACROSS, *mosaic.shape[2:])[:n, :size, :size] = pictures
    whole = mosaic.swapaxes(1, 2).reshape(rows * mosaic.shape[2], _ACROSS * mosaic.shape[3], 3)
    figure = Figure(figsize=(_TILE * _ACROSS, _TILE * _ACROSS * whole.shape[0] / whole.shape[1]), dpi=_DPI)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(whole, interpolation="nearest", aspect="auto")
    axes.set_axis_off()
    marks = []
    for nth, (line, color) in enumerate(below[:n]):
        x, y = nth % _ACROSS * (size + gap), nth // _ACROSS * (size + round(room)) + size
        text = "\n".join(_cut(part.strip()) for part in line.split(", ", 1))
        axes.text(x + 0.11 * size, y + 0.04 * size, text, ha="left", va="top", fontsize=6.2, linespacing=1.05)
        marks.append((x + 0.05 * size, y + 0.1 * size, color))
    x, y, colors = zip(*marks, strict=True)
    axes.scatter(x, y, 16, colors, marker="s", linewidths=0)
    return figure


def paint_codes(codes: Picture, legend: Legend, *, least: int = 500) -> bytes:
    """Return a part of a map in the legend's colours as a PNG file, enlarged by a whole number to `least` pixels."""
    factor = max(1, least // max(codes.shape))
    return BoardPictures().png(color_codes(codes, legend).repeat(factor, 0).repeat(factor, 1))


def _rendered(figure: Figure) -> Picture:
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[:, :, :3].copy()


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
