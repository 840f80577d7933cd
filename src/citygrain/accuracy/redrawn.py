"""The figures of many confusion matrices at once: what a thousand samples drawn again would have said."""

import numpy as np
import numpy.typing as npt

from citygrain.accuracy.lcz import lcz_similarity
from citygrain.lcz import BUILT
from citygrain.legend import LCZ, Legend

__all__ = ["class_figures", "is_lcz", "overall_figures", "redraw_blocks", "redraw_rows"]

Array = npt.NDArray[np.float64]


def redraw_blocks(matrices: npt.NDArray[np.int64], *, rng: np.random.Generator, draws: int) -> Array:
    """Draw as many blocks as there are, with return, and sum their matrices, (draws, k, k).

    Parameters
    ----------
    matrices : ndarray of int, (blocks, k, k)
        One matrix for each block.
    rng : numpy.random.Generator
        Draws the blocks.
    draws : int
        How many samples to draw.
    """
    n, k = matrices.shape[:2]
    times = rng.multinomial(n, np.full(n, 1 / n), draws)  # how often each block is drawn
    summed = times.astype(float) @ matrices.reshape(n, k * k).astype(float)  # whole numbers: exact below 2^53
    return np.asarray(summed.reshape(draws, k, k))


def redraw_rows(matrix: npt.NDArray[np.int64], *, rng: np.random.Generator, draws: int) -> Array:
    """Draw as many rows as a matrix has, with return, as if they were independent, (draws, k, k)."""
    n, k = int(matrix.sum()), len(matrix)
    shares = matrix.ravel() / n
    return rng.multinomial(n, shares / shares.sum(), draws).reshape(draws, k, k).astype(float)


def overall_figures(matrices: Array, legend: Legend) -> dict[str, Array]:
    """Return the figures of all classes together of each matrix, by name; NaN where one is undefined.

    Parameters
    ----------
    matrices : ndarray, (draws, k, k)
        Rows = map, columns = reference.
    legend : Legend
        The classes; Local Climate Zones have OAu, OAbu and OAw, too.

    Examples
    --------
    >>> from citygrain.legend import URBAN
    >>> {name: values.tolist() for name, values in overall_figures(np.eye(4)[None] * 5, URBAN).items()}
    {'overall_accuracy': [1.0], 'kappa': [1.0], 'macro_f1': [1.0], 'weighted_f1': [1.0]}
    """
    total, mapped, reference = matrices.sum((1, 2)), matrices.sum(2), matrices.sum(1)
    right = _over(np.trace(matrices, axis1=1, axis2=2), total)
    chance = _over((mapped * reference).sum(1), total**2)
    f1 = class_figures(matrices)["f1"]
    there = np.isfinite(f1)
    found = {
        "overall_accuracy": right,
        "kappa": _over(right - chance, 1 - chance),
        "macro_f1": _over(np.nansum(f1, 1), there.sum(1)),
        "weighted_f1": _over(np.nansum(f1 * reference, 1), total),
    }
    return found | (_lcz_figures(matrices, legend) if is_lcz(legend) else {})


def class_figures(matrices: Array) -> dict[str, Array]:
    """Return user's accuracy, producer's accuracy and F1 of each class of each matrix, (draws, k) each.

    Examples
    --------
    >>> class_figures(np.array([[[3.0, 1.0], [0.0, 2.0]]]))["users_accuracy"].tolist()
    [[0.75, 1.0]]
    """
    right, mapped, reference = np.diagonal(matrices, axis1=1, axis2=2), matrices.sum(2), matrices.sum(1)
    return {
        "users_accuracy": _over(right, mapped),
        "producers_accuracy": _over(right, reference),
        "f1": _over(2 * right, mapped + reference),
    }


def is_lcz(legend: Legend) -> bool:
    """Tell whether the classes are Local Climate Zones, some or all."""
    return legend.scheme.startswith("lcz") and set(legend.values.tolist()) <= set(LCZ.values.tolist())


def _lcz_figures(matrices: Array, legend: Legend) -> dict[str, Array]:
    """As `citygrain.accuracy.lcz.lcz_accuracies`, which says what they are."""
    codes = legend.values.astype(int)
    built, total = codes <= BUILT, matrices.sum((1, 2))
    weights = lcz_similarity()[np.ix_(codes - 1, codes - 1)]
    right = np.diagonal(matrices, axis1=1, axis2=2)
    return {
        "OAu": _over(right[:, built].sum(1), matrices[:, :, built].sum((1, 2))),
        "OAbu": _over((matrices * (built[:, None] == built)).sum((1, 2)), total),
        "OAw": _over((matrices * weights).sum((1, 2)), total),
    }


def _over(part: Array, whole: Array) -> Array:
    there = np.asarray(whole) > 0
    return np.where(there, part / np.where(there, whole, 1), np.nan)
