"""Any map against any reference: a map agrees with itself, whatever its codes are called."""

from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
from odc.geo.geobox import GeoBox
from shapely.geometry import box

from citygrain.errors import InputError
from citygrain.scene.write import write_cog
from citygrain.workflows.comparing import assess_files

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
    found = assess_files(path, path, classes=classes)
    assert found.overall_accuracy == 1.0
    assert len(found.legend) == count and np.count_nonzero(found.matrix) == count


def test_a_map_that_names_its_classes_is_read_by_name(tmp_path: Path) -> None:
    """Our own map of a reference whose classes were merged: its codes are not the reference's."""
    reference = write(tmp_path / "reference.tif", [10, 20, 50])
    mapped = write(tmp_path / "map.tif", [1, 1, 2], {1: "Green", 2: "Built"})
    found = assess_files(mapped, reference, classes={"10": "Green", "20": "Green", "50": "Built"})
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
    found = assess_files(tmp_path / "map.tif", tmp_path / "areas.gpkg", classes=classes, field="kind")
    assert found.overall_accuracy == 1.0 and found.legend.names == ("Forest", "Town")
    codes[0, 0] = 7
    write_cog(tmp_path / "map.tif", codes, GRID)
    with pytest.raises(InputError, match=r"map.tif holds 7 \(1 pixels\), which no class has"):
        assess_files(tmp_path / "map.tif", tmp_path / "areas.gpkg", classes=classes, field="kind")


def test_a_value_without_a_class_is_refused(tmp_path: Path) -> None:
    reference, mapped = write(tmp_path / "reference.tif", [1, 2]), write(tmp_path / "map.tif", [1, 2, 9])
    with pytest.raises(InputError, match=r"map\.tif holds 9"):
        assess_files(mapped, reference, classes={"1": "A", "2": "B"})
