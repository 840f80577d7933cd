"""Every command and program of the tutorials runs and prints what the page says."""

import pytest

from helpers.pages import RUNNING, Unit, World, check_page, checkout

UNITS = [unit for unit in RUNNING if unit.tutorial]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return checkout(tmp_path_factory.mktemp("checkout"))


@pytest.mark.slow
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_page_runs_and_prints_what_it_says(
    unit: Unit, world: World, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    if unit.real:
        data = request.getfixturevalue("data")  # skips where there is none
        world.environment["CITYGRAIN_DATA"] = str(data)
        monkeypatch.setenv("CITYGRAIN_DATA", str(data))
    check_page(unit, world)
