"""Training areas as people keep them: by name, by folder, by field; and as reference and groups of pixels."""

import datetime
import logging
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from shapely.geometry import Point, Polygon, box

from citygrain.errors import InputError
from citygrain.legend import LCZ
from citygrain.samples.polygons import polygon_ids
from citygrain.samples.reference import read_reference
from citygrain.samples.training_areas import read_training_areas

AFFINE = Affine(10, 0, 500_000, 0, -10, 6_000_000)
GRID = GeoBox((12, 18), AFFINE, "EPSG:32633")
DEGREES = Transformer.from_crs(32633, 4326, always_xy=True)


def pixels(left: float, top: float, right: float, bottom: float) -> Polygon:
    """The rectangle of these columns and rows of the grid."""
    return box(*(AFFINE * (left, bottom)), *(AFFINE * (right, top)))


def placemark(name: str, shape: Polygon) -> str:
    corners = " ".join(f"{x!r},{y!r},0" for x, y in DEGREES.itransform(shape.exterior.coords))
    ring = f"<LinearRing><coordinates>{corners}</coordinates></LinearRing>"
    return f"<Placemark><name>{name}</name><Polygon><outerBoundaryIs>{ring}</outerBoundaryIs></Polygon></Placemark>"


def folder(name: str, *inner: str) -> str:
    return f"<Folder><name>{name}</name>{''.join(inner)}</Folder>"


def kml(path: Path, *inner: str) -> Path:
    path.write_text(f'<kml xmlns="http://www.opengis.net/kml/2.2"><Document>{"".join(inner)}</Document></kml>')
    return path


@pytest.fixture
def areas(tmp_path: Path) -> Path:
    roi = placemark("ROI", pixels(-5, -5, 25, 20))
    first = folder("5", placemark("LCZ 5", pixels(0, 0, 4, 3)), placemark("Untitled Polygon", pixels(6, 0, 9, 3)))
    second = folder("A", placemark("Dense Trees", pixels(0, 6, 5, 12)), roi)
    return kml(
        tmp_path / "Oz City (2024-08-31){D. Gale}.kml", roi, first, second, placemark("note", pixels(1, 1, 2, 2))
    )


# ---- reading ---------------------------------------------------------------------------------------------------


def test_names_folders_and_what_is_no_class(areas: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "citygrain"):
        found = read_training_areas(areas)
    assert found.frame["code"].tolist() == [5, 5, 11]
    assert found.frame["polygon"].tolist() == [2, 3, 4]
    assert found.frame["name"].tolist() == ["LCZ 5", "Untitled Polygon", "Dense Trees"]
    assert found.frame["folder"].tolist() == ["/5", "/5", "/A"]
    assert found.frame.crs == 4326
    assert (found.city, found.date, found.author) == ("Oz City", datetime.date(2024, 8, 31), "D. Gale")
    assert found.skipped == ("ROI", "ROI", "note")
    assert "left out, being no training area: ROI (2), note" in caplog.text


@pytest.mark.parametrize("file", ["Oz.kml", "Oz(2024-13-01){}.kml", "Oz(24-08-31){A}.kml", "{A}(2024-08-31).kml"])
def test_a_file_name_that_says_nothing(tmp_path: Path, file: str) -> None:
    found = read_training_areas(kml(tmp_path / file, placemark("1", pixels(0, 0, 1, 1))))
    assert (found.date, found.author) == (None, None)


def test_no_class_at_all(tmp_path: Path) -> None:
    file = kml(tmp_path / "a.kml", placemark("ROI", pixels(0, 0, 1, 1)), placemark("park", pixels(0, 0, 1, 1)))
    with pytest.raises(InputError, match=r"a\.kml has no polygon of a Local Climate Zone, but 'ROI', 'park'; wanted"):
        read_training_areas(file)
    with pytest.raises(InputError, match="has no placemark with a shape; wanted: polygons or points"):
        read_training_areas(kml(tmp_path / "b.kml"))
    with pytest.raises(InputError, match=r"none\.kml does not exist; wanted: training areas"):
        read_training_areas(tmp_path / "none.kml")


@pytest.mark.parametrize("name", ["areas.gpkg", "areas.geojson"])
def test_a_field_of_other_formats(tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture) -> None:
    shapes = [pixels(0, 0, 4, 3), pixels(6, 0, 9, 3), Point(AFFINE * (1, 1)), pixels(0, 6, 5, 12)]
    frame = gpd.GeoDataFrame({"id": range(4), "LCZ_class": ["5.0", None, "2", "104"]}, geometry=shapes, crs=32633)
    frame.to_crs(4326).to_file(tmp_path / name)
    with caplog.at_level(logging.INFO, "citygrain"):
        found = read_training_areas(tmp_path / name)
    assert found.frame["code"].tolist() == [5, 14]
    assert found.frame["polygon"].tolist() == [1, 4]
    assert "the class is taken from its field LCZ_class" in caplog.text
    gpd.GeoDataFrame({"lcz": [0]}, geometry=shapes[:1], crs=32633).to_file(tmp_path / f"zero_{name}")
    with pytest.raises(InputError, match=r"has no polygon of a Local Climate Zone, but '0'"):
        read_training_areas(tmp_path / f"zero_{name}")
    with pytest.raises(InputError, match="field 'zone' is not in"):
        read_training_areas(tmp_path / name, field="zone")


def test_a_data_field_of_kml(tmp_path: Path) -> None:
    data = "<ExtendedData><Data name='zone'><value>G</value></Data></ExtendedData></Placemark>"
    marks = placemark("x", pixels(0, 0, 4, 3)).replace("</Placemark>", data), placemark("y", pixels(5, 5, 6, 6))
    file = kml(tmp_path / "a.kml", *marks)
    assert read_training_areas(file, field="zone").counts() == {17: 1}
    codes, _ = read_reference(file, GRID, legend=LCZ, field="zone")
    assert np.bincount(codes.values.ravel(), minlength=18)[17] == 12
    with pytest.raises(InputError, match=r"field 'class' is not in a\.kml; wanted: field = one of name, layer, zone"):
        read_reference(file, GRID, legend=LCZ, field="class")


SQUARE = '{"type": "Polygon", "coordinates": [[[13, 52], [13.01, 52], [13.01, 52.01], [13, 52]]]}'
STRANGE = {
    "a ring that is open by NaN": (SQUARE.replace("[13, 52]]]", "[NaN, 52]]]"), "cannot be read as shapes"),
    "degrees beyond the Earth": (SQUARE.replace("13,", "1e6,"), r"spans 13.01, 52, 1e\+06, 52.01 degrees; wanted: at"),
    "no shape": ("null", "has no polygon of a Local Climate Zone, but nothing"),
    "a line": ('{"type": "LineString", "coordinates": [[13, 52], [14, 52]]}', "has no polygon .* but '5'"),
}


@pytest.mark.filterwarnings("ignore:Non closed ring")
@pytest.mark.parametrize("case", STRANGE)
def test_strange_shapes_are_refused_in_one_line(tmp_path: Path, case: str) -> None:
    shape, message = STRANGE[case]
    feature = f'{{"type": "Feature", "properties": {{"lcz": 5}}, "geometry": {shape}}}'
    (tmp_path / "a.geojson").write_text(f'{{"type": "FeatureCollection", "features": [{feature}]}}')
    with pytest.raises(InputError, match=message) as caught:
        read_training_areas(tmp_path / "a.geojson")
    assert "\n" not in str(caught.value)


def test_polygons_of_a_collection_count(tmp_path: Path) -> None:
    shape = f'{{"type": "GeometryCollection", "geometries": [{SQUARE}, {{"type": "Point", "coordinates": [13, 52]}}]}}'
    feature = f'{{"type": "Feature", "properties": {{"lcz": "B"}}, "geometry": {shape}}}'
    (tmp_path / "a.geojson").write_text(f'{{"type": "FeatureCollection", "features": [{feature}]}}')
    assert read_training_areas(tmp_path / "a.geojson").frame.geom_type.tolist() == ["Polygon"]


def test_real_areas(data: Path) -> None:
    def counts(file: str) -> dict[int, int]:
        return read_training_areas(data / file).counts()

    melbourne = {1: 3, 3: 5, 6: 15, 8: 15, 9: 13, 11: 13, 12: 13, 14: 13, 17: 11}
    assert counts("lcz/training_areas_melbourne/Melbourne_2019_JamesBennie.kml") == melbourne
    assert counts("lcz/training_areas_melbourne/Melbourne_2006_JamesBennie.kmz") == melbourne
    assert counts("scenes/berlin/lcz_polygons.gpkg") == {2: 4, 5: 2, 6: 4, 8: 1, 11: 2, 12: 1, 14: 2, 17: 1}
    assert sum(counts("scenes/hong_kong/lcz_reference_polygons.gpkg").values()) == 173
    assert counts("lcz/reference_polygons/wudapt_berlin.geojson") == {2: 7, 4: 1, 5: 1}


# ---- as reference ----------------------------------------------------------------------------------------------


def test_kml_as_reference_without_a_field(areas: Path) -> None:
    codes, legend = read_reference(areas, GRID, legend=LCZ)
    expected = np.zeros((12, 18), np.uint8)
    expected[0:3, 0:4] = expected[0:3, 6:9] = 5
    expected[6:12, 0:5] = 11
    assert legend == LCZ
    np.testing.assert_array_equal(codes, expected)
    in_folder, _ = read_reference(areas, GRID, legend=LCZ, layer="A")
    np.testing.assert_array_equal(in_folder, np.where(expected == 11, 11, 0))


def test_kml_with_other_classes(tmp_path: Path) -> None:
    file = kml(
        tmp_path / "a.kml", folder("x", placemark("Forest", pixels(0, 0, 2, 2))), placemark("Lake", pixels(5, 0, 6, 2))
    )
    codes, legend = read_reference(file, GRID)
    assert legend.names == ("Forest", "Lake")
    assert np.bincount(codes.values.ravel()).tolist() == [12 * 18 - 6, 4, 2]
    with pytest.raises(InputError, match=r"no placemark with a shape in a folder 'y'; wanted: one of x"):
        read_reference(file, GRID, layer="y")


def test_a_grid_in_degrees(areas: Path) -> None:
    grid = GeoBox.from_bbox((14.99, 54.14, 15.01, 54.16), "EPSG:4326", resolution=0.0001)
    codes, _ = read_reference(areas, grid, legend=LCZ)
    assert codes.dims == ("y", "x")
    assert codes.odc.geobox == grid
    assert {5, 11} <= set(np.unique(codes))
    assert polygon_ids(areas, grid).odc.geobox == grid


# ---- pixels by polygon -----------------------------------------------------------------------------------------


def test_melbourne_as_reference_is_the_layers_way(data: Path) -> None:
    grid = GeoBox((1500, 1500), Affine(100, 0, 250_000, 0, -100, 5_900_000), "EPSG:28355")
    file = data / "lcz/training_areas_melbourne/Melbourne_2019_JamesBennie.kml"
    codes, _ = read_reference(file, grid, legend=LCZ)
    by_layer, _ = read_reference(file, grid, legend=LCZ, field="layer", ignore=["[Melbourne][240821][JamesBennie]"])
    np.testing.assert_array_equal(codes, by_layer)
    numbers = polygon_ids(file, grid)
    np.testing.assert_array_equal(numbers.values > 0, codes.values > 0)
    assert set(np.unique(numbers)) <= {0, *read_training_areas(file).frame["polygon"]}


@settings(max_examples=6)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("12"), st.integers(-2, 16), st.integers(-2, 10), st.integers(1, 8), st.integers(1, 8)
        ),
        min_size=1,
        max_size=6,
    )
)
def test_numbers_follow_the_codes(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, int, int, int, int]]
) -> None:
    # Painted pixel by pixel: the first polygon of one class, none where classes meet.
    squares = [(name, left, top, left + wide, top + high) for name, left, top, wide, high in rows]
    squares.append(("1", 0, 0, 1, 1))  # so that something meets the grid
    file = tmp_path_factory.mktemp("p") / "ref.gpkg"
    shapes = [pixels(*square[1:]) for square in squares]
    gpd.GeoDataFrame({"cover": [s[0] for s in squares]}, geometry=shapes, crs=32633).to_file(file)
    expected = np.zeros((12, 18), np.int32)
    for row, column in np.ndindex(12, 18):
        over = [i for i, (_, x0, y0, x1, y1) in enumerate(squares) if x0 <= column < x1 and y0 <= row < y1]
        if len({squares[i][0] for i in over}) == 1:
            expected[row, column] = over[0] + 1
    numbers = polygon_ids(file, GRID, field="cover")
    np.testing.assert_array_equal(numbers, expected)
    assert numbers.dtype == np.int32
    if expected.any():
        codes, _ = read_reference(file, GRID, field="cover", classes={"1": "Forest", "2": "Water"})
        np.testing.assert_array_equal(codes.values > 0, expected > 0)


def test_numbers_of_points_and_of_what_is_ignored(tmp_path: Path) -> None:
    shapes = [Point(AFFINE * (3.5, 0.5)), pixels(0, 0, 2, 1), Point(AFFINE * (0.5, 0.5)), pixels(1, 0, 3, 1)]
    file = tmp_path / "ref.gpkg"
    gpd.GeoDataFrame({"cover": ["1", "1", "1", "9"]}, geometry=shapes, crs=32633).to_file(file)
    assert polygon_ids(file, GRID, field="cover", ignore=[9]).values[0, :4].tolist() == [2, 2, 0, 1]
    assert polygon_ids(file, GRID, field="cover").values[0, :4].tolist() == [2, 0, 4, 1]
    with pytest.raises(InputError, match="is no vector file; wanted: polygons or points"):
        polygon_ids(_text(tmp_path / "a.tif"), GRID)


def _text(path: Path) -> Path:
    path.write_text("")
    return path
