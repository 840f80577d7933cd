"""How features become comparable 16-bit integers: by robust figures of the whole scene, fixed beforehand.

Scaling by extremes would let one bright pixel change every superpixel of the scene, and scaling by tile would leave
seams; percentiles on a fixed stride do neither, and rounding them keeps a few odd pixels from moving them at all.
"""

import logging
from dataclasses import dataclass
from math import isqrt, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from citygrain.errors import InputError
from citygrain.segments._kernel import RANGE

__all__ = ["Scaling", "scale_features"]

SAMPLE = 40_000
"""At least so many pixels (all of a smaller scene), on a fixed stride, tell the middle and width of each feature."""

FINEST = 2**15 // (2 * RANGE) - 1
"""Steps per width at which differences fit in 16 bits."""

log = logging.getLogger(__name__)
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Scaling:
    """How features become integers: round((value - centre) * unit), kept within +-limit.

    Attributes
    ----------
    centre, spread : ndarray, (band,)
        Middle and width of the bulk of each feature, from its 2nd to its 98th percentile; width 0 = left out.
    step : float
        Integers per width.
    """

    centre: Floats
    spread: Floats
    step: float

    @property
    def unit(self) -> Floats:
        """Integers per unit of each feature, 0 where it is left out."""
        return np.divide(self.step, self.spread, out=np.zeros_like(self.spread), where=self.spread > 0)

    @property
    def limit(self) -> float:
        """The largest integer."""
        return RANGE * self.step


def scale_features(features: xr.DataArray, reach: float) -> Scaling:
    """Find each feature's middle and width, and the finest step at which all squared distances fit in 31 bits.

    `reach` is the largest squared distance in space, in squared widths.

    Raises
    ------
    InputError
        If a feature has no finite value.
    """
    stride = max(1, isqrt(features[0].size // SAMPLE))
    sample = features[:, ::stride, ::stride].values
    bulk = []
    for band, values in enumerate(sample):
        name = features.band.values[band] if "band" in features.coords else band
        known = values[np.isfinite(values)]
        if not known.size:  # all of it between the stride
            known = features[band].values
            known = known[np.isfinite(known)]
        if not known.size:
            raise InputError(f"feature {name} has no valid pixel", mend="leave it out, or check its nodata value")
        bulk.append(_middle_and_width(known.astype(np.float64)))
        if bulk[-1][1] == 0:
            log.warning("feature %s is constant and does not count for the superpixels", name)
    centre, spread = np.array(bulk).T
    farthest = len(bulk) * (2 * RANGE) ** 2 + reach
    return Scaling(centre, spread, float(min(int(sqrt((2**31 - 2**16) / farthest)), FINEST)))


def _middle_and_width(values: npt.NDArray[Any]) -> tuple[float, float]:
    """Return middle and width between the 2nd and 98th percentile, rounded so that a few pixels cannot move them."""
    low, high = np.percentile(values, (2, 98))
    if low == high:  # a scene that is nearly all one value: the rest of it tells
        others = values[values != low]
        if not others.size:
            return float(low), 0.0
        least, most = np.percentile(others, (2, 98))
        low, high = min(low, least), max(high, most)
    width = 2.0 ** (np.round(8 * np.log2(high - low)) / 8)
    return float(np.round((low + high) / 2 / width * 16) / 16 * width), float(width)
