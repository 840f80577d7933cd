"""The radar channels of So2Sat LCZ42, made from Sentinel-1 data of one's own.

All eight need complex amplitudes (SLC). Analysis-ready products (GRD, RTC) hold intensities alone: of the eight
channels two remain, and a model for the eight cannot be used; one for the two can be trained and used anywhere.
"""

import numpy as np
import numpy.typing as npt

from citygrain.errors import InputError
from citygrain.features.speckle import GRD_LOOKS, refined_lee, refined_lee_matrix

__all__ = ["INTENSITY_CHANNELS", "so2sat_channels", "so2sat_intensities"]

INTENSITY_CHANNELS = ("VH_LEE", "VV_LEE")
"""Those of the eight channels that intensities give."""

Values = npt.NDArray[np.float32]


def so2sat_channels(
    vh: npt.NDArray[np.complexfloating], vv: npt.NDArray[np.complexfloating], *, looks: float = 1.0
) -> Values:
    """Return the eight Sentinel-1 channels of So2Sat LCZ42 from complex amplitudes.

    Real and imaginary part of VH, of VV; intensity of VH and of VV after the refined Lee filter; real and imaginary
    part of the filtered covariance VH VV*. Intensities and covariance are filtered as one matrix
    (`citygrain.features.speckle.refined_lee_matrix`). Channels as by Zhu et al. (2020),
    doi:10.1109/MGRS.2020.2964708; they made them with ESA's SNAP, whose filter may differ in details, and do not print
    which of the two is conjugated.

    Parameters
    ----------
    vh, vv : ndarray of complex, (y, x)
        Calibrated amplitudes on one grid; NaN = no data.
    looks : float
        Equivalent number of looks.

    Returns
    -------
    ndarray of float32, (8, y, x)
        Channels `citygrain.sensors.SO2SAT_SENTINEL1`.

    Examples
    --------
    >>> vh = np.full((32, 32), 0.03 + 0.04j)
    >>> made = so2sat_channels(vh, 2 * vh)
    >>> made.shape, made[:, 5, 5].round(4).tolist() == np.float32([.03, .04, .06, .08, .0025, .01, .005, 0]).tolist()
    ((8, 32, 32), True)
    """
    if vh.shape != vv.shape or vh.ndim != 2 or not (np.iscomplexobj(vh) and np.iscomplexobj(vv)):
        raise InputError(
            f"VH of {vh.shape} {vh.dtype} and VV of {vv.shape} {vv.dtype}",
            wanted="two complex images of one shape (y, x)",
            mend="of intensities make the subset: so2sat_intensities",
        )
    vh_power, vv_power, covariance = refined_lee_matrix(vh, vv, looks=looks)
    parts = (vh.real, vh.imag, vv.real, vv.imag, vh_power, vv_power, covariance.real, covariance.imag)
    return np.stack([np.asarray(part, np.float32) for part in parts])


def so2sat_intensities(vh: npt.ArrayLike, vv: npt.ArrayLike, *, looks: float = GRD_LOOKS) -> Values:
    """Return those channels of So2Sat LCZ42 that intensities give: VH and VV after the refined Lee filter.

    Parameters
    ----------
    vh, vv : array-like, (y, x)
        Linear power, NaN = no data.
    looks : float
        Equivalent number of looks.

    Returns
    -------
    ndarray of float32, (2, y, x)
        Channels `INTENSITY_CHANNELS`, names as in `citygrain.sensors.SO2SAT_SENTINEL1`.

    Examples
    --------
    >>> so2sat_intensities(np.full((4, 4), 0.02), np.full((4, 4), 0.1))[:, 0, 0].round(2).tolist()
    [0.019999999552965164, 0.10000000149011612]
    """
    return refined_lee(np.stack([np.asarray(vh, np.float32), np.asarray(vv, np.float32)]), looks=looks)
