"""A scene read by windows is the scene read whole, byte for byte; a window reads only the blocks that it touches."""

import pickle
import resource
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from odc.geo.xr import xr_coords

from citygrain.errors import InputError
from citygrain.lazy import blocks_of, is_lazy
from citygrain.scene.read import read_scene
from citygrain.tiles import block_tiles

UTM = "EPSG:32633"
NORTH_UP = Affine(10, 0, 500_000, 0, -10, 6_000_000)
BANDS = ["B02", "B03", "B04", "B11"]


def write_tif(path: Path, cube: np.ndarray, *, transform: Affine = NORTH_UP, **options: Any) -> Path:
    count, height, width = cube.shape
    profile = {"count": count, "height": height, "width": width, "dtype": cube.dtype, "crs": UTM, **options}
    with rasterio.open(path, "w", transform=transform, **profile) as target:
        target.write(cube)
        for index, name in enumerate(BANDS[:count] if count > 1 else [], start=1):
            target.set_band_description(index, name)
    return path


def numbers(shape: tuple[int, int, int], dtype: str = "uint16", *, seed: int = 0, gaps: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    cube = rng.integers(500, 4000, shape).astype(dtype)
    cube[rng.random(cube.shape) < gaps] = 0
    cube[:, rng.random(shape[1:]) < gaps] = 0
    if np.dtype(dtype).kind == "f":
        cube[rng.random(cube.shape) < gaps / 2] = np.nan
    return cube


def same_bytes(one: np.ndarray, other: np.ndarray) -> None:
    assert one.dtype == other.dtype and one.shape == other.shape
    assert np.ascontiguousarray(one).tobytes() == np.ascontiguousarray(other).tobytes()


LAYOUTS = st.sampled_from([
    {},
    {"tiled": True, "blockxsize": 16, "blockysize": 32},
    {"tiled": True, "blockxsize": 16, "blockysize": 16, "interleave": "band", "compress": "deflate"},
    {"interleave": "pixel", "compress": "lzw"},
])  # fmt: skip


@given(
    shape=st.tuples(st.integers(1, 4), st.integers(1, 70), st.integers(1, 60)),
    dtype=st.sampled_from(["uint8", "uint16", "int16", "float32", "float64"]),
    nodata=st.sampled_from([None, 0, 7]),
    gaps=st.sampled_from([0.0, 0.3, 0.8]),
    layout=LAYOUTS,
    data=st.data(),
)
def test_any_window_of_any_file(
    *,
    tmp_path_factory: pytest.TempPathFactory,
    shape: tuple[int, int, int],
    dtype: str,
    nodata: float | None,
    gaps: float,
    layout: dict[str, Any],
    data: st.DataObject,
) -> None:
    cube = numbers(shape, dtype, gaps=gaps)
    cube[:, :1, :1] = 200
    file = write_tif(tmp_path_factory.mktemp("lazy") / "s_B02.tif", cube, nodata=nodata, **layout)
    options = {"scale": 1000, "offset": -0.1, "reflectance": False}
    whole, lazy = read_scene(file, **options), read_scene(file, **options, lazy=True)
    assert is_lazy(lazy) and not is_lazy(whole)
    xr.testing.assert_identical(lazy, whole)
    bands = data.draw(st.lists(st.integers(0, shape[0] - 1), min_size=1, max_size=4, unique=True))
    top, left = data.draw(st.integers(0, shape[1] - 1)), data.draw(st.integers(0, shape[2] - 1))
    bottom, right = data.draw(st.integers(top + 1, shape[1])), data.draw(st.integers(left + 1, shape[2]))
    window = (slice(top, bottom), slice(left, right))
    same_bytes(lazy[(bands, *window)].values, whole[(bands, *window)].values)
    for tile in block_tiles(shape[1:], blocks_of(lazy), pixels=500):
        same_bytes(lazy[(slice(None), *tile.slices)].values, whole[(slice(None), *tile.slices)].values)


@pytest.mark.slow
@given(st.tuples(*[st.integers(1, 9)] * 4), st.sampled_from([2, 3, 1.5]))
def test_coarser_bands_by_windows(
    tmp_path_factory: pytest.TempPathFactory, place: tuple[int, int, int, int], factor: float
) -> None:
    top, left, height, width = place
    folder = tmp_path_factory.mktemp("coarse")
    fine = write_tif(folder / "a_B04.tif", numbers((1, 18, 18), gaps=0.2), nodata=0)
    side = int(18 / factor)
    coarse = numbers((1, side, side), seed=1, gaps=0.2)
    coarse = write_tif(folder / "a_B11.tif", coarse, nodata=0, transform=NORTH_UP * Affine.scale(factor))
    whole, lazy = read_scene([coarse, fine]), read_scene([coarse, fine], lazy=True)
    xr.testing.assert_identical(lazy, whole)
    window = (slice(None), slice(top, top + height), slice(left, left + width))
    same_bytes(lazy[window].values, whole[window].values)


def test_a_mask_inside_the_file(tmp_path: Path) -> None:
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(
            tmp_path / "s_B02.tif", "w", count=1, height=40, width=50, dtype="uint16", crs=UTM, transform=NORTH_UP
        ) as target,
    ):
        target.write(numbers((1, 40, 50)))
        target.write_mask(np.random.default_rng(1).random((40, 50)) < 0.7)
    whole, lazy = read_scene(tmp_path / "s_B02.tif"), read_scene(tmp_path / "s_B02.tif", lazy=True)
    assert 0.2 < np.isnan(whole.values).mean() < 0.4
    same_bytes(lazy[:, 7:23, 11:50].values, whole[:, 7:23, 11:50].values)


def cube_of(height: int = 40, width: int = 30) -> xr.DataArray:
    values = numbers((3, height, width), gaps=0.2)
    coords = xr_coords(GeoBox((height, width), NORTH_UP, UTM))
    return xr.DataArray(values, dims=("band", "y", "x"), coords={**coords, "band": BANDS[:3]}, name="scene")


def store(dataset: xr.Dataset, path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zarr's own notices on consolidated metadata and string types
        if path.suffix == ".nc":
            dataset.to_netcdf(path, engine="h5netcdf")
        else:
            dataset.to_zarr(path, consolidated=False)
    return path


@pytest.mark.parametrize("name", ["s.nc", "s.zarr"])
@pytest.mark.parametrize("kind", ["cube", "variables with a date", "upside down"])
def test_cubes_by_windows(tmp_path: Path, name: str, kind: str) -> None:
    cube = cube_of()
    if kind == "cube":
        dataset = cube.to_dataset()
    elif kind == "upside down":
        dataset = cube.isel(y=slice(None, None, -1)).drop_vars("spatial_ref").odc.assign_crs(UTM).to_dataset()
    else:
        dataset = cube.to_dataset(dim="band").expand_dims(time=[0])
    path = store(dataset, tmp_path / name)
    whole, lazy = read_scene(path), read_scene(path, lazy=True)
    assert is_lazy(lazy)
    xr.testing.assert_identical(lazy, whole)
    again = pickle.loads(pickle.dumps(lazy))  # noqa: S301 - our own
    same_bytes(again[[2, 0], 3:17, 5:6].values, whole[[2, 0], 3:17, 5:6].values)


def test_radar_does_not_see_through_a_gap_in_the_light(tmp_path: Path) -> None:
    light = numbers((3, 20, 30))
    light[0, 3, 4] = 0  # a shadow in one band
    light[:, 5:9, 6:12] = 0  # a cloud in all
    write_tif(tmp_path / "s2.tif", light, nodata=0)
    radar = numbers((1, 20, 30), "float32", seed=1)
    write_tif(tmp_path / "s1.tif", radar, nodata=0)
    with rasterio.open(tmp_path / "s1.tif", "r+") as file:
        file.set_band_description(1, "VV")
    files = [tmp_path / "s2.tif", tmp_path / "s1.tif"]
    lazy, whole = read_scene(files, scale=10_000, lazy=True), read_scene(files, scale=10_000)
    assert np.isnan(whole.values[:, 5:9, 6:12]).all() and np.isfinite(whole.values).sum() == 4 * (600 - 24)
    assert whole.sel(band="B02").values[3, 4] == 0
    same_bytes(lazy.variable[3].values, whole.values[3])  # the radar alone
    same_bytes(lazy.variable[1, 4:8].values, whole.values[1, 4:8])


def test_it_is_pickled_as_its_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tif(tmp_path / "s.tif", numbers((4, 300, 300)))
    monkeypatch.chdir(tmp_path)
    scene = read_scene("s.tif", lazy=True)
    recipe = pickle.dumps(scene)
    assert len(recipe) < 20_000
    monkeypatch.chdir("/")  # another process works in another folder
    again = pickle.loads(recipe)  # noqa: S301 - our own
    assert is_lazy(again)
    xr.testing.assert_identical(again, scene)


def test_threads_read_what_one_reads(tmp_path: Path) -> None:
    file = write_tif(tmp_path / "s.tif", numbers((4, 400, 400), gaps=0.1), nodata=0, compress="deflate")
    whole, lazy = read_scene(file), read_scene(file, lazy=True)
    tiles = block_tiles((400, 400), (64, 64), pixels=64 * 64)
    with ThreadPoolExecutor(4) as pool:
        windows = pool.map(lambda tile: lazy[(slice(None), *tile.slices)].values, tiles)
        for tile, window in zip(tiles, windows, strict=True):
            same_bytes(window, whole[(slice(None), *tile.slices)].values)


def bytes_read() -> int:
    try:
        return int(Path("/proc/self/io").read_text().split("rchar:")[1].split()[0])
    except OSError:
        pytest.skip("this system does not count bytes read")


@pytest.mark.parametrize("interleave", ["band", "pixel"])
def test_a_window_reads_the_blocks_that_it_touches(tmp_path: Path, interleave: str) -> None:
    layout = {"tiled": True, "blockxsize": 128, "blockysize": 128, "interleave": interleave}
    file = write_tif(tmp_path / "s.tif", numbers((4, 1024, 1024)), **layout)
    lazy = read_scene(file, lazy=True)
    assert blocks_of(lazy) == blocks_of(lazy[:, 3:, 5:]) == (128, 128)
    before = bytes_read()
    lazy[:, 130:250, 260:380].values  # noqa: B018 - one block of each band
    slack = 64_000  # head and directory of the file
    assert bytes_read() - before <= 4 * 128 * 128 * 2 + slack
    before = bytes_read()
    lazy[1:3, 500:530, 500:530].values  # noqa: B018 - four blocks of two bands, or of all where they lie together
    assert bytes_read() - before <= 4 * (2 if interleave == "band" else 4) * 128 * 128 * 2 + slack


def test_the_look_at_a_scene_reads_it_once(tmp_path: Path) -> None:
    layout = {"tiled": True, "blockxsize": 128, "blockysize": 128, "interleave": "pixel"}
    file = write_tif(tmp_path / "s.tif", numbers((4, 1500, 1500)), **layout)
    before = bytes_read()
    read_scene(file, lazy=True)
    assert bytes_read() - before <= 1.2 * file.stat().st_size
    rows = write_tif(tmp_path / "rows.tif", numbers((4, 1500, 1500)), interleave="pixel", blockysize=1)
    before = bytes_read()
    read_scene(rows, lazy=True)
    assert bytes_read() - before <= 0.6 * file.stat().st_size  # every second row


# ---- what is refused, and when ---------------------------------------------------------------------------------


def test_infinite_values_are_refused_when_they_are_met(tmp_path: Path) -> None:
    cube = numbers((2, 1200, 1200), "float32")
    cube[1, 101, :3] = np.inf  # off the stride of the first look
    lazy = read_scene(write_tif(tmp_path / "s.tif", cube), lazy=True)
    assert np.isfinite(lazy[:, 200:300].values).all()
    with pytest.raises(InputError, match=r"band B03 of s\.tif has 3 infinite values; wanted: finite values"):
        lazy[:, 100:200].values  # noqa: B018


def test_a_file_that_changes_is_read_anew_and_one_that_goes_is_missed(tmp_path: Path) -> None:
    file = write_tif(tmp_path / "s.tif", numbers((2, 40, 50)))
    lazy = read_scene(file, lazy=True)
    lazy[:, :9].load()
    write_tif(file, numbers((2, 40, 50), seed=9))
    same_bytes(lazy.values, read_scene(file).values)
    write_tif(file, numbers((2, 41, 50), seed=9))
    with pytest.raises(InputError, match=r"s\.tif has changed since it was opened"):
        lazy.load()
    file.unlink()
    with pytest.raises(InputError, match=r"s\.tif is not there"):
        lazy.load()


@pytest.mark.slow
def test_a_scene_larger_than_memory_is_looked_at(tmp_path: Path) -> None:
    layout = {"tiled": True, "blockxsize": 256, "blockysize": 256, "sparse_ok": True}
    profile = {"count": 4, "height": 12_000, "width": 12_000, "dtype": "uint16", "crs": UTM, "transform": NORTH_UP}
    with rasterio.open(tmp_path / "s.tif", "w", nodata=0, **profile, **layout) as target:
        for index, name in enumerate(BANDS, start=1):
            target.set_band_description(index, name)
        target.write(numbers((4, 256, 256)), window=((6000, 6256), (6000, 6256)))
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resident = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (resident + 2**29, hard))
    try:
        lazy = read_scene(tmp_path / "s.tif", lazy=True)  # 2.3 GB as float32
        assert np.nanmean(lazy[:, 5900:6300, 5900:6300].values) > 0.1
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
