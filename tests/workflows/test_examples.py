"""Runs on real data: what they are said to give, they give; those in ``examples/`` are in ``test_tutorials.py``."""

import json
from pathlib import Path

import geopandas as gpd
import pytest

from citygrain.legend import LCZ
from citygrain.maps.thematic_map import ThematicMap
from citygrain.workflows.city.city_map import run_city_map
from citygrain.workflows.config import RunConfig
from citygrain.workflows.config_file import parse_config

BANDS = ["B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12"]


@pytest.mark.slow
def test_training_areas_of_berlin_from_kml_teach_what_the_geopackage_teaches(data: Path, tmp_path: Path) -> None:
    polygons = data / "scenes/berlin/lcz_polygons.gpkg"
    gpd.read_file(polygons).to_crs(4326).to_file(tmp_path / "berlin.kml", driver="KML")
    folders = []
    for reference in ({"path": str(tmp_path / "berlin.kml")}, {"path": str(polygons), "field": "Name"}):
        folders.append(tmp_path / f"run{len(folders)}")
        run_city_map(_berlin(data, reference), folders[-1], until="assess")
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
        "model": {"name": "forest", "options": {"trees": 60}},
    }
    return parse_config(content, folder=Path("/"))


def _result(folder: Path) -> tuple[bytes, dict[str, object]]:
    figures = json.loads((folder / "assessment.json").read_text(encoding="utf-8"))
    return ThematicMap.read(folder / "map.tif", LCZ).codes.values.tobytes(), figures
