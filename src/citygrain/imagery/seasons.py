"""Seasons and months: which observations belong to one composite.

Local Climate Zone networks tell classes apart by four seasons: leaves come and go, roofs do not. The seasons are those
of climatology, three whole months each, as in So2Sat LCZ42 (Zhu et al. 2020, doi:10.1109/MGRS.2020.2964708).

A season becomes a file of its own, ``s2_spring.tif``, with plain band names: each can be mapped alone, indices find
their bands, and a run takes several as the dates of one scene. Bands named ``B02_spring`` would be none that a sensor
or a formula knows.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, TypeVar

from citygrain.errors import InputError

__all__ = ["MONTHS", "SEASONS", "Period", "by_period", "period_of", "season_of"]

Season = Literal["spring", "summer", "autumn", "winter"]
SEASONS: tuple[Season, ...] = ("spring", "summer", "autumn", "winter")
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NORTH: Mapping[int, Season] = {
    12: "winter", 1: "winter", 2: "winter", 3: "spring", 4: "spring", 5: "spring",
    6: "summer", 7: "summer", 8: "summer", 9: "autumn", 10: "autumn", 11: "autumn",
}  # fmt: skip
_HALF_A_YEAR = 6

Dated = TypeVar("Dated")


@dataclass(frozen=True)
class Period:
    """A season or month of a year, or of all years together.

    Attributes
    ----------
    name : str
        ``"spring"``, ``"jul"``.
    year : int or None
        The year in which it ends: the winter of 2025 begins in December 2024 (in the south it is a summer). None for
        all years together.
    """

    name: str
    year: int | None = None

    @property
    def label(self) -> str:
        """What stands in the name of a file: ``"spring"``, ``"winter2025"``."""
        return self.name if self.year is None else f"{self.name}{self.year}"

    def middle(self, *, latitude: float) -> datetime:
        """Return the middle of the period in UTC, for scores of the best pixel.

        Raises
        ------
        InputError
            If it is of no single year.

        Examples
        --------
        >>> print(Period("summer", 2025).middle(latitude=52))
        2025-07-17 00:00:00+00:00
        """
        if self.year is None:
            raise InputError(f"{self.name} of all years", wanted="a year", mend="use by_period(..., years=True)")
        first, count = _months(self.name, latitude)
        begin = datetime(self.year - (first + count > 13), first, 1, tzinfo=UTC)
        end = _later(begin, count)
        return begin + (end - begin) / 2


def season_of(time: datetime, *, latitude: float) -> Season:
    """Return the season of a day.

    In the south the names are the local ones: December to February is summer. Near the equator the four quarters keep
    the names of their hemisphere, though nothing there may follow them.

    Parameters
    ----------
    time : datetime
        The day; without a zone it is UTC.
    latitude : float
        Degrees, below 0 in the south.

    Examples
    --------
    >>> season_of(datetime(2025, 7, 1), latitude=52.5), season_of(datetime(2025, 7, 1), latitude=-23.5)
    ('summer', 'winter')
    """
    month = _utc(time).month
    return _NORTH[month if latitude >= 0 else (month + _HALF_A_YEAR - 1) % 12 + 1]


def period_of(time: datetime, by: Literal["season", "month"], *, latitude: float, years: bool = False) -> Period:
    """Return the season or month of a day.

    Parameters
    ----------
    time : datetime
        The day; without a zone it is UTC.
    by : str
        ``"season"`` or ``"month"``.
    latitude : float
        Degrees, below 0 in the south.
    years : bool
        Whether each year has periods of its own; December counts to the season of the next year.

    Raises
    ------
    InputError
        If `by` is neither.

    Examples
    --------
    >>> period_of(datetime(2024, 12, 24), "season", latitude=52, years=True).label
    'winter2025'
    """
    moment = _utc(time)
    if by == "month":
        return Period(MONTHS[moment.month - 1], moment.year if years else None)
    if by != "season":
        raise InputError(f"periods by {by!r}", wanted="season or month")
    return Period(season_of(moment, latitude=latitude), moment.year + (moment.month == 12) if years else None)


def by_period(
    dated: Iterable[Dated],
    times: Sequence[datetime],
    by: Literal["season", "month"] = "season",
    *,
    latitude: float,
    years: bool = False,
) -> dict[Period, list[Dated]]:
    """Group observations by season or month.

    Parameters
    ----------
    dated : iterable
        Observations.
    times : sequence of datetime
        When each was taken.
    by : str
        ``"season"`` or ``"month"``.
    latitude : float
        Degrees, below 0 in the south.
    years : bool
        Whether each year has periods of its own.

    Returns
    -------
    dict of Period to list
        In the order of the year, spring first; within a period in the order given. Only periods that have any.

    Examples
    --------
    >>> days = [datetime(2025, 1, 5), datetime(2025, 6, 5), datetime(2024, 12, 31)]
    >>> {period.label: found for period, found in by_period("abc", days, latitude=52).items()}
    {'summer': ['b'], 'winter': ['a', 'c']}
    """
    groups: dict[Period, list[Dated]] = {}
    for one, time in zip(dated, times, strict=True):
        groups.setdefault(period_of(time, by, latitude=latitude, years=years), []).append(one)
    order = MONTHS if by == "month" else SEASONS
    names = {str(name): place for place, name in enumerate(order)}
    return dict(sorted(groups.items(), key=lambda pair: (pair[0].year or 0, names[pair[0].name])))


def _months(name: str, latitude: float) -> tuple[int, int]:
    """Return the first month of a period, and how many it has."""
    if name in MONTHS:
        return MONTHS.index(name) + 1, 1
    if name not in SEASONS:
        raise InputError(f"period {name!r}", wanted=f"one of {', '.join((*SEASONS, *MONTHS))}")
    first = (3, 6, 9, 12)[SEASONS.index(name)]
    return (first if latitude >= 0 else (first + _HALF_A_YEAR - 1) % 12 + 1), 3


def _later(begin: datetime, months: int) -> datetime:
    number = begin.year * 12 + begin.month - 1 + months
    return datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC)


def _utc(time: datetime) -> datetime:
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
