"""Sums over zones: boxes, centroids, means and deviations, and class counts of labelled pixels.

One pass each by counting; no search over the label image per superpixel.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from citygrain.errors import InputError

__all__ = ["boxes", "centroids", "class_counts", "moments", "zonal_moments"]


def boxes(labels: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.int64]:
    """Return the pixel box of each label 1..n, (n, 4): top, left, bottom, right, ends excluded.

    Raises
    ------
    InputError
        If a label between 1 and the largest has no pixel.

    Examples
    --------
    >>> boxes(np.array([[1, 1, 2], [0, 1, 2]])).tolist()
    [[0, 0, 2, 2], [0, 2, 2, 3]]
    """
    from scipy.ndimage import find_objects  # noqa: PLC0415 - scipy.ndimage is slow to import

    found = find_objects(labels)
    if not found or any(box is None for box in found):
        missing = [i for i, box in enumerate(found, 1) if box is None][:3]
        raise InputError(f"segments without pixels: {missing or 'all'}", wanted="labels 1..n, each with a pixel")
    return np.array([[r.start, c.start, r.stop, c.stop] for r, c in found], np.int64)


def centroids(labels: npt.NDArray[np.integer[Any]], n: int) -> npt.NDArray[np.int64]:
    """Return the pixel nearest to each label's centre of mass, (n, 2) row and column, rounded half up.

    The sums are integers, so the result is the same on every machine.

    Examples
    --------
    >>> centroids(np.array([[1, 1, 2], [0, 1, 2]]), 2).tolist()
    [[0, 1], [1, 2]]
    """
    count = np.zeros(n + 1, np.int64)
    rows, columns = np.zeros(n + 1, np.int64), np.zeros(n + 1, np.int64)
    number = np.arange(labels.shape[1], dtype=np.float64)
    for top in range(0, labels.shape[0], 512):  # blocks of rows bound the memory of bincount's weights
        block = labels[top : top + 512]
        flat = block.ravel()
        count += np.bincount(flat, minlength=n + 1)
        line = np.repeat(np.arange(top, top + len(block), dtype=np.float64), labels.shape[1])
        rows += np.bincount(flat, line, n + 1).astype(np.int64)
        columns += np.bincount(flat, np.tile(number, len(block)), n + 1).astype(np.int64)
    area = np.maximum(count, 1)
    centre = np.column_stack([(2 * rows + area) // (2 * area), (2 * columns + area) // (2 * area)])
    inside: npt.NDArray[np.int64] = np.minimum(centre[1:], np.array(labels.shape) - 1)
    return inside


def zonal_moments(
    labels: npt.NDArray[np.integer[Any]], values: npt.NDArray[np.float32], n: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return mean and standard deviation of the finite values of each label 1..n; NaN where there are none.

    Examples
    --------
    >>> zonal_moments(np.array([1, 1, 2]), np.array([1, 3, 5], np.float32), 2)
    (array([2., 5.]), array([1., 0.]))
    """
    finite = np.isfinite(values)
    if not finite.all():
        labels, values = labels[finite], values[finite]
    count = np.bincount(labels, minlength=n + 1)[1:]
    shift = float(values.mean()) if values.size else 0.0  # keeps the squares small, so that they cancel less
    centred = values.astype(np.float64) - shift
    total = np.bincount(labels, centred, n + 1)[1:]
    square = np.bincount(labels, centred * centred, n + 1)[1:]
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = total / count
        return mean + shift, np.sqrt(np.maximum(square / count - mean * mean, 0))


def moments(block: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return mean and standard deviation over the last axis, NaN left out; NaN where there is no value.

    Examples
    --------
    >>> mean, std = moments(np.array([[1, 3, np.nan]], np.float32))
    >>> mean.tolist(), std.tolist()
    ([2.0], [1.0])
    """
    finite = np.isfinite(block)
    if finite.all():
        return block.mean(-1), block.std(-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        count = finite.sum(-1)
        mean = np.where(finite, block, 0).sum(-1) / count
        spread = np.where(finite, block - mean[..., None], 0)
        return mean, np.sqrt((spread * spread).sum(-1) / count)


def class_counts(
    zones: npt.NDArray[np.integer[Any]], columns: npt.NDArray[np.integer[Any]], shape: tuple[int, int]
) -> npt.NDArray[np.int64]:
    """Count the pixels of each class in each zone.

    Parameters
    ----------
    zones : ndarray of int
        Zone 0..n-1 of each pixel; negative = none.
    columns : ndarray of int, same shape
        Class column 0..k-1 of each pixel; negative = unlabelled.
    shape : tuple of int
        (n, k).

    Returns
    -------
    ndarray of int64, (n, k)

    Examples
    --------
    >>> class_counts(np.array([0, 0, 1, -1]), np.array([1, 1, -1, 0]), (2, 2)).tolist()
    [[0, 2], [0, 0]]
    """
    n, k = shape
    counted = (zones >= 0) & (columns >= 0)
    cells = zones[counted].astype(np.int64) * k + columns[counted]
    return np.bincount(cells, minlength=n * k).reshape(n, k)
