"""What two maps call differently, class by class, and which of them the reference bears out there.

The hectares of a change are counted on whole maps: there is no sampling, so an interval around the count would mean
nothing. What is uncertain is which map is right. That is judged on the reference units that lie in each change, with an
interval from whole blocks drawn again. Only of a probability sample may the shares be multiplied by the hectares.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from citygrain.legend import Legend

__all__ = ["MEANING", "ChangeJudged", "judge_changes"]

MEANING = (
    "hectares are counted on both whole maps, pixel by pixel: no sampling, so no interval; they hold the errors of "
    "both maps. first_right, second_right, neither: shares of the reference units in this change, on the ground that "
    "is judged; interval_95: of second_right minus first_right, from whole blocks drawn again; where it holds 0 the "
    "reference does not tell which map is right"
)

Codes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class ChangeJudged:
    """The reference units that one map has in one class and the other in another.

    Attributes
    ----------
    before, after : int
        Code in the first and in the second map.
    count : int
        Reference units.
    first_right, second_right : float
        Share whose class is that of the first, of the second map.
    blocks : int
        Blocks of ground that hold such units.
    interval : tuple of float, or None
        Bounds of `second_right` - `first_right`; None with fewer than two blocks.
    """

    before: int
    after: int
    count: int
    first_right: float
    second_right: float
    blocks: int
    interval: tuple[float, float] | None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "reference_count": self.count,
            "first_right": self.first_right,
            "second_right": self.second_right,
            "neither": max(0.0, 1 - self.first_right - self.second_right),
            "blocks": self.blocks,
            "interval_95": list(self.interval) if self.interval else None,
        }


def judge_changes(
    labels: tuple[Codes, Codes],
    reference: Codes,
    block: npt.NDArray[np.int64],
    legend: Legend,
    *,
    rng: np.random.Generator,
    weights: npt.NDArray[np.int64] | None = None,
    draws: int = 1000,
    level: float = 0.95,
) -> dict[tuple[int, int], ChangeJudged]:
    """Tell, for each pair of classes that two maps have at the same units, which map the reference bears out.

    Parameters
    ----------
    labels : pair of ndarray of uint8, (n,)
        Class codes of both maps; units with 0 on any side, or the same class on both, are left out.
    reference : ndarray of uint8, (n,)
        Class codes of the reference.
    block : ndarray of int, (n,)
        Block of ground of each unit.
    legend : Legend
        The classes.
    rng : numpy.random.Generator
        Draws the blocks, the same for every pair.
    weights : ndarray of int, (n,), optional
        How often each unit counts.
    draws : int
        How often.
    level : float
        Confidence level, 0 to 1.

    Returns
    -------
    dict of (int, int) to ChangeJudged
        By code in the first and in the second map.

    Examples
    --------
    >>> from citygrain.legend import URBAN
    >>> codes = [np.array(c, np.uint8) for c in ([1, 1, 1, 2], [4, 4, 1, 2], [4, 1, 1, 2])]
    >>> found = judge_changes((codes[0], codes[1]), codes[2], np.array([0, 1, 1, 1]), URBAN,
    ...                       rng=np.random.default_rng(0))
    >>> list(found), found[1, 4].count, found[1, 4].second_right
    ([(1, 4)], 2, 0.5)
    """
    first, second = labels
    known = np.flatnonzero((first > 0) & (second > 0) & (reference > 0) & (first != second))
    names, place = np.unique(block, return_inverse=True)
    n = len(names)
    weight = np.ones(len(block), np.int64) if weights is None else weights
    drawn = rng.multinomial(n, np.full(n, 1 / n), draws) if n > 1 else np.empty((0, n), np.int64)  # (draws, n)
    found = {}
    for before in legend.values.tolist():
        for after in legend.values.tolist():
            rows = known[(first[known] == before) & (second[known] == after)]
            if rows.size and weight[rows].sum():
                sides = [np.bincount(place[rows], weight[rows] * (reference[rows] == c), n) for c in (before, after)]
                total = np.bincount(place[rows], weight[rows], n)
                found[before, after] = _judged((before, after), sides, total, drawn, level)
    return found


def _judged(
    pair: tuple[int, int],
    sides: list[npt.NDArray[Any]],
    total: npt.NDArray[Any],
    drawn: npt.NDArray[np.int64],
    level: float,
) -> ChangeJudged:
    """Return one pair of classes from sums by block, each (n,): units that either side has right, and all."""
    count, blocks, interval = float(total.sum()), int((total > 0).sum()), None
    if blocks > 1:
        there = drawn @ total
        difference = (drawn @ (sides[1] - sides[0]))[there > 0] / there[there > 0]
        low, high = np.quantile(difference, [(1 - level) / 2, (1 + level) / 2]).tolist()
        interval = (low, high)
    shares = [float(side.sum()) / count for side in sides]
    return ChangeJudged(*pair, round(count), shares[0], shares[1], blocks, interval)
