"""A product as one file: what is read from it is what the product holds, and it says where it comes from."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import rasterio

from citygrain.errors import InputError
from citygrain.scene.read import read_scene
from citygrain.workflows.scene_file import SceneRequest, write_scene
from helpers.landsat_products import write_landsat
from helpers.safe_products import write_safe, zip_safe


@pytest.mark.parametrize("resolution", [10, 20])
def test_the_file_reads_as_the_product_does(tmp_path: Path, resolution: float) -> None:
    safe = write_safe(tmp_path, hole=True)
    told = write_scene(SceneRequest((safe.path,), resolution=resolution), tmp_path / "scene.tif")
    before, after = read_scene(safe.path, resolution=resolution), read_scene(tmp_path / "scene.tif")
    np.testing.assert_allclose(after.values, before.values, atol=0.51e-4)
    np.testing.assert_array_equal(np.isnan(after.values), np.isnan(before.values))
    for key in ("level", "baseline", "time", "tile", "radiometry", "evidence", "resampling", "product", "units"):
        assert after.attrs[key] == before.attrs[key], key
    assert after.band.values.tolist() == told["bands"] == before.band.values.tolist()
    assert after.odc.geobox == before.odc.geobox
    assert (told["level"], told["pixel"], told["crs"]) == ("L2A", resolution, "EPSG:32633")
    with rasterio.open(tmp_path / "scene.tif") as file:
        assert file.tags()["CITYGRAIN_LEVEL"] == "L2A"
        assert (file.dtypes[0], file.nodata) == ("int16", -32768)


def test_the_zip_gives_the_same_bytes_as_the_folder(tmp_path: Path) -> None:
    safe = write_safe(tmp_path)
    write_scene(SceneRequest((safe.path,)), tmp_path / "a.tif")
    write_scene(SceneRequest((zip_safe(safe).path,)), tmp_path / "b.tif")
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()


def test_masks_and_heat_make_it_floats(tmp_path: Path) -> None:
    safe = write_safe(tmp_path / "s")
    write_scene(SceneRequest((safe.path,), bands=("B04", "SCL")), tmp_path / "s.tif")
    before, after = read_scene(safe.path, bands=["B04", "SCL"]), read_scene(tmp_path / "s.tif")
    np.testing.assert_array_equal(after.values, before.values)
    landsat = write_landsat(tmp_path / "l", hole=True)
    write_scene(SceneRequest((landsat.path,), bands=("B4", "B10")), tmp_path / "l.tif")
    after = read_scene(tmp_path / "l.tif", sensor="landsat-8")
    np.testing.assert_allclose(after.sel(band="B10").values, landsat.truth["B10"], rtol=1e-6)
    assert (after.attrs["level"], after.attrs["units"]) == ("SR", "reflectance")


def test_windows_of_any_size_give_the_same_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    safe = write_safe(tmp_path, size=2400, suffix=".tif")
    box = (12.01, 53.20, 12.03, 53.21)
    write_scene(SceneRequest((safe.path,), bbox=box), tmp_path / "a.tif")
    monkeypatch.setattr("citygrain.workflows.scene_file._WINDOW_VALUES", 1)
    seen: list[tuple[int, int]] = []
    write_scene(SceneRequest((safe.path,), bbox=box), tmp_path / "b.tif", progress=lambda *told: seen.append(told))
    assert len(seen) > 1
    assert seen[-1] == (len(seen), len(seen))
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()


@pytest.mark.slow
def test_memory_does_not_grow_with_the_scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("citygrain.workflows.scene_file._WINDOW_VALUES", 2**16)
    monkeypatch.setattr("citygrain.scene.plausible._SIDE", 12)  # of windows that are looked at on opening
    safe, small = write_safe(tmp_path, size=6000, suffix=".tif"), write_safe(tmp_path / "small", size=600)
    write_scene(SceneRequest((small.path,)), tmp_path / "a.tif")  # what is loaded at the first time does not count
    tracemalloc.start()
    try:
        write_scene(SceneRequest((safe.path,)), tmp_path / "a.tif")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 10 * 600 * 600 * 4 / 2  # half of the scene


def test_too_bright_values_are_told(tmp_path: Path) -> None:
    safe = write_safe(tmp_path, baseline="02.14")
    with rasterio.open(safe.file("B04", 10), "r") as file:
        profile, values = file.profile, file.read()
    values[0, 5, 5:8] = 40_000
    with rasterio.open(safe.file("B04", 10), "w", **{**profile, "QUALITY": "100", "REVERSIBLE": "YES"}) as file:
        file.write(values)
    told = write_scene(SceneRequest((safe.path,)), tmp_path / "a.tif")
    assert told["too_bright"] == 3
    assert read_scene(tmp_path / "a.tif").sel(band="B04").values[5, 6] == pytest.approx(3.2767)


def test_a_file_within_the_product_is_refused(tmp_path: Path) -> None:
    safe = write_safe(tmp_path, size=600)
    with pytest.raises(InputError, match="lies within"):
        write_scene(SceneRequest((safe.path,)), safe.path / "scene.tif")


def test_an_earlier_file_stays_where_the_product_is_damaged(tmp_path: Path) -> None:
    safe = write_safe(tmp_path)
    write_scene(SceneRequest((safe.path,)), tmp_path / "scene.tif")
    before = (tmp_path / "scene.tif").read_bytes()
    band = safe.file("B12", 20)
    band.write_bytes(band.read_bytes()[:-3000])
    with pytest.raises(InputError, match="B12_20m"):
        write_scene(SceneRequest((safe.path,)), tmp_path / "scene.tif")
    assert (tmp_path / "scene.tif").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([safe.path.name, "scene.tif"])
