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
from citygrain.maps.thematic_map import ThematicMap, share_numbers, write_probabilities
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


def filtered(shape: tuple[int, int]) -> ThematicMap:
    city = drawn(shape=shape, legend=LCZ)
    smooth = np.where(city.codes.values > 0, np.roll(city.codes.values, 1, 0).clip(1), 0).astype(np.uint8)
    return ThematicMap(city.codes, city.confidence, LCZ, raster_like(smooth, city.geobox))


def test_a_filtered_map_has_the_bands_of_the_generator(tmp_path: Path) -> None:
    city = filtered(shape=(300, 280))
    city.write(tmp_path / "map.tif")
    with rasterio.open(tmp_path / "map.tif") as file:
        assert file.descriptions == ("lcz", "lczFilter") and file.nodatavals == (0, 0)
        for number, wanted in ((1, city.codes), (2, city.recommended)):
            values = file.read(number)
            assert np.array_equal(values, wanted.values)
            assert (values.min(), values.max()) == (0, 17)
            assert np.array_equal(file.read_masks(number) > 0, values > 0)
        assert file.colormap(1)[17] == (106, 106, 255, 255)
        assert [kind.name for kind in file.colorinterp] == ["palette", "undefined"]  # no band is taken for transparency
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
    with rasterio.open(tmp_path / "map.tif", overview_level=0) as file:
        assert [kind.name for kind in file.colorinterp] == ["palette", "undefined"]
        assert np.isin(file.read(), np.append(LCZ.values, 0)).all()
    back = ThematicMap.read(tmp_path / "map.tif", LCZ)
    assert back.filtered is not None and np.array_equal(back.filtered.values, city.recommended.values)
    assert (tmp_path / "map.tif.aux.xml").read_text(encoding="utf-8").count("Compact high-rise") == 4
    assert 'band="2"' in (tmp_path / "map.qml").read_text(encoding="utf-8")
    counted = (city.recommended.values == 6).sum() / 100
    assert city.area_ha(filtered=True)["Open low-rise"] == pytest.approx(counted)


def test_what_does_not_fit_the_codes_is_refused() -> None:
    city = drawn()
    with pytest.raises(InputError, match="filtered codes"):
        ThematicMap(city.codes, city.confidence, URBAN, city.codes[:5])
    with pytest.raises(InputError, match="type int64"):
        ThematicMap(city.codes, city.confidence, URBAN, city.codes.astype(np.int64))


def test_colour_map_file_has_a_line_for_each_class(tmp_path: Path) -> None:
    drawn(legend=LCZ).write(tmp_path / "map.tif")
    lines = [tuple(map(int, line.split(" "))) for line in (tmp_path / "map.clr").read_text().splitlines()]
    assert lines == [(c.code, *c.rgb) for c in LCZ]


def test_probabilities_are_read_back_with_their_scale(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.ones(4), (40, 60)).astype(np.float32).transpose(2, 0, 1)
    shares[:, 3, 5] = np.nan
    write_probabilities(tmp_path / "p.tif", share_numbers(shares), drawn().geobox, URBAN)
    with rasterio.open(tmp_path / "p.tif") as file:
        assert file.descriptions == URBAN.names and file.dtypes[0] == "uint16" and file.nodata == 65535
        read = file.read(masked=True) * np.array(file.scales)[:, None, None]
    assert np.array_equal(read.mask, np.isnan(shares))
    np.testing.assert_allclose(read.filled(np.nan), shares, atol=5.1e-5)
