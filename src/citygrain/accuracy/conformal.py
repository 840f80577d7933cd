r"""Conformal prediction sets: for each unit the classes that it may be, so that a set holds the right one in 90 %.

Plain split conformal prediction takes validation rows and new rows for exchangeable. Rows of a map are not: those of
one block are alike, and another block differs from them all. What may be exchangeable is the blocks. So the threshold
counts each block once, and leaves room for the block that is to come (hierarchical conformal prediction). Of K blocks
no more than K / (K + 1) can be promised in this way: 90 % needs 9 of them. With fewer, the largest threshold that
comes out when any one block is left out is taken, which is a precaution and no guarantee; the rule says which it is.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from citygrain.accuracy.calibration import known_rows, too_few
from citygrain.errors import InputError

__all__ = [
    "LEVELS",
    "MOST_CLASSES",
    "SetRule",
    "block_quantile",
    "fit_sets",
    "informative_level",
    "pooled_quantile",
    "set_figures",
]

LEVELS = (0.9, 0.95, 0.99)
"""Shares of the sets that are to hold the right class, for which rules are fitted."""
MOST_CLASSES = 32
"""Classes that a bit mask of 32 bits has room for."""

Score = Literal["lac", "aps"]
Floats = npt.NDArray[np.floating]
Integers = npt.NDArray[np.integer]


@dataclass(frozen=True)
class SetRule:
    """How a set of classes is made from probabilities.

    Attributes
    ----------
    level : float
        Share of the sets that are to hold the right class, 0 to 1.
    score : str
        ``"lac"``: a class is in the set if its own probability is large enough. ``"aps"``: classes are taken from the
        likeliest on until their probabilities sum to enough.
    threshold : float
        Largest score of a class in the set.
    rows, blocks : int
        Validation rows, and the blocks that they lie in.
    guarantee : str
        ``"blocks"``: holds on average over new blocks that are exchangeable with the validation blocks.
        ``"none"``: too few blocks for that.
    """

    level: float
    score: Score
    threshold: float
    rows: int
    blocks: int
    guarantee: Literal["blocks", "none"]

    def sets(self, probabilities: Floats) -> npt.NDArray[np.bool_]:
        """Return which classes each unit may be, (n, k); the likeliest one always.

        Parameters
        ----------
        probabilities : ndarray of float, (n, k)
            Class probabilities.
        """
        chosen = class_scores(probabilities, self.score) <= self.threshold
        if len(chosen):
            chosen[np.arange(len(chosen)), np.asarray(probabilities).argmax(1)] = True
        return chosen

    def masks(self, probabilities: Floats) -> npt.NDArray[np.uint32]:
        """Return the sets as bit masks, (n,): bit i is the class in column i.

        Raises
        ------
        InputError
            If there are more than `MOST_CLASSES` classes.

        Examples
        --------
        >>> rule = SetRule(0.9, "lac", 0.7, 500, 12, "blocks")
        >>> rule.masks(np.array([[0.5, 0.4, 0.1], [0.1, 0.1, 0.8]])).tolist()
        [3, 4]
        """
        k = probabilities.shape[1]
        if k > MOST_CLASSES:
            raise InputError(f"sets of {k} classes", wanted=f"at most {MOST_CLASSES}")
        return np.asarray(self.sets(probabilities) @ (np.uint32(1) << np.arange(k, dtype=np.uint32)), np.uint32)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def fit_sets(probabilities: Floats, columns: Integers, block: Integers, *, level: float = LEVELS[0]) -> SetRule | None:
    """Fit the rule on validation rows, with the score that gives the smaller sets there.

    Parameters
    ----------
    probabilities : ndarray of float, (n, k)
        Class probabilities of validation rows, calibrated.
    columns : ndarray of int, (n,)
        Column of each row's class in the reference, -1 = none.
    block : ndarray of int, (n,)
        Block that each row lies in.
    level : float
        Share of the sets that are to hold the right class.

    Returns
    -------
    SetRule or None
        None where there are too few rows or blocks (`citygrain.accuracy.calibration.too_few`).

    Raises
    ------
    InputError
        If the lengths differ, or the level is not between 0 and 1.

    References
    ----------
    Sadinle, M., Lei, J. & Wasserman, L. (2019). Least ambiguous set-valued classifiers with bounded error levels.
    doi:10.1080/01621459.2017.1395341
    Romano, Y., Sesia, M. & Candès, E. (2020). Classification with valid and adaptive coverage. arXiv:2006.02544
    Dunn, R., Wasserman, L. & Ramdas, A. (2022). Distribution-free prediction sets for two-layer hierarchical models.
    doi:10.1080/01621459.2022.2060112
    """
    rules = fit_rules(probabilities, columns, block, (level,))
    return rules[0] if rules else None


def fit_rules(
    probabilities: Floats, columns: Integers, block: Integers, levels: Sequence[float] = LEVELS
) -> list[SetRule]:
    """Fit a rule for each of several levels, all with one score, so that each set lies within that of a higher level.

    Parameters
    ----------
    probabilities, columns, block
        As for `fit_sets`.
    levels : sequence of float
        Shares of the sets that are to hold the right class, increasing.

    Returns
    -------
    list of SetRule
        Empty where there are too few rows or blocks.
    """
    p, y, group = known_rows(probabilities, columns, block)
    blocks = int(np.unique(group).size)
    if too_few(len(y), blocks):
        return []
    names: tuple[Score, Score] = ("lac", "aps")
    fitted = []
    for name in names:
        own, threshold, rules = class_scores(p, name)[np.arange(len(y)), y], 0.0, []
        for level in levels:
            promised = level <= blocks / (blocks + 1)
            found = (block_quantile if promised else jackknife_quantile)(own, group, level)
            threshold = max(threshold, found)
            rules.append(SetRule(level, name, threshold, len(y), blocks, "blocks" if promised else "none"))
        fitted.append(rules)
    return min(fitted, key=lambda rules: sum(float(rule.sets(p).sum(1).mean()) for rule in rules))


def informative_level(probabilities: Floats, columns: Integers) -> float:
    """Return the smallest of `LEVELS` that the likeliest class alone does not reach on validation rows.

    Where a map is right in 95 % anyway, sets that are to be right in 90 % have one class each and tell nothing.

    Examples
    --------
    >>> informative_level(np.array([[0.9, 0.1]] * 100), np.repeat([0, 1], [92, 8]))
    0.95
    """
    there = np.asarray(columns) >= 0
    share = float((np.asarray(probabilities)[there].argmax(1) == np.asarray(columns)[there]).mean())
    return next((level for level in LEVELS if level > share), LEVELS[-1])


def class_scores(probabilities: Floats, score: Score) -> npt.NDArray[np.float64]:
    """Return how ill each class conforms, (n, k), 0 to 1."""
    p = np.asarray(probabilities, np.float64)
    if score == "lac":
        return 1 - p
    order = np.argsort(-p, 1, kind="stable")
    sums = np.cumsum(np.take_along_axis(p, order, 1), 1)
    scores = np.empty_like(p)
    np.put_along_axis(scores, order, sums, 1)
    return scores


def pooled_quantile(scores: Floats, level: float) -> float:
    """Return the threshold of plain split conformal prediction, which takes all rows for exchangeable.

    It is the score of rank ceil((n + 1) level), infinite where there is none.

    Examples
    --------
    >>> pooled_quantile(np.arange(9.0), 0.8), pooled_quantile(np.arange(9.0), 0.95)
    (7.0, inf)
    """
    _check(level)
    rank = math.ceil(round((len(scores) + 1) * level, 9))  # 10 * 0.9 is 9, whatever binary fractions say
    return float(np.sort(scores)[rank - 1]) if rank <= len(scores) else math.inf


def block_quantile(scores: Floats, block: Integers, level: float) -> float:
    """Return the threshold for a unit of a block that is to come.

    Each of K blocks has the weight 1 / (K + 1), shared by its rows; as much is kept, at infinity, for the new block.
    With one row in each block it is `pooled_quantile`.

    Parameters
    ----------
    scores : ndarray of float, (n,)
        Scores of the right classes.
    block : ndarray of int, (n,)
        Block of each row.
    level : float
        Coverage, 0 to 1.

    Returns
    -------
    float
        Infinite where the blocks are too few for the level.

    References
    ----------
    Lee, Y., Barber, R. F. & Willett, R. (2023). Distribution-free inference with hierarchical data. arXiv:2306.06342

    Examples
    --------
    >>> block_quantile(np.arange(9.0), np.arange(9), 0.8)
    7.0
    """
    _check(level)
    return _weighted_quantile(scores, *_shares(block), level)


def jackknife_quantile(scores: Floats, block: Integers, level: float) -> float:
    """Return the largest quantile of the scores when any one block is left out, each block counted alike."""
    _check(level)
    quantiles = [
        _weighted_quantile(scores[kept], _shares(block[kept])[0], 0.0, level)
        for kept in (block != left for left in np.unique(block))
    ]
    return max(quantiles)


def _shares(block: Integers) -> tuple[npt.NDArray[np.float64], float]:
    """Return the weight of each row, and what is kept for a new block: together 1."""
    _, place, counts = np.unique(block, return_inverse=True, return_counts=True)
    return 1 / ((len(counts) + 1) * counts[place]), 1 / (len(counts) + 1)


def _weighted_quantile(scores: Floats, weights: npt.NDArray[np.float64], beyond: float, level: float) -> float:
    order = np.argsort(scores, kind="stable")
    total = weights.sum() + beyond
    reached = np.flatnonzero(np.cumsum(weights[order]) >= level * total - 1e-9)
    return float(scores[order[reached[0]]]) if reached.size else math.inf


def _check(level: float) -> None:
    if not 0 < level < 1:
        raise InputError(f"coverage {level}", wanted="between 0 and 1")


def set_figures(
    sets: npt.NDArray[np.bool_], columns: Integers, block: Integers, *, rng: np.random.Generator, draws: int = 1000
) -> dict[str, Any]:
    """Return coverage and size of the sets of test units, with a 95 % interval by block bootstrap.

    Parameters
    ----------
    sets : ndarray of bool, (n, k)
        Which classes each unit may be.
    columns : ndarray of int, (n,)
        Column of the class in the reference, -1 = none.
    block : ndarray of int, (n,)
        Block that each row lies in.
    rng : numpy.random.Generator
        Draws the blocks.
    draws : int
        Number of bootstrap samples.

    Returns
    -------
    dict
        ``units``, ``blocks``, ``coverage``, ``interval_95`` of the coverage, ``coverage_of_blocks`` (its mean over
        blocks, each counted alike), ``mean_size``, ``share_of_one_class``, and ``sizes``: units by size of the set.
    """
    there = np.asarray(columns) >= 0
    sets, y, block = sets[there], np.asarray(columns)[there], np.asarray(block)[there]
    if not len(y):
        return {"units": 0, "blocks": 0, "coverage": None, "interval_95": {}, "mean_size": None}
    held, size = sets[np.arange(len(y)), y], sets.sum(1)
    _, place = np.unique(block, return_inverse=True)
    hits, rows = np.bincount(place, held), np.bincount(place)
    interval = {}
    if len(rows) > 1:
        weights = rng.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), draws)
        interval = {"coverage": np.quantile((weights @ hits) / (weights @ rows), [0.025, 0.975]).tolist()}
    return {
        "units": len(y),
        "blocks": len(rows),
        "coverage": float(held.mean()),
        "interval_95": interval,
        "coverage_of_blocks": float((hits / rows).mean()),
        "mean_size": float(size.mean()),
        "share_of_one_class": float((size == 1).mean()),
        "sizes": {str(number): int((size == number).sum()) for number in range(1, sets.shape[1] + 1)},
    }
