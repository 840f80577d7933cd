"""Every command and program of the tutorials runs and prints what the page says; what ``examples/`` promise, they give.

They share the runs of ``examples/``, which take longest.
"""

import json
from pathlib import Path

import pytest

from citygrain.legend import LCZ
from citygrain.maps.thematic_map import ThematicMap
from helpers.pages import RUNNING, TUTORIALS, Checkout, Unit, check_page

UNITS = sorted((unit for unit in RUNNING if unit.name in TUTORIALS), key=lambda unit: TUTORIALS.index(unit.name))


@pytest.mark.slow
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_page_runs_and_prints_what_it_says(
    unit: Unit, checkout: Checkout, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_page(unit, checkout, request, monkeypatch)


@pytest.mark.slow
def test_hong_kong_from_four_dates_is_judged_on_unseen_polygons(checkout: Checkout, data: Path) -> None:
    checkout.environment["CITYGRAIN_DATA"] = str(data)
    folder = checkout.have("runs/hong_kong")
    figures = json.loads((folder / "assessment.json").read_text(encoding="utf-8"))
    unseen = figures["pixel"]
    assert figures["split_detail"]["by"] == "polygons"
    assert 0.55 < unseen["overall_accuracy"] < 0.85
    low, high = unseen["interval_95"]["overall_accuracy"]
    assert high - low > 0.1  # polygons are few, pixels many
    assert figures["resubstitution"]["pixel"]["overall_accuracy"] > unseen["overall_accuracy"] + 0.05
    assert set(unseen["lcz"]) == {"OAu", "OAbu", "OAw"}
    assert unseen["lcz"]["OAu"] < unseen["lcz"]["OAw"] < 1
    assert "unseen polygons" in (folder / "report.html").read_text(encoding="utf-8")
    city = ThematicMap.read(folder / "map.tif", LCZ)
    assert city.codes.odc.geobox.resolution.x == 100
    assert len(set(city.codes.values.ravel().tolist()) - {0}) > 8
