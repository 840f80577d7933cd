"""Sentinel-2 products in SAFE: what was written is what is read, with the offset that it has, and nothing else is."""

import logging
import os
import pickle
import re
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import example, given, settings
from hypothesis import strategies as st

from citygrain.errors import InputError
from citygrain.lazy import is_lazy
from citygrain.scene.find_product import is_product
from citygrain.scene.read import read_scene
from citygrain.scene.safe import parse_metadata
from helpers.safe_products import GRANULE, NATIVE, Safe, ground_of, product_xml, write_safe, zip_safe

TEN = ["B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12"]
STEP = 1e-4
"""What a number stands for."""
CASES = [(level, baseline) for level in ("L1C", "L2A") for baseline in ("02.14", "04.00", "05.09")]


def on_grid(safe: Safe, band: str, resolution: int = 10) -> np.ndarray:
    """The truth of a band on a finer grid: repeated."""
    times = NATIVE[band] // resolution
    return safe.truth[band].repeat(times, 0).repeat(times, 1)


@pytest.fixture(scope="module")
def l2a(tmp_path_factory: pytest.TempPathFactory) -> Safe:
    return write_safe(tmp_path_factory.mktemp("l2a"), hole=True, saturated=True)


# ---- what was written is what is read --------------------------------------------------------------------------


@pytest.mark.parametrize(("level", "baseline"), CASES)
@pytest.mark.parametrize("zipped", [False, True])
def test_what_was_written_is_what_is_read(tmp_path: Path, level: str, baseline: str, zipped: bool) -> None:
    safe = write_safe(tmp_path, level=level, baseline=baseline, size=600)
    safe = zip_safe(safe) if zipped else safe
    scene = read_scene(safe.path)
    assert scene.band.values.tolist() == TEN
    assert scene.odc.geobox.shape == (60, 60)
    assert tuple(scene.odc.geobox.affine)[:6] == (10, 0, 300_000, 0, -10, 5_900_040)
    for band in TEN:
        np.testing.assert_allclose(scene.sel(band=band).values, on_grid(safe, band), atol=STEP / 100)
    assert scene.attrs["level"] == level
    assert scene.attrs["baseline"] == baseline
    assert scene.attrs["time"] == "2021-05-27T10:15:59Z"
    assert scene.attrs["tile"] == "33UUU"
    assert scene.attrs["offset"] == pytest.approx(safe.offset / 10_000)
    assert scene.attrs["units"] == "reflectance"
    assert "by metadata and data" in scene.attrs["radiometry"]


def test_no_data_and_saturation_are_no_measurements(l2a: Safe) -> None:
    scene = read_scene(l2a.path)
    for band in TEN:
        truth = on_grid(l2a, band)
        np.testing.assert_array_equal(np.isnan(scene.sel(band=band).values), np.isnan(truth))
    assert np.isnan(scene.values[:, :20, :20]).all()
    assert np.isnan(scene.values[:, -1, -1]).all()


def test_the_resolutions_come_to_one_grid_and_it_is_said(l2a: Safe, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "citygrain"):
        scene = read_scene(l2a.path, bands=["B04", "B05", "B11"])
    assert "B05, B11: resampled to the grid of" in caplog.text
    assert "by nearest neighbour" in caplog.text
    assert scene.attrs["resampling"] == "B05, B11 from 20 by nearest neighbour"


def test_l2a_at_20_m_takes_the_files_of_20_m_and_the_mean_where_there_is_none(
    l2a: Safe, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "citygrain"):
        scene = read_scene(l2a.path, resolution=20)
    assert scene.odc.geobox.shape == (60, 60)
    assert "B08: resampled to pixels of 20 by the mean of 2 x 2 pixels" in caplog.text
    numbers = l2a.numbers["B04", 20].astype(float)
    numbers[(numbers == 0) | (numbers == 65_535)] = np.nan
    np.testing.assert_allclose(scene.sel(band="B04").values, (numbers - 1000) / 10_000, atol=STEP / 100)
    with np.errstate(invalid="ignore"), pytest.warns(RuntimeWarning, match="empty slice"):
        mean = np.nanmean(l2a.truth["B08"].reshape(60, 2, 60, 2).swapaxes(1, 2).reshape(60, 60, 4), axis=-1)
    np.testing.assert_allclose(scene.sel(band="B08").values, mean, atol=STEP / 100)


def test_l1c_at_20_m_is_the_mean(tmp_path: Path) -> None:
    safe = write_safe(tmp_path, level="L1C", size=600)
    scene = read_scene(safe.path, bands=["B04", "B05", "B01"], resolution=20)
    mean = safe.truth["B04"].reshape(30, 2, 30, 2).mean((1, 3))
    np.testing.assert_allclose(scene.sel(band="B04").values, mean, atol=STEP / 100)
    np.testing.assert_allclose(scene.sel(band="B05").values, safe.truth["B05"], atol=STEP / 100)
    np.testing.assert_allclose(scene.sel(band="B01").values, on_grid(safe, "B01", 20), atol=STEP / 100)


def test_bands_of_20_m_alone_keep_their_grid(l2a: Safe) -> None:
    assert read_scene(l2a.path, bands=["B05", "swir16"]).odc.geobox.shape == (60, 60)
    assert read_scene(l2a.path, bands=["B05"], resolution=10).odc.geobox.shape == (120, 120)


def test_masks_are_read_by_name(l2a: Safe) -> None:
    scene = read_scene(l2a.path, bands=["B04", "SCL", "cld"])
    classes = l2a.numbers["SCL", 20].repeat(2, 0).repeat(2, 1).astype(float)
    there = np.isfinite(scene.sel(band="B04").values)
    np.testing.assert_array_equal(scene.sel(band="SCL").values[there], classes[there])
    assert (scene.sel(band="CLD").values[there] == 3).all()


@pytest.mark.parametrize("zipped", [False, True])
def test_windows_are_the_whole(tmp_path: Path, zipped: bool) -> None:
    safe = write_safe(tmp_path, size=600, hole=True)
    safe = zip_safe(safe) if zipped else safe
    for resolution in (10, 20):
        whole = read_scene(safe.path, resolution=resolution)
        lazy = read_scene(safe.path, resolution=resolution, lazy=True)
        assert is_lazy(lazy)
        for rows, columns in ((slice(0, 7), slice(3, 20)), (slice(11, 30), slice(0, 30)), (slice(29, 30), slice(5, 6))):
            np.testing.assert_array_equal(lazy[:, rows, columns].values, whole[:, rows, columns].values)


@pytest.mark.parametrize("name", ["with space", "größe", "a{1}b", "a#1?b=c%20", "x.zip.d"])
def test_a_zip_in_a_strange_place_is_found(tmp_path: Path, name: str) -> None:
    zipped = zip_safe(write_safe(tmp_path / name, size=600))
    np.testing.assert_allclose(read_scene(zipped.path, bands=["B04"]).values[0], zipped.truth["B04"], atol=STEP / 100)


def test_another_process_reads_its_own_windows(tmp_path: Path) -> None:
    for safe in (write_safe(tmp_path / "a", size=600), zip_safe(write_safe(tmp_path / "b", size=600))):
        lazy = read_scene(safe.path, lazy=True)
        sent = pickle.dumps(lazy)
        assert len(sent) < 50_000
        np.testing.assert_array_equal(pickle.loads(sent)[:, 7:30, 9:31].values, lazy[:, 7:30, 9:31].values)  # noqa: S301


def test_a_rectangle_of_it(l2a: Safe) -> None:
    whole = read_scene(l2a.path)
    west, south, east, north = 12.02, 53.2055, 12.028, 53.21
    part = read_scene(l2a.path, bbox=(west, south, east, north), lazy=True)
    assert 0 < part.sizes["x"] < whole.sizes["x"]
    assert 0 < part.sizes["y"] < whole.sizes["y"]
    xr.testing.assert_allclose(part.load(), whole.sel(x=part.x, y=part.y))
    with pytest.raises(InputError, match="lies beside the scene; wanted: some of 12"):
        read_scene(l2a.path, bbox=(2, 48, 3, 49))


def test_geotiff_bands_are_read_too(tmp_path: Path) -> None:
    safe = write_safe(tmp_path, size=600, suffix=".tif")
    np.testing.assert_allclose(read_scene(safe.path).sel(band="B04"), safe.truth["B04"], atol=STEP / 100)


def test_the_folder_around_a_safe_and_its_metadata_file_are_the_product(tmp_path: Path) -> None:
    safe = write_safe(tmp_path / "unpacked", size=600)
    whole = read_scene(safe.path)
    xr.testing.assert_equal(read_scene(safe.path.parent), whole)
    xr.testing.assert_equal(read_scene(safe.metadata), whole)


def test_a_real_city_as_a_product(tmp_path: Path, data: Path) -> None:
    # Its numbers are those of a catalogue that had taken the 1000 off.
    real = read_scene(data / "scenes/berlin/s2_20241024.tif", scale=10_000)[:, :600, :600]
    ground = ground_of(real)
    for baseline, added, fits in (("05.10", -1000.0, True), ("02.14", 0.0, True), ("05.10", 0.0, False)):
        safe = write_safe(tmp_path / f"{baseline}{fits}", baseline=baseline, offset=added, ground=ground, suffix=".tif")
        if fits:
            scene = read_scene(safe.path)
            np.testing.assert_allclose(scene.sel(band="B04"), safe.truth["B04"], atol=STEP / 100)
            assert "data" in scene.attrs["radiometry"]
        else:
            refused(safe.path, "its metadata say -1000 .*, its numbers say 0")


# ---- the offset ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("baseline", "real"), [("05.09", 0.0), ("02.14", -1000.0)])
def test_an_offset_that_the_numbers_contradict_is_refused_and_can_be_overruled(
    tmp_path: Path, baseline: str, real: float
) -> None:
    safe = write_safe(tmp_path, baseline=baseline, offset=real)
    with pytest.raises(InputError, match=r"its metadata say .*, its numbers say .*set offset = 0 or offset = -0\.1"):
        read_scene(safe.path)
    scene = read_scene(safe.path, offset=real / 10_000)
    np.testing.assert_allclose(scene.sel(band="B04"), safe.truth["B04"], atol=STEP / 100)
    assert scene.attrs["evidence"].startswith(f"given: {real:g}; metadata ")


def test_metadata_without_the_offset_of_their_baseline_are_refused(tmp_path: Path) -> None:
    safe = write_safe(tmp_path, size=600)
    text = re.sub("<BOA_ADD_OFFSET_VALUES_LIST>.*</BOA_ADD_OFFSET_VALUES_LIST>", "", safe.metadata.read_text())
    safe.metadata.write_text(text)
    with pytest.raises(InputError, match=r"MTD_MSIL2A\.xml of baseline 05\.09 has no BOA_ADD_OFFSET"):
        read_scene(safe.path)


def test_digital_numbers_stay_as_they_are(l2a: Safe) -> None:
    scene = read_scene(l2a.path, bands=["B04"], reflectance=False)
    there = np.isfinite(scene.values[0])
    np.testing.assert_array_equal(scene.values[0][there], l2a.numbers["B04", 10][there])
    assert scene.attrs["units"] == "digital numbers"


# ---- what must be refused --------------------------------------------------------------------------------------


def refused(path: Path, match: str, **options: object) -> None:
    with pytest.raises(InputError, match=match) as caught:
        read_scene(path, **options)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_bands_that_are_not_there_are_named(l2a: Safe) -> None:
    refused(l2a.path, r"band B10 is not in S2A_.*\(Sentinel-2 L2A\); wanted: from B02", bands=["B04", "B10"])
    refused(l2a.path, r"is of sentinel-2, asked for as landsat-8", sensor="landsat-8")
    refused(l2a.path, r"band B04 is asked for twice", bands=["B04", "red"])


ENTITY = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'
LAUGHS = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;&x;">]><a>&y;</a>'
HOSTILE = {
    "an external entity": (lambda _: ENTITY, "is no XML that can be read"),
    "a billion laughs": (lambda _: LAUGHS, "is no XML that can be read"),
    "half a file": (lambda text: text[: len(text) // 2], "is no XML that can be read"),
    "nothing": (lambda _: "", "is no XML that can be read"),
    "another encoding": (lambda text: text.replace("UTF-8", "klingon-8"), "is no XML that can be read"),
    "no level": (lambda text: text.replace("PROCESSING_LEVEL", "X"), "has no PROCESSING_LEVEL"),
    "no baseline": (lambda text: text.replace("PROCESSING_BASELINE", "X"), "has no PROCESSING_BASELINE"),
    "a strange baseline": (lambda text: text.replace(">05.09<", "><![CDATA[<b>]]><"), "has PROCESSING_BASELINE '<b>'"),
    "no time": (lambda text: text.replace("PRODUCT_START_TIME", "X"), "has no PRODUCT_START_TIME"),
    "no quantification": (lambda text: text.replace("BOA_QUANTIFICATION", "X"), "has no BOA_QUANTIFICATION_VALUE"),
    "a quantification of 0": (lambda text: text.replace(">10000<", ">0<"), "has BOA_QUANTIFICATION_VALUE '0'"),
    "an infinite one": (lambda text: text.replace(">10000<", ">1e999<"), "has BOA_QUANTIFICATION_VALUE '1e999'"),
    "offset of a band 13": (lambda text: text.replace('band_id="12"', 'band_id="13"'), "of band_id '13'"),
    "an offset that is none": (lambda text: text.replace(">-1000<", ">-thousand<", 1), "BOA_ADD_OFFSET '-thousand'"),
    "two offsets": (lambda text: text.replace(">-1000<", ">-900<", 1), "has BOA_ADD_OFFSET -1000, -900 for 13 bands"),
    "offsets of 12 bands": (
        lambda text: re.sub('<BOA_ADD_OFFSET band_id="4">.*?/BOA_ADD_OFFSET>', "", text),
        "12 bands",
    ),
    "no images": (lambda text: re.sub("<IMAGE_FILE>.*</IMAGE_FILE>", "", text), "holds none of the 0 images"),
    "another level": (lambda text: text.replace(">Level-2A<", ">Level-1C<"), "says Level-1C"),
    "images elsewhere": (
        lambda text: text.replace(f"GRANULE/L2A_{GRANULE}", "../../elsewhere"),
        "which is not within the product",
    ),
    "images from the root": (lambda text: text.replace(f"GRANULE/L2A_{GRANULE}", "/var"), "not within the product"),
}


METADATA = [
    product_xml("S2A.SAFE", "L2A", baseline, [f"GRANULE/L2A_{GRANULE}/IMG_DATA/R10m/T33UUU_B02_10m"], said).encode()
    for baseline, said in (("02.14", 0.0), ("05.09", -1000.0))
]


@pytest.fixture(scope="module")
def zipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return zip_safe(write_safe(tmp_path_factory.mktemp("zip"), size=600)).path


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_metadata_are_answered_by_one_line(tmp_path: Path, l2a: Safe, case: str) -> None:
    change, message = HOSTILE[case]
    text = change(l2a.metadata.read_text(encoding="utf-8"))
    root = tmp_path / "x.SAFE"
    root.mkdir()
    (root / "MTD_MSIL2A.xml").write_text(text, encoding="utf-8")
    try:
        parse_metadata(text.encode(), "MTD_MSIL2A.xml")
    except InputError:
        refused(root, message)
    else:
        original = l2a.metadata.read_bytes()
        try:
            l2a.metadata.write_text(text, encoding="utf-8")
            refused(l2a.path, message)
        finally:
            l2a.metadata.write_bytes(original)


@given(st.data())
def test_metadata_changed_anywhere_are_read_or_refused(data: st.DataObject) -> None:
    content = data.draw(st.sampled_from(METADATA))
    place = data.draw(st.integers(0, len(content)))
    gone, come = data.draw(st.integers(0, 40)), data.draw(st.binary(max_size=20))
    try:
        about = parse_metadata(content[:place] + come + content[place + gone :], "MTD_MSIL2A.xml")
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert np.isfinite([about.quantification, *about.offsets.values()]).all()
        assert about.quantification > 0


@given(place=st.floats(0, 1), change=st.integers(1, 255))
@example(place=0.919921875, change=1)  # a letter of a name in the zip's own list
@settings(max_examples=25)
def test_a_zip_with_a_wrong_byte_is_read_or_refused(zipped: Path, place: float, change: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.zip"
        content = bytearray(zipped.read_bytes())
        content[min(int(place * len(content)), len(content) - 1)] ^= change
        path.write_bytes(content)
        try:
            scene = read_scene(path, bands=["B04", "B05"])
        except InputError as error:
            assert "\n" not in str(error)
        else:
            assert scene.shape == (2, 60, 60)


def test_huge_metadata_are_not_read(tmp_path: Path) -> None:
    root = tmp_path / "x.SAFE"
    root.mkdir()
    with (root / "MTD_MSIL2A.xml").open("wb") as file:
        file.truncate(2**30)
    refused(root, "has more than 16 MB")
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.SAFE/MTD_MSIL2A.xml", b" " * 2**26)
    refused(tmp_path / "x.zip", "has more than 16 MB")


def test_a_product_without_one_of_its_bands_is_refused_unless_the_others_are_asked_for(tmp_path: Path) -> None:
    safe = write_safe(tmp_path, level="L1C")
    safe.file("B8A", 20).unlink()
    refused(safe.path, r"is without B8A, which its metadata list; wanted: a whole product")
    assert read_scene(safe.path, bands=["B04", "B08", "B11"]).sizes["band"] == 3
    refused(safe.path, "band B8A is not in", bands=["B8A"])


def test_a_band_that_is_lost_in_its_finest_resolution_is_not_read_from_a_coarser_one(tmp_path: Path) -> None:
    safe = write_safe(tmp_path, level="L2A")
    safe.file("B04", 10).unlink()
    lost = r"is without B04 at 10 m, which its metadata list; wanted: a whole product; .* by resolution = 20"
    for bands in (["B04", "B05"], ["B04", "B08"], None):
        refused(safe.path, lost, bands=bands)
    assert read_scene(safe.path, bands=["B04", "B05"], resolution=20).odc.geobox.resolution.x == 20
    assert read_scene(safe.path, bands=["B05", "B08"]).odc.geobox.resolution.x == 10


@pytest.mark.parametrize("zipped", [False, True])
def test_a_truncated_band_is_named(tmp_path: Path, zipped: bool) -> None:
    safe = write_safe(tmp_path, size=1200)
    band = safe.file("B04", 10)
    band.write_bytes(band.read_bytes()[: band.stat().st_size // 2])
    safe = zip_safe(safe, stored=True) if zipped else safe
    refused(safe.path, r"T33UUU_20210527T101559_B04_10m\.jp2 (breaks off or is damaged|cannot be opened)")
    assert np.isfinite(read_scene(safe.path, bands=["B02", "B03", "B08"]).values).all()


def test_a_truncated_zip_is_refused(tmp_path: Path) -> None:
    safe = zip_safe(write_safe(tmp_path, size=600))
    safe.path.write_bytes(safe.path.read_bytes()[:-4000])
    refused(safe.path, r"breaks off or is damaged .*copy or download it again")


def test_links_out_of_the_product_are_not_followed(tmp_path: Path) -> None:
    safe = write_safe(tmp_path / "in", size=600)
    band = safe.file("B04", 10)
    band.rename(tmp_path / "elsewhere.jp2")
    band.symlink_to(tmp_path / "elsewhere.jp2")
    refused(safe.path, r"B04_10m\.jp2 in S2A_.* is a link that leads out of the product")
    # The product itself may be reached through a link, and one band may be a link to another.
    band.unlink()
    band.symlink_to(safe.file("B03", 10).name)
    (tmp_path / "link.SAFE").symlink_to(safe.path)
    scene = read_scene(tmp_path / "link.SAFE")
    np.testing.assert_allclose(scene.sel(band="B04"), safe.truth["B03"], atol=STEP / 100)


def test_a_folder_of_links_is_not_followed(tmp_path: Path) -> None:
    safe = write_safe(tmp_path / "in", size=600)
    images = safe.granule / "IMG_DATA"
    images.rename(tmp_path / "elsewhere")
    images.symlink_to(tmp_path / "elsewhere")
    refused(safe.path, "holds none of the")


def test_a_band_that_is_a_list_of_other_files_is_not_opened(tmp_path: Path) -> None:
    safe = write_safe(tmp_path, size=600)
    band, other = safe.file("B04", 10), safe.file("B03", 10)
    band.write_text(
        '<VRTDataset rasterXSize="60" rasterYSize="60"><VRTRasterBand dataType="UInt16" band="1"><SimpleSource>'
        f"<SourceFilename>{other}</SourceFilename><SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"
    )
    refused(safe.path, r"B04_10m\.jp2 cannot be opened as a raster")


def test_products_from_before_december_2016_are_refused(tmp_path: Path) -> None:
    root = tmp_path / "S2A_OPER_PRD_MSIL1C_PDMC_20160905T104813_R002_V20160905T005712_20160905T010424.SAFE"
    root.mkdir()
    (root / "S2A_OPER_MTD_SAFL1C_PDMC_20160905T104813_R002_V20160905T005712_20160905T010424.xml").write_text("<a/>")
    refused(root, "in the format of before December 2016")
    assert is_product(root)  # so that no command takes it for a folder of patches


def test_two_products_in_a_zip_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("a.SAFE/MTD_MSIL2A.xml", "<a/>")
        archive.writestr("b.SAFE/MTD_MSIL1C.xml", "<a/>")
    refused(tmp_path / "x.zip", "2 products")
    with zipfile.ZipFile(tmp_path / "y.zip", "w") as archive:
        archive.writestr("a/b.txt", "nothing")
    refused(tmp_path / "y.zip", "holds no product")


def test_names_in_a_zip_that_lead_out_are_not_seen(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("../MTD_MSIL2A.xml", "<a/>")
        archive.writestr("/var/MTD_MSIL2A.xml", "<a/>")
    refused(tmp_path / "x.zip", "holds no product")


def test_an_unreadable_folder_is_one_line(tmp_path: Path) -> None:
    root = tmp_path / "x.SAFE"
    root.mkdir()
    root.chmod(0)
    try:
        if os.access(root, os.R_OK):
            pytest.skip("permissions do not bind this user")
        refused(root, "cannot be read")
    finally:
        root.chmod(0o755)
