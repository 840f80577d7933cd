"""Areas are boxes, shapes or places on the ground; grids lie on the lattice of Sentinel-2."""

import json
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from odc.geo.crs import CRS

from citygrain.errors import InputError
from citygrain.imagery.area import area_from_bbox, area_from_file, grid_for, utm_of


@pytest.mark.parametrize(
    ("box", "word"),
    [
        ("13.2,52.4,13.6", "four numbers"),
        ("a,b,c,d", "four numbers"),
        ("52.4,113.2,52.6,113.6", "longitude comes first"),
        ("179,-18,-179,-17", "180th meridian"),
        ("13.6,52.6,13.2,52.4", "smaller longitude first"),
        ("13.2,52.6,13.6,52.4", "upside down"),
        ("13.2,52.4,13.2,52.6", "empty"),
        ("nan,52.4,13.2,52.6", "longitude nan"),
        ("13.2,52.4,200,52.6", "longitude 200"),
    ],
)
def test_a_wrong_box_is_refused(box: str, word: str) -> None:
    with pytest.raises(InputError, match=word):
        area_from_bbox(box)


@given(st.floats(-179, 178), st.floats(-79, 83), st.floats(0.01, 0.5), st.floats(0.01, 0.5), st.sampled_from([10, 20]))
def test_the_grid_covers_the_area_on_the_lattice(
    west: float, south: float, wide: float, high: float, size: int
) -> None:
    area = area_from_bbox([west, south, west + wide, south + high])
    grid = grid_for(area, resolution=size)
    assert grid.affine.a == size
    assert grid.affine.e == -size
    assert grid.affine.c % 20 == 0
    assert grid.affine.f % 20 == 0
    corners = np.array([(west, south), (west + wide, south), (west, south + high), (west + wide, south + high)])
    box = grid.boundingbox
    there = np.column_stack(CRS("EPSG:4326").transformer_to_crs(grid.crs)(*corners.T))
    assert (there[:, 0] >= box.left - 1e-3).all() and (there[:, 0] <= box.right + 1e-3).all()
    assert (there[:, 1] >= box.bottom - 1e-3).all() and (there[:, 1] <= box.top + 1e-3).all()


@pytest.mark.parametrize(
    ("longitude", "latitude", "zone"),
    [
        (-180, 0, 32601),
        (179.9, 0, 32660),
        (180, 10, 32660),
        (4, 60, 32632),
        (4, 65, 32631),
        (20, 78, 32633),
        (10, -1, 32732),
    ],
)
def test_the_zone_is_that_of_utm(longitude: float, latitude: float, zone: int) -> None:
    assert utm_of(longitude, latitude) == f"EPSG:{zone}"


def test_a_pole_and_a_degree_grid_are_refused() -> None:
    with pytest.raises(InputError, match="no UTM zone"):
        grid_for(area_from_bbox("0,85,1,86"))
    with pytest.raises(InputError, match="not in metres"):
        grid_for(area_from_bbox("0,5,1,6"), crs="EPSG:4326")
    with pytest.raises(InputError, match="unknown"):
        grid_for(area_from_bbox("0,5,1,6"), crs="EPSG:nothing")
    with pytest.raises(InputError, match="10 or 20"):
        grid_for(area_from_bbox("0,5,1,6"), resolution=30)
    with pytest.raises(InputError, match="smaller box"):
        grid_for(area_from_bbox("0,5,6,6"))


def _write_places(path: Path, places: dict[str, shapely.Geometry]) -> Path:
    features = [
        {"type": "Feature", "properties": {"name": name}, "geometry": json.loads(shapely.to_geojson(shape))}
        for name, shape in places.items()
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")
    return path


def test_polygons_of_a_file_are_one_area(tmp_path: Path) -> None:
    path = _write_places(
        tmp_path / "two.geojson", {"a": shapely.box(13, 52, 13.1, 52.1), "b": shapely.box(13.2, 52, 13.3, 52.2)}
    )
    area = area_from_file(path)
    assert area.bbox == pytest.approx((13, 52, 13.3, 52.2))
    assert area.name == "two"


def test_a_file_in_another_projection_comes_into_degrees(tmp_path: Path) -> None:
    import geopandas

    box = shapely.box(380_000, 5_810_000, 400_000, 5_820_000)
    geopandas.GeoDataFrame({"name": ["x"]}, geometry=[box], crs="EPSG:32633").to_file(tmp_path / "x.gpkg")
    west, south, east, north = area_from_file(tmp_path / "x.gpkg").bbox
    assert 13.2 < west < east < 13.6
    assert 52.4 < south < north < 52.6


def test_a_file_without_polygons_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        area_from_file(tmp_path / "none.geojson")
    (tmp_path / "bad.geojson").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="cannot be read"):
        area_from_file(tmp_path / "bad.geojson")
    with pytest.raises(InputError, match="no polygon"):
        area_from_file(_write_places(tmp_path / "p.geojson", {"p": shapely.Point(1, 2)}))
