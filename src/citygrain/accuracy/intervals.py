"""Intervals for accuracy figures whose units are neighbours: whole blocks are drawn again, not single units.

Superpixels of one field are nearly copies of each other. An interval that takes them for independent is too narrow;
the block bootstrap keeps them together.
"""

from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from citygrain.accuracy.assess import Assessment, confusion_matrix
from citygrain.accuracy.redrawn import class_figures, overall_figures, redraw_blocks, redraw_rows
from citygrain.errors import InputError
from citygrain.legend import Legend

__all__ = [
    "block_class_intervals",
    "block_intervals",
    "block_matrices",
    "row_class_intervals",
    "row_intervals",
    "wilson_interval",
]

Array = npt.NDArray[np.float64]
ClassIntervals = dict[str, dict[str, list[float]]]
"""By class name, by figure (users_accuracy, producers_accuracy, f1): lower and upper bound."""


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
    """Return percentile intervals of the figures of all classes together by block bootstrap.

    These are overall accuracy, kappa, macro and weighted F1, and of Local Climate Zones OAu, OAbu and OAw.

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
    if len(matrices) < 2:
        return {}
    return _overall_spans(redraw_blocks(matrices, rng=rng, draws=draws), legend, level)


def block_class_intervals(
    matrices: npt.NDArray[np.int64], legend: Legend, *, rng: np.random.Generator, draws: int = 1000, level: float = 0.95
) -> ClassIntervals:
    """Return percentile intervals of user's and producer's accuracy and F1 of each class by block bootstrap.

    A class that is right (or wrong) wherever it was met has no spread that could be drawn again. That does not make it
    certain: its user's and producer's accuracy have Wilson's interval then, with each block that holds it as one trial.

    Parameters
    ----------
    matrices, legend, rng, draws, level
        As for `block_intervals`.

    Returns
    -------
    dict of str to dict of str to [float, float]
        By class and figure; a class that no draw met has none, and with fewer than two blocks there is none at all.

    Examples
    --------
    >>> from citygrain.legend import Legend
    >>> legend = Legend.from_names({1: "Land", 2: "Water"})
    >>> matrices = np.array([[[9, 1], [0, 5]], [[8, 0], [2, 5]]])
    >>> block_class_intervals(matrices, legend, rng=np.random.default_rng(0))["Land"]["users_accuracy"]
    [0.9, 1.0]
    """
    _check(level)
    if len(matrices) < 2:
        return {}
    spans = _class_spans(redraw_blocks(matrices, rng=rng, draws=draws), legend, level)
    for name, axis in (("users_accuracy", 2), ("producers_accuracy", 1)):
        held = (matrices.sum(axis) > 0).sum(0)  # blocks that hold the class
        for class_, n in zip(legend.names, held.tolist(), strict=True):
            if spans.get(class_, {}).get(name) in ([0.0, 0.0], [1.0, 1.0]):
                right = n * spans[class_][name][0]
                spans[class_][name] = wilson_interval(right, n, level=level).tolist()
    return spans


def row_intervals(
    assessment: Assessment, *, rng: np.random.Generator, draws: int = 1000, level: float = 0.95
) -> dict[str, list[float]]:
    """Return intervals of the figures of all classes together for rows taken to be independent.

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

    Examples
    --------
    >>> from citygrain.legend import Legend
    >>> a = Assessment(np.array([[81, 15], [4, 0]]), Legend.from_names({1: "Land", 2: "Water"}))
    >>> [round(bound, 3) for bound in row_intervals(a, rng=np.random.default_rng(0))["overall_accuracy"]]
    [0.722, 0.875]
    """
    _check(level)
    if not assessment.total:
        return {}
    spans = _overall_spans(redraw_rows(assessment.matrix, rng=rng, draws=draws), assessment.legend, level)
    right = wilson_interval(np.trace(assessment.matrix), assessment.total, level=level)
    return spans | {"overall_accuracy": right.tolist()}


def row_class_intervals(
    assessment: Assessment, *, rng: np.random.Generator, draws: int = 1000, level: float = 0.95
) -> ClassIntervals:
    """Return intervals of each class's figures for rows taken to be independent.

    User's and producer's accuracy are simple shares and have Wilson's interval; F1 has percentiles, as `row_intervals`.

    Parameters
    ----------
    assessment, rng, draws, level
        As for `row_intervals`.

    Examples
    --------
    >>> from citygrain.legend import Legend
    >>> a = Assessment(np.array([[10, 0], [0, 4]]), Legend.from_names({1: "Land", 2: "Water"}))
    >>> [round(bound, 3) for bound in row_class_intervals(a, rng=np.random.default_rng(0))["Land"]["users_accuracy"]]
    [0.722, 1.0]
    """
    _check(level)
    if not assessment.total:
        return {}
    spans = _class_spans(redraw_rows(assessment.matrix, rng=rng, draws=draws), assessment.legend, level)
    right = np.diag(assessment.matrix)
    for name, counts in (
        ("users_accuracy", assessment.map_count),
        ("producers_accuracy", assessment.reference_count),
    ):
        for class_, bounds, n in zip(
            assessment.legend.names, wilson_interval(right, counts, level=level).T, counts, strict=True
        ):
            if n:
                spans.setdefault(class_, {})[name] = bounds.tolist()
    return spans


def wilson_interval(right: npt.ArrayLike, n: npt.ArrayLike, *, level: float = 0.95) -> Array:
    """Return Wilson's score interval of a share, which holds for few trials and near 0 and 1.

    Parameters
    ----------
    right, n : array-like of int, same shape
        Successes and independent trials.
    level : float
        Confidence level, 0 to 1.

    Returns
    -------
    ndarray, (2, ...)
        Lower and upper bounds; NaN without trials.

    References
    ----------
    Wilson, E. B. (1927). Probable inference, the law of succession, and statistical inference.
    doi:10.1080/01621459.1927.10502953

    Examples
    --------
    >>> wilson_interval([81, 10], [100, 10]).round(3).T.tolist()
    [[0.722, 0.875], [0.722, 1.0]]
    """
    _check(level)
    z, trials = NormalDist().inv_cdf((1 + level) / 2), np.where(np.asarray(n) > 0, n, np.nan).astype(float)
    share = np.asarray(right) / trials
    middle, spread = share + z**2 / (2 * trials), z * np.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2))
    return np.clip(np.stack([middle - spread, middle + spread]) / (1 + z**2 / trials), 0.0, 1.0)


def _check(level: float) -> None:
    if not 0 < level < 1:
        raise InputError(f"confidence level {level}", wanted="between 0 and 1")


def _overall_spans(drawn: Array, legend: Legend, level: float) -> dict[str, list[float]]:
    spans = {name: _span(values, level) for name, values in overall_figures(drawn, legend).items()}
    return {name: span for name, span in spans.items() if span}


def _class_spans(drawn: Array, legend: Legend, level: float) -> ClassIntervals:
    figures = class_figures(drawn)
    spans = {
        class_: {name: _span(values[:, column], level) for name, values in figures.items()}
        for column, class_ in enumerate(legend.names)
    }
    known = {class_: {name: span for name, span in of.items() if span} for class_, of in spans.items()}
    return {class_: of for class_, of in known.items() if of}


def _span(values: Array, level: float) -> list[float]:
    """Return the percentiles of what is defined: kappa of one class is not."""
    known = values[np.isfinite(values)]
    return [float(bound) for bound in np.quantile(known, [(1 - level) / 2, (1 + level) / 2])] if known.size else []
