"""Intervals for accuracy figures whose units are neighbours: whole blocks are drawn again, not single units.

Superpixels of one field are nearly copies of each other. An interval that takes them for independent is too narrow;
the block bootstrap keeps them together.
"""

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from citygrain.accuracy.assess import Assessment, confusion_matrix
from citygrain.errors import InputError
from citygrain.legend import Legend

__all__ = ["block_intervals", "block_matrices", "row_intervals"]

FIGURES: dict[str, Callable[[Assessment], float]] = {
    "overall_accuracy": lambda a: a.overall_accuracy,
    "kappa": lambda a: a.kappa,
    "macro_f1": lambda a: a.macro_f1,
    "weighted_f1": lambda a: a.weighted_f1,
}


def block_matrices(
    mapped: npt.NDArray[np.uint8],
    reference: npt.NDArray[np.uint8],
    block: npt.NDArray[np.int64],
    legend: Legend,
    *,
    weights: npt.NDArray[np.int64] | None = None,
) -> npt.NDArray[np.int64]:
    """Return one confusion matrix for each block, (blocks, k, k), rows = map, columns = reference."""
    order = np.argsort(block, kind="stable")
    starts = np.flatnonzero(np.diff(block[order], prepend=block[order][:1] - 1))
    pieces = np.split(order, starts[1:])
    matrices = [
        confusion_matrix(mapped[p], reference[p], legend, weights=None if weights is None else weights[p])
        for p in pieces
    ]
    return np.stack(matrices)


def block_intervals(
    matrices: npt.NDArray[np.int64], legend: Legend, *, rng: np.random.Generator, draws: int = 1000, level: float = 0.95
) -> dict[str, list[float]]:
    """Return percentile intervals of overall accuracy, kappa, macro and weighted F1 by block bootstrap.

    Parameters
    ----------
    matrices : ndarray of int, (blocks, k, k)
        One confusion matrix for each block of ground.
    legend : Legend
        The classes.
    rng : numpy.random.Generator
        Draws the blocks.
    draws : int
        Number of bootstrap samples.
    level : float
        Confidence level, 0 to 1.

    Returns
    -------
    dict of str to [float, float]
        Lower and upper bound; empty with fewer than two blocks, from which no spread can be learned.

    References
    ----------
    Efron, B. & Tibshirani, R. (1993). An Introduction to the Bootstrap. doi:10.1201/9780429246593

    Examples
    --------
    >>> from citygrain.legend import Legend
    >>> legend = Legend.from_names({1: "Land", 2: "Water"})
    >>> matrices = np.array([[[9, 1], [0, 5]], [[8, 0], [2, 5]], [[9, 1], [1, 4]]])
    >>> low, high = block_intervals(matrices, legend, rng=np.random.default_rng(0))["overall_accuracy"]
    >>> low <= Assessment(matrices.sum(0), legend).overall_accuracy <= high
    True
    """
    _check(level)
    n = len(matrices)
    if n < 2:
        return {}
    weight = rng.multinomial(n, np.full(n, 1 / n), draws)  # how often each block is drawn
    return _percentiles([np.tensordot(w, matrices, 1) for w in weight], legend, level)


def row_intervals(
    assessment: Assessment, *, rng: np.random.Generator, draws: int = 1000, level: float = 0.95
) -> dict[str, list[float]]:
    """Return intervals of overall accuracy, kappa, macro and weighted F1 for rows taken to be independent.

    The overall accuracy has Wilson's interval, which holds for few rows and near 0 and 1; the other figures have
    percentiles of matrices drawn again row by row. Where rows are neighbours, `block_intervals` is the honest one.

    Parameters
    ----------
    assessment : Assessment
        The matrix.
    rng : numpy.random.Generator
        Draws the rows.
    draws : int
        Number of bootstrap samples.
    level : float
        Confidence level, 0 to 1.

    Returns
    -------
    dict of str to [float, float]
        Lower and upper bound; empty without rows.

    References
    ----------
    Wilson, E. B. (1927). Probable inference, the law of succession, and statistical inference.
    doi:10.1080/01621459.1927.10502953

    Examples
    --------
    >>> from citygrain.legend import Legend
    >>> a = Assessment(np.array([[81, 15], [4, 0]]), Legend.from_names({1: "Land", 2: "Water"}))
    >>> [round(bound, 3) for bound in row_intervals(a, rng=np.random.default_rng(0))["overall_accuracy"]]
    [0.722, 0.875]
    """
    _check(level)
    n = assessment.total
    if not n:
        return {}
    shares = assessment.matrix.ravel() / n
    drawn = [m.reshape(assessment.matrix.shape) for m in rng.multinomial(n, shares / shares.sum(), draws)]
    right, z = assessment.overall_accuracy, NormalDist().inv_cdf((1 + level) / 2)
    middle, spread = right + z**2 / (2 * n), z * math.sqrt(right * (1 - right) / n + z**2 / (4 * n**2))
    wilson = [max(0.0, (middle + side * spread) / (1 + z**2 / n)) for side in (-1, 1)]
    return _percentiles(drawn, assessment.legend, level) | {"overall_accuracy": [wilson[0], min(1.0, wilson[1])]}


def _check(level: float) -> None:
    if not 0 < level < 1:
        raise InputError(f"confidence level {level}", wanted="between 0 and 1")


def _percentiles(matrices: Sequence[npt.NDArray[np.int64]], legend: Legend, level: float) -> dict[str, list[float]]:
    samples = [Assessment(matrix, legend) for matrix in matrices]
    drawn = {name: np.array([figure(s) for s in samples]) for name, figure in FIGURES.items()}
    known = {name: values[np.isfinite(values)] for name, values in drawn.items()}  # kappa of one class is undefined
    tails = [(1 - level) / 2, (1 + level) / 2]
    return {name: np.quantile(values, tails).tolist() for name, values in known.items() if values.size}
