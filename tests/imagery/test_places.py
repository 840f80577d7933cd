"""A place is found by its name, in shapes or in a table."""

import json
from pathlib import Path

import pytest
import shapely

from citygrain.errors import InputError
from citygrain.imagery.places import area_of_place


def test_a_place_is_found_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "places.geojson"
    shapes = {"Berlin": shapely.box(13.2, 52.4, 13.6, 52.6), "Point": shapely.Point(10, 50)}
    features = [
        {"type": "Feature", "properties": {"name": name}, "geometry": json.loads(shapely.to_geojson(shape))}
        for name, shape in shapes.items()
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")
    assert area_of_place("berlin ", path).bbox == pytest.approx((13.2, 52.4, 13.6, 52.6))
    with pytest.raises(InputError, match="give --radius"):
        area_of_place("Point", path)
    west, south, east, north = area_of_place("Point", path, radius_km=10).bbox
    assert (north - south) * 111.195 == pytest.approx(20, rel=1e-6)
    assert (east - west) > (north - south)
    with pytest.raises(InputError, match=r"0 places called Paris .* Berlin"):
        area_of_place("Paris", path)


def test_a_table_of_places(tmp_path: Path) -> None:
    path = tmp_path / "places.csv"
    path.write_text("name,lon,lat,west,south,east,north\nA,10,50,,,,\nB,,,1,2,3,4\n", encoding="utf-8")
    assert area_of_place("B", path).bbox == (1, 2, 3, 4)
    assert area_of_place("A", path, radius_km=5).bbox[0] < 10
    path.write_text("city,x,y\nA,10,50\n", encoding="utf-8")
    with pytest.raises(InputError, match="columns name, lon, lat"):
        area_of_place("A", path)


@pytest.mark.parametrize(
    "table",
    [b"", b"name,lon,lat\nA\n", "name,lon,lat\nM\u00fcnchen,11.5,48\n".encode("latin-1"),
     b"name,lon,lat\n" + b"x" * 200_000 + b",1,2\n", b"name,lon,lat\nA,nan,nan\n", b"name,lon,lat\nA,1,95\n"],
)  # fmt: skip
def test_a_table_that_is_none_is_refused_in_a_line(tmp_path: Path, table: bytes) -> None:
    path = tmp_path / "places.csv"
    path.write_bytes(table)
    with pytest.raises(InputError, match="wanted") as error:
        area_of_place("A", path, radius_km=1)
    assert "\n" not in str(error.value)
