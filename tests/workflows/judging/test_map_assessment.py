"""Any map against any reference: a map agrees with itself, and intervals are drawn from what is alike."""

from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from odc.geo.geobox import GeoBox
from shapely.geometry import Point, box

from citygrain.accuracy.intervals import block_intervals, block_matrices, row_intervals, wilson_interval
from citygrain.errors import InputError
from citygrain.scene.write import write_cog
from citygrain.workflows.judging.map_assessment import assess_map

GRID = GeoBox.from_bbox((0, 0, 400, 400), "EPSG:32633", resolution=10)


def write(path: Path, values: list[int], names: dict[int, str] | None = None) -> Path:
    codes = np.random.default_rng(0).choice(np.array(values, np.uint8), GRID.shape)
    colours = {value: (value, 0, 0, 255) for value in names} if names else None
    write_cog(path, codes, GRID, colormap=colours, names=names or {})
    return path


@pytest.mark.parametrize(
    ("classes", "count"),
    [
        ({"1": "A", "2": "B"}, 2),
        ({"0": "None", "1": "A", "2": "B"}, 3),  # renumbered, as 0 is no label elsewhere
        ({"10": "Green", "20": "Green", "50": "Built"}, 2),  # merged
        ({"50": "Built", "10": "Green"}, 2),
    ],
)
def test_a_map_agrees_with_itself(tmp_path: Path, classes: dict[str, str], count: int) -> None:
    path = write(tmp_path / "map.tif", [int(code) for code in classes])
    _, found = assess_map(path, path, classes=classes)
    assert found.overall_accuracy == 1.0
    assert len(found.legend) == count and np.count_nonzero(found.matrix) == count


def test_a_map_that_names_its_classes_is_read_by_name(tmp_path: Path) -> None:
    """Our own map of a reference whose classes were merged: its codes are not the reference's."""
    reference = write(tmp_path / "reference.tif", [10, 20, 50])
    mapped = write(tmp_path / "map.tif", [1, 1, 2], {1: "Green", 2: "Built"})
    _, found = assess_map(mapped, reference, classes={"10": "Green", "20": "Green", "50": "Built"})
    assert found.overall_accuracy == 1.0


def test_polygons_with_words_take_the_codes_of_their_legend(tmp_path: Path) -> None:
    shapes = gpd.GeoDataFrame(
        {"kind": ["cls_forest", "cls_town"]}, geometry=[box(0, 0, 200, 400), box(200, 0, 400, 400)], crs=GRID.crs
    )
    shapes.to_file(tmp_path / "areas.gpkg")
    codes = np.ones(GRID.shape, np.uint8)
    codes[:, 20:] = 2
    write_cog(tmp_path / "map.tif", codes, GRID)
    classes = {"cls_forest": "Forest", "cls_town": "Town"}
    _, found = assess_map(tmp_path / "map.tif", tmp_path / "areas.gpkg", classes=classes, field="kind")
    assert found.overall_accuracy == 1.0 and found.legend.names == ("Forest", "Town")
    codes[0, 0] = 7
    write_cog(tmp_path / "map.tif", codes, GRID)
    with pytest.raises(InputError, match=r"map.tif holds 7 \(1 pixels\), which no class has"):
        assess_map(tmp_path / "map.tif", tmp_path / "areas.gpkg", classes=classes, field="kind")


def test_a_value_without_a_class_is_refused(tmp_path: Path) -> None:
    reference, mapped = write(tmp_path / "reference.tif", [1, 2]), write(tmp_path / "map.tif", [1, 2, 9])
    with pytest.raises(InputError, match=r"map\.tif holds 9"):
        assess_map(mapped, reference, classes={"1": "A", "2": "B"})


CLASSES = {"1": "Land", "2": "Water"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A map whose errors come in squares of 100 m, and what is there, known everywhere, in part and in polygons."""
    rng = np.random.default_rng(1)
    truth = rng.integers(1, 3, (40, 40)).astype(np.uint8)
    wrong = (rng.random((4, 4)) < 0.3).repeat(10, 0).repeat(10, 1)
    write_cog(tmp_path / "truth.tif", truth, GRID)
    write_cog(tmp_path / "map.tif", np.where(wrong, 3 - truth, truth).astype(np.uint8), GRID)
    part = truth.copy()
    part[::2] = 0
    write_cog(tmp_path / "part.tif", part, GRID, nodata=0)
    squares = [(box(x, y, x + 50, y + 50), 1 + (x + y) // 50 % 2) for x in range(0, 400, 50) for y in range(0, 400, 50)]
    shapes, values = zip(*squares, strict=True)
    gpd.GeoDataFrame({"kind": values}, geometry=list(shapes), crs=GRID.crs).to_file(tmp_path / "areas.gpkg")
    return tmp_path


def test_blocks_are_drawn_whole(folder: Path) -> None:
    figures, result = assess_map(folder / "map.tif", folder / "truth.tif", classes=CLASSES, block=100, seed=3)
    with rasterio.open(folder / "map.tif") as one, rasterio.open(folder / "truth.tif") as other:
        mapped, truth = one.read(1), other.read(1)
    row, column = np.divmod(np.arange(1600), 40)
    matrices = block_matrices(mapped.ravel(), truth.ravel(), row // 10 * 4 + column // 10, result.legend)
    assert np.array_equal(matrices.sum(0), result.matrix)
    assert figures["interval_95"] == block_intervals(matrices, result.legend, rng=np.random.default_rng(3))
    low, high = figures["interval_95"]["overall_accuracy"]
    naive = row_intervals(result, rng=np.random.default_rng(3))["overall_accuracy"]
    assert high - low > 4 * (naive[1] - naive[0])  # a hundred pixels of a square err alike
    assert figures["interval_of"] == "16 blocks of 100 m"
    assert "labels the whole map" in figures["sampling"] and len(figures["notes"]) == 2


def test_whole_polygons_are_drawn_unless_blocks_are_asked_for(folder: Path) -> None:
    known = {"classes": CLASSES, "field": "kind"}
    figures, _ = assess_map(folder / "map.tif", folder / "areas.gpkg", **known)
    assert figures["interval_of"].startswith("64 polygons") and "no probability sample" in figures["notes"][0]
    figures, _ = assess_map(folder / "map.tif", folder / "areas.gpkg", **known, block=200)
    assert (
        figures["interval_of"].startswith("4 blocks of 200 m") and "4 blocks of 200 m are few" in figures["notes"][-1]
    )


def test_a_part_of_the_map_is_no_sample_of_it(folder: Path) -> None:
    figures, _ = assess_map(folder / "map.tif", folder / "part.tif", classes=CLASSES, block=100)
    assert figures["share_labelled"] == 0.5 and "50.0 % of the map" in figures["sampling"]
    assert figures["probability_sample"] is False and "citygrain design" in figures["sampling"]
    alone, _ = assess_map(folder / "map.tif", folder / "truth.tif", classes=CLASSES)
    assert alone["interval_95"] == {} and "no interval" in alone["notes"][-1]  # one block of 1,200 m


def test_pixels_that_lie_alone_have_the_interval_of_wilson(folder: Path) -> None:
    places = [Point(x + 5, y + 5) for x in range(0, 400, 100) for y in range(0, 400, 100)]
    points = gpd.GeoDataFrame({"kind": [1, 2] * 8}, geometry=places, crs=GRID.crs)
    points.to_file(folder / "points.gpkg")
    figures, result = assess_map(folder / "map.tif", folder / "points.gpkg", classes=CLASSES, field="kind", block=100)
    right = np.trace(result.matrix)
    assert figures["interval_95"]["overall_accuracy"] == wilson_interval(right, 16).tolist()
    assert figures["interval_of"].startswith("16 labelled pixels, no two of them in one")
    figures, _ = assess_map(folder / "map.tif", folder / "points.gpkg", classes=CLASSES, field="kind", block=200)
    assert figures["interval_of"].startswith("4 blocks of 200 m")


def test_a_reference_of_other_ground_is_refused(folder: Path) -> None:
    write_cog(folder / "empty.tif", np.zeros(GRID.shape, np.uint8), GRID, nodata=0)
    with pytest.raises(InputError, match=r"empty\.tif labels no pixel"):
        assess_map(folder / "map.tif", folder / "empty.tif", classes=CLASSES)
