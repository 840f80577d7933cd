r"""Area of applicability: where a map's units are like those that the model was trained on, and where they are not.

A model answers anywhere. The dissimilarity index (DI) of a unit is its distance to the nearest training row, in units
of the mean distance between training rows; features are standardised and weighted by their importance to the model.
What is farther away than training rows of different blocks are from each other is outside: there the accuracy that
was measured says nothing.

The definition is that of Meyer and Pebesma (2021) as the R package CAST computes it since version 0.8.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from citygrain.errors import InputError

__all__ = ["MOST_ROWS", "Applicability", "learn_applicability"]

MOST_ROWS = 2_000
"""Training rows that are kept; of more, as many are drawn at random."""
_BATCH = 8_192

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Applicability:
    """What tells how far a row is from the training rows.

    Attributes
    ----------
    center, scale : ndarray of float32, (d,)
        Mean and standard deviation of each feature over the training rows.
    weights : ndarray of float32, (d,)
        Importance of each feature to the model.
    rows : ndarray of float32, (m, d)
        Training rows, standardised and weighted.
    mean_distance : float
        Mean distance between two of them.
    threshold : float
        Largest dissimilarity index that is inside.
    """

    center: Floats
    scale: Floats
    weights: Floats
    rows: Floats
    mean_distance: float
    threshold: float

    def dissimilarity(self, x: Floats) -> Floats:
        """Return the dissimilarity index of rows, (n,); 0 at a training row, NaN where a feature has no value.

        Parameters
        ----------
        x : ndarray of float32, (n, d)
            Features as the training rows had them.

        Raises
        ------
        InputError
            If the number of features differs.
        """
        if x.ndim != 2 or x.shape[1] != len(self.center):
            raise InputError(f"rows of shape {x.shape[1:]}", wanted=f"{len(self.center)} features, as in training")
        from sklearn.metrics import pairwise_distances_argmin_min  # noqa: PLC0415 - it takes a second to load

        index = np.full(len(x), np.nan, np.float32)
        for start in range(0, len(x), _BATCH):
            part = x[start : start + _BATCH]
            known = np.flatnonzero(np.isfinite(part).all(1))
            if known.size:
                near = pairwise_distances_argmin_min(self._placed(part[known]), self.rows)[1]
                index[start + known] = near / self.mean_distance
        return index

    def _placed(self, x: Floats) -> Floats:
        return np.ascontiguousarray((x - self.center) / self.scale * self.weights, np.float32)

    def to_arrays(self) -> dict[str, npt.NDArray[np.float32]]:
        """Return all of it as arrays, to be kept in a file."""
        numbers = np.array([self.mean_distance, self.threshold], np.float32)
        return {
            "center": self.center,
            "scale": self.scale,
            "weights": self.weights,
            "rows": self.rows,
            "numbers": numbers,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[np.float32]]) -> "Applicability":
        """Read back what `to_arrays` gave.

        Raises
        ------
        InputError
            If arrays are missing or do not fit each other.
        """
        try:
            center, scale, weights, rows, numbers = (
                np.asarray(arrays[name], np.float32) for name in ("center", "scale", "weights", "rows", "numbers")
            )
        except KeyError as error:
            raise InputError(
                f"an area of applicability without {error.args[0]}", mend="train the model again"
            ) from None
        fits = rows.ndim == 2 and center.shape == scale.shape == weights.shape == rows.shape[1:]
        if not fits or numbers.shape != (2,) or not np.isfinite(numbers).all() or numbers[0] <= 0:
            raise InputError("arrays of an area of applicability that do not fit each other", mend="train it again")
        return cls(center, scale, weights, rows, float(numbers[0]), float(numbers[1]))


def learn_applicability(
    x: Floats, group: npt.NDArray[np.integer], weights: npt.ArrayLike | None = None, *, rng: np.random.Generator
) -> Applicability:
    """Learn from training rows what is like them.

    The threshold is the upper whisker of the training rows' own index, each measured to the nearest row of another
    group: the third quartile and 1.5 times the distance between the quartiles, and at most the largest index.

    Parameters
    ----------
    x : ndarray of float32, (n, d)
        Features of the training rows, as the model weighs them.
    group : ndarray of int, (n,)
        Block, or fold of the cross-validation, that each row is in.
    weights : array-like of float, (d,), optional
        Importance of each feature; all alike if not given. What is below 0 counts as 0.
    rng : numpy.random.Generator
        Draws `MOST_ROWS` rows where there are more.

    Raises
    ------
    InputError
        If there is one group only, or the rows are all the same.

    References
    ----------
    Meyer, H. & Pebesma, E. (2021). Predicting into unknown space? Estimating the area of applicability of spatial
    prediction models. doi:10.1111/2041-210X.13650

    Examples
    --------
    >>> rows = np.array([[0], [1], [2], [3]], np.float32)
    >>> known = learn_applicability(rows, np.array([0, 0, 1, 1]), rng=np.random.default_rng(0))
    >>> known.dissimilarity(np.array([[1.5], [9]], np.float32)).round(2).tolist(), round(known.threshold, 2)
    ([0.30000001192092896, 3.5999999046325684], 1.2)
    """
    known = np.flatnonzero(np.isfinite(x).all(1))
    if known.size > MOST_ROWS:
        known = np.sort(rng.choice(known, MOST_ROWS, replace=False))
    x, group = np.asarray(x[known], np.float64), np.asarray(group)[known]
    if np.unique(group).size < 2:
        raise InputError("training rows of one block", wanted="two or more, to tell how far apart blocks are")
    importance = np.ones(x.shape[1]) if weights is None else np.maximum(np.asarray(weights, np.float64), 0)
    center, scale = x.mean(0), x.std(0, ddof=1)
    scale[scale <= 1e-12 * np.maximum(np.abs(center), 1)] = 1.0  # a feature that never changes says nothing
    placed = np.ascontiguousarray((x - center) / scale * importance, np.float32)
    mean, nearest = _distances(placed, group)
    if mean <= 0:
        raise InputError("training rows that are all the same", wanted="rows that differ")
    own = nearest / mean
    low, high = np.quantile(own, [0.25, 0.75])
    threshold = np.float32(min(high + 1.5 * (high - low), own.max()))
    center, scale, importance = (np.asarray(values, np.float32) for values in (center, scale, importance))
    mean = float(np.float32(mean))  # as it will be kept
    return Applicability(center, scale, importance, placed, mean, float(threshold))


def _distances(rows: Floats, group: npt.NDArray[np.integer]) -> tuple[float, npt.NDArray[np.float64]]:
    """Return the mean distance between two rows, and that of each row to the nearest one of another group."""
    from sklearn.metrics import pairwise_distances_chunked  # noqa: PLC0415 - it takes a second to load

    total, nearest = 0.0, []
    start = 0
    for part in pairwise_distances_chunked(rows, working_memory=32):
        total += float(part.sum(dtype=np.float64))
        strange = group[start : start + len(part), None] != group
        nearest.append(np.where(strange, part, np.inf).min(1).astype(np.float64))
        start += len(part)
    n = len(rows)
    return total / (n * (n - 1)), np.concatenate(nearest)
