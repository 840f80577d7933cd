"""Radar channels made fit for learning: decibels, coherence, and the seven features of the So2Sat production network.

So2Sat keeps Sentinel-1 as complex amplitudes with tails a thousand times their usual size. A logarithm and ratios
bring them to a few units, and a product of intensities that no gain can change (the coherence) is kept beside.
"""

import numpy as np
import numpy.typing as npt

from citygrain.errors import InputError

__all__ = ["coherence", "decibels", "so2sat_sar"]

_LOWEST_DB, _HIGHEST_DB = -50.0, 50.0
"""Below thermal noise of Sentinel-1 (about -30 dB), above the brightest corner reflectors."""

_SILENT = np.float32(1e-30)
"""Power that is none: below it float32 loses its digits. NaN is not below it."""

Values = npt.NDArray[np.float32]


def decibels(intensity: npt.ArrayLike, *, lowest: float = _LOWEST_DB, highest: float = _HIGHEST_DB) -> Values:
    """Return linear intensity in decibels, ``10 log10(intensity)``, bounded on both sides.

    Parameters
    ----------
    intensity : array-like
        Linear power. 0 and below become `lowest`; NaN stays NaN.
    lowest, highest : float
        Bounds in dB.

    Examples
    --------
    >>> decibels([1, 10, 0]).tolist()
    [0.0, 10.0, -50.0]
    """
    power = np.asarray(intensity, np.float32)
    smallest = np.float32(10 ** (lowest / 10))
    return np.asarray(np.clip(10 * np.log10(np.maximum(power, smallest)), lowest, highest), np.float32)


def coherence(first: npt.ArrayLike, second: npt.ArrayLike) -> Values:
    r"""Return the coherence of two complex channels in a 3 x 3 boxcar.

    .. math:: \frac{|\langle a b^* \rangle|}{\sqrt{\langle |a|^2 \rangle \langle |b|^2 \rangle}}

    At the border of the patch the window goes on in the mirrored patch (edge pixels twice). The network's published
    code wraps round to the opposite border instead, which mixes ground that lies 320 m apart.

    Parameters
    ----------
    first, second : array-like of complex, (..., h, w)
        Amplitudes.

    Returns
    -------
    ndarray of float32, (..., h, w)
        0 to 1; 0 where a channel is silent all over the window, NaN where the window holds one.

    Examples
    --------
    >>> a = np.full((4, 4), 1 + 1j)
    >>> float(coherence(a, 3j * a).min().round(6))
    1.0
    """
    a, b = np.asarray(first, np.complex64), np.asarray(second, np.complex64)
    cross, powers = _boxcar(a * b.conj()), (_boxcar(_power(a)), _boxcar(_power(b)))
    return _ratio(np.abs(cross), np.sqrt(powers[0]) * np.sqrt(powers[1]))  # the product itself could underflow


def so2sat_sar(x: npt.NDArray[np.float32]) -> Values:
    """Return the seven features of the So2Sat production network from the eight Sentinel-1 channels.

    Parameters
    ----------
    x : ndarray of float32, (n, 8, h, w)
        Channels `citygrain.sensors.SO2SAT_SENTINEL1`: VH and VV amplitude (real, imaginary), VH and VV intensity after
        the refined Lee filter, covariance after the filter (real, imaginary).

    Returns
    -------
    ndarray of float32, (n, 7, h, w)
        Features `citygrain.sensors.SAR_FEATURES`: VH and VV in dB, their coherence, filtered VH and VV in dB, filtered
        coherence, and the cosine of the phase between VH and VV. They are not standardised: the network's authors used
        mean and deviation of the whole scene, which patches do not tell.

    Raises
    ------
    InputError
        If there are not eight channels.

    Notes
    -----
    The channels are those of Zhu et al. (2020), doi:10.1109/MGRS.2020.2964708.

    Examples
    --------
    >>> so2sat_sar(np.ones((2, 8, 32, 32), np.float32)).shape
    (2, 7, 32, 32)
    """
    if x.ndim != 4 or x.shape[1] != 8:
        raise InputError(f"radar patches of shape {x.shape}", wanted="(n, 8, h, w), the sen1 channels of So2Sat")
    vh, vv = _complex(x[:, 0], x[:, 1]), _complex(x[:, 2], x[:, 3])
    vh_lee, vv_lee, cross = x[:, 4], x[:, 5], np.hypot(x[:, 6], x[:, 7])
    out = np.empty((len(x), 7, *x.shape[2:]), np.float32)
    out[:, 0], out[:, 1] = decibels(_power(vh)), decibels(_power(vv))
    out[:, 2] = coherence(vh, vv)
    out[:, 3], out[:, 4] = decibels(vh_lee), decibels(vv_lee)
    out[:, 5] = _ratio(cross, np.sqrt(np.maximum(vh_lee, 0)) * np.sqrt(np.maximum(vv_lee, 0)))
    out[:, 6] = np.divide(x[:, 6], cross, out=np.ones_like(cross), where=~(cross <= _SILENT))  # cos 0 where silent
    return out


def _complex(real: Values, imaginary: Values) -> npt.NDArray[np.complex64]:
    amplitude = np.empty(real.shape, np.complex64)
    amplitude.real, amplitude.imag = real, imaginary
    return amplitude


def _power(amplitude: npt.NDArray[np.complex64]) -> Values:
    power: Values = amplitude.real**2 + amplitude.imag**2
    return power


def _boxcar(values: npt.NDArray[np.inexact]) -> npt.NDArray[np.inexact]:
    """Sum 3 x 3 pixels along the last two axes, mirrored at the border."""
    for axis in (-1, -2):
        width = [(0, 0)] * values.ndim
        width[axis] = (1, 1)
        wide = np.moveaxis(np.pad(values, width, mode="symmetric"), axis, -1)
        values = np.moveaxis(wide[..., :-2] + wide[..., 1:-1] + wide[..., 2:], -1, axis)
    return values


def _ratio(part: npt.NDArray[np.floating], whole: npt.NDArray[np.floating]) -> Values:
    ratio = np.divide(part, whole, out=np.zeros(part.shape, np.float32), where=~(whole <= _SILENT))
    return np.asarray(np.minimum(ratio, 1), np.float32)  # a covariance in float32 can exceed its bound by a rounding
