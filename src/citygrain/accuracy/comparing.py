"""Which of two maps is better: both judged on the same units against the same reference, unit by unit.

Two accuracies from the same test units are not independent, so their intervals must not be laid beside each other. What
decides is where one map is right and the other wrong. McNemar's test takes the units for independent draws; neighbours
are not, so the interval from whole blocks drawn again is the one to believe.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from citygrain.accuracy.assess import Assessment, assess
from citygrain.errors import InputError
from citygrain.legend import Legend

__all__ = ["McNemar", "PairedAssessment", "PairedDifference", "compare_labels", "mcnemar", "paired_difference"]

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class McNemar:
    r"""McNemar's test of two classifications of the same units.

    With b units that only the first has right and c that only the second has, and no difference between the two, b is
    binomial with b + c draws and probability 1/2; z = (b - c) / sqrt(b + c), and z squared is chi-squared with one
    degree of freedom.

    Attributes
    ----------
    both : int
        Units that both have right.
    first_only, second_only : int
        Units that only one has right: b and c.
    neither : int
        Units that both have wrong.

    References
    ----------
    McNemar, Q. (1947). Note on the sampling error of the difference between correlated proportions or percentages.
    Psychometrika 12, 153-157. doi:10.1007/BF02295996
    Foody, G. M. (2004). Thematic map comparison: evaluating the statistical significance of differences in
    classification accuracy. Photogrammetric Engineering & Remote Sensing 70, 627-633. doi:10.14358/PERS.70.5.627

    Examples
    --------
    >>> test = McNemar(both=794, first_only=86, second_only=150, neither=570)
    >>> round(test.z, 2), round(test.chi2, 2)
    (-4.17, 17.36)
    >>> round(McNemar(both=29, first_only=11, second_only=1, neither=9).p_exact, 5)  # 2 * (1 + 12) / 2**12
    0.00635
    """

    both: int
    first_only: int
    second_only: int
    neither: int

    @property
    def total(self) -> int:
        """Number of units."""
        return self.both + self.first_only + self.second_only + self.neither

    @property
    def z(self) -> float:
        """(b - c) / sqrt(b + c): below 0 where the second is better; 0 without a discordant unit."""
        discordant = self.first_only + self.second_only
        return (self.first_only - self.second_only) / math.sqrt(discordant) if discordant else 0.0

    @property
    def chi2(self) -> float:
        """Z squared, without continuity correction."""
        return self.z**2

    @property
    def p_chi2(self) -> float:
        """Two-sided probability of such a chi-squared, or a larger one, if there were no difference."""
        return math.erfc(abs(self.z) / math.sqrt(2))

    @property
    def p_exact(self) -> float:
        """Two-sided probability from the binomial distribution; holds for few units too."""
        discordant = self.first_only + self.second_only
        from scipy.special import bdtr  # noqa: PLC0415 - scipy is slow to import

        return min(1.0, 2 * float(bdtr(min(self.first_only, self.second_only), discordant, 0.5)))

    def to_dict(self) -> dict[str, Any]:
        """Return counts and figures as plain values for JSON."""
        return asdict(self) | {"z": self.z, "chi2": self.chi2, "p_chi2": self.p_chi2, "p_exact": self.p_exact}


def mcnemar(
    first_right: npt.ArrayLike, second_right: npt.ArrayLike, *, weights: npt.ArrayLike | None = None
) -> McNemar:
    """Count which of two classifications is right where.

    Parameters
    ----------
    first_right, second_right : array-like of bool, (n,)
        Whether each has the unit right.
    weights : array-like of int, (n,), optional
        How often each unit counts.

    Raises
    ------
    InputError
        If the numbers of units differ.

    Examples
    --------
    >>> mcnemar([True, True, False], [True, False, False])
    McNemar(both=1, first_only=1, second_only=0, neither=1)
    """
    first, second, weight = _paired(first_right, second_right, weights)
    neither, only_second, only_first, both = np.bincount(2 * first + second, weight, 4).astype(np.int64).tolist()
    return McNemar(both, only_first, only_second, neither)


@dataclass(frozen=True)
class PairedDifference:
    """The overall accuracy of two classifications of the same units, and how far the difference can be trusted.

    Attributes
    ----------
    first, second : float
        Overall accuracy, 0 to 1.
    blocks : int
        Blocks of ground that were drawn again.
    interval : tuple of float, or None
        Bounds of second - first; None with fewer than two blocks.
    level : float
        Confidence level of the interval.
    """

    first: float
    second: float
    blocks: int
    interval: tuple[float, float] | None
    level: float = 0.95

    @property
    def difference(self) -> float:
        """Accuracy of the second minus that of the first: above 0 where the second is better."""
        return self.second - self.first

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self) | {
            "difference": self.difference,
            "meaning": "second minus first; interval: percentiles over blocks of ground drawn again",
        }


def paired_difference(
    first_right: npt.ArrayLike,
    second_right: npt.ArrayLike,
    block: npt.ArrayLike,
    *,
    rng: np.random.Generator,
    weights: npt.ArrayLike | None = None,
    draws: int = 2000,
    level: float = 0.95,
) -> PairedDifference:
    """Return the difference of two overall accuracies with its interval by paired block bootstrap.

    Each draw takes as many blocks as there are, with replacement, and both classifications are judged on the same
    ones: what makes a block hard for both cancels.

    Parameters
    ----------
    first_right, second_right : array-like of bool, (n,)
        Whether each has the unit right; n of 1 or more.
    block : array-like of int, (n,)
        Number of the block of ground that holds the unit.
    rng : numpy.random.Generator
        Draws the blocks.
    weights : array-like of int, (n,), optional
        How often each unit counts.
    draws : int
        Number of bootstrap samples.
    level : float
        Confidence level, 0 to 1.

    Raises
    ------
    InputError
        If the numbers of units differ, there are none, or the level is not between 0 and 1.

    References
    ----------
    Efron, B. & Tibshirani, R. (1993). An Introduction to the Bootstrap. doi:10.1201/9780429246593

    Examples
    --------
    >>> first, second = [True, False, True, False], [True, True, True, False]
    >>> paired = paired_difference(first, second, [0, 0, 1, 1], rng=np.random.default_rng(0))
    >>> paired.first, paired.second, paired.difference, paired.interval
    (0.5, 0.75, 0.25, (0.0, 0.5))
    """
    if not 0 < level < 1:
        raise InputError(f"confidence level {level}", wanted="between 0 and 1")
    first, second, weight = _paired(first_right, second_right, weights)
    names, place = np.unique(np.asarray(block).ravel(), return_inverse=True)
    if place.size != first.size or not weight.sum():
        raise InputError(f"{first.size} units in {place.size} blocks", wanted="a block for each of one or more units")
    n = len(names)
    sums = np.stack([np.bincount(place, weight * of, n) for of in (np.ones_like(first), first, second)])  # (3, n)
    total, right_first, right_second = sums.sum(1).tolist()
    interval = None
    if n > 1:
        drawn = sums @ rng.multinomial(n, np.full(n, 1 / n), draws).T  # (3, draws)
        tails = [(1 - level) / 2, (1 + level) / 2]
        low, high = np.quantile((drawn[2] - drawn[1]) / drawn[0], tails).tolist()
        interval = (low, high)
    return PairedDifference(right_first / total, right_second / total, n, interval, level)


@dataclass(frozen=True)
class PairedAssessment:
    """Two maps judged on the same units.

    Attributes
    ----------
    first, second : Assessment
        Their matrices, from the same units.
    test : McNemar
        Which is right where.
    difference : PairedDifference
        The difference of their overall accuracies.
    """

    first: Assessment
    second: Assessment
    test: McNemar
    difference: PairedDifference

    def to_dict(self) -> dict[str, Any]:
        """Return all figures as plain values for JSON."""
        return {
            "first": self.first.to_dict(),
            "second": self.second.to_dict(),
            "mcnemar": self.test.to_dict(),
            "overall_accuracy": self.difference.to_dict(),
        }


def compare_labels(
    labels: tuple[npt.ArrayLike, npt.ArrayLike],
    reference: npt.ArrayLike,
    block: npt.ArrayLike,
    legend: Legend,
    *,
    rng: np.random.Generator,
    weights: npt.ArrayLike | None = None,
) -> PairedAssessment:
    """Judge two classifications of the same units against the same reference.

    Parameters
    ----------
    labels : pair of array-like of int, (n,)
        Class codes of the first and of the second; a unit with 0 on any side is left out for both.
    reference : array-like of int, (n,)
        Class codes of the reference.
    block : array-like of int, (n,)
        Block of ground of each unit.
    legend : Legend
        The classes.
    rng : numpy.random.Generator
        Draws the blocks.
    weights : array-like of int, (n,), optional
        How often each unit counts, for example its number of pixels.

    Raises
    ------
    InputError
        If the numbers of units differ, no unit has a class on all sides, or a code is not in the legend.

    Examples
    --------
    >>> from citygrain.legend import URBAN
    >>> labels = [1, 4, 4, 1], [1, 4, 1, 1]
    >>> paired = compare_labels(labels, [1, 4, 1, 4], [0, 0, 1, 1], URBAN, rng=np.random.default_rng(0))
    >>> paired.difference.difference, paired.test.second_only
    (0.25, 1)
    """
    first, second, truth = (np.asarray(codes).ravel() for codes in (*labels, reference))
    places, weight = np.asarray(block).ravel(), np.ones(truth.size, np.int64) if weights is None else np.ravel(weights)
    if not first.size == second.size == truth.size == places.size == weight.size:
        sizes = ", ".join(str(part.size) for part in (first, second, truth, places, weight))
        raise InputError(f"labels, reference, blocks and weights of {sizes} units", wanted="the same units")
    known = (first > 0) & (second > 0) & (truth > 0)
    if not weight[known].sum():
        raise InputError("no unit has a class in both maps and the reference", wanted="common ground")
    first, second, truth, places, weight = (part[known] for part in (first, second, truth, places, weight))
    right = first == truth, second == truth
    return PairedAssessment(
        assess(truth, first, legend, weights=weight),
        assess(truth, second, legend, weights=weight),
        mcnemar(*right, weights=weight),
        paired_difference(*right, places, rng=rng, weights=weight),
    )


def _paired(
    first: npt.ArrayLike, second: npt.ArrayLike, weights: npt.ArrayLike | None
) -> tuple[Counts, Counts, Counts]:
    one, other = (np.asarray(side, bool).ravel().astype(np.int64) for side in (first, second))
    weight = np.ones(one.size, np.int64) if weights is None else np.asarray(weights, np.int64).ravel()
    if not one.size == other.size == weight.size:
        raise InputError(
            f"{one.size} units of the first, {other.size} of the second, {weight.size} weights", wanted="the same units"
        )
    return one, other, weight
