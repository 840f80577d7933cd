from pathlib import Path

import numpy as np
import pytest
import rasterio
from defusedxml import ElementTree
from hypothesis import given
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from citygrain.errors import InputError, OutputError
from citygrain.legend import LCZ, URBAN, Legend
from citygrain.maps.styles import qml_style
from citygrain.maps.thematic_map import ThematicMap
from citygrain.tessellation import raster_like


def drawn(seed: int = 0, shape: tuple[int, int] = (40, 60), legend: Legend = URBAN) -> ThematicMap:
    rng = np.random.default_rng(seed)
    grid = GeoBox.from_bbox((0, 0, 10 * shape[1], 10 * shape[0]), "EPSG:32633", shape=shape)
    codes = rng.choice(np.append(legend.values, 0), shape).astype(np.uint8)
    confidence = np.where(codes > 0, rng.integers(0, 101, shape) / 100, np.nan).astype(np.float32)
    return ThematicMap(raster_like(codes, grid), raster_like(confidence, grid), legend)


def test_written_map_is_read_map(tmp_path: Path) -> None:
    city = drawn()
    city.write(tmp_path / "map.tif")
    back = ThematicMap.read(tmp_path / "map.tif", URBAN)
    assert np.array_equal(back.codes.values, city.codes.values)
    assert back.geobox == city.geobox
    np.testing.assert_allclose(back.confidence.values, city.confidence.values, atol=1e-6)


def test_the_file_says_names_and_colours(tmp_path: Path) -> None:
    drawn(legend=LCZ).write(tmp_path / "map.tif")
    with rasterio.open(tmp_path / "map.tif") as file:
        assert file.nodata == 0 and file.dtypes == ("uint8",)
        colors = file.colormap(1)
        assert all(colors[c.code] == (*c.rgb, 255) for c in LCZ) and colors[0][3] == 0
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
    sidecar = (tmp_path / "map.tif.aux.xml").read_text(encoding="utf-8")
    assert "Compact high-rise" in sidecar and "Bush, scrub" in sidecar


def test_the_same_map_is_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        drawn().write(tmp_path / name / "map.tif")
    for file in ("map.tif", "map.qml", "confidence.tif"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


@given(st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1))
def test_hostile_names_stay_text_in_the_style(name: str) -> None:
    root = ElementTree.fromstring(qml_style(Legend.from_names({1: name})).split("\n", 1)[1], forbid_dtd=True)
    assert [entry.attrib["label"] for entry in root.iter("paletteEntry")] == [name]


def test_area_counts_pixels() -> None:
    city = drawn()
    assert city.area_ha()["Crop"] == pytest.approx((city.codes.values == 2).sum() / 100)


def test_area_wants_metres() -> None:
    grid = GeoBox.from_bbox((0, 0, 1, 1), "EPSG:4326", resolution=0.1)
    codes = raster_like(np.ones((10, 10), np.uint8), grid)
    with pytest.raises(InputError, match="metric"):
        ThematicMap(codes, codes.astype("float32"), URBAN).area_ha()


def test_missing_broken_and_foreign_maps_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        ThematicMap.read(tmp_path / "none.tif", URBAN)
    (tmp_path / "text.tif").write_text("no raster")
    with pytest.raises(InputError, match="cannot be read"):
        ThematicMap.read(tmp_path / "text.tif", URBAN)
    drawn(legend=LCZ).write(tmp_path / "map.tif")
    with pytest.raises(InputError, match="not in legend"):
        ThematicMap.read(tmp_path / "map.tif", URBAN)


def test_a_file_in_the_place_of_the_folder_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OutputError):
        drawn().write(tmp_path / "file" / "map.tif")
