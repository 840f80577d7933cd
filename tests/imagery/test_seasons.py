from datetime import UTC, datetime, timedelta, timezone
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citygrain.errors import InputError
from citygrain.imagery.seasons import MONTHS, SEASONS, Period, by_period, period_of, season_of

days = st.datetimes(datetime(2015, 1, 1), datetime(2035, 12, 31))
north, south = st.floats(0, 90), st.floats(-90, -0.001)
ways: st.SearchStrategy[Literal["season", "month"]] = st.sampled_from(["season", "month"])


OF_MONTHS = dict(enumerate(["winter"] * 2 + ["spring"] * 3 + ["summer"] * 3 + ["autumn"] * 3 + ["winter"], start=1))


@pytest.mark.parametrize("month", range(1, 13))
def test_seasons_are_whole_months(month: int) -> None:
    season = season_of(datetime(2025, month, 15), latitude=52)
    assert season == OF_MONTHS[month]
    opposite = SEASONS[(SEASONS.index(season) + 2) % 4]
    assert season_of(datetime(2025, month, 15), latitude=-34) == opposite


@given(days, north, south)
def test_half_a_year_and_half_the_globe_away_is_the_same_season(day: datetime, up: float, down: float) -> None:
    month = (day.month + 5) % 12 + 1
    other = day.replace(month=month, day=min(day.day, 28))
    assert season_of(day, latitude=up) == season_of(other, latitude=down)


@given(days, ways, st.floats(-90, 90), st.booleans())
def test_every_day_has_one_period(day: datetime, by: Literal["season", "month"], latitude: float, years: bool) -> None:
    period = period_of(day, by, latitude=latitude, years=years)
    assert period.name in (SEASONS if by == "season" else MONTHS)
    assert (period.year is not None) == years
    if years:
        assert abs(period.middle(latitude=latitude) - day.replace(tzinfo=UTC)) <= timedelta(days=47)
        middle = period.middle(latitude=latitude)
        assert period_of(middle, by, latitude=latitude, years=True) == period


@given(st.lists(days, max_size=20), ways, st.floats(-90, 90), st.booleans())
def test_no_observation_is_lost_or_counted_twice(
    times: list[datetime], by: Literal["season", "month"], latitude: float, years: bool
) -> None:
    groups = by_period(range(len(times)), times, by, latitude=latitude, years=years)
    assert sorted(n for found in groups.values() for n in found) == list(range(len(times)))
    assert all(found == sorted(found) for found in groups.values())
    for period, found in groups.items():
        assert {period_of(times[n], by, latitude=latitude, years=years) for n in found} == {period}


def test_december_belongs_to_the_winter_that_it_begins() -> None:
    winter = [datetime(2024, 12, 1), datetime(2025, 2, 28, 23, 59)]
    assert {period_of(day, "season", latitude=50, years=True) for day in winter} == {Period("winter", 2025)}
    assert Period("winter", 2025).middle(latitude=50) == datetime(2025, 1, 15, tzinfo=UTC)
    assert Period("summer", 2025).middle(latitude=-50) == datetime(2025, 1, 15, tzinfo=UTC)
    assert period_of(datetime(2024, 12, 1), "month", latitude=50, years=True) == Period("dec", 2024)
    assert Period("dec", 2024).middle(latitude=50).month == 12


def test_years_come_in_their_order() -> None:
    times = [datetime(year, month, 9) for year in (2025, 2024) for month in (12, 10, 7, 4, 1)]
    labels = [period.label for period in by_period(times, times, latitude=52, years=True)]
    assert labels == [
        *("spring2024", "summer2024", "autumn2024", "winter2024"),
        *("spring2025", "summer2025", "autumn2025", "winter2025"),
        "winter2026",
    ]


def test_the_day_is_that_of_utc() -> None:
    evening = datetime(2025, 5, 31, 22, tzinfo=timezone(timedelta(hours=-5)))
    assert season_of(evening, latitude=40) == "summer"


def test_what_is_no_period_is_refused() -> None:
    with pytest.raises(InputError, match=r"'week'.*season or month"):
        period_of(datetime(2025, 1, 1), "week", latitude=0)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="all years"):
        Period("spring").middle(latitude=52)
    with pytest.raises(InputError, match="period 'rain'"):
        Period("rain", 2025).middle(latitude=0)
