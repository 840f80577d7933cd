"""Why a label is doubted, in words that a planner can check on the ground or in Google Earth."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from citygrain.legend import Legend

__all__ = ["Reasons"]

_NEIGHBOURS = 8
_MIXED = 0.7
_USUAL = (5, 95)
"""Per cent of a class's values that its usual range leaves out at either end."""


@dataclass(frozen=True)
class Reasons:
    """What is known of n labelled units (or polygons) and lets their labels be doubted.

    Attributes
    ----------
    labels : ndarray of uint8, (n,)
        Class codes.
    probabilities : ndarray, (n, k)
        Cross-validated.
    values : ndarray, (n, m)
        What the units look like: mean of each named feature.
    names : tuple of str, (m,)
        Names of the features.
    centres : ndarray, (n, 2)
        In map units.
    purity : ndarray, (n,)
        Share of the majority class.
    legend : Legend
        k classes.
    ground : str
        What the model was trained on instead: ``"blocks"`` or ``"polygons"``.
    """

    labels: npt.NDArray[np.uint8]
    probabilities: npt.NDArray[np.float64]
    values: npt.NDArray[np.floating]
    names: tuple[str, ...]
    centres: npt.NDArray[np.float64]
    purity: npt.NDArray[np.floating]
    legend: Legend
    ground: str = "blocks"

    def of(self, rows: Sequence[int], suggested: npt.NDArray[np.uint8]) -> list[str]:
        """Return one sentence for each row.

        Parameters
        ----------
        rows : sequence of int
            Which.
        suggested : ndarray of uint8, (n,)
            The class that is said instead.
        """
        return ["; ".join(self._parts(int(row), int(suggested[row]))) + "." for row in rows]

    def _parts(self, row: int, other: int) -> list[str]:
        label, p = int(self.labels[row]), self.probabilities[row]
        mine, theirs = (float(p[self.legend.columns([code])[0]]) for code in (label, other))
        parts = [
            f"labelled {self._name(label)} ({mine:.2f}), "
            f"but a model of other {self.ground} says {self._name(other)} at {theirs:.2f}"
            + ("" if theirs > mine else f", as of {self._name(other)}'s own labels")
        ]
        return [*parts, *self._looks(row, label, other), *self._near(row, label), *self._mixture(row)]

    def _looks(self, row: int, label: int, other: int) -> list[str]:
        """Name the feature that is farthest outside the label's usual range, and what is usual of the other class."""
        found = []
        for column, name in enumerate(self.names):
            value = float(self.values[row, column])
            low, high = self._usual(label, column)
            away = max(low - value, value - high) / max(high - low, 1e-9)
            if away > 0 and np.isfinite(value):
                found.append((away, name, value, (low, high), self._usual(other, column)))
        if not found:
            return []
        _, name, value, (low, high), (less, more) = max(found)
        words = f"{name} {value:.2f} is outside {self._name(label)}'s usual {low:.2f} to {high:.2f}"
        inside = less <= value <= more
        return [words + (f" and within {self._name(other)}'s {less:.2f} to {more:.2f}" if inside else "")]

    def _usual(self, code: int, column: int) -> tuple[float, float]:
        own = self.values[self.labels == code, column]
        own = own[np.isfinite(own)]
        if not own.size:
            return np.inf, -np.inf
        low, high = np.percentile(own, _USUAL)
        return float(low), float(high)

    def _near(self, row: int, label: int) -> list[str]:
        number = min(_NEIGHBOURS + 1, len(self.centres))
        _, near = cKDTree(self.centres).query(self.centres[row], k=number)
        others = self.labels[[one for one in np.atleast_1d(near) if one != row]]
        others = others[others > 0]
        if not others.size or (others == label).mean() >= 0.5:
            return []
        most = int(np.bincount(others).argmax())
        return [
            f"{int((others == most).sum())} of its {others.size} nearest neighbours are labelled {self._name(most)}"
        ]

    def _mixture(self, row: int) -> list[str]:
        share = float(self.purity[row])
        return [f"mixed: only {100 * share:.0f} % of its pixels have the label"] if share < _MIXED else []

    def _name(self, code: int) -> str:
        return self.legend.name_of(code)
