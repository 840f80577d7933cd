"""The commands areas and recode as a user meets them."""

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox

from citygrain.scene.write import write_cog
from helpers.commands import Command

RING = "<outerBoundaryIs><LinearRing><coordinates>{}</coordinates></LinearRing></outerBoundaryIs>"
SQUARE = RING.format("13.40,52.5 13.41,52.5 13.41,52.502 13.40,52.502 13.40,52.5")


@pytest.fixture
def kml(tmp_path: Path) -> Path:
    marks = [f"<Placemark><name>{name}</name><Polygon>{SQUARE}</Polygon></Placemark>" for name in ("5", "B", "ROI")]
    (tmp_path / "areas.kml").write_text(f"<kml><Document>{''.join(marks)}</Document></kml>")
    return tmp_path / "areas.kml"


def test_areas_prints_a_table_and_draws(kml: Path, citygrain: Command) -> None:
    code, out, _ = citygrain("areas", kml, "--out", kml.with_name("areas.png"))
    assert code == 0
    lines = out.splitlines()
    assert lines[1].split()[:6] == ["5", "Open", "midrise", "1", "15.1", "15.1"]
    assert lines[1].endswith("few, overlap")
    assert lines[3] == "polygon 1 (LCZ 5): overlaps polygon 2 (LCZ 12) by 151,133 m2"
    assert "few: class with fewer than 3 polygons" in lines
    assert kml.with_name("areas.png").read_bytes()[:4] == b"\x89PNG"


def test_areas_as_json(kml: Path, citygrain: Command) -> None:
    code, out, _ = citygrain("areas", kml, "--json")
    found = json.loads(out)
    assert code == 0
    assert [row["code"] for row in found["polygons"]] == [5, 12]
    assert found["skipped"] == ["ROI"]


def test_recode_and_what_it_refuses(tmp_path: Path, citygrain: Command) -> None:
    grid = GeoBox((1, 3), Affine(100, 0, 0, 0, -100, 0), "EPSG:32633")
    write_cog(tmp_path / "lcz.tif", np.array([[2, 15, 17]], np.uint8), grid, nodata=0)
    new = tmp_path / "wrf.tif"
    code, out, _ = citygrain("recode", tmp_path / "lcz.tif", "--to", "wrf51", "--out", new)
    assert (code, out) == (0, f"{new}: 0 (1), 52 (1), 61 (1)\n")
    with rasterio.open(new) as source:
        assert source.read(1).tolist() == [[52, 61, 0]]
    code, out, err = citygrain("recode", new, "--to", "so2sat", "--out", tmp_path / "no.tif")
    assert (code, out) == (2, "")
    assert err.startswith("citygrain: 52, 61 in codes of scheme 'wudapt'; wanted: 1, 2")
    assert not (tmp_path / "no.tif").exists()
    code, _, err = citygrain("areas", tmp_path / "none.kml")
    assert (code, err.count("\n")) == (2, 1)


def test_a_map_is_assessed_against_training_areas(kml: Path, citygrain: Command) -> None:
    kml.write_text(kml.read_text().replace("<name>B</name>", "<name>note</name>"))
    grid = GeoBox.from_bbox((13.39, 52.49, 13.42, 52.51), "EPSG:4326", resolution=0.001)
    write_cog(kml.with_name("lcz.tif"), np.full(grid.shape, 5, np.uint8), grid, nodata=0)
    code, out, _ = citygrain("assess", kml.with_name("lcz.tif"), "--reference", kml, "--legend", "lcz", "--json")
    found = json.loads(out)
    assert (code, found["count"], found["overall_accuracy"]) == (0, 20, 1.0)
    assert found["lcz"] == {"OAu": 1.0, "OAbu": 1.0, "OAw": 1.0}
