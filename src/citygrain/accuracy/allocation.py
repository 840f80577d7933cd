"""How many reference points a map needs for an interval that is wished, and in which class they are best spent."""

from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt

from citygrain.accuracy.survey import Z95
from citygrain.errors import InputError

__all__ = ["ALLOCATIONS", "SamplePlan", "allocate", "half_width", "least_total", "plan_sample"]

ALLOCATIONS = ("neyman", "proportional", "equal", "recommended")
"""Ways to share points among the classes of a map."""
RARE = 50
"""Points that the recommended allocation gives a class at least: 50 to 100 in Olofsson et al. (2014)."""
_LEAST = 2
"""Points without which a class has no spread."""
_STEPS = 1000
"""Numbers of points, down to half of what was found, that are tried one by one."""
_MOST = 1_000_000

Array = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class SamplePlan:
    """Points for each class under each allocation, and what they would tell.

    Attributes
    ----------
    pixels : ndarray of int64, (k,)
        Pixels of each class on the map.
    expected : ndarray of float, (k,)
        User's accuracies that were expected, 0 to 1.
    total : int
        Points in all.
    least_total : int or None
        Points that the wished interval needs under the best allocation (equation 13); None where no interval is wished.
    chosen : str
        The allocation that was chosen.
    points : dict of str to ndarray of int64, (k,)
        Points of each class by allocation.
    """

    pixels: Counts
    expected: Array
    total: int
    least_total: int | None
    chosen: str
    points: dict[str, Counts]

    def overall_half_width(self, allocation: str) -> float:
        """Half the width of the 95 % interval of the overall accuracy that an allocation would give."""
        return half_width(self.points[allocation], self.pixels, self.expected)

    def users_half_widths(self, allocation: str) -> Array:
        """Half the widths of the intervals of user's accuracy, (k,); NaN without points."""
        points = self.points[allocation].astype(float)
        return np.asarray(Z95 * np.sqrt(self.expected * (1 - self.expected) / np.where(points > 0, points, np.nan)))

    def to_dict(self, names: tuple[str, ...]) -> dict[str, Any]:
        """Return the plan as plain values for JSON, classes by name."""
        allocations = {
            name: {
                "points": dict(zip(names, points.tolist(), strict=True)),
                "half_width_95_overall": self.overall_half_width(name),
                "half_width_95_users": {
                    n: float(v) if np.isfinite(v) else None
                    for n, v in zip(names, self.users_half_widths(name), strict=True)
                },
            }
            for name, points in self.points.items()
        }
        return {
            "total": self.total,
            "least_total": self.least_total,
            "allocation": self.chosen,
            "expected_users_accuracy": dict(zip(names, self.expected.tolist(), strict=True)),
            "allocations": allocations,
        }


def plan_sample(
    pixels: npt.ArrayLike,
    expected: npt.ArrayLike,
    *,
    width: float | None = None,
    total: int | None = None,
    allocation: str = "recommended",
) -> SamplePlan:
    """Plan a sample of points that is stratified by the classes of a map.

    Parameters
    ----------
    pixels : array-like of int, (k,)
        Pixels of each class on the map.
    expected : array-like of float, (k,)
        User's accuracy that is expected of each class, 0 to 1.
    width : float, optional
        Wished half width of the 95 % interval of the overall accuracy, 0 to 1. The plan has as few points as reach it
        under the chosen allocation.
    total : int, optional
        Or the number of points.
    allocation : str
        One of `ALLOCATIONS`.

    Returns
    -------
    SamplePlan

    Raises
    ------
    InputError
        If neither or both of `width` and `total` are given, or a number is out of range.

    Examples
    --------
    >>> plan = plan_sample([200, 150, 3200, 6450], [0.7, 0.6, 0.9, 0.95], total=640)
    >>> {name: points.tolist() for name, points in plan.points.items()}["proportional"]
    [13, 9, 205, 413]
    """
    sizes, users = np.asarray(pixels, np.int64), np.asarray(expected, float)
    _check(sizes, users, width, total, allocation)
    least = None if width is None else least_total(sizes, users, width)
    number = total if least is None else _enough(sizes, users, float(width or 0), least, allocation)
    points = {name: allocate(int(number or 0), sizes, users, name) for name in ALLOCATIONS}
    return SamplePlan(sizes, users, int(points[allocation].sum()), least, allocation, points)


def least_total(pixels: Counts, expected: Array, width: float) -> int:
    """Return the points that an interval of the overall accuracy needs under the best allocation.

    n = (sum W_i S_i)^2 / (S(O)^2 + sum W_i S_i^2 / N), with S_i^2 = U_i (1 - U_i), W_i the share of class i among N
    pixels, U_i its expected user's accuracy, and S(O) the wished standard error.

    Parameters
    ----------
    pixels : ndarray of int64, (k,)
        Pixels of each class.
    expected : ndarray of float, (k,)
        Expected user's accuracies.
    width : float
        Wished half width of the 95 % interval, 1.96 S(O).

    References
    ----------
    Olofsson, P. et al. (2014), equation 13. doi:10.1016/j.rse.2014.02.015

    Examples
    --------
    >>> pixels = np.array([200_000, 150_000, 3_200_000, 6_450_000])
    >>> least_total(pixels, np.array([0.7, 0.6, 0.9, 0.95]), 1.96 * 0.01)  # 641 in the paper
    641
    """
    share, spread = pixels / pixels.sum(), np.sqrt(expected * (1 - expected))
    error = (width / Z95) ** 2 + (share * spread**2).sum() / pixels.sum()
    return int(max(_LEAST * (pixels > 0).sum(), ceil((share * spread).sum() ** 2 / error - 1e-9)))


def half_width(points: Counts, pixels: Counts, expected: Array) -> float:
    """Return half the width of the overall accuracy's 95 % interval that points in each class would give.

    Examples
    --------
    >>> half_width(np.array([100, 100]), np.array([50, 50]), np.array([0.8, 0.8])).__round__(4)
    0.0554
    """
    there = pixels > 0
    share = pixels[there] / pixels.sum()
    variance = share**2 * expected[there] * (1 - expected[there]) / points[there]
    return float(Z95 * np.sqrt(variance.sum()))


def allocate(total: int, pixels: Counts, expected: Array, how: str) -> Counts:
    """Share points among the classes of a map.

    Parameters
    ----------
    total : int
        Points in all. A class has never more points than pixels, so that a small map may get fewer.
    pixels : ndarray of int64, (k,)
        Pixels of each class.
    expected : ndarray of float, (k,)
        Expected user's accuracies.
    how : str
        ``"proportional"`` to the area; ``"equal"``; ``"neyman"``: to area times spread, which makes the overall
        accuracy surest; ``"recommended"``: 50 points for each rare class, the rest in proportion to the area, which
        makes the figures of rare classes usable, too. Each class that occurs has two points or more.

    Returns
    -------
    ndarray of int64, (k,)

    References
    ----------
    Olofsson, P. et al. (2014), section 5.1.2. doi:10.1016/j.rse.2014.02.015

    Examples
    --------
    >>> pixels = np.array([200_000, 150_000, 3_200_000, 6_450_000])
    >>> allocate(640, pixels, np.array([0.7, 0.6, 0.9, 0.95]), "recommended").tolist()
    [50, 50, 179, 361]
    """
    there = pixels > 0
    claims = {
        "proportional": pixels.astype(float),
        "equal": there.astype(float),
        "neyman": pixels * np.sqrt(expected * (1 - expected)),
        "recommended": pixels.astype(float),
    }[how]
    floor = min(RARE, total // max(1, int(there.sum()))) if how == "recommended" else _LEAST
    least = np.minimum(np.where(there, max(_LEAST, floor), 0), pixels)
    return _rounded(_shared(total, claims, least, pixels), total)


def _shared(total: int, claims: Array, least: Counts, most: Counts) -> Array:
    """Share `total` by the claims, each within its bounds; the bound ones leave the rest to the others."""
    points, free = least.astype(float), claims > 0
    for _ in range(2 * len(claims) + 1):
        left = total - points[~free].sum()
        wanted = np.where(free, max(0.0, left) * claims / max(claims[free].sum(), 1e-300), points)
        over, under = free & (wanted > most), free & (wanted < least)
        if not over.any() and not under.any():
            return np.asarray(wanted)
        bound = under if (least - wanted)[under].sum() >= (wanted - most)[over].sum() else over
        points[bound] = np.where(under, least, most)[bound]
        free &= ~bound
    return points


def _rounded(points: Array, total: int) -> Counts:
    """Round to whole points of the same sum: those with the largest rest get one more."""
    whole = np.floor(points + 1e-9).astype(np.int64)
    spare = round(points.sum()) - int(whole.sum())
    order = np.argsort(-(points - whole), kind="stable")
    whole[order[: max(0, spare)]] += 1
    return whole


def _enough(pixels: Counts, expected: Array, width: float, least: int, how: str) -> int:
    """Return the fewest points, `least` or more, that reach the width under an allocation."""
    most = int(min(pixels.sum(), _MOST))

    def reached(number: int) -> bool:
        return half_width(allocate(number, pixels, expected, how), pixels, expected) <= width + 1e-9

    if not reached(most):
        raise InputError(
            f"half width {width:g}", wanted="one that this map's pixels can reach", mend="wish a wider one"
        )
    low, high = min(least, most) - 1, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    # Where a floor for rare classes steps up, more points can be worse: fewer than were found may do.
    fewer = range(max(high // 2, high - _STEPS, min(least, most)), high)
    return next((number for number in fewer if reached(number)), high)


def _check(pixels: Counts, expected: Array, width: float | None, total: int | None, allocation: str) -> None:
    if (width is None) == (total is None):
        raise InputError("neither or both of a half width and a total", wanted="one of the two")
    if allocation not in ALLOCATIONS:
        raise InputError(f"allocation {allocation!r}", wanted=f"one of {', '.join(ALLOCATIONS)}")
    if width is not None and not 0 < width < 1:
        raise InputError(f"half width {width:g}", wanted="between 0 and 1, such as 0.03")
    if pixels.shape != expected.shape or not ((expected >= 0) & (expected <= 1)).all():
        raise InputError("expected user's accuracies", wanted="one for each class, 0 to 1")
    if not pixels.sum() > 0:
        raise InputError("a map without a mapped pixel", wanted="classes to sample")
    least = _LEAST * int((pixels > 0).sum())
    if total is not None and not least <= total <= pixels.sum():
        raise InputError(
            f"{total} points", wanted=f"{least} (two for each class) to {int(pixels.sum()):,} (the pixels)"
        )
