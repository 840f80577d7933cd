"""A map beside something plainer, on the same units: a score means little until it is known what costs nothing.

The difference has an interval of its own: both are drawn again on the same blocks, so what is hard for both, or easy,
drops out. Two intervals laid beside each other would not tell.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from citygrain.accuracy.intervals import block_matrices
from citygrain.errors import InputError
from citygrain.legend import Legend

__all__ = ["SCORES", "majority_class", "paired_scores", "scores_of"]

SCORES = ("overall_accuracy", "kappa", "macro_f1")

Codes = npt.NDArray[np.uint8]
Scores = dict[str, npt.NDArray[np.float64]]


def majority_class(codes: npt.ArrayLike, legend: Legend) -> int:
    """Return the code that most units have; among equals the first in the legend.

    Raises
    ------
    InputError
        If no unit has a class.

    Examples
    --------
    >>> from citygrain.legend import URBAN
    >>> majority_class([1, 4, 4, 0], URBAN)
    4
    """
    columns = legend.columns(np.asarray(codes).ravel())
    if not (columns >= 0).any():
        raise InputError("no unit has a class", wanted="labelled units")
    return int(legend.values[np.bincount(columns[columns >= 0], minlength=len(legend)).argmax()])


def scores_of(matrices: npt.NDArray[Any]) -> Scores:
    """Return overall accuracy, kappa and macro F1 of many confusion matrices at once.

    Parameters
    ----------
    matrices : ndarray, (n, k, k)
        Counts, rows = map, columns = reference.

    Returns
    -------
    dict of str to ndarray of float, (n,)
        NaN where a figure is undefined, as in `citygrain.accuracy.assess.Assessment`.

    Examples
    --------
    >>> scores = scores_of(np.array([[[8, 1], [0, 4]]]))
    >>> {name: values.round(3).tolist() for name, values in scores.items()}
    {'overall_accuracy': [0.923], 'kappa': [0.831], 'macro_f1': [0.915]}
    """
    matrices = np.asarray(matrices, float)
    total, right = matrices.sum((1, 2)), np.diagonal(matrices, axis1=1, axis2=2)
    mapped, there = matrices.sum(2), matrices.sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        overall = right.sum(1) / total
        chance = (mapped * there).sum(1) / total**2
        f1 = 2 * right / (mapped + there)  # NaN where a class is in neither
        occurs = np.isfinite(f1)
        macro = np.where(occurs, f1, 0).sum(1) / occurs.sum(1)
        kappa = np.where(chance < 1, (overall - chance) / (1 - chance), np.nan)
    return {"overall_accuracy": overall, "kappa": kappa, "macro_f1": macro}


def paired_scores(
    reference: Codes,
    mapped: Codes,
    other: Codes,
    block: npt.NDArray[np.int64],
    legend: Legend,
    *,
    rng: np.random.Generator,
    draws: int = 1000,
    level: float = 0.95,
) -> dict[str, Any]:
    """Score a map and something beside it on the same units, and the difference between them.

    Parameters
    ----------
    reference, mapped, other : ndarray of uint8, (n,)
        Class codes; a unit with 0 on any side is left out for both.
    block : ndarray of int, (n,)
        Block of ground, polygon or group of each unit.
    legend : Legend
        The classes.
    rng : numpy.random.Generator
        Draws the blocks.
    draws : int
        How often.
    level : float
        Confidence level, 0 to 1.

    Returns
    -------
    dict
        `units`, `blocks`, `other` and `map` (each with `SCORES` and `interval_95`), `difference` (map minus other, the
        same). Intervals are empty with fewer than two blocks; an undefined figure is None.

    Raises
    ------
    InputError
        If the numbers of units differ, or no unit has a class on all sides.

    Examples
    --------
    >>> from citygrain.legend import URBAN
    >>> codes = [np.array(c, np.uint8) for c in ([1, 4, 1, 4], [1, 4, 1, 1], [1, 1, 1, 1])]
    >>> found = paired_scores(*codes, np.array([0, 0, 1, 1]), URBAN, rng=np.random.default_rng(0))
    >>> found["map"]["overall_accuracy"], found["difference"]["overall_accuracy"]
    (0.75, 0.25)
    """
    sides = [np.asarray(side) for side in (reference, mapped, other)]
    sizes = [*(side.size for side in sides), block.size]
    if len(set(sizes)) > 1:
        raise InputError(f"reference, maps and blocks of {', '.join(map(str, sizes))} units", wanted="the same units")
    known = (sides[0] > 0) & (sides[1] > 0) & (sides[2] > 0)
    if not known.any():
        raise InputError("no unit has a class on all sides", wanted="common ground")
    truth, first, second = (side[known] for side in sides)
    matrices = [block_matrices(side, truth, block[known], legend) for side in (first, second)]
    blocks = len(matrices[0])
    weight = rng.multinomial(blocks, np.full(blocks, 1 / blocks), draws) if blocks > 1 else np.empty((0, blocks))
    drawn = [scores_of(np.tensordot(weight, part, 1)) for part in matrices]
    found = [scores_of(part.sum(0, keepdims=True)) for part in matrices]
    tails = [(1 - level) / 2, (1 + level) / 2]
    pairs = [(found[0], drawn[0]), (found[1], drawn[1]), (_minus(*found), _minus(*drawn))]
    said = [_plain(point, spread, tails) for point, spread in pairs]
    return {"units": int(known.sum()), "blocks": blocks, "map": said[0], "other": said[1], "difference": said[2]}


def _minus(first: Scores, second: Scores) -> Scores:
    return {name: first[name] - second[name] for name in SCORES}


def _plain(point: Scores, drawn: Scores, tails: list[float]) -> dict[str, Any]:
    known = {name: values[np.isfinite(values)] for name, values in drawn.items()}
    figures: dict[str, Any] = {
        name: float(values[0]) if np.isfinite(values[0]) else None for name, values in point.items()
    }
    figures["interval_95"] = {
        name: np.quantile(values, tails).tolist() for name, values in known.items() if values.size
    }
    return figures
