"""What a training shows as pictures: patches as they are read and as the network gets them, and those it gets wrong.

Drawing needs matplotlib, which is not known here: who starts the training hands in how pictures are drawn.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor

from citygrain.legend import Legend
from citygrain.models.board_points import Points, spread_rows
from citygrain.models.card import ModelCard
from citygrain.models.normalisation import Normalisation
from citygrain.samples.samples import Samples

__all__ = ["Crop", "Pictures", "Tile", "class_colors", "given_patches", "read_patches", "sprites_of", "wrong_patches"]

_SHOWN = 32
_SHOWN_OFTEN = 16
Values = npt.NDArray[np.float32]
Picture = npt.NDArray[np.uint8]
Tile = tuple[str, str]
"""What stands below a patch: a line, and the colour of its mark."""


class Pictures(Protocol):
    """How pictures are drawn."""

    def colours(self, values: Values) -> Picture:
        """Return patches (n, 3, h, w) under one stretch as pictures (n, h, w, 3)."""

    def png(self, picture: Picture) -> bytes:
        """Return a picture (h, w, 3) as a PNG file."""

    def confusion(self, matrix: npt.NDArray[np.int64], legend: Legend) -> bytes:
        """Draw a confusion matrix, rows = map, columns = reference, as a PNG file."""

    def patches(self, pictures: Picture, below: Sequence[Tile]) -> bytes:
        """Draw patches (n, h, w, 3) in rows, with a line below each, as a PNG file."""


@dataclass(frozen=True)
class Crop:
    """A part of the scene that is mapped again and again while the network learns.

    Attributes
    ----------
    rows : ndarray, (m, ...)
        The part's units as the network takes them.
    draw : callable
        Draws the part from the code of each unit, (m,), as a PNG file.
    """

    rows: Values
    draw: Callable[[npt.NDArray[np.uint8]], bytes]


def read_patches(samples: Samples, bands: Sequence[str], pictures: Pictures) -> bytes:
    """Draw some patches of each class as they are read."""
    rows = spread_rows(samples.y, _SHOWN)
    chosen = samples[rows]
    rows = rows[np.argsort(chosen.y, kind="stable")]
    names = samples.legend.names
    columns = samples.legend.columns(samples.y[rows])
    below = [(names[column], samples.legend.classes[column].color) for column in columns]
    return pictures.patches(pictures.colours(_channels(samples.take(rows), samples.features, bands)), below)


def given_patches(x: Tensor, target: Tensor, card: ModelCard, bands: Sequence[str], pictures: Pictures) -> bytes:
    """Draw the first patches of a batch: augmented, and with the larger part of a blended label."""
    target = target[:_SHOWN_OFTEN]
    share = target.float().max(1).values if target.ndim == 2 else None
    columns = (target.argmax(1) if target.ndim == 2 else target).tolist()
    classes = [card.legend.classes[card.present[column]] for column in columns]
    below = [
        (c.name if share is None else f"{100 * float(share[row]):.0f} % {c.name}", c.color)
        for row, c in enumerate(classes)
    ]
    normalisation = Normalisation.from_dict(card.normalisation)
    mean, std = (np.asarray(v, np.float32)[None, :, None, None] for v in (normalisation.mean, normalisation.std))
    values = x[:_SHOWN_OFTEN].float().numpy() * std + mean
    return pictures.patches(pictures.colours(_channels(values, card.features, bands)), below)


def wrong_patches(
    samples: Samples, probabilities: npt.NDArray[np.float32], bands: Sequence[str], pictures: Pictures
) -> bytes | None:
    """Draw the patches that a network is surest of and gets wrong; None where it gets all right.

    Parameters
    ----------
    samples : Samples
        n patches with their classes.
    probabilities : ndarray, (n, k)
        In legend order.
    bands : sequence of str
        For red, green and blue.
    pictures : Pictures
        How they are drawn.
    """
    mapped, sure = probabilities.argmax(1), probabilities.max(1)
    columns = samples.legend.columns(samples.y)
    wrong = np.flatnonzero(mapped != columns)
    wrong = wrong[np.argsort(-sure[wrong], kind="stable")][:_SHOWN_OFTEN]
    if not len(wrong):
        return None
    classes = samples.legend.classes
    below = [
        (f"{100 * sure[row]:.0f} % {classes[mapped[row]].name}, is {classes[columns[row]].name}",
         classes[columns[row]].color)
        for row in wrong
    ]  # fmt: skip
    return pictures.patches(pictures.colours(_channels(samples.take(wrong), samples.features, bands)), below)


def sprites_of(points: Points, bands: Sequence[str], pictures: Pictures) -> Picture:
    """Return a picture of each point, (n, h, w, 3)."""
    return pictures.colours(_channels(points.samples.x, points.samples.features, bands))


def class_colors(samples: Samples) -> npt.NDArray[np.uint8]:
    """Return the legend's colour of each row's class, (n, 3)."""
    colors = np.array([c.rgb for c in samples.legend], np.uint8)
    return colors[samples.legend.columns(samples.y)]


def _channels(values: Any, features: Sequence[str], bands: Sequence[str]) -> Values:
    return np.asarray(values[:, [list(features).index(band) for band in bands]], np.float32)
