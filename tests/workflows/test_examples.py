"""The runs in ``examples/`` on real data: what they are said to give, they give."""

import json
import os
from pathlib import Path

import geopandas as gpd
import pytest

from citygrain.legend import LCZ
from citygrain.maps.thematic_map import ThematicMap
from citygrain.workflows.city.city_map import run_city_map
from citygrain.workflows.config import RunConfig, parse_config, read_config

EXAMPLES = Path(__file__).parents[2] / "examples"
BANDS = ["B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12"]


@pytest.mark.slow
def test_hong_kong_from_four_dates_is_judged_on_unseen_polygons(data: Path, tmp_path: Path) -> None:
    config = read_config(EXAMPLES / "hong_kong.toml", {**os.environ, "CITYGRAIN_DATA": str(data)})
    run_city_map(config, tmp_path)
    figures = json.loads((tmp_path / "assessment.json").read_text(encoding="utf-8"))
    unseen = figures["pixel"]
    assert figures["split_detail"]["by"] == "polygons"
    assert 0.55 < unseen["overall_accuracy"] < 0.85
    low, high = unseen["interval_95"]["overall_accuracy"]
    assert high - low > 0.1  # polygons are few, pixels many
    assert figures["resubstitution"]["pixel"]["overall_accuracy"] > unseen["overall_accuracy"] + 0.05
    assert set(unseen["lcz"]) == {"OAu", "OAbu", "OAw"}
    assert unseen["lcz"]["OAu"] < unseen["lcz"]["OAw"] < 1
    assert "unseen polygons" in (tmp_path / "report.html").read_text(encoding="utf-8")
    city = ThematicMap.read(tmp_path / "map.tif", LCZ)
    assert city.codes.odc.geobox.resolution.x == 100
    assert len(set(city.codes.values.ravel().tolist()) - {0}) > 8


@pytest.mark.slow
def test_training_areas_of_berlin_from_kml_teach_what_the_geopackage_teaches(data: Path, tmp_path: Path) -> None:
    polygons = data / "scenes/berlin/lcz_polygons.gpkg"
    gpd.read_file(polygons).to_crs(4326).to_file(tmp_path / "berlin.kml", driver="KML")
    folders = []
    for reference in ({"path": str(tmp_path / "berlin.kml")}, {"path": str(polygons), "field": "Name"}):
        folders.append(tmp_path / f"run{len(folders)}")
        run_city_map(_berlin(data, reference), folders[-1])
    maps, figures = zip(*(_result(folder) for folder in folders), strict=True)
    assert maps[0] == maps[1]
    assert figures[0] == figures[1]
    assert figures[0]["cell"]["lcz"]["OAbu"] == 1  # both classes are built


def _berlin(data: Path, reference: dict[str, str]) -> RunConfig:
    content = {
        "scene": {"path": str(data / "scenes/berlin/s2_20241024.tif"), "bands": BANDS},
        "reference": {"legend": "lcz", **reference},
        "units": {"kind": "cells", "cell": 100},
        "samples": {"window": 9, "split": "polygons"},
        "model": {"name": "forest"},
    }
    return parse_config(content, folder=Path("/"))


def _result(folder: Path) -> tuple[bytes, dict[str, object]]:
    figures = json.loads((folder / "assessment.json").read_text(encoding="utf-8"))
    return ThematicMap.read(folder / "map.tif", LCZ).codes.values.tobytes(), figures
