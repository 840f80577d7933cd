"""What is looked for in a catalogue: where, when, how clear."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from citygrain.errors import InputError
from citygrain.imagery.area import Area

__all__ = ["Query", "parse_dates"]


@dataclass(frozen=True)
class Query:
    """What is looked for.

    Attributes
    ----------
    area : Area
        Images that touch it.
    start, end : datetime
        First and last moment, UTC; both None for products without dates.
    cloud_max : float
        Percent; images that say more are left out, those that say nothing stay.
    assets : mapping of str to str
        Our band names and the keys of assets, as the user says them.
    """

    area: Area
    start: datetime | None = None
    end: datetime | None = None
    cloud_max: float = 100.0
    assets: Mapping[str, str] = field(default_factory=dict)


def parse_dates(first: str, last: str) -> tuple[datetime, datetime]:
    """Return the first and the last moment of the days from `first` to `last`, both included.

    Raises
    ------
    InputError
        If one is no date, or they stand the wrong way round.

    Examples
    --------
    >>> [str(moment) for moment in parse_dates("2025-05-01", "2025-05-01")]
    ['2025-05-01 00:00:00+00:00', '2025-05-01 23:59:59.999999+00:00']
    """
    days = []
    for text in (first, last):
        try:
            days.append(date.fromisoformat(text))
            if text != days[-1].isoformat():  # nor 2025-W20, whose last day would be a Monday
                raise ValueError
        except ValueError:
            raise InputError(f"date {text!r}", wanted="a day such as 2025-05-01") from None
    if days[0] > days[1]:
        raise InputError(f"dates from {first} to {last}", wanted="the earlier one first")
    start = datetime.combine(days[0], time.min, UTC)
    return start, datetime.combine(days[1], time.min, UTC) + timedelta(days=1, microseconds=-1)
