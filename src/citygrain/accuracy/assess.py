"""How good a map is: the confusion matrix and the figures that follow from it.

Rows are the map, columns the reference, everywhere: in the matrix, in JSON, in CSV and in figures. This room judges
anybody's labels; it knows neither models nor map files.
"""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from citygrain.errors import InputError
from citygrain.legend import Legend

__all__ = ["Assessment", "assess", "confusion_matrix"]

Ratio = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Assessment:
    """A confusion matrix with its legend; all figures are computed from it.

    Attributes
    ----------
    matrix : ndarray of int64, (k, k)
        Counts, **rows = map, columns = reference**, in legend order.
    legend : Legend
        The classes.

    References
    ----------
    Congalton, R. G. (1991). A review of assessing the accuracy of classifications of remotely sensed data.
    Remote Sensing of Environment 37, 35-46. doi:10.1016/0034-4257(91)90048-B
    Cohen, J. (1960). A coefficient of agreement for nominal scales. doi:10.1177/001316446002000104

    Examples
    --------
    >>> from citygrain.legend import URBAN
    >>> a = Assessment(np.array([[8, 1, 0, 0], [0, 4, 1, 0], [2, 0, 9, 0], [0, 0, 0, 5]]), URBAN)
    >>> round(a.overall_accuracy, 3), round(a.kappa, 3), round(a.macro_f1, 3)
    (0.867, 0.815, 0.875)
    >>> a.users_accuracy.round(2).tolist(), a.producers_accuracy.round(2).tolist()
    ([0.89, 0.8, 0.82, 1.0], [0.8, 0.8, 0.9, 1.0])
    """

    matrix: npt.NDArray[np.int64]
    legend: Legend

    def __post_init__(self) -> None:
        k = len(self.legend)
        if self.matrix.shape != (k, k) or (self.matrix < 0).any():
            raise InputError(f"confusion matrix of shape {self.matrix.shape}", wanted=f"({k}, {k}) counts, 0 or more")

    @property
    def total(self) -> int:
        """Number of assessed units."""
        return int(self.matrix.sum())

    @property
    def map_count(self) -> npt.NDArray[np.int64]:
        """Units of each class on the map, (k,)."""
        return np.asarray(self.matrix.sum(1))

    @property
    def reference_count(self) -> npt.NDArray[np.int64]:
        """Units of each class in the reference, (k,)."""
        return np.asarray(self.matrix.sum(0))

    @property
    def overall_accuracy(self) -> float:
        """Share of units whose map class is their reference class, 0 to 1."""
        return float(np.trace(self.matrix) / self.total) if self.total else float("nan")

    @property
    def kappa(self) -> float:
        """Cohen's kappa, (OA - chance) / (1 - chance)."""
        if not self.total:
            return float("nan")
        chance = float(self.map_count @ self.reference_count) / self.total**2
        return (self.overall_accuracy - chance) / (1 - chance) if chance < 1 else float("nan")

    @property
    def users_accuracy(self) -> Ratio:
        """Share of each map class that the reference confirms (precision), (k,); NaN where the class is not mapped."""
        return _share(np.diag(self.matrix), self.map_count)

    @property
    def producers_accuracy(self) -> Ratio:
        """Share of each reference class that the map found (recall), (k,); NaN where the class is not referenced."""
        return _share(np.diag(self.matrix), self.reference_count)

    @property
    def average_accuracy(self) -> float:
        """Mean producer's accuracy (recall) over the classes that occur in the reference, 0 to 1."""
        return float(np.nanmean(self.producers_accuracy)) if self.total else float("nan")

    @property
    def f1(self) -> Ratio:
        """Harmonic mean of user's and producer's accuracy, (k,); NaN where the class is in neither."""
        return _share(2 * np.diag(self.matrix), self.map_count + self.reference_count)

    @property
    def macro_f1(self) -> float:
        """Mean F1 over the classes that occur."""
        return float(np.nanmean(self.f1)) if self.total else float("nan")

    @property
    def weighted_f1(self) -> float:
        """Mean F1, weighted by the reference counts."""
        if not self.total:
            return float("nan")
        return float(np.nansum(self.f1 * self.reference_count) / self.reference_count.sum())

    def to_dict(self) -> dict[str, Any]:
        """Return all figures as plain values for JSON; an undefined one is None."""
        per_class = {
            c.name: {
                "users_accuracy": _plain(self.users_accuracy[i]),
                "producers_accuracy": _plain(self.producers_accuracy[i]),
                "f1": _plain(self.f1[i]),
                "reference_count": int(self.reference_count[i]),
                "map_count": int(self.map_count[i]),
            }
            for i, c in enumerate(self.legend)
        }
        return {
            "count": self.total,
            "overall_accuracy": _plain(self.overall_accuracy),
            "average_accuracy": _plain(self.average_accuracy),
            "kappa": _plain(self.kappa),
            "macro_f1": _plain(self.macro_f1),
            "weighted_f1": _plain(self.weighted_f1),
            "per_class": per_class,
            "confusion": {
                "rows": "map",
                "columns": "reference",
                "classes": list(self.legend.names),
                "matrix": self.matrix.tolist(),
            },
        }

    @classmethod
    def from_dict(cls, figures: Mapping[str, Any], legend: Legend) -> "Assessment":
        """Read back what `to_dict` wrote.

        Raises
        ------
        InputError
            If the sides of the matrix are not named as here.
        """
        confusion = figures["confusion"]
        sides = confusion["rows"], confusion["columns"]
        if sides != ("map", "reference"):
            raise InputError(f"matrix with rows, columns = {sides}", wanted="rows = map, columns = reference")
        return cls(np.array(confusion["matrix"], np.int64), legend)

    def to_csv(self) -> str:
        r"""Return the matrix as CSV with both sides named in every heading.

        Examples
        --------
        >>> from citygrain.legend import Legend
        >>> legend = Legend.from_names({1: "Land", 2: "Water"})
        >>> print(Assessment(np.array([[5, 1], [0, 4]]), legend).to_csv())
        map \ reference,reference: Land,reference: Water,map total
        map: Land,5,1,6
        map: Water,0,4,4
        reference total,5,5,10
        <BLANKLINE>
        """
        text = io.StringIO()
        out = csv.writer(text, lineterminator="\n")
        out.writerow(["map \\ reference", *(f"reference: {n}" for n in self.legend.names), "map total"])
        for name, row in zip(self.legend.names, self.matrix.tolist(), strict=True):
            out.writerow([f"map: {name}", *row, sum(row)])
        out.writerow(["reference total", *self.reference_count.tolist(), self.total])
        return text.getvalue()


def confusion_matrix(
    mapped: npt.ArrayLike, reference: npt.ArrayLike, legend: Legend, *, weights: npt.ArrayLike | None = None
) -> npt.NDArray[np.int64]:
    """Count the units of each pair of classes.

    Parameters
    ----------
    mapped, reference : array-like of int, same shape
        Class codes; a unit with 0 on either side is left out.
    legend : Legend
        The classes.
    weights : array-like of int, optional
        How often each unit counts.

    Returns
    -------
    ndarray of int64, (k, k)
        Rows = map, columns = reference.

    Examples
    --------
    >>> from citygrain.legend import Legend
    >>> legend = Legend.from_names({1: "Land", 2: "Water"})
    >>> confusion_matrix([1, 1, 2, 0], [1, 2, 2, 1], legend).tolist()
    [[1, 1], [0, 1]]
    """
    mapped, reference = np.asarray(mapped).ravel(), np.asarray(reference).ravel()
    if mapped.shape != reference.shape:
        raise InputError(f"map of {mapped.size} and reference of {reference.size} units", wanted="the same units")
    rows, columns = legend.columns(mapped), legend.columns(reference)
    counted, k = (rows >= 0) & (columns >= 0), len(legend)
    weight = None if weights is None else np.asarray(weights).ravel()[counted]
    counts = np.bincount(rows[counted] * k + columns[counted], weight, k * k)
    return counts.reshape(k, k).astype(np.int64)


def assess(
    reference: npt.ArrayLike, mapped: npt.ArrayLike, legend: Legend, *, weights: npt.ArrayLike | None = None
) -> Assessment:
    """Assess mapped classes against reference classes.

    Parameters
    ----------
    reference, mapped : array-like of int, same shape
        Class codes; a unit with 0 on either side is left out.
    legend : Legend
        The classes.
    weights : array-like of int, optional
        How often each unit counts, for example its number of pixels.

    Examples
    --------
    >>> from citygrain.legend import URBAN
    >>> assess([1, 4, 4, 0], [1, 4, 1, 2], URBAN).overall_accuracy.__round__(3)
    0.667
    """
    return Assessment(confusion_matrix(mapped, reference, legend, weights=weights), legend)


def _share(part: npt.NDArray[np.int64], whole: npt.NDArray[np.int64]) -> Ratio:
    share = np.full(len(whole), np.nan)
    share[whole > 0] = part[whole > 0] / whole[whole > 0]
    return share


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
