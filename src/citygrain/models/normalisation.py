"""Standardisation learned on the training rows, and what becomes of missing values.

Mean and deviation travel in the model card: a model brings its own scale and never looks at the scene's. Radar has
heavy tails (one ship outshines a city), which would set a plain deviation: the robust way takes median and quartiles.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from citygrain.errors import InputError

__all__ = ["SEGMENT", "Normalisation", "learn_normalisation", "learn_robust_normalisation"]

SEGMENT = "SEGMENT"
"""Name of the channel that is 1 inside the superpixel and 0 outside; it is never standardised."""

_STEP = 1_024  # rows at a time: 32 x 32 x 18 values of a So2Sat patch take 75 MB
_CACHED = 2**17  # values summed at a time: what they become on the way stays in the processor's cache
_PROBED = 2_048  # rows that the quartiles are taken from, evenly over the file
_CUT = 10.0  # deviations
_QUARTILES = 1.349  # between the quartiles of a normal distribution, in deviations


@dataclass(frozen=True)
class Normalisation:
    """Mean and deviation of each feature.

    Attributes
    ----------
    mean, std : tuple of float, (c,)
        In the features' units; 0 and 1 leave a feature as it is.
    cut : float
        Scaled values beyond this many deviations are cut off; 0 cuts nothing.

    Examples
    --------
    >>> Normalisation((1.0,), (2.0,)).apply(np.array([[3.0], [np.nan]], np.float32)).tolist()
    [[1.0], [0.0]]
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    cut: float = 0.0

    def __post_init__(self) -> None:
        ordinary = np.isfinite((*self.mean, *self.std, self.cut)).all() and self.cut >= 0
        if len(self.mean) != len(self.std) or not ordinary or not min(self.std, default=1.0) > 0:
            raise InputError("a normalisation with missing, infinite or non-positive values", wanted="mean and std > 0")

    @classmethod
    def none(cls, channels: int) -> "Normalisation":
        """Leave the values as they are; NaN becomes 0."""
        return cls((0.0,) * channels, (1.0,) * channels)

    def apply(self, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return (x - mean) / std as a new array; values that are not finite become 0, the mean."""
        if not any(self.mean) and set(self.std) == {1.0} and not self.cut:
            return x.copy() if np.isfinite(x).all() else np.nan_to_num(x, nan=0.0, posinf=0.0, neginf=0.0)
        shape = (1, -1) + (1,) * (x.ndim - 2)
        scaled = x - np.asarray(self.mean, np.float32).reshape(shape)
        scaled /= np.asarray(self.std, np.float32).reshape(shape)
        known = np.isfinite(scaled)
        if not known.all():  # looked at first: a look costs a tenth of a replacement
            scaled[~known] = 0
        return np.clip(scaled, -self.cut, self.cut, out=scaled) if self.cut else scaled

    def to_dict(self) -> dict[str, list[float]]:
        """Return the values as lists, for JSON."""
        cut = {"cut": [self.cut]} if self.cut else {}
        return {"mean": list(self.mean), "std": list(self.std), **cut}

    @classmethod
    def from_dict(cls, values: Mapping[str, Sequence[float]]) -> "Normalisation":
        """Read back what `to_dict` wrote."""
        mean, std = (tuple(float(v) for v in values[key]) for key in ("mean", "std"))
        return cls(mean, std, float(values.get("cut", [0.0])[0]))


def learn_normalisation(x: Any, features: tuple[str, ...]) -> Normalisation:
    """Learn mean and deviation of each feature over all rows and pixels, a slice of rows at a time.

    Parameters
    ----------
    x : array-like, (n, c) or (n, c, h, w)
        Values; those that are not finite are left out. ``SEGMENT`` keeps mean 0 and deviation 1.
    features : tuple of str, (c,)
        Name of each feature.

    Examples
    --------
    >>> learn_normalisation(np.array([[1.0, 0.0], [3.0, 1.0]]), ("B02", "SEGMENT"))
    Normalisation(mean=(2.0, 0.0), std=(1.0, 1.0), cut=0.0)
    """
    channels = len(features)
    count, total, squares = (np.zeros(channels) for _ in range(3))
    shift: npt.NDArray[np.float32] | None = None
    for start in range(0, x.shape[0], _STEP):
        rows = np.asarray(x[start : start + _STEP], np.float32)
        rows = rows.reshape(len(rows), channels, -1)
        if shift is None:  # sums of squares about a typical value do not cancel
            shift = _means(rows)[:, None]
        for part in np.array_split(rows, max(1, rows.size // _CACHED)):
            more = _sums(part, shift)
            count, total, squares = count + more[0], total + more[1], squares + more[2]
    offset = total / np.maximum(count, 1)
    std = np.sqrt(np.maximum(squares / np.maximum(count, 1) - offset**2, 0))
    mean = offset + (shift[:, 0] if shift is not None else 0.0)
    return _settled(mean, std, features, 0.0)


def _means(rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the mean of each channel of rows (n, c, p) over what is finite."""
    finite = np.isfinite(rows)
    sums = np.where(finite, rows, 0).sum((0, 2), dtype=np.float64)
    return np.asarray(sums / np.maximum(finite.sum((0, 2)), 1), np.float32)


def _sums(
    rows: npt.NDArray[np.float32], shift: npt.NDArray[np.float32]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return count, sum and sum of squares of each channel of rows (n, c, p) about `shift`, over what is finite.

    A row is summed in float32, whose error over a patch is far below what the sensor tells; rows are summed in float64.
    """
    with np.errstate(invalid="ignore", over="ignore"):  # what is not finite is left out below
        about = rows - shift
        count = np.full(about.shape[1], float(about.shape[0] * about.shape[2]))
        sums, squares = about.sum(2), np.einsum("ncp,ncp->nc", about, about)
        if not np.isfinite(squares).all():
            finite = np.isfinite(rows)
            wide = np.where(finite, rows - shift.astype(np.float64), 0)
            count = finite.sum((0, 2)).astype(np.float64)
            sums, squares = wide.sum(2), (wide * wide).sum(2)
    return count, sums.sum(0, dtype=np.float64), squares.sum(0, dtype=np.float64)


def learn_robust_normalisation(x: Any, features: tuple[str, ...]) -> Normalisation:
    """Learn median and spread (quartile distance / 1.349) of each feature from rows spread evenly over `x`.

    Parameters
    ----------
    x : array-like, (n, c) or (n, c, h, w)
        Values; those that are not finite are left out. At most 2,048 rows are read.
    features : tuple of str, (c,)
        Name of each feature.

    Examples
    --------
    >>> learn_robust_normalisation(np.array([[1.0], [2.0], [3.0], [4.0], [9999.0]]), ("VV",)).mean
    (3.0,)
    """
    n = int(x.shape[0])
    index = np.unique(np.linspace(0, n - 1, min(n, _PROBED)).astype(np.int64))
    rows = np.asarray(x[index], np.float32)
    middle, spread = np.zeros(len(features)), np.zeros(len(features))
    for channel in range(len(features)):
        values = rows[:, channel]
        values = values[np.isfinite(values)]
        if values.size:
            low, middle[channel], high = np.percentile(values, (25, 50, 75))
            spread[channel] = (high - low) / _QUARTILES or values.std()  # mostly one value: the deviation after all
    return _settled(middle, spread, features, _CUT)


def _settled(
    mean: npt.NDArray[np.float64], std: npt.NDArray[np.float64], features: tuple[str, ...], cut: float
) -> Normalisation:
    std = np.where(std > 1e-6 * np.maximum(np.abs(mean), 1e-6), std, 1.0)  # a constant feature says nothing
    plain = np.array([name == SEGMENT for name in features])
    mean, std = np.where(plain, 0.0, mean), np.where(plain, 1.0, std)
    middle, spread = (tuple(float(np.float32(v)) for v in values) for values in (mean, std))
    return Normalisation(middle, spread, cut)
