"""Design-based estimates from a probability sample: shares and ratios of shares, with their standard errors.

A figure of a map is a share of ground (overall accuracy, the area of a class) or a ratio of two (user's and producer's
accuracy). How it is estimated depends on how the points were drawn, not on the figure: so the figures are written down
here once, as which cells of the confusion matrix count above and below the line, and the designs beside them.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Z95", "Estimate", "cluster_ratios", "figure_cells", "stratified_ratios"]

Z95 = 1.96
"""Half the width of a 95 % interval, in standard errors."""

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """Estimated shares, 0 to 1, with their standard errors; NaN where nothing was met that could tell.

    Attributes
    ----------
    value, standard_error : ndarray of float, one shape
        The estimates.

    Examples
    --------
    >>> one = Estimate(np.array(0.9), np.array(0.1))
    >>> float(one.half_width.round(3)), float(one.low.round(3)), float(one.high)
    (0.196, 0.704, 1.0)
    """

    value: Array
    standard_error: Array

    @property
    def half_width(self) -> Array:
        """Half the width of the 95 % interval, 1.96 standard errors."""
        return np.asarray(Z95 * self.standard_error)

    @property
    def low(self) -> Array:
        """Lower bound of the 95 % interval, not below 0."""
        return np.asarray(np.maximum(0.0, self.value - self.half_width))

    @property
    def high(self) -> Array:
        """Upper bound of the 95 % interval, not above 1."""
        return np.asarray(np.minimum(1.0, self.value + self.half_width))

    def __getitem__(self, rows: int | slice) -> "Estimate":
        return Estimate(np.asarray(self.value[rows]), np.asarray(self.standard_error[rows]))


def figure_cells(k: int) -> tuple[Array, Array]:
    """Return which cells of a matrix (rows = map) each figure counts, above and below the line, (1 + 3 k, k, k) each.

    The figures are: overall accuracy; k user's accuracies; k producer's accuracies; k shares of the area.

    Examples
    --------
    >>> above, below = figure_cells(2)
    >>> above[1].tolist(), below[1].tolist()  # user's accuracy of the first class
    ([[1.0, 0.0], [0.0, 0.0]], [[1.0, 1.0], [0.0, 0.0]])
    """
    one = np.eye(k)
    right = one[:, :, None] * one[:, None, :]  # (k, k, k): only the cell where both sides are the class
    mapped = np.broadcast_to(one[:, :, None], (k, k, k))
    referenced = np.broadcast_to(one[:, None, :], (k, k, k))
    everywhere = np.ones((k, k, k))
    above = np.concatenate([one[None], right, right, referenced])
    below = np.concatenate([everywhere[:1], mapped, referenced, everywhere])
    return above, below


def stratified_ratios(counts: Array, weights: Array, above: Array, below: Array) -> Estimate:
    """Estimate ratios of shares from a stratified random sample by the combined ratio estimator.

    With weights W_h of the strata, n_h points in each, and of each figure its numerator y and denominator x at a point:
    R = sum W_h mean_h(y) / X, where X = sum W_h mean_h(x), and V(R) = sum W_h^2 var_h(y - R x) / n_h / X^2. Where x is
    1 everywhere, R is a share of all ground. No correction is made for finite strata: the errors are on the safe side.

    Parameters
    ----------
    counts : ndarray, (s, k, k)
        Points of each stratum by cell of the matrix; each stratum has two or more.
    weights : ndarray, (s,)
        Shares of the strata in the ground; they sum to 1.
    above, below : ndarray, (f, k, k)
        Which cells count, see `figure_cells`.

    Returns
    -------
    Estimate
        (f,); NaN where the denominator was not met.

    References
    ----------
    Stehman, S. V. (2014), equations 2, 25, 27, 28 but for finite strata. doi:10.1080/01431161.2014.930207
    Cochran, W. G. (1977). Sampling Techniques, 3rd edition, section 6.11.
    """
    number = counts.sum((1, 2))  # (s,)
    cells = counts / number[:, None, None]
    part, whole = (np.einsum("s,sij,fij->f", weights, cells, side) for side in (above, below))
    ratio = _over(part, whole)
    residual = above - np.nan_to_num(ratio)[:, None, None] * below  # (f, k, k)
    mean = np.einsum("sij,fij->fs", cells, residual)
    square = np.einsum("sij,fij->fs", cells, residual**2)
    variance = np.maximum(0.0, square - mean**2) * number / (number - 1)
    return Estimate(ratio, _over(np.sqrt((variance * weights**2 / number).sum(1)), whole))


def cluster_ratios(counts: Array, sizes: Array, above: Array, below: Array) -> Estimate:
    """Estimate ratios of shares from a simple random sample of clusters by the ratio estimator over clusters.

    The points within a cluster stand for all its ground: of a cluster of size M_c, y_c = M_c mean_c(y). Then
    R = sum y_c / sum x_c and V(R) = m / (m - 1) sum (y_c - R x_c)^2 / (sum x_c)^2 over the m clusters, which holds
    what both stages of the drawing add.

    Parameters
    ----------
    counts : ndarray, (m, k, k)
        Points of each cluster by cell of the matrix; each cluster has one or more.
    sizes : ndarray, (m,)
        How much ground each cluster holds, in any unit.
    above, below : ndarray, (f, k, k)
        Which cells count, see `figure_cells`.

    Returns
    -------
    Estimate
        (f,); NaN where the denominator was not met.

    References
    ----------
    Cochran, W. G. (1977). Sampling Techniques, 3rd edition, sections 9A.4 and 11.8.
    """
    cells = counts * (sizes / counts.sum((1, 2)))[:, None, None]
    part, whole = (np.einsum("cij,fij->f", cells, side) for side in (above, below))
    ratio = _over(part, whole)
    residual = np.einsum("cij,fij->fc", cells, above - np.nan_to_num(ratio)[:, None, None] * below)
    m = len(counts)
    return Estimate(ratio, _over(np.sqrt(m / (m - 1) * (residual**2).sum(1)), whole))


def _over(part: Array, whole: Array) -> Array:
    there = whole > 0
    return np.where(there, part / np.where(there, whole, 1.0), np.nan)
