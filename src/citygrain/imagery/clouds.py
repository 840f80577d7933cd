"""Where an optical image sees the ground: the quality layers of Sentinel-2, HLS and Landsat in five common words.

Producers number cloud, shadow and snow differently. Each layer is first turned into the same `Sky` codes; what follows
(growing the clouds, counting clear views, scoring pixels) knows only those.
"""

from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from citygrain.errors import InputError

__all__ = [
    "DILATION_M",
    "SKIES",
    "Sky",
    "clear_mask",
    "cloud_distance",
    "halo_pixels",
    "probable_cloud",
    "sky_of_fmask",
    "sky_of_qa_pixel",
    "sky_of_scl",
]

DILATION_M = 100.0
"""How far clouds and shadows are grown unless told otherwise: their rims are brighter or darker than the ground."""
CLOUD_PERCENT, SNOW_PERCENT = 50.0, 50.0
"""From which probability on a pixel counts as cloud or snow, unless told otherwise."""

Codes = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]


class Sky(IntEnum):
    """What stands between the sensor and the ground at a pixel."""

    MISSING = 0
    CLEAR = 1
    CLOUD = 2
    SHADOW = 3
    SNOW = 4


_SCL = (
    Sky.MISSING,  # 0 no data
    Sky.MISSING,  # 1 saturated or defective
    Sky.CLEAR,  # 2 dark area: cast shadow of hills and buildings, which belongs to the ground
    Sky.SHADOW,  # 3 cloud shadow
    Sky.CLEAR,  # 4 vegetation
    Sky.CLEAR,  # 5 not vegetated
    Sky.CLEAR,  # 6 water
    Sky.CLEAR,  # 7 unclassified: bright city ground above all, and cloud of low probability
    Sky.CLOUD,  # 8 cloud, medium probability
    Sky.CLOUD,  # 9 cloud, high probability
    Sky.CLOUD,  # 10 thin cirrus
    Sky.SNOW,  # 11 snow or ice
)


def sky_of_scl(numbers: npt.NDArray[Any]) -> Codes:
    """Return `Sky` codes of Sentinel-2's scene classification (SCL, Level-2A).

    Clear are 2 (dark area), 4 (vegetation), 5 (not vegetated), 6 (water) and 7 (unclassified); cloud are 8, 9 and 10
    (medium, high, thin cirrus); shadow is 3; snow is 11; missing are 0 and 1 (no data, defective). Class 2 is kept
    because tall buildings cast it: without it a city centre has no winter.

    Parameters
    ----------
    numbers : array
        SCL, any shape; NaN is missing.

    Raises
    ------
    InputError
        If a number is not of the SCL.

    Examples
    --------
    >>> sky_of_scl(np.array([0, 3, 4, 7, 9, 11])).tolist()
    [0, 3, 1, 1, 2, 4]
    """
    whole = _whole(numbers)
    if whole.size and (whole.min() < 0 or whole.max() >= len(_SCL)):
        strange = int(whole[(whole < 0) | (whole >= len(_SCL))][0])
        raise InputError(f"class {strange} in a scene classification", wanted="0 to 11, the SCL of Sentinel-2")
    return np.array(_SCL, np.uint8)[whole]


def sky_of_fmask(numbers: npt.NDArray[Any]) -> Codes:
    """Return `Sky` codes of the Fmask layer of HLS v2.0.

    Bits: 1 cloud, 2 next to cloud or shadow (left to `clear_mask`, which grows clouds by metres), 3 cloud shadow, 4
    snow or ice; 255 is fill. Cloud comes before shadow before snow.

    Examples
    --------
    >>> sky_of_fmask(np.array([0, 0b10, 0b100, 0b1000, 0b10000, 0b1010, 255], np.uint8)).tolist()
    [1, 2, 1, 3, 4, 2, 0]
    """
    whole = _whole(numbers, missing=255)
    return _by_bits(whole, missing=whole == 255, cloud=0b10, shadow=0b1000, snow=0b10000)


def sky_of_qa_pixel(numbers: npt.NDArray[Any]) -> Codes:
    """Return `Sky` codes of the QA_PIXEL layer of Landsat Collection 2.

    Bits: 0 fill, 2 cirrus, 3 cloud, 4 cloud shadow, 5 snow; bit 1 (dilated cloud) is left to `clear_mask`, which grows
    clouds by metres. Cloud comes before shadow before snow.

    Examples
    --------
    >>> sky_of_qa_pixel(np.array([1, 21824, 22280, 23888, 30048, 54596, 21826])).tolist()
    [0, 1, 2, 3, 4, 2, 1]
    """
    whole = _whole(numbers, missing=1)
    return _by_bits(whole, missing=(whole & 1) == 1, cloud=0b1100, shadow=0b10000, snow=0b100000)


SKIES: Mapping[str, Callable[[npt.NDArray[Any]], Codes]] = {
    "SCL": sky_of_scl,
    "FMASK": sky_of_fmask,
    "QA": sky_of_qa_pixel,
}
"""How each quality layer is read."""


def probable_cloud(
    sky: Codes,
    *,
    cloud: npt.NDArray[Any] | None = None,
    snow: npt.NDArray[Any] | None = None,
    cloud_percent: float = CLOUD_PERCENT,
    snow_percent: float = SNOW_PERCENT,
) -> Codes:
    """Return `Sky` codes with what the probability layers add: clear pixels that are probably cloud or snow.

    Parameters
    ----------
    sky : ndarray of uint8
        Codes.
    cloud, snow : array, optional
        Probability in percent (CLD and SNW of Level-2A, s2cloudless' CLP scaled to percent); NaN adds nothing.
    cloud_percent, snow_percent : float
        From which on it counts.

    Examples
    --------
    >>> sky = np.array([1, 1, 3, 0], np.uint8)
    >>> probable_cloud(sky, cloud=np.array([10, 80, 80, 80])).tolist()
    [1, 2, 2, 0]
    """
    made = sky.copy()
    if snow is not None:
        made[(made == Sky.CLEAR) & (np.asarray(snow) >= snow_percent)] = Sky.SNOW
    if cloud is not None:
        made[(made != Sky.MISSING) & (np.asarray(cloud) >= cloud_percent)] = Sky.CLOUD
    return made


def clear_mask(
    sky: Codes,
    *,
    resolution_m: float,
    dilation_m: float = DILATION_M,
    speck_m: float = 0.0,
    keep_snow: bool = False,
) -> Bools:
    """Return where the ground is seen: clear, and farther than `dilation_m` from any cloud or cloud shadow.

    Parameters
    ----------
    sky : ndarray of uint8, (y, x)
        Codes. Pixels outside count as clear; for windows of a larger image give `halo_pixels` more on each side and cut
        them off: then windows say what the whole says.
    resolution_m : float
        Size of a pixel.
    dilation_m : float
        How far clouds and shadows are grown, between pixel centres, in a straight line.
    speck_m : float
        Clouds and shadows narrower than twice this are not grown (and stay masked): bright roofs are often called cloud
        on every date, and growing them leaves holes in a city that no date fills.
    keep_snow : bool
        Whether snow counts as ground.

    Examples
    --------
    >>> sky = np.full((3, 5), Sky.CLEAR, np.uint8)
    >>> sky[1, 0] = Sky.CLOUD
    >>> clear_mask(sky, resolution_m=10, dilation_m=10).astype(int).tolist()
    [[0, 1, 1, 1, 1], [0, 0, 1, 1, 1], [0, 1, 1, 1, 1]]
    """
    seen: Bools = sky == Sky.CLEAR
    if keep_snow:
        seen |= sky == Sky.SNOW
    if dilation_m <= 0:
        return seen
    near = _distance(_blocking(sky, resolution_m, speck_m), resolution_m) <= dilation_m
    seen[near] = False
    return seen


def cloud_distance(sky: Codes, *, resolution_m: float, limit_m: float, speck_m: float = 0.0) -> npt.NDArray[np.float32]:
    """Return the distance of each pixel to the nearest cloud or cloud shadow in metres, `limit_m` at most.

    Parameters
    ----------
    sky : ndarray of uint8, (y, x)
        Codes, with a halo of ``halo_pixels(limit_m, resolution_m)`` if it is a window.
    resolution_m : float
        Size of a pixel.
    limit_m : float
        What lies farther counts as so far.
    speck_m : float
        As for `clear_mask`.

    Examples
    --------
    >>> sky = np.array([[2, 1, 1, 1]], np.uint8)
    >>> cloud_distance(sky, resolution_m=10, limit_m=25).tolist()
    [[0.0, 10.0, 20.0, 25.0]]
    """
    return np.minimum(_distance(_blocking(sky, resolution_m, speck_m), resolution_m), limit_m).astype(np.float32)


def halo_pixels(reach_m: float, resolution_m: float, *, speck_m: float = 0.0) -> int:
    """Return how many pixels around a window decide on it.

    Examples
    --------
    >>> halo_pixels(100, 20), halo_pixels(105, 20), halo_pixels(100, 20, speck_m=20)
    (5, 6, 8)
    """
    specks = 2 * int(np.ceil(speck_m / resolution_m)) + 1 if speck_m > 0 else 0
    return int(np.ceil(reach_m / resolution_m)) + specks


def _blocking(sky: Codes, resolution_m: float, speck_m: float) -> Bools:
    blocking: Bools = (sky == Sky.CLOUD) | (sky == Sky.SHADOW)
    radius = int(np.floor(speck_m / resolution_m))
    if radius < 1:
        return blocking
    across = np.arange(-radius, radius + 1)
    disc = across[:, None] ** 2 + across**2 <= radius**2
    # Outside counts as cloud while specks are looked for: a cloud that the window cuts is none.
    core = ndimage.binary_erosion(blocking, disc, border_value=1)
    return np.asarray(ndimage.binary_dilation(core, disc) & blocking, bool)


def _distance(blocking: Bools, resolution_m: float) -> npt.NDArray[np.float64]:
    if not blocking.any():
        return np.full(blocking.shape, np.inf)
    distance: npt.NDArray[np.float64] = ndimage.distance_transform_edt(~blocking)
    distance *= resolution_m
    return distance


def _whole(numbers: npt.NDArray[Any], missing: int = 0) -> npt.NDArray[np.int64]:
    values = np.asarray(numbers)
    if values.dtype.kind == "f":
        values = np.where(np.isnan(values), missing, values)
    return values.astype(np.int64)


def _by_bits(numbers: npt.NDArray[np.int64], *, missing: Bools, cloud: int, shadow: int, snow: int) -> Codes:
    sky = np.full(numbers.shape, Sky.CLEAR, np.uint8)
    sky[(numbers & snow) != 0] = Sky.SNOW
    sky[(numbers & shadow) != 0] = Sky.SHADOW
    sky[(numbers & cloud) != 0] = Sky.CLOUD
    sky[missing] = Sky.MISSING
    return sky
