"""Pictures for TensorBoard, drawn while a network trains: made for speed, so plain axes and no layout to solve."""

import functools
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imsave
from PIL import Image, ImageDraw, ImageFont

from citygrain.legend import Legend
from citygrain.report.display import color_codes, stretch, stretch_limits
from citygrain.report.matrices import short_names
from citygrain.report.style import INK, styled

__all__ = ["BoardPictures", "figure_epoch_confusion", "paint_codes", "paint_tiles"]

Picture = npt.NDArray[np.uint8]

_DPI = 90
_ACROSS = 8
_TILE, _GAP, _LINES = 100, 4, 26  # pixels: of a patch (more than half of it), between them, of the lines below
_LETTERS = 8
_LONGEST = 20  # signs of a line below a patch


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
        return self.png(paint_tiles(pictures, below))


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


def paint_tiles(pictures: Picture, below: Sequence[tuple[str, str]]) -> Picture:
    """Return patches in rows of eight, each with a mark and up to two lines below it, (h, w, 3).

    By Pillow: it takes a tenth of the time that matplotlib takes for so many lines.

    Parameters
    ----------
    pictures : ndarray of uint8, (n, h, w, 3)
        The patches.
    below : sequence of (str, str)
        What stands below each patch (after a comma, on a second line), and the colour of its mark.

    Examples
    --------
    >>> paint_tiles(np.zeros((1, 25, 25, 3), np.uint8), [("Water", "#0000ff")]).shape
    (126, 832, 3)
    """
    enlarged = pictures.repeat(factor := max(1, _TILE // pictures.shape[1]), 1).repeat(factor, 2)
    size = enlarged.shape[1]
    down, across, rows = size + _LINES, size + _GAP, -(-len(pictures) // _ACROSS)
    whole = Image.new("RGB", (across * _ACROSS, down * rows), "white")
    pen, font = ImageDraw.Draw(whole), _font()
    for nth, (picture, (line, color)) in enumerate(zip(enlarged, below, strict=False)):
        x, y = nth % _ACROSS * across, nth // _ACROSS * down
        whole.paste(Image.fromarray(picture), (x, y))
        pen.rectangle((x + 2, y + size + 4, x + 8, y + size + 10), fill=color)
        lines = "\n".join(_cut(part.strip()) for part in line.split(", ", 1))
        pen.multiline_text((x + 11, y + size + 1), lines, fill=INK, font=font, spacing=1)
    return np.asarray(whole)


@functools.cache
def _font() -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(Path(mpl.get_data_path()) / "fonts/ttf/DejaVuSans.ttf", _LETTERS)


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
