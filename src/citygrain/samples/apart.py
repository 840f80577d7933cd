"""Folds by whole groups whose training rows share no ground with the rows that they are tested on."""

import numpy as np
import numpy.typing as npt
import shapely

from citygrain.errors import InputError
from citygrain.samples.folds import Fold, group_folds
from citygrain.samples.samples import Samples

__all__ = ["centre_blocks", "folds_apart"]


def centre_blocks(centres: npt.NDArray[np.float64], size: float) -> npt.NDArray[np.int64]:
    """Return the number of the square block that holds each centre, so that every unit is in one.

    Parameters
    ----------
    centres : ndarray, (n, 2)
        x and y in map units.
    size : float
        Side of a block in map units (metres).

    Examples
    --------
    >>> centre_blocks(np.array([[5, 0], [95, 0], [105, 0], [5, -120]], float), 100).tolist()
    [0, 0, 1, 2]
    """
    if not size > 0:
        raise InputError(f"blocks of {size:g} m", wanted="above 0")
    left, top = centres[:, 0].min(), centres[:, 1].max()
    cells = np.floor(np.column_stack([top - centres[:, 1], centres[:, 0] - left]) / size).astype(np.int64)
    _, number = np.unique(cells, axis=0, return_inverse=True)
    return number.ravel().astype(np.int64)


def folds_apart(samples: Samples, folds: int = 5, *, rng: np.random.Generator) -> list[Fold]:
    """Return folds by whole groups; training rows whose ground meets that of a tested row are left out.

    Parameters
    ----------
    samples : Samples
        With `group` (a block or polygon for each labelled row) and `extent`. Rows without extent meet nothing.
    folds : int
        2 or more; as many as there are groups, where these are fewer.
    rng : numpy.random.Generator
        Breaks ties.

    Returns
    -------
    list of (ndarray, ndarray)
        Rows to train on and to test on; each labelled row is tested once.

    Raises
    ------
    InputError
        If labelled rows have no group, there is one group only, or a fold has nothing left to train on.

    Examples
    --------
    >>> from citygrain.legend import URBAN
    >>> extent = np.array([[0, 0, 2, 1], [1, 0, 3, 1], [4, 0, 5, 1], [6, 0, 7, 1]], float)
    >>> group, x = np.array([0, 1, 1, 0]), np.zeros((4, 1), np.float32)
    >>> samples = Samples.of(x, [1, 4, 1, 4], features=("B02",), legend=URBAN, group=group, extent=extent)
    >>> [(a.tolist(), b.tolist()) for a, b in folds_apart(samples, 2, rng=np.random.default_rng(0))]
    [([2], [0, 3]), ([3], [1, 2])]
    """
    groups = np.unique(samples.group[samples.y > 0])
    made = []
    for train, test in group_folds(samples, max(2, min(folds, len(groups))), rng=rng):
        kept = train[~_meet(samples.extent[train], samples.extent[test])]
        if not len(kept):
            raise InputError(
                f"of {len(train)} rows to train on, all lie beside the {len(test)} tested ones",
                mend="set a smaller [samples] window or a larger block",
            )
        made.append((kept, test))
    return made


def _meet(extent: npt.NDArray[np.float64], others: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Tell which boxes share ground with one of `others`; edges that touch share none."""
    result = np.zeros(len(extent), bool)
    mine, theirs = (np.isfinite(boxes).all(1) for boxes in (extent, others))
    if mine.any() and theirs.any():
        inset = 1e-6 * float((others[theirs, 2:] - others[theirs, :2]).max()) * np.array([1, 1, -1, -1])
        tree = shapely.STRtree(np.asarray(shapely.box(*(others[theirs] + inset).T)))
        hit, _ = tree.query(np.asarray(shapely.box(*extent[mine].T)))
        result[np.flatnonzero(mine)[np.unique(hit)]] = True
    return result
