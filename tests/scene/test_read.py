"""Scenes as they come: names, scales, no data, stacks, NetCDF and Zarr, and everything that must be refused."""

import logging
import os
import tracemalloc
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import odc.geo.xr  # noqa: F401 - registers the .odc accessor
import pytest
import rasterio
import xarray as xr
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from odc.geo.xr import xr_coords

from citygrain.errors import InputError
from citygrain.scene.read import describe_scene, read_scene
from citygrain.scene.write import write_cog
from citygrain.sensors import SENTINEL2

UTM = "EPSG:32633"
NORTH_UP = Affine(10, 0, 500_000, 0, -10, 6_000_000)
TEN = ["B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12"]


def write_tif(
    path: Path,
    cube: np.ndarray,
    *,
    names: Sequence[str] | None = None,
    crs: str | None = UTM,
    transform: Affine | None = NORTH_UP,
    scales: float | None = None,
    offsets: float | None = None,
    **options: Any,
) -> Path:
    count, height, width = cube.shape
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        profile = {"count": count, "height": height, "width": width, "dtype": cube.dtype, "crs": crs, **options}
        if transform is not None:
            profile["transform"] = transform
        with rasterio.open(path, "w", **profile) as target:
            target.write(cube)
            for index, name in enumerate(names or [], start=1):
                target.set_band_description(index, name)
            if scales is not None:
                target.scales, target.offsets = [scales] * count, [offsets or 0.0] * count
    return path


def numbers(bands: int = 2, height: int = 6, width: int = 7, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(500, 4000, (bands, height, width)).astype(np.uint16)


@pytest.fixture(scope="module")
def scenes() -> Path:
    default = Path(__file__).parents[2] / "../shared/data"
    folder = Path(os.environ.get("CITYGRAIN_DATA", default)) / "scenes"
    if not folder.is_dir():
        pytest.skip(f"no real scenes at {folder} (set CITYGRAIN_DATA)")
    return folder


# ---- real scenes -----------------------------------------------------------------------------------------------

REAL = [
    ("aberystwyth/s2_20210527.tif", 1000.0, 27700),
    ("berlin/s2_20241024.tif", 10_000.0, 32633),
    ("leipzig/s2_2021.tif", 10_000.0, 32632),
]


@pytest.mark.parametrize(("file", "scale", "epsg"), REAL)
def test_real_scene_is_the_files_numbers_over_the_scale(scenes: Path, file: str, scale: float, epsg: int) -> None:
    scene = read_scene(scenes / file, scale=scale)
    with rasterio.open(scenes / file) as source:
        raw = source.read().astype(np.float64)
        assert scene.odc.geobox.affine == source.transform
    assert scene.dims == ("band", "y", "x")
    assert scene.dtype == np.float32
    assert scene.odc.geobox.crs.epsg == epsg
    assert scene.attrs == {
        "units": "reflectance",
        "scale": scale,
        "offset": 0.0,
        "sensor": "sentinel-2",
        "source": Path(file).name,
    }
    for index, name in enumerate(scene.band.values):
        expected = raw[index] / (scale if SENTINEL2.find(name) else 1)
        np.testing.assert_allclose(scene.values[index], expected, rtol=1e-6)


@pytest.mark.parametrize(("file", "scale", "epsg"), REAL)
@pytest.mark.parametrize("factor", [0.1, 10])
def test_scale_wrong_by_ten_is_refused_with_the_likely_one(
    scenes: Path, file: str, scale: float, epsg: int, factor: float
) -> None:
    with pytest.raises(InputError, match=f"try scale = {scale:g}$"):
        read_scene(scenes / file, scale=scale * factor)


def test_an_index_among_the_bands_keeps_its_values(scenes: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "citygrain"):
        scene = read_scene(scenes / "leipzig/s2_2021.tif")
    assert scene.band.values.tolist() == ["B02", "B03", "B04", "B06", "B07", "B08", "B11", "NDVI"]
    computed = (scene.sel(band="B08") - scene.sel(band="B04")) / (scene.sel(band="B08") + scene.sel(band="B04"))
    np.testing.assert_allclose(scene.sel(band="NDVI"), computed, atol=1e-5)
    assert "NDVI is no reflectance" in caplog.text


def test_dark_water_is_not_no_data(scenes: Path) -> None:
    assert not np.isnan(read_scene(scenes / "aberystwyth/s2_20210527.tif", scale=1000).values).any()
    berlin = read_scene(scenes / "berlin/s2_20241024.tif")
    assert (berlin.sel(band="B02").values == 0).mean() > 0.004


def test_landsat_digital_numbers_with_no_data(scenes: Path) -> None:
    file = scenes / "hong_kong/landsat8_20131129.tif"
    scene = read_scene(file, sensor="landsat-8", reflectance=False)
    with rasterio.open(file) as source:
        raw = source.read()
    assert scene.attrs["units"] == "digital numbers"
    assert scene.band.values.tolist() == ["B1", "B2", "B3", "B4", "B5", "B6", "B7", "B10", "B11"]
    np.testing.assert_array_equal(np.isnan(scene.values).all(axis=0), (raw == 0).all(axis=0))
    # Heat is never 0; the thermal bands' own gaps are gaps.
    assert not (scene.sel(band=["B10", "B11"]).values == 0).any()
    with pytest.raises(InputError, match="values reach"):
        read_scene(file, sensor="landsat-8")


# ---- names -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "got"),
    [
        (None, ["B02", "B08", "B8A"]),
        (["B08", "B02"], ["B08", "B02"]),
        (["nir", "b2"], ["B08", "B02"]),
        (["b8a"], ["B8A"]),
    ],
)
def test_named_bands_are_chosen_by_any_name(tmp_path: Path, asked: list[str] | None, got: list[str]) -> None:
    cube = numbers(3)
    file = write_tif(tmp_path / "s.tif", cube, names=["b02", "B8, central wavelength 833 nm", "B8A"])
    scene = read_scene(file, bands=asked)
    assert scene.band.values.tolist() == got
    order = [["B02", "B08", "B8A"].index(name) for name in got]
    np.testing.assert_allclose(scene.values, cube[order] / 10_000, rtol=1e-6)


def test_bands_name_a_file_without_names(tmp_path: Path) -> None:
    scene = read_scene(write_tif(tmp_path / "s.tif", numbers(2)), bands=["blue", "ndvi"])
    assert scene.band.values.tolist() == ["B02", "NDVI"]


def test_bands_called_band_1_have_no_names(tmp_path: Path) -> None:
    file = write_tif(tmp_path / "s.tif", numbers(2), names=["Band 1", "2"])
    assert read_scene(file, bands=["B03", "B04"]).band.values.tolist() == ["B03", "B04"]


@pytest.mark.parametrize(
    ("names", "asked", "message"),
    [
        (None, None, "does not name band 1, 2 of 2"),
        (["B02", ""], None, "does not name band 2"),
        (None, ["B02"], "1 band names for s.tif, which has 2 bands"),
        (["B02", "B03"], ["B02", "B13"], "band B13 is not in s.tif; wanted: from B02, B03"),
        (["B02", "B03"], ["B04", "B05"], "band B04, B05 is not in"),
        (["B02", "B03"], [], "none asked for"),
        (["B02", "b2"], None, "band B02 comes twice"),
        (["B02", "B03"], ["B02", "blue"], "band B02 comes twice"),
        (None, ["B02", "B02"], "band B02 comes twice"),
    ],
)
def test_names_that_do_not_settle_the_bands_are_refused(
    tmp_path: Path, names: list[str] | None, asked: list[str] | None, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        read_scene(write_tif(tmp_path / "s.tif", numbers(2), names=names), bands=asked)


# ---- values ----------------------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(st.tuples(st.integers(1, 4), st.integers(1, 70), st.integers(1, 90)), st.integers(0, 99), st.booleans())
def test_any_shape_comes_back(
    tmp_path_factory: pytest.TempPathFactory, shape: tuple[int, int, int], seed: int, tiled: bool
) -> None:
    bands, height, width = shape
    cube = numbers(bands, height, width, seed)
    options = {"tiled": True, "blockxsize": 16, "blockysize": 16, "interleave": "pixel"} if tiled else {}
    file = write_tif(tmp_path_factory.mktemp("any") / "s.tif", cube, names=TEN[:bands], **options)
    scene = read_scene(file, scale=10_000, reflectance=False)  # a few dark pixels would be refused as reflectance
    np.testing.assert_array_equal(scene.values, cube.astype(np.float32) / np.float32(10_000))
    assert scene.odc.geobox == GeoBox((height, width), NORTH_UP, UTM)


def test_scale_and_offset_are_said_aloud(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = write_tif(tmp_path / "s.tif", numbers(), names=["B02", "B03"])
    with caplog.at_level(logging.INFO, "citygrain"):
        read_scene(file)
        read_scene(file, scale=20_000, offset=-0.01)
    assert "number / 10000 +0 (usual for sentinel-2)" in caplog.text
    assert "number / 20000 -0.01 (as given)" in caplog.text


def test_the_files_own_scale_tags_are_taken(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cube = numbers()
    file = write_tif(tmp_path / "s.tif", cube, names=["B02", "B03"], scales=0.0002, offsets=-0.1)
    with caplog.at_level(logging.INFO, "citygrain"):
        scene = read_scene(file)
    np.testing.assert_allclose(scene.values, cube * 0.0002 - 0.1, atol=1e-6)
    assert scene.attrs["scale"] == pytest.approx(5000)
    assert "from the file's tags" in caplog.text


def test_digital_numbers_stay_as_they_are(tmp_path: Path) -> None:
    cube = numbers()
    scene = read_scene(write_tif(tmp_path / "s.tif", cube, names=["B02", "B03"]), reflectance=False)
    np.testing.assert_array_equal(scene.values, cube)
    assert scene.attrs["units"] == "digital numbers"


def test_radar_is_no_reflectance_and_its_zeros_are_gaps(tmp_path: Path) -> None:
    power = np.random.default_rng(0).uniform(0.01, 30, (2, 5, 6)).astype(np.float32)
    power[0, 0, 0] = 0
    scene = read_scene(write_tif(tmp_path / "s1.tif", power, names=["VV", "vh"], nodata=0), sensor="sentinel-1")
    assert scene.band.values.tolist() == ["VV", "VH"]
    assert (scene.attrs["units"], scene.attrs["scale"]) == ("digital numbers", 1)
    assert np.isnan(scene.values[0, 0, 0])
    np.testing.assert_array_equal(scene.values[1], power[1])


@pytest.mark.parametrize("scale", [0, -1, float("nan"), float("inf")])
def test_impossible_scale_is_refused(tmp_path: Path, scale: float) -> None:
    with pytest.raises(InputError, match="wanted: a scale above 0"):
        read_scene(write_tif(tmp_path / "s.tif", numbers(), names=["B02", "B03"]), scale=scale)


def test_zero_in_one_band_is_a_value_and_in_all_is_no_data(tmp_path: Path) -> None:
    cube = numbers(2)
    cube[:, 0, 0] = 0
    cube[0, 1, 1] = 0
    scene = read_scene(write_tif(tmp_path / "s.tif", cube, names=["B02", "B03"], nodata=0))
    assert np.isnan(scene.values[:, 0, 0]).all()
    assert scene.values[0, 1, 1] == 0
    assert np.isnan(scene.values).sum() == 2


@pytest.mark.parametrize("nodata", [-9999.0, 65535.0, -1.7976931348623157e308, float("nan"), float("-inf")])
def test_a_number_that_cannot_be_measured_is_nan_in_its_band(tmp_path: Path, nodata: float) -> None:
    cube = numbers(2).astype(np.float64)
    cube[:, 0, 0] = nodata
    cube[0, 1, 1] = nodata
    cube[1, 2, 2] = np.nan
    values = read_scene(write_tif(tmp_path / "s.tif", cube, names=["B02", "B03"], nodata=nodata)).values
    expected = np.zeros(cube.shape, bool)
    expected[:, 0, 0] = expected[0, 1, 1] = expected[1, 2, 2] = True
    np.testing.assert_array_equal(np.isnan(values), expected)


def test_an_internal_mask_is_no_data(tmp_path: Path) -> None:
    file = tmp_path / "s.tif"
    profile = {"count": 1, "height": 6, "width": 7, "dtype": "uint16", "crs": UTM, "transform": NORTH_UP}
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(file, "w", **profile) as target:
        target.write(numbers(1))
        mask = np.full((6, 7), 255, np.uint8)
        mask[2:4] = 0
        target.write_mask(mask)
    np.testing.assert_array_equal(np.isnan(read_scene(file, bands=["B02"]).values[0]), mask == 0)


def test_infinite_values_are_refused_with_band_and_count(tmp_path: Path) -> None:
    cube = numbers(2).astype(np.float32)
    cube[1, 0, :3] = np.inf
    with pytest.raises(InputError, match=r"band B03 of s\.tif has 3 infinite values"):
        read_scene(write_tif(tmp_path / "s.tif", cube, names=["B02", "B03"]))


def test_memory_is_the_output_and_about_one_band(tmp_path: Path) -> None:
    cube = numbers(8, 600, 600)
    file = write_tif(tmp_path / "s.tif", cube, names=TEN[:8], nodata=0)
    read_scene(file)  # imports
    tracemalloc.start()
    try:
        scene = read_scene(file)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < scene.nbytes + 3 * scene.nbytes / 8


# ---- stacks and formats ----------------------------------------------------------------------------------------


def test_files_stack_and_coarser_ones_come_by_nearest_neighbour(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fine, coarse = numbers(1, 6, 8), numbers(1, 3, 4, seed=1)
    red = write_tif(tmp_path / "T33UUU_20210527_B04_10m.tif", fine)
    swir = write_tif(tmp_path / "T33UUU_20210527_B11_20m.tif", coarse, transform=NORTH_UP * Affine.scale(2))
    with caplog.at_level(logging.INFO, "citygrain"):
        scene = read_scene([swir, red])
    assert scene.band.values.tolist() == ["B11", "B04"]
    np.testing.assert_allclose(scene.sel(band="B11"), coarse[0].repeat(2, 0).repeat(2, 1) / 10_000, rtol=1e-6)
    np.testing.assert_allclose(scene.sel(band="B04"), fine[0] / 10_000, rtol=1e-6)
    assert "B11_20m.tif: resampled" in caplog.text
    # What is not asked for does not set the grid.
    assert read_scene([swir, red], bands=["swir"]).odc.geobox.shape == (3, 4)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"transform": NORTH_UP * Affine.translation(1, 0)}, "is shifted or cropped against"),
        ({"transform": NORTH_UP * Affine.translation(9, 0) * Affine.scale(2)}, "does not cover"),
        ({"crs": "EPSG:32632"}, "is in another CRS"),
    ],
)
def test_files_on_other_grids_are_refused(tmp_path: Path, other: dict[str, Any], message: str) -> None:
    one = write_tif(tmp_path / "a_B02.tif", numbers(1))
    two = write_tif(tmp_path / "a_B03.tif", numbers(1), **other)
    with pytest.raises(InputError, match=message):
        read_scene([one, two])


def test_jpeg_2000_is_named_by_its_file(tmp_path: Path) -> None:
    cube = numbers(1, 32, 40)
    file = tmp_path / "T33UUU_20210527_B8A_20m.jp2"
    profile = {"driver": "JP2OpenJPEG", "count": 1, "height": 32, "width": 40, "dtype": "uint16", "crs": UTM}
    with rasterio.open(file, "w", **profile, transform=NORTH_UP, QUALITY=100, REVERSIBLE="YES") as target:
        target.write(cube)
    scene = read_scene(file)
    assert scene.band.values.tolist() == ["B8A"]
    np.testing.assert_allclose(scene.values, cube / 10_000, rtol=1e-6)


def cube_of(cube: np.ndarray, affine: Affine = NORTH_UP) -> xr.DataArray:
    coords = xr_coords(GeoBox(cube.shape[1:], affine, UTM))
    return xr.DataArray(cube, dims=("band", "y", "x"), coords={**coords, "band": TEN[: len(cube)]}, name="scene")


def _netcdf(dataset: xr.Dataset, folder: Path) -> Path:
    dataset.to_netcdf(folder / "s.nc", engine="h5netcdf")
    return folder / "s.nc"


def _zarr(dataset: xr.Dataset, folder: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zarr's own notices on consolidated metadata and string types
        dataset.to_zarr(folder / "s.zarr", consolidated=False)
    return folder / "s.zarr"


STORES = pytest.mark.parametrize("store", [_netcdf, _zarr])
Store = Callable[[xr.Dataset, Path], Path]


@STORES
def test_one_3d_variable(tmp_path: Path, store: Store) -> None:
    cube = numbers(3)
    scene = read_scene(store(cube_of(cube).to_dataset(), tmp_path))
    assert scene.band.values.tolist() == TEN[:3]
    np.testing.assert_allclose(scene.values, cube / 10_000, rtol=1e-6)
    assert scene.odc.geobox == GeoBox((6, 7), NORTH_UP, UTM)


@STORES
def test_2d_variables_with_scale_factor_fill_value_and_one_date(tmp_path: Path, store: Store) -> None:
    cube = numbers(2)
    cube[:, 0, 0] = 65535
    dataset = cube_of(cube).to_dataset(dim="band").expand_dims(time=[0])
    for name in dataset.data_vars:
        dataset[name].attrs.update(scale_factor=0.0002, _FillValue=np.uint16(65535))
    scene = read_scene(store(dataset, tmp_path), bands=["green", "blue"])
    assert scene.band.values.tolist() == ["B03", "B02"]
    assert np.isnan(scene.values[:, 0, 0]).all()
    np.testing.assert_allclose(scene.values[:, 1:], cube[::-1, 1:] * 0.0002, rtol=1e-6)


@STORES
def test_south_up_is_turned_north_up(tmp_path: Path, store: Store) -> None:
    cube = numbers(2)
    south_up = cube_of(cube).isel(y=slice(None, None, -1))
    south_up = south_up.drop_vars("spatial_ref").odc.assign_crs(UTM)
    scene = read_scene(store(south_up.to_dataset(), tmp_path))
    np.testing.assert_allclose(scene.values, cube / 10_000, rtol=1e-6)
    assert scene.odc.geobox == GeoBox((6, 7), NORTH_UP, UTM)


def test_a_scene_read_writes_to_netcdf_and_reads_back(tmp_path: Path) -> None:
    first = read_scene(write_tif(tmp_path / "s.tif", numbers(2), names=["B02", "B03"]))
    again = read_scene(_netcdf(first.to_dataset(), tmp_path), scale=1)
    np.testing.assert_array_equal(again.values, first.values)


def test_cubes_that_are_no_scene_are_refused(tmp_path: Path) -> None:
    cube = cube_of(numbers(2))
    no_crs = cube.drop_vars("spatial_ref")
    no_crs = no_crs.assign_coords(x=("x", no_crs.x.values), y=("y", no_crs.y.values))
    cases = {
        "no_crs": (no_crs.to_dataset(), "has no CRS"),
        "no_grid": (cube.drop_vars(["spatial_ref", "x", "y"]).to_dataset(), "no regular grid"),
        "dates": (cube.expand_dims(time=[0, 1]).to_dataset(), "wanted: 2-D variables only"),
        "empty": (xr.Dataset({"a": ("t", [1, 2])}), "these rasters: none"),
    }
    for name, (dataset, message) in cases.items():
        folder = tmp_path / name
        folder.mkdir()
        with pytest.raises(InputError, match=message):
            read_scene(_netcdf(dataset, folder))


# ---- files that cannot be used ---------------------------------------------------------------------------------


def _cut(file: Path) -> Path:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    return file


def _cog(file: Path) -> Path:
    write_cog(file, numbers(2, 400, 400), GeoBox((400, 400), NORTH_UP, UTM), band_names=["B02", "B03"])
    return file


def _text(file: Path) -> Path:
    file.write_text("no raster at all")
    return file


BAD: dict[str, tuple[Callable[[Path], Any], str]] = {
    "missing": (lambda d: d / "none.tif", "none.tif does not exist"),
    "folder": (lambda d: d, "is a folder"),
    "no file": (lambda d: [], "no scene file was given"),
    "text": (lambda d: _text(d / "s.tif"), "cannot be opened as a raster"),
    "text nc": (lambda d: _text(d / "s.nc"), "cannot be opened"),
    "empty": (lambda d: _write_bytes(d / "s.tif", b""), "cannot be opened as a raster"),
    "truncated, directory last": (
        lambda d: _cut(write_tif(d / "s.tif", numbers(2, 400, 400), names=["B02", "B03"])),
        "cannot be opened as a raster",
    ),
    "truncated, directory first": (lambda d: _cut(_cog(d / "s.tif")), "s.tif breaks off or is damaged in band 1"),
    "truncated nc": (lambda d: _cut(_netcdf(cube_of(numbers(2, 200, 200)).to_dataset(), d)), "s.nc cannot be opened"),
    "no crs": (lambda d: write_tif(d / "s.tif", numbers(), crs=None), "s.tif has no CRS"),
    "no transform": (lambda d: write_tif(d / "s.tif", numbers(), transform=None), "has no geotransform"),
    "rotated": (lambda d: write_tif(d / "s.tif", numbers(), transform=NORTH_UP * Affine.rotation(10)), "is rotated"),
    "mirrored": (lambda d: write_tif(d / "s.tif", numbers(), transform=NORTH_UP * Affine.scale(1, -1)), "is mirrored"),
    "all nodata": (
        lambda d: write_tif(d / "s.tif", np.zeros((2, 4, 4), np.uint16), names=["B02", "B03"], nodata=0),
        "every pixel of s.tif is no data",
    ),
    "all nan": (
        lambda d: write_tif(d / "s.tif", np.full((2, 4, 4), np.nan, np.float32), names=["B02", "B03"]),
        "every pixel of s.tif is no data",
    ),
    "all zero": (
        lambda d: write_tif(d / "s.tif", np.zeros((2, 4, 4), np.uint16), names=["B02", "B03"]),
        "values reach 0 with scale 10000; wanted: 0.08 to 2 as reflectance; check scale",
    ),
}


def _write_bytes(file: Path, data: bytes) -> Path:
    file.write_bytes(data)
    return file


@pytest.mark.parametrize("case", BAD)
def test_a_file_that_cannot_be_used_is_refused_in_one_line(tmp_path: Path, case: str) -> None:
    make, message = BAD[case]
    file = make(tmp_path)
    with pytest.raises(InputError, match=message) as caught:
        read_scene(file)
    assert "\n" not in str(caught.value)
    assert "wanted:" in str(caught.value)


def test_unknown_sensor_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="sensor 'modis' is unknown"):
        read_scene(tmp_path, sensor="modis")


# ---- the summary -----------------------------------------------------------------------------------------------


def test_summary_of_each_band() -> None:
    values = np.linspace(0, 1, 101, dtype=np.float32).reshape(1, 1, 101).repeat(2, 0)
    values[1] = np.nan
    rows = describe_scene(xr.DataArray(values, dims=("band", "y", "x"), coords={"band": ["B02", "B03"]}))
    assert rows[0] == {
        "name": "B02",
        "minimum": 0,
        "p2": pytest.approx(0.02),
        "median": pytest.approx(0.5),
        "p98": pytest.approx(0.98),
        "maximum": 1,
        "nodata_share": 0,
    }
    assert rows[1]["nodata_share"] == 1
    assert np.isnan(rows[1]["median"])
