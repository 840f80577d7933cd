"""Does a confidence of 80 % mean that 80 % are right? Bins of confidence and the share that is right in each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from citygrain.errors import InputError

__all__ = ["ReliabilityBins", "bin_numbers", "reliability_bins"]

_TOLERANCE = 1e-5
"""In bins: a confidence of 0.7 that was stored in 32 bits still begins the bin that begins at 0.7."""


@dataclass(frozen=True)
class ReliabilityBins:
    """Confidence and accuracy of the units in each bin of confidence.

    Attributes
    ----------
    edges : ndarray of float, (bins + 1,)
        Edges of the bins, 0 to 1.
    confidence, accuracy : ndarray of float, (bins,)
        Mean confidence and share that is right, 0 to 1; NaN in an empty bin.
    counts : ndarray of int, (bins,)
        Units in each bin.
    """

    edges: npt.NDArray[np.float64]
    confidence: npt.NDArray[np.float64]
    accuracy: npt.NDArray[np.float64]
    counts: npt.NDArray[np.int64]

    @property
    def ece(self) -> float:
        """Expected calibration error: mean of abs(accuracy - confidence) over bins, weighted by their units."""
        filled = self.counts > 0
        if not filled.any():
            return float("nan")
        gaps = np.abs(self.accuracy[filled] - self.confidence[filled])
        return float(np.average(gaps, weights=self.counts[filled]))

    def to_dict(self) -> dict[str, list[float | None]]:
        """Return plain values for JSON: mean confidence, share that is right and units of each bin."""
        known = {"confidence": self.confidence, "accuracy": self.accuracy}
        shown = {name: [None if np.isnan(v) else float(v) for v in values] for name, values in known.items()}
        return {**shown, "units": self.counts.tolist()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Sequence[float | None]]) -> "ReliabilityBins":
        """Read back what `to_dict` gave.

        Examples
        --------
        >>> bins = reliability_bins([0.6, 0.9], [True, False])
        >>> ReliabilityBins.from_dict(bins.to_dict()).ece == bins.ece
        True
        """
        confidence, accuracy, counts = (np.array(values[n], np.float64) for n in ("confidence", "accuracy", "units"))
        return cls(np.linspace(0, 1, len(counts) + 1), confidence, accuracy, counts.astype(np.int64))


def reliability_bins(confidence: npt.ArrayLike, right: npt.ArrayLike, bins: int = 10) -> ReliabilityBins:
    r"""Sort units into bins of equal width by their confidence, and say how many are right in each.

    ECE = sum over bins of n_b / n * abs(accuracy_b - confidence_b).

    Parameters
    ----------
    confidence : array-like of float, (n,)
        Probability of the chosen class, 0 to 1; units with NaN are left out.
    right : array-like of bool, (n,)
        Whether the chosen class is the reference's.
    bins : int
        Number of bins.

    Raises
    ------
    InputError
        If the lengths differ, a confidence is not between 0 and 1, or there is no bin.

    References
    ----------
    DeGroot, M. H. & Fienberg, S. E. (1983). The comparison and evaluation of forecasters. doi:10.2307/2987588
    Naeini, M. P., Cooper, G. F. & Hauskrecht, M. (2015). Obtaining well calibrated probabilities using Bayesian
    binning. doi:10.1609/aaai.v29i1.9602

    Examples
    --------
    >>> found = reliability_bins([0.6, 0.6, 0.9, 0.9], [True, False, True, True], bins=2)
    >>> found.counts.tolist(), float(found.accuracy[1]), round(found.ece, 3)
    ([0, 4], 0.75, 0.0)
    """
    sure, hit = np.asarray(confidence, np.float64).ravel(), np.asarray(right, bool).ravel()
    if sure.size != hit.size or bins < 1:
        raise InputError(f"{sure.size} confidences and {hit.size} answers in {bins} bins", wanted="as many of either")
    known = np.isfinite(sure)
    sure, hit = sure[known], hit[known]
    if sure.size and not 0 <= sure.min() <= sure.max() <= 1 + 1e-6:
        raise InputError(f"confidence from {sure.min():g} to {sure.max():g}", wanted="0 to 1")
    place = bin_numbers(sure, bins)
    counts = np.bincount(place, minlength=bins)
    filled = np.where(counts, counts, np.nan)
    return ReliabilityBins(
        np.linspace(0, 1, bins + 1),
        np.bincount(place, sure, bins) / filled,
        np.bincount(place, hit, bins) / filled,
        counts.astype(np.int64),
    )


def bin_numbers(confidence: npt.NDArray[np.float64], bins: int) -> npt.NDArray[np.int64]:
    """Return the bin, 0 to `bins` - 1, of each confidence from 0 to 1."""
    return np.clip(np.floor(confidence * bins + _TOLERANCE).astype(np.int64), 0, bins - 1)
