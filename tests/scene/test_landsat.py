"""Landsat Collection 2: the numbers that were written, by the group of the MTL file that speaks of them."""

import re
from pathlib import Path

import numpy as np
import pytest

from citygrain.errors import InputError
from citygrain.scene.landsat import parse_mtl
from citygrain.scene.read import read_scene
from helpers.landsat_products import tar_product, write_landsat


@pytest.mark.parametrize("form", ["txt", "json", "xml"])
@pytest.mark.parametrize("level", ["L1TP", "L2SP"])
@pytest.mark.parametrize("packed", [False, True])
def test_what_was_written_is_what_is_read(tmp_path: Path, form: str, level: str, packed: bool) -> None:
    product = write_landsat(tmp_path, level=level, form=form, hole=True)
    product = tar_product(product) if packed else product
    scene = read_scene(product.path)
    assert scene.band.values.tolist() == ["B1", "B2", "B3", "B4", "B5", "B6", "B7"]
    for band in scene.band.values:
        np.testing.assert_allclose(scene.sel(band=band).values, product.truth[band], atol=2e-7)
    wanted = {
        "level": "SR" if level == "L2SP" else "TOA",
        "time": "2020-12-04T19:02:11Z",
        "tile": "047027",
        "sensor": "landsat-8",
        "units": "reflectance",
    }
    assert {key: scene.attrs[key] for key in wanted} == wanted


def test_heat_and_masks_are_read_by_name(tmp_path: Path) -> None:
    product = write_landsat(tmp_path, hole=True)
    scene = read_scene(product.path, bands=["red", "B10", "QA_PIXEL"], sensor="landsat-8")
    np.testing.assert_allclose(scene.sel(band="B10").values, product.truth["B10"], rtol=1e-6)
    np.testing.assert_array_equal(scene.sel(band="QA_PIXEL").values, product.truth["QA_PIXEL"])
    alone = read_scene(product.path, bands=["QA_PIXEL"])
    np.testing.assert_array_equal(alone.values[0], product.truth["QA_PIXEL"])


@pytest.mark.parametrize(("spacecraft", "sensor"), [(9, "landsat-8"), (7, "landsat-7"), (5, "landsat-7")])
def test_each_spacecraft_has_its_numbering(tmp_path: Path, spacecraft: int, sensor: str) -> None:
    product = write_landsat(tmp_path, spacecraft=spacecraft)
    scene = read_scene(product.path, bands=["nir"])
    assert scene.attrs["sensor"] == sensor
    np.testing.assert_allclose(scene.values[0], product.truth["B5" if spacecraft > 7 else "B4"], atol=2e-7)


def test_another_sensor_than_its_own_is_refused(tmp_path: Path) -> None:
    product = write_landsat(tmp_path)
    with pytest.raises(InputError, match=r'is of landsat-8, asked for as sentinel-2; .* set sensor = "landsat-8"'):
        read_scene(product.path, sensor="sentinel-2")


BAD = {
    "collection 1": ("COLLECTION_NUMBER = 02", "COLLECTION_NUMBER = 01", "is of collection 01"),
    "no number": ("REFLECTANCE_MULT_BAND_4 = ", "X = ", "has no REFLECTANCE_MULT_BAND_4"),
    "no numbers at all": ("LEVEL2_SURFACE_REFLECTANCE_PARAMETERS", "X", "has no group LEVEL2_SURFACE_REFLECTANCE"),
    "a factor of 0": ('REFLECTANCE_MULT_BAND_4 = "2.75e-05"', "REFLECTANCE_MULT_BAND_4 = 0", "MULT_BAND_4 0"),
    "a word": ("REFLECTANCE_ADD_BAND_4 = -0.2", "REFLECTANCE_ADD_BAND_4 = nan", "REFLECTANCE_ADD_BAND_4 'nan'"),
    "files elsewhere": ("_SR_B4.TIF", "_SR_B4.TIF/../../../../x.TIF", "lists"),
    "no files": ("FILE_NAME_BAND", "X", "holds none of the images"),
    "nothing": (".*", "", "has no group PRODUCT_CONTENTS"),
}


@pytest.mark.parametrize("case", BAD)
def test_metadata_that_say_too_little_are_answered_by_one_line(tmp_path: Path, case: str) -> None:
    before, after, message = BAD[case]
    product = write_landsat(tmp_path)
    file = next(product.path.glob("*_MTL.txt"))
    text = file.read_text()
    changed = re.sub(".*", "", text) if before == ".*" else text.replace(before, after)
    assert changed != text
    file.write_text(changed)
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        read_scene(product.path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x_MTL.json", b"{"),
        ("x_MTL.json", b"[]"),
        ("x_MTL.json", b'{"LANDSAT_METADATA_FILE": {"A": 3}}'),
        ("x_MTL.json", b"[" * 100_000),
        ("x_MTL.xml", b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'),
        ("x_MTL.xml", b"<a>"),
        ("x_MTL.txt", b"\xff\xfe\x00"),
    ],
)
def test_metadata_that_cannot_be_read_are_answered_by_one_line(name: str, content: bytes) -> None:
    with pytest.raises(InputError, match=rf"{name} cannot be read") as caught:
        parse_mtl(content, name)
    assert "\n" not in str(caught.value)


def test_a_truncated_or_packed_tar_is_refused(tmp_path: Path) -> None:
    product = tar_product(write_landsat(tmp_path))
    whole = product.path.read_bytes()
    product.path.write_bytes(whole[: len(whole) // 3])
    with pytest.raises(InputError, match=r"is without B\d.* download it again|breaks off|cannot be"):
        read_scene(product.path)
    packed = tmp_path / "x.tar.gz"
    packed.write_bytes(b"")
    with pytest.raises(InputError, match=r"x\.tar\.gz is packed as a whole; wanted: the \.tar"):
        read_scene(packed)
