"""Calibration: the temperature at which a model's confidence means what it says, and scores that tell whether it does.

The temperature is fitted on validation ground, never on test ground: the scores on test ground then tell whether it
carries over. Neighbours are alike, so intervals draw whole blocks again.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from citygrain.accuracy.reliability import bin_numbers, reliability_bins
from citygrain.errors import InputError
from citygrain.legend import Legend
from citygrain.tempering import temper

__all__ = ["LEAST_ROWS", "Temperature", "calibration_scores", "class_reliability", "fit_temperature"]

LEAST_ROWS = 100
"""Validation rows below which nothing is fitted."""
_BOUNDS = (0.05, 20.0)
_FLOOR = 1e-6
"""What a probability of 0 counts as in a log loss, which would be infinite."""
_BINS = 10
_FOLDS = 10

Floats = npt.NDArray[np.floating]
Integers = npt.NDArray[np.integer]


@dataclass(frozen=True)
class Temperature:
    """A temperature and what it was fitted on.

    Attributes
    ----------
    value : float
        Above 1 where the model was too sure, below 1 where it was not sure enough; 1 where nothing was fitted.
    rows, blocks : int
        Validation rows, and the blocks that they lie in.
    reason : str
        Why nothing was fitted; empty where it was.
    """

    value: float
    rows: int
    blocks: int
    reason: str = ""


def fit_temperature(probabilities: Floats, columns: Integers, block: Integers) -> Temperature:
    """Fit the temperature that gives validation rows the least log loss.

    Parameters
    ----------
    probabilities : ndarray of float, (n, k)
        Class probabilities of validation rows.
    columns : ndarray of int, (n,)
        Column of each row's class in the reference, -1 = none.
    block : ndarray of int, (n,)
        Block that each row lies in.

    Returns
    -------
    Temperature
        1, with the reason, for fewer than `LEAST_ROWS` rows or a single block, and where the temperature of some
        blocks does not surely help others (up to ten folds, left out in turn).

    Raises
    ------
    InputError
        If the lengths differ.

    References
    ----------
    Guo, C., Pleiss, G., Sun, Y. & Weinberger, K. Q. (2017). On calibration of modern neural networks.
    arXiv:1706.04599

    Examples
    --------
    A model that says 99 % and is right in 80 of 100 cases is too sure:

    >>> said, right = np.tile([0.99, 0.01], (200, 1)), np.repeat([0, 0, 0, 0, 1], 40)
    >>> round(fit_temperature(said, right, np.arange(200) % 4).value, 1)
    3.3
    """
    probabilities, columns, block = known_rows(probabilities, columns, block)
    rows, blocks = len(columns), int(np.unique(block).size)
    reason = too_few(rows, blocks)
    if reason:
        return Temperature(1.0, rows, blocks, reason)
    given, place = probabilities.astype(np.float32), np.unique(block, return_inverse=True)[1] % _FOLDS
    if not _helps(given, columns, place):
        return Temperature(1.0, rows, blocks, "it made no sure difference on validation ground left out in turn")
    return Temperature(round(_best(given, columns), 4), rows, blocks)


def _best(probabilities: npt.NDArray[np.float32], columns: npt.NDArray[np.int64]) -> float:
    """Return the temperature of least log loss."""
    from scipy.optimize import minimize_scalar  # noqa: PLC0415 - scipy is slow to import

    found = minimize_scalar(
        lambda logarithm: _loss(probabilities, columns, float(np.exp(logarithm))),
        bounds=tuple(np.log(_BOUNDS)),
        method="bounded",
        options={"xatol": 1e-4},
    )
    return float(np.exp(found.x))


def _loss(probabilities: npt.NDArray[np.float32], columns: npt.NDArray[np.int64], temperature: float) -> float:
    return float(-_log_of_class(temper(probabilities, temperature), columns).mean())


def _helps(p: npt.NDArray[np.float32], y: npt.NDArray[np.int64], fold: npt.NDArray[np.intp]) -> bool:
    """Tell whether the temperature of some blocks lowers the log loss of others, by more than a standard error."""
    gains = []
    for left in np.unique(fold):
        out = fold == left
        gains.append(_loss(p[out], y[out], 1.0) - _loss(p[out], y[out], _best(p[~out], y[~out])))
    return bool(np.mean(gains) > np.std(gains, ddof=1) / np.sqrt(len(gains)))


def too_few(rows: int, blocks: int) -> str:
    """Say why nothing is fitted on so few rows or blocks; empty where there are enough."""
    if rows >= LEAST_ROWS and blocks > 1:
        return ""
    if not rows:
        return "there are no validation rows"
    return f"{rows} validation rows in {blocks} {'block' if blocks == 1 else 'blocks'} are too few"


def known_rows(
    probabilities: Floats, columns: Integers, block: Integers
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the rows whose class is known.

    Raises
    ------
    InputError
        If the lengths differ, or a column is not there.
    """
    if probabilities.ndim != 2 or not len(probabilities) == len(columns) == len(block):
        came = f"probabilities {probabilities.shape} for {len(columns)} classes in {len(block)} blocks"
        raise InputError(came, wanted="(n, k), and one class and one block for each row")
    if len(columns) and columns.max() >= probabilities.shape[1]:
        raise InputError(f"class column {columns.max()} of {probabilities.shape[1]}")
    there = np.asarray(columns) >= 0
    chosen = np.asarray(probabilities)[there].astype(np.float64)
    return chosen, np.asarray(columns)[there].astype(np.int64), np.asarray(block)[there].astype(np.int64)


def calibration_scores(
    probabilities: Floats, columns: Integers, block: Integers, *, rng: np.random.Generator, draws: int = 1000
) -> dict[str, object]:
    r"""Return expected calibration error, Brier score and log loss, with 95 % intervals by block bootstrap.

    Brier = mean over rows of sum over classes of (p - [class is right])^2, 0 to 2; log loss in natural units. Smaller
    is better in all three. The calibration error looks at the chosen class alone, in ten bins of confidence; of few
    rows it is never quite 0, and its interval lies a little high.

    Parameters
    ----------
    probabilities : ndarray of float, (n, k)
        Class probabilities.
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
        ``expected_calibration_error``, ``brier_score``, ``log_loss`` and ``interval_95`` of each; the interval is
        empty for a single block.

    References
    ----------
    Brier, G. W. (1950). Verification of forecasts expressed in terms of probability.
    doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2
    """
    p, y, block = known_rows(probabilities, columns, block)
    if not len(y):
        return {"expected_calibration_error": None, "brier_score": None, "log_loss": None, "interval_95": {}}
    _, place = np.unique(block, return_inverse=True)
    sums = _block_sums(p, y, place)
    figures = {name: float(values[0]) for name, values in _scores(sums, np.ones((1, len(sums)))).items()}
    intervals = {}
    if len(sums) > 1:
        weights = rng.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), draws).astype(np.float64)
        drawn = _scores(sums, weights)
        intervals = {name: np.quantile(values, [0.025, 0.975]).tolist() for name, values in drawn.items()}
    return {**figures, "interval_95": intervals}


def class_reliability(probabilities: Floats, columns: Integers, legend: Legend) -> dict[str, dict[str, float | None]]:
    """Return, for the units that the map gives to each class, how sure it is of them and how many are right.

    Parameters
    ----------
    probabilities : ndarray of float, (n, k)
        Class probabilities in legend order.
    columns : ndarray of int, (n,)
        Column of the class in the reference, -1 = none.
    legend : Legend
        The classes.

    Returns
    -------
    dict of dict
        By class name: ``units``, ``mean_confidence``, ``share_right``, ``expected_calibration_error``; None where
        the class is not on the map.
    """
    p, y, _ = known_rows(probabilities, columns, np.zeros(len(columns), np.int64))
    chosen = p.argmax(1) if len(p) else np.zeros(0, np.int64)
    found: dict[str, dict[str, float | None]] = {}
    for column, name in enumerate(legend.names):
        rows = chosen == column
        sure, right = p[rows, column], y[rows] == column
        there = bool(rows.any())
        found[name] = {
            "units": int(rows.sum()),
            "mean_confidence": float(sure.mean()) if there else None,
            "share_right": float(right.mean()) if there else None,
            "expected_calibration_error": reliability_bins(sure, right, _BINS).ece if there else None,
        }
    return found


def _log_of_class(probabilities: Floats, columns: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return the logarithm of the probability that each row's own class was given."""
    given = probabilities[np.arange(len(columns)), columns].astype(np.float64)
    return np.asarray(np.log(np.maximum(given, _FLOOR)))


def _block_sums(
    p: npt.NDArray[np.float64], y: npt.NDArray[np.int64], place: npt.NDArray[np.intp]
) -> npt.NDArray[np.float64]:
    """Return what the scores are made of, by block, (blocks, 3 + 2 * bins): rows, Brier, log loss, and the bins."""
    blocks, sure, right = int(place.max()) + 1, p.max(1), p.argmax(1) == y
    brier = (p**2).sum(1) - 2 * p[np.arange(len(y)), y] + 1
    columns = [np.ones(len(y)), brier, -_log_of_class(p, y)]
    totals = np.stack([np.bincount(place, values, blocks) for values in columns], 1)
    cell = place * _BINS + bin_numbers(sure, _BINS)
    gaps = np.bincount(cell, sure - right, blocks * _BINS).reshape(blocks, _BINS)
    return np.hstack([totals, gaps])


def _scores(sums: npt.NDArray[np.float64], weights: npt.NDArray[np.float64]) -> dict[str, npt.NDArray[np.float64]]:
    """Return the scores of blocks drawn so and so often, (draws, blocks) -> (draws,) each."""
    total = weights @ sums
    rows = np.maximum(total[:, 0], 1)
    return {
        "expected_calibration_error": np.abs(total[:, 3:]).sum(1) / rows,
        "brier_score": total[:, 1] / rows,
        "log_loss": total[:, 2] / rows,
    }
