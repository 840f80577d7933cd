r"""Radar power with less speckle: boxcar, Lee's filter, and Lee's refined filter that keeps edges.

All work on linear power, where the mean of speckled pixels is the backscatter; the mean of decibels is not. Speckle of
:math:`L` looks has a standard deviation of :math:`1/\sqrt{L}` of the mean; Sentinel-1 GRD in IW mode has 4.4 equivalent
looks (ESA, Sentinel-1 Product Definition), and neighbouring pixels of 10 m are not quite independent.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from citygrain.errors import InputError
from citygrain.features._speckle import edge_aligned, square

__all__ = ["GRD_LOOKS", "HALO", "boxcar", "equivalent_looks", "lee", "refined_lee", "refined_lee_matrix"]

GRD_LOOKS = 4.4
"""Equivalent number of looks of Sentinel-1 IW GRD in high resolution."""
HALO = 3
"""Pixels that a window of the refined filter needs more on each side to give what the whole gives."""

Power = npt.NDArray[np.float32]


def boxcar(power: npt.ArrayLike, *, size: int = 7) -> Power:
    """Return the mean of the `size` x `size` pixels around each pixel.

    Parameters
    ----------
    power : array-like, (y, x) or (band, y, x)
        Linear power, NaN = no data.
    size : int
        Pixels, an odd number.

    Returns
    -------
    ndarray of float32
        NaN where `power` is; pixels without data and beyond the border have no weight.

    Examples
    --------
    >>> boxcar([[1.0, 2.0, 3.0]], size=3).tolist()
    [[1.5, 2.0, 2.5]]
    """
    return _each_band(power, lambda band, out: square(band, band[None], _reach(size), -1.0, out))


def lee(power: npt.ArrayLike, *, looks: float = GRD_LOOKS, size: int = 7) -> Power:
    r"""Return power filtered by Lee's local statistics.

    .. math::

        \hat x = \bar y + b (y - \bar y), \qquad
        b = \frac{\mathrm{var}(x)}{\mathrm{var}(y)}, \qquad
        \mathrm{var}(x) = \max\left(0, \frac{\mathrm{var}(y) - \bar y^2 / L}{1 + 1/L}\right)

    with mean and variance of the window. Where the ground is even, :math:`b` is about 0 and the window's mean stands;
    where it varies more than speckle does, the pixel stays. Lee (1980), doi:10.1109/TPAMI.1980.4766994.

    Parameters
    ----------
    power : array-like, (y, x) or (band, y, x)
        Linear power, NaN = no data.
    looks : float
        Equivalent number of looks :math:`L`.
    size : int
        Pixels, an odd number.

    Returns
    -------
    ndarray of float32
        NaN where `power` is.

    Examples
    --------
    >>> lee(np.full((3, 3), 0.25)).tolist()[1]
    [0.25, 0.25, 0.25]
    """
    noise = _noise(looks)
    return _each_band(power, lambda band, out: square(band, band[None], _reach(size), noise, out))


def refined_lee(power: npt.ArrayLike, *, looks: float = GRD_LOOKS) -> Power:
    r"""Return power filtered by Lee's refined filter: local statistics of the pixel's own side of an edge.

    In 7 x 7 pixels the means of nine overlapping blocks of 3 x 3 give four gradients; the steepest says how an edge
    would run, and the block nearest in value to that of the middle says on which side of it the pixel lies. Mean and
    variance for `lee`'s formula come from that half of the window (28 pixels). Lee (1981),
    doi:10.1016/S0146-664X(81)80018-4; Lee et al. (2009), doi:10.1109/TGRS.2008.2002881, compare it with others.

    Parameters
    ----------
    power : array-like, (y, x) or (band, y, x)
        Linear power, NaN = no data.
    looks : float
        Equivalent number of looks :math:`L`.

    Returns
    -------
    ndarray of float32
        NaN where `power` is. Windows with `HALO` pixels more on each side give what the whole gives.

    Examples
    --------
    >>> step = np.repeat([[0.01] * 8 + [0.5] * 8], 16, axis=0)
    >>> np.allclose(refined_lee(step), step)
    True
    """
    noise = _noise(looks)
    return _each_band(power, lambda band, out: edge_aligned(band, band[None], noise, out))


def refined_lee_matrix(
    first: npt.NDArray[np.complexfloating], second: npt.NDArray[np.complexfloating], *, looks: float = 1.0
) -> tuple[Power, Power, npt.NDArray[np.complex64]]:
    r"""Return the covariance matrix of two complex channels, filtered as one.

    The window's half and the weight are found once, on the span :math:`|a|^2 + |b|^2`, and serve all elements: so the
    filter makes no correlation that is not there. Lee, Grunes and de Grandi (1999), doi:10.1109/36.789635.

    Parameters
    ----------
    first, second : ndarray of complex, (y, x)
        Amplitudes :math:`a` and :math:`b`; NaN = no data.
    looks : float
        Equivalent number of looks of the span: 1 for single-look data.

    Returns
    -------
    first_power, second_power : ndarray of float32, (y, x)
        Filtered :math:`|a|^2` and :math:`|b|^2`.
    covariance : ndarray of complex64, (y, x)
        Filtered :math:`a b^*`.

    Raises
    ------
    InputError
        If the channels have different shapes.

    Examples
    --------
    >>> a = np.full((4, 4), 1 + 1j)
    >>> one, two, both = refined_lee_matrix(a, 2j * a)
    >>> one[0, 0].round(4), two[0, 0].round(4), both[0, 0]
    (np.float32(2.0), np.float32(8.0), np.complex64(-4j))
    """
    a, b = np.asarray(first, np.complex64), np.asarray(second, np.complex64)
    if a.shape != b.shape or a.ndim != 2:
        raise InputError(f"channels of shapes {a.shape} and {b.shape}", wanted="two of one shape (y, x)")
    cross = a * b.conj()
    layers = np.stack([np.abs(a) ** 2, np.abs(b) ** 2, cross.real, cross.imag]).astype(np.float32)
    out = np.empty_like(layers)
    edge_aligned(layers[0] + layers[1], layers, _noise(looks), out)
    covariance = np.empty(a.shape, np.complex64)
    covariance.real, covariance.imag = out[2], out[3]
    return out[0], out[1], covariance


def equivalent_looks(power: npt.ArrayLike) -> float:
    r"""Return the equivalent number of looks of even ground, :math:`\bar y^2 / \mathrm{var}(y)`.

    Parameters
    ----------
    power : array-like
        Linear power of pixels that differ by speckle alone; NaN is left out.

    Examples
    --------
    >>> round(equivalent_looks(np.random.default_rng(0).gamma(4.4, 1, 100_000)), 1)
    4.4
    """
    values = np.asarray(power, np.float64)
    there = values[np.isfinite(values)]
    variance = float(there.var()) if there.size else 0.0
    return float(there.mean()) ** 2 / variance if variance > 0 else float("inf")


def _each_band(power: npt.ArrayLike, fill: Callable[[Power, Power], None]) -> Power:
    values = np.ascontiguousarray(power, np.float32)
    if values.ndim not in (2, 3):
        raise InputError(f"power of shape {values.shape}", wanted="(y, x) or (band, y, x)")
    out = np.empty_like(values)
    for band, made in zip(values.reshape(-1, *values.shape[-2:]), out.reshape(-1, 1, *values.shape[-2:]), strict=True):
        fill(band, made)
    return out


def _reach(size: int) -> int:
    if size < 1 or size % 2 == 0:
        raise InputError(f"a window of {size} pixels", wanted="an odd number")
    return size // 2


def _noise(looks: float) -> float:
    if not looks > 0:
        raise InputError(f"{looks} looks", wanted="more than 0")
    return 1.0 / looks
