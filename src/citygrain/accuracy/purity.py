"""What mixed superpixels cost: the best pixel accuracy that these superpixels allow, and who lost the rest.

A superpixel has one class, so a pixel of another class within it is lost whatever the map says. What is lost beyond
that is lost to wrong classes. The parts add up to 1, pixel by pixel.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from citygrain.errors import InputError
from citygrain.legend import Legend

__all__ = ["PurityAccount", "account_for_pixels"]


@dataclass(frozen=True)
class PurityAccount:
    """Where the pixels went; all figures are shares, 0 to 1.

    Attributes
    ----------
    pixels, superpixels : int
        How many are judged: those with a reference and a class on the map.
    best_pixel_accuracy : float
        Share of pixels that have their superpixel's majority class: no map of these superpixels can agree with more.
    pixel_accuracy : float
        Share of pixels that have their superpixel's class on the map.
    lost_to_mixed_superpixels, lost_to_wrong_classes : float
        The rest; with `pixel_accuracy` they add up to 1.
    superpixel_accuracy, superpixel_accuracy_by_area : float
        Share of superpixels whose class is their majority class: each counted once, and each by its pixels.
    """

    pixels: int
    superpixels: int
    best_pixel_accuracy: float
    pixel_accuracy: float
    lost_to_mixed_superpixels: float
    lost_to_wrong_classes: float
    superpixel_accuracy: float
    superpixel_accuracy_by_area: float

    @property
    def gap(self) -> float:
        """Superpixel accuracy minus pixel accuracy, -1 to 1."""
        return self.superpixel_accuracy - self.pixel_accuracy

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, with the two parts of the gap between superpixel and pixel accuracy."""
        return {
            **asdict(self),
            "gap": {
                "superpixel_minus_pixel_accuracy": self.gap,
                "as_large_superpixels_weigh_more": self.superpixel_accuracy - self.superpixel_accuracy_by_area,
                "as_superpixels_are_mixed": self.superpixel_accuracy_by_area - self.pixel_accuracy,
            },
        }


def account_for_pixels(counts: npt.NDArray[np.int64], mapped: npt.NDArray[np.uint8], legend: Legend) -> PurityAccount:
    """Account for every reference pixel of a map of superpixels.

    Parameters
    ----------
    counts : ndarray of int, (n, k)
        Reference pixels of each class in each superpixel.
    mapped : ndarray of uint8, (n,)
        Class of each superpixel on the map; 0 = none, which is passed over.
    legend : Legend
        k classes.

    Raises
    ------
    InputError
        If shapes differ, or nothing is left to judge.

    Examples
    --------
    >>> from citygrain.legend import Legend
    >>> legend = Legend.from_names({1: "Land", 2: "Water"})
    >>> found = account_for_pixels(np.array([[8, 2], [0, 5], [4, 1]]), np.array([1, 2, 2], np.uint8), legend)
    >>> found.best_pixel_accuracy, found.pixel_accuracy
    (0.85, 0.7)
    >>> round(found.lost_to_mixed_superpixels, 2), round(found.lost_to_wrong_classes, 2)
    (0.15, 0.15)
    """
    if counts.shape != (len(mapped), len(legend)):
        raise InputError(f"counts of shape {counts.shape}", wanted=f"{(len(mapped), len(legend))}")
    judged = (mapped > 0) & (counts.sum(1) > 0)
    held, column = counts[judged], legend.columns(mapped[judged])
    total = int(held.sum())
    if total == 0:
        raise InputError("no superpixel with both a class and a reference", wanted="one at least")
    most, agreed = held.max(1), held[np.arange(len(held)), column]
    right = held.argmax(1) == column  # among equals the first of the legend, as `majority` has it
    return PurityAccount(
        pixels=total,
        superpixels=len(held),
        best_pixel_accuracy=int(most.sum()) / total,
        pixel_accuracy=int(agreed.sum()) / total,
        lost_to_mixed_superpixels=(total - int(most.sum())) / total,
        lost_to_wrong_classes=int((most - agreed).sum()) / total,
        superpixel_accuracy=float(right.mean()),
        superpixel_accuracy_by_area=int(held.sum(1)[right].sum()) / total,
    )
