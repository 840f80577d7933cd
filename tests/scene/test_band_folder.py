"""HLS and folders of single bands: names tell the bands, and what they do not tell is asked for."""

import logging
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from citygrain.errors import InputError
from citygrain.scene.find_product import is_product
from citygrain.scene.read import read_scene
from helpers.landsat_products import write_hls


@pytest.mark.parametrize(("kind", "sensor", "bands"), [("S30", "sentinel-2", 10), ("L30", "landsat-8", 7)])
def test_hls_is_read_by_its_names(tmp_path: Path, kind: str, sensor: str, bands: int) -> None:
    product = write_hls(tmp_path, kind=kind)
    scene = read_scene(product.path)
    assert len(scene) == bands
    wanted = {"sensor": sensor, "level": "SR", "time": "2021-05-27T10:15:59Z", "tile": "33UUU", "baseline": "2.0"}
    assert {key: scene.attrs[key] for key in wanted} == wanted
    for name in scene.band.values:
        band = name if name in product.truth else f"B0{name[1:]}"
        np.testing.assert_allclose(scene.sel(band=name).values, product.truth[band], atol=1e-7)


def test_one_file_of_hls_is_that_file(tmp_path: Path) -> None:
    product = write_hls(tmp_path)
    scene = read_scene(next(product.path.glob("*B04.tif")))
    assert scene.band.values.tolist() == ["B04"]


def test_masks_and_heat_of_hls(tmp_path: Path) -> None:
    product = write_hls(tmp_path, kind="L30")
    scene = read_scene(product.path, bands=["nir", "Fmask", "B10", "B09"])
    np.testing.assert_array_equal(scene.sel(band="Fmask").values, product.truth["Fmask"])
    np.testing.assert_allclose(scene.sel(band="B10").values, product.truth["B10"], rtol=1e-6)


def test_two_granules_in_a_folder_are_refused(tmp_path: Path) -> None:
    product = write_hls(tmp_path)
    one = next(product.path.glob("*B04.tif"))
    one.rename(one.with_name(one.name.replace("2021147", "2021152")))
    with pytest.raises(InputError, match=r"holds 2 granules .* put each into a folder of its own"):
        read_scene(product.path)


def band(file: Path, value: int, *, size: int = 20, side: int = 10, count: int = 1) -> Path:
    with rasterio.open(
        file, "w", driver="GTiff", width=size, height=size, count=count, dtype="uint16", crs="EPSG:32633",
        transform=Affine(side, 0, 500_000, 0, -side, 6_000_000),
    ) as target:  # fmt: skip
        target.write(np.full((count, size, size), value, np.uint16))
    return file


def test_a_folder_of_bands_is_read_by_the_names_of_its_files(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    band(tmp_path / "20210527_B08_10m.tif", 3000)
    band(tmp_path / "20210527_B04_10m.tif", 500)
    band(tmp_path / "20210527_B11_20m.tif", 2000, size=10, side=20)
    band(tmp_path / "quicklook.tif", 9, count=3)
    (tmp_path / "read_me.txt").write_text("B05 is not here")
    assert is_product(tmp_path)
    with caplog.at_level(logging.INFO, "citygrain"):
        scene = read_scene(tmp_path)
    assert scene.band.values.tolist() == ["B04", "B08", "B11"]
    np.testing.assert_allclose(scene.values[:, 3, 3], [0.05, 0.3, 0.2], rtol=1e-6)
    assert "not read: quicklook.tif" in caplog.text
    assert "usual for sentinel-2" in caplog.text
    assert "level" not in scene.attrs
    part = read_scene(tmp_path, bands=["swir16", "red"], scale=5000)
    np.testing.assert_allclose(part.values[:, 3, 3], [0.4, 0.1], rtol=1e-6)


def test_two_files_of_one_band_are_refused(tmp_path: Path) -> None:
    band(tmp_path / "20210527_B04_10m.tif", 500)
    band(tmp_path / "20210611_B04_10m.tif", 500)
    with pytest.raises(InputError, match=r"20210527_B04_10m\.tif and 20210611_B04_10m\.tif, both the same band"):
        read_scene(tmp_path)


def test_a_band_file_with_several_bands_is_refused(tmp_path: Path) -> None:
    band(tmp_path / "a_B04.tif", 500)
    band(tmp_path / "a_B08.tif", 500, count=2)
    with pytest.raises(InputError, match=r"a_B08\.tif has 2 bands; wanted: one band in each file"):
        read_scene(tmp_path)


def test_a_folder_of_patches_is_no_product(tmp_path: Path) -> None:
    for name in ("River", "Forest"):
        (tmp_path / name).mkdir()
        band(tmp_path / name / f"{name}_1.tif", 500)
    assert not is_product(tmp_path)
    assert not is_product(tmp_path / "River")
    assert not is_product(tmp_path / "none")
