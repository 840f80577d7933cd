"""Every command and program of the tutorials runs and prints what the page says."""

import pytest

from helpers.pages import RUNNING, Checkout, Unit, check_page

UNITS = [unit for unit in RUNNING if unit.tutorial]


@pytest.mark.slow
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_page_runs_and_prints_what_it_says(
    unit: Unit, checkout: Checkout, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_page(unit, checkout, request, monkeypatch)
