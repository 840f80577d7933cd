"""Training areas checked: sizes against the formulas, each flag by a polygon made for it, and real files."""

import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod
from shapely import affinity
from shapely.geometry import MultiPolygon, Point, Polygon, box
from shapely.geometry.base import BaseGeometry

from citygrain.errors import InputError
from citygrain.samples.area_checks import AreaChecks, check_areas
from citygrain.samples.training_areas import TrainingAreas, read_training_areas

LOCAL = "+proj=laea +lat_0=52.5 +lon_0=13.4 +datum=WGS84 +units=m"


def areas(*rows: tuple[int, BaseGeometry]) -> TrainingAreas:
    """Training areas of shapes in metres around Berlin."""
    columns = {"polygon": range(1, len(rows) + 1), "code": [r[0] for r in rows], "name": "", "folder": ""}
    frame = gpd.GeoDataFrame(columns, geometry=[r[1] for r in rows], crs=LOCAL).to_crs(4326)
    return TrainingAreas(frame, "areas.kml")


def flags(checks: AreaChecks) -> list[tuple[str, ...]]:
    return checks.polygons["flags"].tolist()


# ---- sizes -----------------------------------------------------------------------------------------------------


@settings(max_examples=15)
@given(st.floats(20, 3000), st.floats(20, 3000), st.floats(0, 180), st.integers(-30, 30))
def test_area_and_width_of_a_rectangle(wide: float, high: float, angle: float, east: int) -> None:
    shape = affinity.rotate(box(0, 0, wide, high), angle)
    checks = check_areas(areas((5, affinity.translate(shape, 1000 * east, 0)), (5, box(0, 90_000, 300, 90_300))))
    row = checks.polygons.iloc[0]
    assert row["area_m2"] == pytest.approx(wide * high, rel=1e-4)  # the projection keeps areas everywhere
    expected = min(wide, high, 2 * wide * high / (wide + high))
    assert row["width_m"] == pytest.approx(expected, rel=3e-3)


def test_a_long_bent_strip_is_narrow() -> None:
    frame = box(0, 0, 1000, 1000).difference(box(100, 100, 1000, 1000))
    checks = check_areas(areas((5, frame)))
    assert flags(checks) == [("narrow",)]
    assert checks.polygons["width_m"].iloc[0] == pytest.approx(4 * 190_000 / 4000, rel=1e-3)


# ---- flags -----------------------------------------------------------------------------------------------------

GOOD = box(5000, 5000, 5400, 5400)
CASES: dict[str, tuple[list[tuple[int, BaseGeometry]], list[tuple[str, ...]]]] = {
    "nothing": ([(5, GOOD)], [()]),
    "a strip of 200 m": ([(5, box(0, 0, 200, 1400))], [()]),
    "large": ([(5, box(0, 0, 600, 600))], [("large",)]),
    "small": ([(5, box(0, 0, 90, 90))], [("small", "narrow")]),
    "parts": ([(5, MultiPolygon([GOOD, affinity.translate(GOOD, 600, 0)]))], [("large", "parts")]),
    "a bow tie": ([(5, Polygon([(0, 0), (400, 400), (400, 0), (0, 400)]))], [("narrow", "invalid")]),
    "overlap": ([(5, GOOD), (6, affinity.translate(GOOD, 390, 0))], [("overlap",), ("overlap",)]),
    "of one class": ([(5, GOOD), (5, affinity.translate(GOOD, 390, 0))], [(), ()]),
    "a hair": ([(5, GOOD), (6, affinity.translate(GOOD, 398, 0))], [(), ()]),
    "touching": ([(5, GOOD), (6, affinity.translate(GOOD, 400, 0))], [(), ()]),
    "twice": ([(5, GOOD), (5, GOOD)], [(), ("duplicate",)]),
    "twice, of two classes": (
        [(5, GOOD), (6, affinity.translate(GOOD, 3, 0))],
        [("overlap",), ("overlap", "duplicate")],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_flag(case: str) -> None:
    rows, expected = CASES[case]
    assert flags(check_areas(areas(*rows))) == expected


def test_notes_say_what_and_how_much() -> None:
    checks = check_areas(areas((5, GOOD), (17, affinity.translate(GOOD, 200, 0)), (5, GOOD)))
    first, second, third = checks.polygons["notes"]
    assert first == "overlaps polygon 2 (LCZ 17) by 80,000 m2"
    assert second == "overlaps polygon 1 (LCZ 5) by 80,000 m2, overlaps polygon 3 (LCZ 5) by 80,000 m2"
    assert third.endswith("; the same ground as polygon 1")
    assert len(checks.flagged) == 3


def test_a_polygon_without_area() -> None:
    checks = check_areas(areas((5, Polygon([(0, 0), (500, 0), (500, 0), (0, 0)])), (5, GOOD)))
    assert checks.polygons[["area_m2", "width_m"]].iloc[0].tolist() == [0, 0]
    assert flags(checks)[0] == ("small", "narrow", "invalid")


def test_areas_of_half_the_world_are_refused() -> None:
    frame = areas((5, GOOD), (5, GOOD)).frame
    frame.geometry = [box(0, 0, 1, 1), box(90, 50, 91, 51)]
    with pytest.raises(InputError, match=r"areas of a\.kml span 91 by 51 degrees; wanted: those of one city"):
        check_areas(TrainingAreas(frame, "a.kml"))


def test_classes_are_summed_up() -> None:
    disc = Point(0, 0).buffer(150)
    far = [affinity.translate(disc, 1000 * i, 0) for i in range(4)]
    checks = check_areas(areas((17, far[0]), (2, far[1]), (2, far[2]), (2, box(0, 9000, 800, 9800))))
    table = checks.classes.set_index("code")
    assert table["count"].to_dict() == {2: 3, 17: 1}
    assert table["flags"].to_dict() == {2: ("large",), 17: ("few",)}
    assert table["flagged"].to_dict() == {2: 1, 17: 0}
    assert table.loc[2, "total_m2"] == pytest.approx(2 * disc.area + 640_000, rel=1e-4)
    assert table.loc[2, "median_m2"] == pytest.approx(disc.area, rel=1e-4)
    assert table.loc[17, "name"] == "Water"


@settings(max_examples=15)
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30), st.sampled_from([2, 5])), min_size=2, max_size=12))
def test_overlaps_are_found_as_pair_by_pair(rows: list[tuple[int, int, int]]) -> None:
    shapes = [(code, box(100 * x, 100 * y, 100 * x + 450, 100 * y + 450)) for x, y, code in rows]
    found = ["overlap" in kinds for kinds in flags(check_areas(areas(*shapes)))]
    for (code, shape), marked in zip(shapes, found, strict=True):
        assert marked == any(code != c and shape.intersection(s).area > 0.01 * shape.area for c, s in shapes)


def test_tables_become_plain_json() -> None:
    checks = check_areas(areas((5, GOOD), (6, box(0, 0, 50, 50))))
    plain = json.loads(json.dumps(checks.to_dict()))
    assert plain["source"] == "areas.kml"
    assert [row["code"] for row in plain["classes"]] == [5, 6]
    assert plain["polygons"][1]["flags"] == ["small", "narrow"]


# ---- real ------------------------------------------------------------------------------------------------------


def test_melbourne_has_no_fault_but_size(data: Path) -> None:
    checks = check_areas(read_training_areas(data / "lcz/training_areas_melbourne/Melbourne_2019_JamesBennie.kml"))
    assert set(checks.polygons["flags"]) == {(), ("large",)}
    assert len(checks.flagged) == 80


@pytest.mark.parametrize(
    "file", ["training_areas_melbourne/Melbourne_2019_JamesBennie.kml", "reference_polygons/wudapt_hongkong.geojson"]
)
def test_areas_are_those_on_the_ellipsoid(data: Path, file: str) -> None:
    areas = read_training_areas(data / "lcz" / file)
    geodesic = [abs(Geod(ellps="WGS84").geometry_area_perimeter(shape)[0]) for shape in areas.frame.geometry]
    np.testing.assert_allclose(check_areas(areas).polygons["area_m2"], geodesic, rtol=2e-4)
