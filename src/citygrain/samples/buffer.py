"""Ground between test and training rows: who stands too near to a test row is not trained on.

A patch reaches beyond its unit. Two rows whose grounds meet have seen the same pixels, wherever their units lie; so the
least buffer is none between the grounds, which is one window between the centres.
"""

import numpy as np
import numpy.typing as npt
import shapely

from citygrain.errors import InputError
from citygrain.samples.samples import Samples

__all__ = ["near_ground", "without_neighbours"]

Rows = npt.NDArray[np.int64]


def without_neighbours(samples: Samples, train: Rows, test: Rows, *, buffer: float = 0.0) -> Rows:
    """Return the training rows whose ground keeps away from that of every test row.

    Parameters
    ----------
    samples : Samples
        With `extent`: window and unit together. Rows without it stay.
    train, test : ndarray of int
        Rows.
    buffer : float
        Metres between the grounds; 0 = they share none (edges may touch).

    Returns
    -------
    ndarray of int
        Rows of `train`, in its order.

    Examples
    --------
    >>> from citygrain.legend import URBAN
    >>> extent = np.array([[0, 0, 30, 30], [20, 0, 50, 30], [30, 0, 60, 30], [75, 0, 105, 30]], float)
    >>> samples = Samples.of(np.zeros((4, 1)), [1, 1, 4, 4], features=("B02",), legend=URBAN, extent=extent)
    >>> test, train = np.array([0]), np.array([1, 2, 3])
    >>> without_neighbours(samples, train, test).tolist()
    [2, 3]
    >>> without_neighbours(samples, train, test, buffer=40).tolist()
    [3]
    """
    others = np.zeros(len(samples), bool)
    others[test] = True
    return train[~near_ground(samples, others, buffer=buffer)[train]]


def near_ground(samples: Samples, others: npt.NDArray[np.bool_], *, buffer: float = 0.0) -> npt.NDArray[np.bool_]:
    """Tell which samples lie within `buffer` metres of the ground of one of `others`; edges that touch share none.

    Raises
    ------
    InputError
        If the buffer is negative.
    """
    if not 0 <= buffer < np.inf:
        raise InputError(f"a buffer of {buffer:g} m", wanted="0 or more")
    known = np.isfinite(samples.extent).all(1)
    result = np.zeros(len(samples), bool)
    if not (others & known).any():
        return result
    extent, chosen, group = samples.extent[known], others[known], samples.group[known]
    inset = extent + 1e-6 * np.max(extent[:, 2:] - extent[:, :2]) * np.array([1, 1, -1, -1])
    wide = inset + buffer * np.array([-1, -1, 1, 1])
    # One shape for each group: thousands of patches that overlap each other are found in one step.
    rows = np.flatnonzero(chosen)
    rows = rows[np.argsort(group[rows], kind="stable")]
    starts = np.flatnonzero(np.diff(group[rows])) + 1
    parts = [shapely.union_all(shapely.box(*_strips(wide[part]).T)) for part in np.split(rows, starts)]
    tree = shapely.STRtree(np.asarray(shapely.box(*inset.T)))
    _, hit = tree.query(parts, predicate="intersects")
    result[np.flatnonzero(known)[np.unique(hit)]] = True
    return result


def _strips(extent: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return boxes that cover the same ground, those of one row that overlap made one: patches lie on a lattice.

    Examples
    --------
    >>> _strips(np.array([[2, 0, 4, 1], [0, 0, 3, 1], [5, 0, 6, 1], [0, 1, 3, 2]], float)).tolist()
    [[0.0, 0.0, 4.0, 1.0], [5.0, 0.0, 6.0, 1.0], [0.0, 1.0, 3.0, 2.0]]
    """
    ordered = extent[np.lexsort((extent[:, 0], extent[:, 3], extent[:, 1]))]
    first, next_ = ordered[:-1], ordered[1:]
    parted = (next_[:, 1] != first[:, 1]) | (next_[:, 3] != first[:, 3]) | (next_[:, 0] > first[:, 2])
    starts = np.flatnonzero(np.append(True, parted))
    right = np.maximum.reduceat(ordered[:, 2], starts)
    return np.column_stack([ordered[starts, :2], right, ordered[starts, 3]])
