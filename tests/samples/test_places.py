"""Places written for QGIS and Google Earth come back where they were, with their words, whatever these hold."""

from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
from odc.geo.geobox import GeoBox
from shapely.geometry import box

from citygrain.errors import InputError
from citygrain.samples.kml import read_kml
from citygrain.samples.places import outline_of, write_places

GRID = GeoBox.from_bbox((500_000, 6_000_000, 500_300, 6_000_200), "EPSG:32633", resolution=10)
HOSTILE = '<script>alert(1)</script> & "quotes" ]]> \x00\''


def table() -> list[dict[str, object]]:
    return [
        {"rank": 1, "label": None, "score": 0.25, "title": HOSTILE, "words": HOSTILE},
        {"rank": 2, "label": None, "score": -0.5, "title": "?", "words": "plain"},
    ]


SHAPES = [box(500_000, 6_000_100, 500_050, 6_000_150), box(500_100, 6_000_000, 500_120, 6_000_040)]


def test_a_geopackage_keeps_place_numbers_and_missing_labels(tmp_path: Path) -> None:
    write_places(tmp_path / "a.gpkg", SHAPES, table(), GRID, name="review")
    frame = gpd.read_file(tmp_path / "a.gpkg", layer="review")
    assert frame.crs == GRID.crs and frame["score"].tolist() == [0.25, -0.5]
    assert frame["label"].isna().all() and frame["label"].dtype.kind in "OT"  # a field of text, still empty
    assert all(one.equals(other) for one, other in zip(frame.geometry, SHAPES, strict=True))


def test_kml_is_read_back_by_our_own_reader(tmp_path: Path) -> None:
    write_places(tmp_path / "a.kml", SHAPES, table(), GRID, name=HOSTILE)
    first, second = read_kml(tmp_path / "a.kml")
    assert first.name == " ".join(HOSTILE.replace("\x00", "").split()) and second.name == "?"
    assert second.fields["rank"] == "2" and "label" not in second.fields
    back = gpd.GeoSeries([first.geometry, second.geometry], crs=4326).to_crs(32633)
    for one, other in zip(back, SHAPES, strict=True):
        assert one.symmetric_difference(other).area < 1


def test_an_outline_holds_its_pixels_holes_and_parts() -> None:
    mask = np.zeros(GRID.shape, bool)
    mask[2:7, 3:8], mask[4, 5], mask[15, 20:22] = True, False, True
    found = outline_of(mask, GRID)
    assert found.area == pytest.approx(100 * mask.sum()) and len(found.geoms) == 2


def test_outlines_with_holes_and_parts_are_written(tmp_path: Path) -> None:
    mask = np.zeros(GRID.shape, bool)
    mask[2:7, 3:8], mask[4, 5], mask[15, 20:22] = True, False, True
    write_places(tmp_path / "a.kml", [outline_of(mask, GRID)], table()[:1], GRID, name="x")
    (mark,) = read_kml(tmp_path / "a.kml")
    assert gpd.GeoSeries([mark.geometry], crs=4326).to_crs(32633).area.iloc[0] == pytest.approx(
        100 * mask.sum(), rel=1e-3
    )


@pytest.mark.parametrize(("name", "number"), [("a.shp", 2), ("a", 2), ("a.gpkg", 0)])
def test_what_cannot_be_written(tmp_path: Path, name: str, number: int) -> None:
    with pytest.raises(InputError):
        write_places(tmp_path / name, SHAPES[:number], table()[:number], GRID, name="x")
    assert not list(tmp_path.iterdir())
