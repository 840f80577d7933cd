"""One image from many: median, medoid or best pixel of the clear observations of each pixel.

All three are decided pixel by pixel, so any window of a scene gives what the whole gives, and no order of the
observations is better than another. A pixel that was never seen stays no data: nothing is filled in.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import xarray as xr

from citygrain.errors import InputError
from citygrain.imagery._pixels import best_scored, chosen_pixels, median_pixels, nearest_to_median, usable

__all__ = ["METHODS", "Composite", "Method", "as_numbers", "best_pixel_score", "composite"]

Method = Literal["median", "medoid", "best"]
METHODS: tuple[Method, ...] = get_args(Method)

_CLOUD_REACH_M = 1500.0
"""50 Landsat pixels: farther from any cloud is not better (Griffiths et al. 2013)."""
_SLOPE_PER_M = 0.2 / 30.0
_MOST = 30_000
"""Observations that their numbers in int16 can count."""

Float32 = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Composite:
    """A composite and what it is made of.

    Attributes
    ----------
    values : DataArray of float32, (band, y, x)
        Reflectance; NaN where no observation is clear.
    count : DataArray of uint16, (y, x)
        Clear observations of each pixel.
    chosen : DataArray of int16, (y, x), or None
        Which observation each pixel was taken from, -1 = none; None for the median, which is of no single one.
    """

    values: xr.DataArray
    count: xr.DataArray
    chosen: xr.DataArray | None = None


def composite(
    stack: xr.DataArray,
    clear: xr.DataArray | Bools,
    *,
    method: Method = "median",
    score: xr.DataArray | Float32 | None = None,
) -> Composite:
    """Make one image of several observations.

    An observation counts at a pixel if it is clear there and has a value in every band.

    - ``"median"``: each band's median. Smooth, and blind to what a mask missed in fewer than half of the
      observations; but bands may come from different days, so a spectrum can be one that nothing on the ground has.
    - ``"medoid"``: the observation whose spectrum is nearest to those medians (Euclidean; reflectance in whole steps of
      1/10,000). Spectra are real ones. After Flood (2013), doi:10.3390/rs5126481, with the bands' median as centre.
    - ``"best"``: the observation of the highest `score` (see `best_pixel_score`). Spectra are real ones, and neighbours
      come from the same day where scores allow.

    Equals are told apart by their spectra: the darker in the first band that differs.

    Parameters
    ----------
    stack : DataArray, (time, band, y, x)
        Reflectance, NaN = no data.
    clear : DataArray or ndarray of bool, (time, y, x)
        Where each observation sees the ground.
    method : str
        One of the three.
    score : DataArray or ndarray, (time, y, x), optional
        For ``"best"``: the higher, the better; NaN counts as the lowest.

    Returns
    -------
    Composite
        On the grid of `stack`.

    Raises
    ------
    InputError
        If shapes or the method do not fit.

    Examples
    --------
    >>> values = np.float32([[0.1, 0.2], [0.3, np.nan], [0.5, np.nan]]).reshape(3, 1, 1, 2)
    >>> stack = xr.DataArray(values, {"band": ["B04"]}, ("time", "band", "y", "x"))
    >>> made = composite(stack, np.array([[[1, 1]], [[1, 1]], [[0, 1]]], bool))
    >>> made.values.values.round(2).tolist(), made.count.values.tolist()
    ([[[0.20000000298023224, 0.20000000298023224]]], [[2, 1]])
    """
    values, good = _checked(stack, clear, method)
    count = np.zeros(values.shape[2:], np.uint16)
    good = usable(values, good, count)
    out = np.empty(values.shape[1:], np.float32)
    chosen = None
    if method == "median":
        median_pixels(values, good, out)
    else:
        chosen = np.empty(values.shape[2:], np.int16)
        if method == "medoid":
            nearest_to_median(values, good, chosen)
        else:
            best_scored(values, good, _scores(score, good.shape), chosen)
        chosen_pixels(values, chosen, out)
    return _wrapped(stack, method, out, count, chosen)


def best_pixel_score(
    distance_m: npt.NDArray[Any],
    times: Sequence[datetime],
    *,
    middle: datetime,
    spread_days: float = 30.0,
    cloud_percent: npt.NDArray[Any] | None = None,
    weights: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> Float32:
    r"""Return how well each observation shows each pixel: near the middle of the season, far from clouds, clear.

    .. math::

        S = w_t e^{-\frac{1}{2} ((t - t_0) / \sigma)^2} + \frac{w_d}{1 + e^{-k (\min(d, D) - D / 2)}} + w_c (1 - p)

    with the days from the middle of the season, the distance to the nearest cloud or shadow
    (:math:`D` = 1500 m, :math:`k` = 0.2 per 30 m) and the probability of cloud. Date and distance are scored as by
    Griffiths et al. (2013), doi:10.1109/JSTARS.2012.2228167; the third term stands for their opacity of haze.

    Parameters
    ----------
    distance_m : array, (time, y, x)
        Distance to cloud (`citygrain.imagery.clouds.cloud_distance`, with 1500 m as its limit or more).
    times : sequence of datetime
        When each was taken; without a zone it is UTC.
    middle : datetime
        Middle of the season.
    spread_days : float
        :math:`\sigma` in days.
    cloud_percent : array, (time, y, x), optional
        Probability of cloud in percent; left out it is 0 everywhere.
    weights : (float, float, float)
        Of date, distance and probability.

    Returns
    -------
    ndarray of float32, (time, y, x)

    Examples
    --------
    >>> days = [datetime(2025, 6, 1), datetime(2025, 7, 16)]
    >>> best_pixel_score(np.full((2, 1, 1), 1500.0), days, middle=datetime(2025, 7, 16)).round(2).ravel()
    array([2.32, 2.99], dtype=float32)
    """
    date, distance, clearness = weights
    days = np.array([(_utc(time) - _utc(middle)).total_seconds() / 86_400 for time in times])
    if len(days) != len(distance_m):
        raise InputError(f"{len(days)} times for {len(distance_m)} observations", wanted="one for each")
    score = np.minimum(np.asarray(distance_m, np.float64), _CLOUD_REACH_M)
    score = distance / (1 + np.exp(-_SLOPE_PER_M * (score - _CLOUD_REACH_M / 2)))
    score += date * np.exp(-0.5 * (days / spread_days) ** 2)[:, None, None]
    score += clearness * (1 - (0 if cloud_percent is None else np.nan_to_num(cloud_percent, nan=100.0)) / 100)
    return score.astype(np.float32)


def as_numbers(values: npt.NDArray[np.float32], *, scale: float = 10_000.0) -> npt.NDArray[np.uint16]:
    """Return reflectance as whole numbers to be stored: rounded, 0 = no data, 1 = the darkest that there is.

    What is measured must not become no data, so reflectance of 0 and below is stored as 1, a ten-thousandth.

    Examples
    --------
    >>> as_numbers(np.float32([0.12344, -0.01, np.nan, 9])).tolist()
    [1234, 1, 0, 65535]
    """
    numbers = np.rint(values * np.float32(scale))
    with np.errstate(invalid="ignore"):
        return np.where(np.isnan(numbers), 0, np.clip(numbers, 1, 65_535)).astype(np.uint16)


def _checked(stack: xr.DataArray, clear: xr.DataArray | Bools, method: str) -> tuple[Float32, Bools]:
    if method not in METHODS:
        raise InputError(f"composite by {method!r}", wanted=f"one of {', '.join(METHODS)}")
    if stack.ndim != 4 or not 0 < len(stack) <= _MOST:
        raise InputError(f"a stack of shape {stack.shape}", wanted=f"(time, band, y, x) with 1 to {_MOST} observations")
    values = np.ascontiguousarray(stack.values, np.float32)
    good = np.ascontiguousarray(np.asarray(clear), bool)
    if good.shape != (values.shape[0], *values.shape[2:]):
        raise InputError(f"masks of shape {good.shape} for observations of {values.shape}", wanted="(time, y, x)")
    return values, good


def _scores(score: xr.DataArray | Float32 | None, shape: tuple[int, ...]) -> Float32:
    if score is None:
        raise InputError("best pixel without a score", wanted="score, of shape (time, y, x)", mend="best_pixel_score")
    scores = np.nan_to_num(np.ascontiguousarray(np.asarray(score), np.float32), nan=-np.inf)
    if scores.shape != shape:
        raise InputError(f"scores of shape {scores.shape}", wanted=f"{shape}, one for each observation and pixel")
    return scores


def _wrapped(
    stack: xr.DataArray,
    method: Method,
    out: Float32,
    count: npt.NDArray[np.uint16],
    chosen: npt.NDArray[np.int16] | None,
) -> Composite:
    coords = {key: coord for key, coord in stack.coords.items() if "time" not in coord.dims and key != "time"}
    flat = {key: coord for key, coord in coords.items() if "band" not in coord.dims and key != "band"}
    attrs = {**stack.attrs, "composite": method, "observations": len(stack)}
    return Composite(
        xr.DataArray(out, coords, ("band", "y", "x"), name="reflectance", attrs=attrs),
        xr.DataArray(count, flat, ("y", "x"), name="clear_observations"),
        None if chosen is None else xr.DataArray(chosen, flat, ("y", "x"), name="observation"),
    )


def _utc(time: datetime) -> datetime:
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
