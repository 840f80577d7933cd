"""References on the scene's grid: as they are, resampled, burnt from shapes, and every value named or refused."""

import logging
import os
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pyproj
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from shapely.geometry import LineString, MultiPoint, Point, Polygon, box

from citygrain.errors import InputError
from citygrain.legend import CORINE, DYNAMIC_WORLD, FROM_GLC10, LCZ, URBAN, URBAN_ATLAS, WORLDCOVER
from citygrain.samples import reference
from citygrain.samples.reference import read_reference
from citygrain.scene.write import write_cog

UTM = "EPSG:32633"
AFFINE = Affine(10, 0, 500_000, 0, -10, 6_000_000)
GRID = GeoBox((12, 18), AFFINE, UTM)
TWO = {"1": "Forest", "2": "Water"}


def two_classes(shape: tuple[int, int] = (12, 18), seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 3, shape).astype(np.uint8)


def raster(folder: Path, values: np.ndarray, grid: GeoBox = GRID, **options: Any) -> Path:
    write_cog(folder / "ref.tif", values, grid, **options)
    return folder / "ref.tif"


def shapes(folder: Path, rows: list[tuple[Any, Any]], crs: str | None = UTM, name: str = "ref.gpkg") -> Path:
    frame = gpd.GeoDataFrame({"cover": [row[0] for row in rows]}, geometry=[row[1] for row in rows], crs=crs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on a missing CRS, which is the case to test
        frame.to_file(folder / name)
    return folder / name


def pixels(left: int, top: int, right: int, bottom: int) -> Polygon:
    """The rectangle of these columns and rows of the grid."""
    return box(*(AFFINE * (left, bottom)), *(AFFINE * (right, top)))


@pytest.fixture(scope="module")
def data() -> Path:
    folder = Path(os.environ.get("CITYGRAIN_DATA", Path(__file__).parents[2] / "../shared/data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder} (set CITYGRAIN_DATA)")
    return folder


def grid_of(file: Path) -> GeoBox:
    with rasterio.open(file) as source:
        return GeoBox(source.shape, source.transform, source.crs)


def numbers_of(file: Path) -> np.ndarray:
    with rasterio.open(file) as source:
        return np.asarray(source.read(1))


# ---- real references -------------------------------------------------------------------------------------------


def test_aberystwyth_map_as_it_is(data: Path) -> None:
    folder = data / "scenes/aberystwyth"
    names = {"1": "Forest", "2": "Grass", "3": "Urban", "4": "Water"}
    codes, legend = read_reference(
        folder / "landcover_map_4class.tif", grid_of(folder / "s2_20210527.tif"), classes=names
    )
    np.testing.assert_array_equal(codes, numbers_of(folder / "landcover_map_4class.tif"))
    assert codes.dtype == np.uint8
    assert np.bincount(codes.values.ravel()).tolist() == [0, 170_911, 430_325, 196_426, 83_048]
    assert legend.names == ("Forest", "Grass", "Urban", "Water")
    assert codes.odc.geobox == grid_of(folder / "s2_20210527.tif")


def test_aberystwyth_polygons_one_class_a_layer(data: Path) -> None:
    folder = data / "scenes/aberystwyth"
    names = {f"cls_{name.lower()}_smpls": name for name in ("Forest", "Grass", "Urban", "Water")}
    grid = grid_of(folder / "s2_20210527.tif")
    codes, legend = read_reference(folder / "training_polygons.gpkg", grid, classes=names, field="layer")
    np.testing.assert_array_equal(codes, numbers_of(folder / "training_polygons_raster.tif"))
    assert legend.names == ("Forest", "Grass", "Urban", "Water")
    one, _ = read_reference(
        folder / "training_polygons.gpkg", grid, classes=names, field="layer", layer="cls_water_smpls"
    )
    np.testing.assert_array_equal(one == 4, codes == 4)
    assert not ((one != 4) & (one != 0)).any()


@pytest.mark.parametrize(
    ("file", "field", "burnt"),
    [
        ("berlin/lcz_polygons.gpkg", "Name", "lcz_polygons_raster.tif"),
        ("hong_kong/lcz_reference_polygons.gpkg", "VALUE", "lcz_reference.tif"),
    ],
)
def test_lcz_polygons(data: Path, file: str, field: str, burnt: str) -> None:
    truth = (data / "scenes" / file).with_name(burnt)
    codes, legend = read_reference(data / "scenes" / file, grid_of(truth), legend=LCZ, field=field)
    np.testing.assert_array_equal(codes, numbers_of(truth))
    assert legend == LCZ


def test_leipzig_points(data: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = data / "scenes/leipzig"
    grid = grid_of(folder / "s2_2021.tif")
    with caplog.at_level(logging.INFO, "citygrain"):
        codes, legend = read_reference(folder / "landcover_points.gpkg", grid, field="land_cover")
    assert "its own names are taken: forest, pasture, urban, water" in caplog.text
    counts = dict(zip(legend.names, np.bincount(codes.values.ravel())[1:].tolist(), strict=True))
    assert counts == {"forest": 28, "pasture": 20, "urban": 36, "water": 13}
    points = gpd.read_file(folder / "landcover_points.gpkg")
    for point, cover in zip(points.geometry, points.land_cover, strict=True):
        column, row = ~grid.affine * (point.x, point.y)
        assert legend.name_of(int(codes[int(row), int(column)])) == cover


def test_geographic_rasters_of_berlin(data: Path, caplog: pytest.LogCaptureFixture) -> None:
    grid = GeoBox((200, 250), Affine(10, 0, 390_200, 0, -10, 5_821_000), "EPSG:32633")
    with caplog.at_level(logging.INFO, "citygrain"):
        cover, _ = read_reference(data / "lcz/reference_polygons/worldcover_berlin.tif", grid, legend=WORLDCOVER)
        zones, _ = read_reference(data / "lcz/global_map_v3_crops/lcz_v3_berlin.tif", grid, legend=LCZ)
    assert "worldcover_berlin.tif: brought to the scene's grid by majority" in caplog.text
    assert "lcz_v3_berlin.tif: brought to the scene's grid by nearest neighbour" in caplog.text
    to_degrees = pyproj.Transformer.from_crs("EPSG:32633", "EPSG:4326", always_xy=True)
    for codes, file, agreement in (
        (zones, "lcz/global_map_v3_crops/lcz_v3_berlin.tif", 0.99),
        (cover, "lcz/reference_polygons/worldcover_berlin.tif", 0.85),
    ):
        with rasterio.open(data / file) as source:
            raw = source.read(1)
            columns, rows = np.meshgrid(np.arange(250) + 0.5, np.arange(200) + 0.5)
            x, y = to_degrees.transform(*(grid.affine * (columns, rows)))
            column, row = (np.floor(each).astype(int) for each in ~source.transform * (x, y))
        assert (codes.values == raw[row, column]).mean() > agreement
        assert (codes.values > 0).all()


def test_melbourne_kml(data: Path) -> None:
    grid = GeoBox((1500, 1500), Affine(100, 0, 250_000, 0, -100, 5_900_000), "EPSG:28355")
    codes, legend = read_reference(
        data / "lcz/training_areas_melbourne/Melbourne_2019_JamesBennie.kml",
        grid,
        legend=LCZ,
        field="layer",
        ignore=["[Melbourne][240821][JamesBennie]"],
    )
    assert legend == LCZ
    assert {11, 14, 17} <= set(np.unique(codes))


# ---- rasters ---------------------------------------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(st.tuples(st.integers(1, 20), st.integers(1, 20)), st.tuples(*[st.integers(-5, 5)] * 2), st.integers(0, 99))
def test_a_shifted_grid_is_cut_exactly(
    tmp_path_factory: pytest.TempPathFactory, size: tuple[int, int], shift: tuple[int, int], seed: int
) -> None:
    (height, width), (down, right) = size, shift
    wide = two_classes((40, 40), seed)
    file = raster(tmp_path_factory.mktemp("r"), wide, GeoBox((40, 40), AFFINE, UTM))
    grid = GeoBox((height, width), AFFINE * Affine.translation(10 + right, 10 + down), UTM)
    codes, _ = read_reference(file, grid, classes=TWO)
    np.testing.assert_array_equal(codes, wide[10 + down : 10 + down + height, 10 + right : 10 + right + width])


def test_a_coarser_reference_is_repeated(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    coarse = two_classes((4, 6))
    file = raster(tmp_path, coarse, GeoBox((4, 6), AFFINE * Affine.scale(3), UTM))
    with caplog.at_level(logging.INFO, "citygrain"):
        codes, _ = read_reference(file, GRID, classes=TWO)
    np.testing.assert_array_equal(codes, coarse.repeat(3, 0).repeat(3, 1))
    assert "by nearest neighbour (its pixels are 0.333 times finer)" in caplog.text


@settings(max_examples=15, deadline=None)
@given(st.sampled_from([3, 5]), st.integers(0, 99), st.sampled_from([None, 0]))
def test_a_finer_reference_goes_by_majority(
    tmp_path_factory: pytest.TempPathFactory, factor: int, seed: int, nodata: int | None
) -> None:
    fine = np.random.default_rng(seed).integers(0, 2, (12 * factor, 18 * factor)).astype(np.uint8)
    grid = GeoBox(fine.shape, AFFINE * Affine.scale(1 / factor), UTM)
    codes, _ = read_reference(raster(tmp_path_factory.mktemp("r"), fine, grid, nodata=nodata), GRID, classes=TWO)
    # Odd blocks of two values have no ties; a pixel that is mostly unlabelled is unlabelled.
    blocks = fine.reshape(12, factor, 18, factor).mean((1, 3))
    np.testing.assert_array_equal(codes, blocks > 0.5)


def test_outside_the_reference_is_unlabelled(tmp_path: Path) -> None:
    file = raster(tmp_path, two_classes(), GeoBox((12, 18), AFFINE * Affine.translation(10, 0), UTM))
    codes, _ = read_reference(file, GRID, classes=TWO)
    assert not codes.values[:, :10].any()
    assert codes.values[:, 10:].all()


def test_no_data_and_zero_are_unlabelled_unless_named(tmp_path: Path) -> None:
    values = two_classes()
    values[0], values[1] = 0, 9
    codes, _ = read_reference(raster(tmp_path, values, nodata=9), GRID, classes=TWO)
    assert not codes.values[:2].any()
    np.testing.assert_array_equal(codes[2:], values[2:])
    codes, legend = read_reference(raster(tmp_path, values, nodata=9), GRID, classes={"0": "Sea", **TWO})
    assert legend.names == ("Sea", "Forest", "Water")
    assert (codes.values[0] == 1).all()
    assert not codes.values[1].any()
    with pytest.raises(InputError, match="marks 9 as no data, but it is named as a class"):
        read_reference(raster(tmp_path, values, nodata=9), GRID, classes={"9": "Sea", **TWO})


def test_a_band_of_several_is_chosen(tmp_path: Path) -> None:
    both = np.stack([two_classes(), two_classes(seed=1)])
    file = raster(tmp_path, both, band_names=["lcz", "lczFilter"])
    codes, _ = read_reference(file, GRID, classes=TWO, layer="lczFilter")
    np.testing.assert_array_equal(codes, both[1])
    with pytest.raises(InputError, match=r"has 2 bands; wanted: one of lcz, lczFilter"):
        read_reference(file, GRID, classes=TWO)


@pytest.mark.parametrize("dtype", ["int16", "uint32", "float32", "float64"])
def test_codes_of_any_type(tmp_path: Path, dtype: str) -> None:
    values = two_classes()
    codes, _ = read_reference(raster(tmp_path, values.astype(dtype)), GRID, classes=TWO)
    np.testing.assert_array_equal(codes, values)


@settings(max_examples=25)
@given(
    strip=st.integers(1, 900),
    block=st.sampled_from([{}, {"tiled": True, "blockxsize": 16, "blockysize": 16}, {"blockysize": 1}]),
    pixel=st.sampled_from([10.0, 5.0, 20.0]),
    dtype=st.sampled_from(["uint8", "int32", "float32"]),
)
def test_the_strips_in_which_it_is_read_do_not_show(
    *, tmp_path_factory: pytest.TempPathFactory, strip: int, block: dict[str, Any], pixel: float, dtype: str
) -> None:
    grid = GeoBox((60, 48), AFFINE, UTM)
    side = (int(600 / pixel), int(480 / pixel))
    values = np.random.default_rng(0).integers(0, 4, side).astype(dtype)
    path = tmp_path_factory.mktemp("r") / "ref.tif"
    profile = {"count": 1, "height": side[0], "width": side[1], "dtype": dtype, "crs": UTM, "nodata": 3, **block}
    with rasterio.open(path, "w", transform=AFFINE * Affine.scale(pixel / 10), **profile) as target:
        target.write(values, 1)
    whole, _ = read_reference(path, grid, classes=TWO)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reference, "_STRIP", strip)
        cut, _ = read_reference(path, grid, classes=TWO)
        with pytest.raises(InputError) as refused:
            read_reference(path, grid, classes={"1": "Forest"})
    assert cut.values.tobytes() == whole.values.tobytes()
    if pixel == 10:
        assert whole.values.tobytes() == np.where(values == 3, 0, values).astype(np.uint8).tobytes()
        assert f"holds 2 ({(values == 2).sum():,} pixels)" in str(refused.value)


def test_memory_is_the_codes_and_a_strip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grid = GeoBox((2000, 2000), AFFINE, UTM)
    path = raster(tmp_path, two_classes((2000, 2000)), grid)
    monkeypatch.setattr(reference, "_STRIP", 2**18)
    tracemalloc.start()
    try:
        codes, _ = read_reference(path, grid, classes=TWO)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert codes.nbytes == 4_000_000 and peak < codes.nbytes + 32 * 2**19


# ---- classes ---------------------------------------------------------------------------------------------------


def test_values_of_one_name_become_one_class(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    values = np.resize(np.array([10, 20, 50, 90], np.uint8), (12, 18))
    names = {"10": "Green", "50": "Built", "20": "Green"}
    with caplog.at_level(logging.INFO, "citygrain"):
        codes, legend = read_reference(
            raster(tmp_path, values), GRID, classes=names, ignore=[90], colors={"Built": "#123456"}
        )
    assert legend.names == ("Green", "Built")
    assert legend.color_of(2) == "#123456"
    np.testing.assert_array_equal(codes, np.resize([1, 1, 2, 0], (12, 18)))
    assert "classes are renumbered: 1 Green, 2 Built" in caplog.text


def test_codes_beyond_a_byte_are_renumbered(tmp_path: Path) -> None:
    values = np.resize(np.array([101, 1001], np.uint16), (12, 18))
    codes, legend = read_reference(raster(tmp_path, values), GRID, classes={"101": "A", "1001": "B"})
    np.testing.assert_array_equal(codes, np.resize([1, 2], (12, 18)))
    assert legend.names == ("A", "B")


def test_a_legend_merged(tmp_path: Path) -> None:
    values = np.resize(np.array([10, 40, 50, 80, 95], np.uint8), (12, 18))
    merge = {"Built": ["Built-up"], "Green": ["Tree cover", "Cropland"]}
    codes, legend = read_reference(raster(tmp_path, values), GRID, legend=WORLDCOVER, merge=merge)
    assert legend.names == ("Built", "Green")
    np.testing.assert_array_equal(codes, np.resize([2, 2, 1, 0, 0], (12, 18)))


def test_classes_may_name_those_of_a_legend(tmp_path: Path) -> None:
    values = np.resize(np.array([101, 2], np.uint8), (12, 18))
    names = {"101": "Dense trees", "2": "Compact midrise"}
    codes, legend = read_reference(raster(tmp_path, values), GRID, classes=names, legend=LCZ)
    assert legend == LCZ
    np.testing.assert_array_equal(codes, np.resize([11, 2], (12, 18)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": {"1": "Forest"}}, r"holds 2 \(\d+ pixels\), which no class has; wanted: one of 1; name it in"),
        ({"legend": WORLDCOVER}, r"holds 1 \(\d+ pixels\), 2 \(\d+ pixels\), which no class has"),
        ({}, "values have no names"),
        ({"classes": TWO, "ignore": [1]}, "value 1 is both a class and ignored"),
        ({"classes": {"1": "A", "01": "B"}}, "name a value twice"),
        ({"classes": TWO, "legend": URBAN}, "class 'Forest' is not in legend 'urban'"),
        ({"classes": TWO, "colors": {"Sea": "#000000"}}, "a colour for class Sea"),
        ({"classes": TWO, "field": "cover"}, "is a raster and has no field 'cover'"),
        ({"classes": TWO, "layer": "x"}, "band 'x' is not in ref.tif"),
        ({"legend": URBAN, "merge": {"A": ["Sea"]}}, "class 'Sea' is not in legend"),
    ],
)
def test_classes_that_do_not_settle_it_are_refused(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_reference(raster(tmp_path, two_classes()), GRID, **options)


def test_a_strange_value_outside_the_scene_does_not_matter(tmp_path: Path) -> None:
    values = two_classes((30, 18))
    values[20:] = 77
    codes, _ = read_reference(raster(tmp_path, values, GeoBox((30, 18), AFFINE, UTM)), GRID, classes=TWO)
    np.testing.assert_array_equal(codes, values[:12])


# ---- shapes ----------------------------------------------------------------------------------------------------


def test_polygons_take_the_pixels_whose_centres_they_hold(tmp_path: Path) -> None:
    rows = [("1", pixels(0, 0, 4, 3)), ("2", box(*(AFFINE * (6.6, 5.4)), *(AFFINE * (9.4, 2.6))))]
    expected = np.zeros((12, 18), np.uint8)
    expected[0:3, 0:4] = 1
    expected[3:5, 7:9] = 2
    for name in ("ref.gpkg", "ref.geojson", "ref.shp"):
        codes, _ = read_reference(shapes(tmp_path, rows, name=name), GRID, classes=TWO, field="cover")
        np.testing.assert_array_equal(codes, expected)


def test_shapes_in_another_crs(tmp_path: Path) -> None:
    rows = [(1, pixels(2, 2, 9, 9)), (2, pixels(10, 3, 15, 9))]
    expected, _ = read_reference(shapes(tmp_path, rows), GRID, classes=TWO, field="cover")
    frame = gpd.read_file(tmp_path / "ref.gpkg").to_crs(4326)
    frame.to_file(tmp_path / "degrees.geojson")
    codes, _ = read_reference(tmp_path / "degrees.geojson", GRID, classes=TWO, field="cover")
    np.testing.assert_array_equal(codes, expected)


def test_where_classes_disagree_nothing_is_labelled(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = [("1", pixels(0, 0, 6, 6)), ("2", pixels(4, 0, 9, 6)), ("1", pixels(0, 0, 3, 3))]
    codes, _ = read_reference(shapes(tmp_path, rows), GRID, classes=TWO, field="cover")
    assert (codes.values[:6, :4] == 1).all()
    assert not codes.values[:6, 4:6].any()
    assert (codes.values[:6, 6:9] == 2).all()
    assert "12 pixels are claimed by two classes" in caplog.text


@settings(max_examples=10, deadline=None)
@given(st.lists(st.tuples(st.floats(-3, 21), st.floats(-3, 15)), min_size=1, max_size=12))
def test_points_label_the_pixel_they_fall_in(
    tmp_path_factory: pytest.TempPathFactory, places: list[tuple[float, float]]
) -> None:
    # The expectation starts from the coordinates that the file holds, after their own rounding.
    points = [Point(AFFINE * place) for place in [*places, (4.5, 4.5)]]
    file = shapes(tmp_path_factory.mktemp("p"), [("1", point) for point in points])
    codes, _ = read_reference(file, GRID, classes=TWO, field="cover")
    expected = np.zeros((12, 18), np.uint8)
    for point in points:
        column, row = np.floor((point.x - 500_000) / 10), np.floor((point.y - 6_000_000) / -10)
        if 0 <= column < 18 and 0 <= row < 12:
            expected[int(row), int(column)] = 1
    np.testing.assert_array_equal(codes, expected)


def test_points_polygons_and_what_has_no_class(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    dots = MultiPoint([AFFINE * (12.5, 1.5), AFFINE * (13.5, 2.5)])
    rows = [("1", pixels(0, 0, 2, 2)), ("2", dots), (None, pixels(5, 5, 8, 8))]
    codes, _ = read_reference(shapes(tmp_path, rows), GRID, classes=TWO, field="cover")
    assert np.bincount(codes.values.ravel()).tolist() == [12 * 18 - 6, 4, 2]
    assert "1 shapes have no class" in caplog.text


def test_a_shape_between_pixel_centres_is_said_aloud(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    sliver = box(*(AFFINE * (5.6, 5.9)), *(AFFINE * (5.9, 5.6)))
    read_reference(shapes(tmp_path, [("1", pixels(0, 0, 2, 2)), ("2", sliver)]), GRID, classes=TWO, field="cover")
    assert "the shapes of Water hold no pixel" in caplog.text


# ---- what cannot be used ---------------------------------------------------------------------------------------


def _text(file: Path) -> Path:
    file.write_text("nothing of the kind")
    return file


def _bare(folder: Path, **options: Any) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        profile = {"count": 1, "height": 12, "width": 18, "dtype": "uint8", **options}
        with rasterio.open(folder / "ref.tif", "w", **profile) as target:
            target.write(two_classes(), 1)
    return folder / "ref.tif"


def _cut(file: Path) -> Path:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 4])
    return file


FAR = GeoBox((12, 18), AFFINE * Affine.translation(1000, 0), UTM)
NOISE = np.random.default_rng(0).integers(1, 3, (300, 300)).astype(np.uint8)
BAD: dict[str, tuple[Callable[[Path], Path], str]] = {
    "missing": (lambda d: d / "none.tif", "does not exist"),
    "folder": (lambda d: d, "is a folder"),
    "text": (lambda d: _text(d / "ref.tif"), "neither a raster nor shapes"),
    "text gpkg": (lambda d: _text(d / "ref.gpkg"), "cannot be read as shapes"),
    "text geojson": (lambda d: _text(d / "ref.geojson"), "cannot be read as shapes"),
    "no crs": (lambda d: _bare(d, transform=AFFINE), "has no CRS"),
    "no transform": (lambda d: _bare(d, crs=UTM), "has no geotransform"),
    "shapes without crs": (lambda d: shapes(d, [("1", pixels(0, 0, 2, 2))], crs=None), "has no CRS"),
    "truncated": (lambda d: _cut(raster(d, NOISE, GeoBox((300, 300), AFFINE, UTM))), "breaks off or is damaged"),
    "apart": (
        lambda d: raster(d, two_classes(), FAR),
        r"it spans \(510000, 5999880, 510180, 6000000\); wanted: .* \(500000, 5999880, 500180, 6000000\)",
    ),
    "shapes apart": (
        lambda d: shapes(d, [("1", pixels(100, 0, 102, 2))]),
        r"it spans \(501000, 5999980, 501020, 6000000\); wanted: shapes within \(500000, 5999880, 500180, 6000000\)",
    ),
    "all no data": (lambda d: raster(d, np.zeros((12, 18), np.uint8), nodata=0), "labels no pixel of the scene"),
    "fractions": (lambda d: raster(d, np.full((12, 18), 1.5, np.float32)), "numbers that are no class codes"),
    "lines": (
        lambda d: shapes(d, [("1", LineString([AFFINE * (0, 0), AFFINE * (5, 5)]))]),
        "holds LineString; wanted: polygons or points",
    ),
    "strange value": (
        lambda d: shapes(d, [("9", pixels(0, 0, 2, 2)), ("9", pixels(3, 3, 5, 5)), ("1", pixels(6, 6, 8, 8))]),
        r"holds 9 \(2 shapes\), which no class has",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_reference_that_cannot_be_used_is_refused_in_one_line(tmp_path: Path, case: str) -> None:
    make, message = BAD[case]
    file = make(tmp_path)
    field = "cover" if file.suffix in {".gpkg", ".geojson"} else None
    with pytest.raises(InputError, match=message) as caught:
        read_reference(file, GRID, classes=TWO, field=field)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("field", "layer", "message"),
    [
        ("nothing", None, "field 'nothing' is not in ref.gpkg; wanted: field = one of cover"),
        (None, None, "holds shapes, but field is not set; wanted: field = one of cover"),
        ("cover", "nothing", "layer 'nothing' is not in ref.gpkg; wanted: one of ref"),
    ],
)
def test_fields_and_layers_are_named(tmp_path: Path, field: str | None, layer: str | None, message: str) -> None:
    file = shapes(tmp_path, [("1", pixels(0, 0, 2, 2))])
    with pytest.raises(InputError, match=message):
        read_reference(file, GRID, classes=TWO, field=field, layer=layer)


def test_numbers_in_shapes_need_names(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"the classes of ref\.gpkg are numbers: 1"):
        read_reference(shapes(tmp_path, [(1, pixels(0, 0, 2, 2))]), GRID, field="cover")


def test_a_scene_without_crs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="grid has no CRS"):
        read_reference(raster(tmp_path, two_classes()), GeoBox((12, 18), AFFINE, None), classes=TWO)


def test_a_worldcover_file_is_not_read_as_from_glc10(tmp_path: Path) -> None:
    said = {"title": "ESA WorldCover product at 10m resolution for year 2021"}
    path = raster(tmp_path, np.full(tuple(GRID.shape), 10, np.uint8), tags=said)
    assert read_reference(path, GRID, legend=WORLDCOVER)[1] == WORLDCOVER
    with pytest.raises(InputError, match="10 is not 'Tree cover' but 'Cropland'; wanted: worldcover"):
        read_reference(path, GRID, legend=FROM_GLC10)
    own = read_reference(path, GRID, classes={"10": "Crop"})[1]  # the user says what it holds
    assert own.names == ("Crop",)


def test_a_file_that_does_not_say_its_scheme_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    read_reference(raster(tmp_path, np.full(tuple(GRID.shape), 50, np.uint8)), GRID, legend=WORLDCOVER)
    assert "does not say its scheme: it is read as worldcover; in from-glc10 the same numbers are" in caplog.text
    assert "50 Wetland" in caplog.text


def test_codes_of_three_and_five_digits(tmp_path: Path) -> None:
    codes, legend = read_reference(raster(tmp_path, np.full(tuple(GRID.shape), 523, np.int16)), GRID, legend=CORINE)
    assert legend.name_of(int(codes.values[0, 0])) == "Sea and ocean"
    atlas = np.full(tuple(GRID.shape), 14120, np.int32)
    codes, legend = read_reference(raster(tmp_path, atlas), GRID, legend=URBAN_ATLAS)
    assert (legend.name_of(int(codes.values[0, 0])), int(codes.values[0, 0])) == ("Green urban areas", 16)


def test_water_is_nought_in_dynamic_world_but_not_in_our_maps_of_it(tmp_path: Path) -> None:
    path = raster(tmp_path, np.full(tuple(GRID.shape), 1, np.uint8))
    theirs, _ = read_reference(path, GRID, legend=DYNAMIC_WORLD)
    assert DYNAMIC_WORLD.name_of(int(theirs.values[0, 0])) == "Trees"
    path = raster(
        tmp_path, np.full(tuple(GRID.shape), 1, np.uint8), tags={"legend": "dynamic-world"}
    )  # as our maps say
    ours, _ = read_reference(path, GRID, legend=DYNAMIC_WORLD)
    assert DYNAMIC_WORLD.name_of(int(ours.values[0, 0])) == "Water"
