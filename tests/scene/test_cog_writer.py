"""A COG written by windows is the one written whole, byte for byte, and is there whole or not at all."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from citygrain.errors import InputError, OutputError
from citygrain.lazy import lazy_raster
from citygrain.legend import URBAN
from citygrain.scene import cog_writer
from citygrain.scene.cog_writer import CogWriter, stream_cog
from citygrain.scene.write import write_cog
from citygrain.tiles import Tile, tile_grid

TYPES = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64"]


def grid(height: int, width: int, crs: str | None = "EPSG:27700") -> GeoBox:
    return GeoBox((height, width), Affine(10, 0, 257_070.5, 0, -10, 285_728.7), crs)


def by_windows(path: Path, cube: np.ndarray, geobox: GeoBox, size: int | tuple[int, int], **options: Any) -> None:
    bands = len(cube) if cube.ndim == 3 else 1
    with CogWriter(path, geobox, cube.dtype, bands=bands, **options) as target:
        for tile in reversed(tile_grid(tuple(geobox.shape), size)):
            target.write(tile, cube[(..., *tile.slices)])


def same_files(one: Path, other: Path) -> None:
    assert [f.name for f in sorted(one.iterdir())] == [f.name for f in sorted(other.iterdir())]
    for file in one.iterdir():
        assert file.read_bytes() == (other / file.name).read_bytes(), file.name


@settings(max_examples=25)
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 600), st.integers(1, 200)),
    tile=st.tuples(st.integers(1, 400), st.integers(30, 250)),
    dtype=st.sampled_from([*TYPES, "bool"]),
    nodata=st.sampled_from([None, 0, 77]),
    dressed=st.booleans(),
)
def test_the_bytes_are_those_of_an_array_written_whole(
    *,
    tmp_path_factory: pytest.TempPathFactory,
    shape: tuple[int, int, int],
    tile: tuple[int, int],
    dtype: str,
    nodata: float | None,
    dressed: bool,
) -> None:
    cube = np.random.default_rng(0).integers(0, 2 if dtype == "bool" else 100, shape).astype(dtype)
    if cube.dtype.kind == "f":
        cube = np.where(cube < 20, np.nan, cube / 7).astype(dtype)
        nodata = np.nan if nodata == 0 else nodata
    if dtype in ("int64", "uint64"):
        nodata = None  # GDAL loses it on the way through memory
    options: dict[str, Any] = {"nodata": nodata, "tags": {"units": "<m> & more"}, "scale": 0.01 if dressed else 1.0}
    if dressed:
        options["band_names"] = [f"b{i} é" for i in range(len(cube))]
        options["names"] = {1: "Water & ice", 3: "Wald"}
        if dtype in ("uint8", "uint16") and len(cube) < 3:
            options["colormap"] = URBAN.colormap()
    one, other = tmp_path_factory.mktemp("whole"), tmp_path_factory.mktemp("windows")
    write_cog(one / "a.tif", cube, grid(*shape[1:]), **options)
    by_windows(other / "a.tif", cube, grid(*shape[1:]), tile, **options)
    same_files(one, other)


@pytest.mark.parametrize("crs", ["EPSG:32633", "EPSG:3857", "EPSG:4326", "ESRI:54009", None])
def test_any_coordinate_system(tmp_path: Path, crs: str | None) -> None:
    cube = np.random.default_rng(0).integers(0, 9, (300, 280)).astype(np.uint8)
    (tmp_path / "a").mkdir()
    write_cog(tmp_path / "a" / "m.tif", cube, grid(300, 280, crs))
    by_windows(tmp_path / "b" / "m.tif", cube, grid(300, 280, crs), 100)
    same_files(tmp_path / "a", tmp_path / "b")


def test_threads_write_what_one_writes(tmp_path: Path) -> None:
    cube = np.random.default_rng(0).random((3, 500, 700)).astype(np.float32)
    writer = CogWriter(tmp_path / "a.tif", grid(500, 700), np.float32, bands=3, nodata=np.nan)
    with writer as target, ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda tile: target.write(tile, cube[(..., *tile.slices)]), tile_grid((500, 700), 64)))
    with rasterio.open(tmp_path / "a.tif") as file:
        np.testing.assert_array_equal(file.read(), cube)


@pytest.mark.parametrize("lazy", [True, False])
def test_a_raster_streamed_is_the_raster_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lazy: bool) -> None:
    cube = np.random.default_rng(0).random((2, 500, 700)).astype(np.float32)
    geobox = grid(500, 700)
    windows = []

    def reader(bands: np.ndarray, rows: slice, columns: slice) -> np.ndarray:
        windows.append((rows.stop - rows.start) * (columns.stop - columns.start))
        return cube[bands][:, rows, columns]

    raster = lazy_raster(reader, geobox, ["B02", "B03"])
    ticks: list[tuple[int, int]] = []
    monkeypatch.setattr(cog_writer, "_WINDOW_VALUES", 2 * 256 * 256)
    (tmp_path / "a").mkdir()
    write_cog(tmp_path / "a" / "x.tif", cube, geobox, nodata=np.nan, band_names=["one", "two"])
    stream_cog(
        tmp_path / "b" / "x.tif",
        raster if lazy else raster.load(),
        nodata=np.nan,
        band_names=["one", "two"],
        progress=lambda done, total: ticks.append((done, total)),
    )
    same_files(tmp_path / "a", tmp_path / "b")
    assert ticks == [(done, 6) for done in range(1, 7)]
    assert not lazy or max(windows) <= 256 * 256


# ---- whole or not at all ---------------------------------------------------------------------------------------


def zeros(tile: Tile, dtype: str = "uint8") -> np.ndarray:
    return np.zeros((tile.height, tile.width), dtype)


@pytest.mark.parametrize("stop", [KeyboardInterrupt, ValueError, SystemExit])
def test_an_interrupted_writer_leaves_the_old_file_and_nothing_else(tmp_path: Path, stop: type[BaseException]) -> None:
    write_cog(tmp_path / "a.tif", np.ones((300, 300), np.uint8), grid(300, 300), names={1: "old"})
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    with pytest.raises(stop), CogWriter(tmp_path / "a.tif", grid(300, 300), np.uint8) as target:
        target.write(Tile(0, 0, 100, 300), zeros(Tile(0, 0, 100, 300)))
        assert any(file.name.endswith(".part") for file in tmp_path.iterdir())
        raise stop
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_the_leavings_of_a_killed_run_are_cleared(tmp_path: Path) -> None:
    leavings = tmp_path / ".a.tif.part"
    leavings.mkdir()
    (leavings / "cog.tif").write_text("half")
    by_windows(tmp_path / "a.tif", np.ones((30, 30), np.uint8), grid(30, 30), 8)
    assert [file.name for file in tmp_path.iterdir()] == ["a.tif"]


def test_names_of_an_earlier_file_do_not_stay(tmp_path: Path) -> None:
    write_cog(tmp_path / "a.tif", np.ones((30, 30), np.uint8), grid(30, 30), names={1: "old"})
    by_windows(tmp_path / "a.tif", np.ones((30, 30), np.uint8), grid(30, 30), 8)
    assert [file.name for file in tmp_path.iterdir()] == ["a.tif"]


def test_pixels_left_out_are_refused(tmp_path: Path) -> None:
    refused = pytest.raises(InputError, match=r"800 pixels written of a\.tif; wanted: all 900")
    with refused, CogWriter(tmp_path / "a.tif", grid(30, 30), np.uint8) as target:
        target.write((slice(0, 20), slice(0, 30)), np.zeros((20, 30), np.uint8))
        target.write((slice(20, 30), slice(0, 20)), np.zeros((10, 20), np.uint8))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "values",
    [np.zeros((10, 10), np.int16), np.zeros((2, 10, 10), np.uint8), np.zeros((10, 11), np.uint8), np.zeros(10)],
    ids=["type", "bands", "width", "dimensions"],
)
def test_what_does_not_fit_the_window_is_refused(tmp_path: Path, values: np.ndarray) -> None:
    with CogWriter(tmp_path / "a.tif", grid(30, 30), np.uint8) as target:
        with pytest.raises(InputError, match="for rows 5 to 15, columns 0 to 10; wanted: uint8 of shape"):
            target.write(Tile(5, 0, 10, 10), values)
        with pytest.raises(InputError, match="within 30 rows and 30 columns"):
            target.write(Tile(25, 0, 10, 10), np.zeros((10, 10), np.uint8))
        target.write(Tile(0, 0, 30, 30), zeros(Tile(0, 0, 30, 30)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": np.float16}, "array of float16"),
        ({"dtype": np.float32, "colormap": URBAN.colormap()}, "colour table for 1 bands of float32"),
        ({"dtype": np.uint8, "band_names": ["a", "b"]}, "2 band names for 1 bands"),
        ({"dtype": np.uint8, "nodata": -1}, "no data number -1.*of uint8"),
    ],
)
def test_what_does_not_fit_is_refused_at_once(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        CogWriter(tmp_path / "a.tif", grid(5, 6), **options)
    assert not list(tmp_path.iterdir())


def test_a_file_where_the_folder_should_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError, match=r"a\.tif could not be written: .*; free disk space or choose another folder"):
        by_windows(tmp_path / "out" / "a.tif", np.ones((5, 6), np.uint8), grid(5, 6), 3)


def test_a_write_that_the_system_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(file: int, data: memoryview, place: int) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OutputError, match=r"a\.tif could not be written: No space left on device"):
        by_windows(tmp_path / "a.tif", np.ones((5, 6), np.uint8), grid(5, 6), 3)
    assert not list(tmp_path.iterdir())


def test_a_file_system_that_takes_no_room_beforehand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unable(file: int, offset: int, size: int) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "posix_fallocate", unable)
    by_windows(tmp_path / "a.tif", np.ones((50, 60), np.uint8), grid(50, 60), 30)
    with rasterio.open(tmp_path / "a.tif") as file:
        assert file.read().all()


def test_a_window_that_comes_too_late_is_refused(tmp_path: Path) -> None:
    with CogWriter(tmp_path / "a.tif", grid(5, 6), np.uint8) as target:
        target.write(Tile(0, 0, 5, 6), zeros(Tile(0, 0, 5, 6)))
    with pytest.raises(OutputError, match=r"a\.tif could not be written: Bad file descriptor"):
        target.write(Tile(0, 0, 5, 6), zeros(Tile(0, 0, 5, 6)))


LIMITED = """
import resource, sys
from pathlib import Path
import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox
from citygrain.errors import OutputError
from citygrain.lazy import lazy_raster
from citygrain.scene import cog_writer
from citygrain.scene.cog_writer import CogWriter, stream_cog
from citygrain.tiles import tile_grid
noise = np.random.default_rng(0).integers(0, 2**63, (600, 600)).astype(np.int64)
grid = GeoBox((600, 600), Affine(10, 0, 0, 0, -10, 0), "EPSG:32633")
most = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
for limit in sys.argv[2:]:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), most))
    try:
        with CogWriter(Path(sys.argv[1]), grid, np.int64) as target:
            for tile in tile_grid((600, 600), 100):
                target.write(tile, noise[tile.slices])
        print("no error")
    except OutputError as error:
        print(error)
    print(*Path(sys.argv[1]).parent.iterdir())
"""


# The pixels take 2.88 MB; the COG of noise takes more: it fails at once, or in copying, wherever the limit falls.
@pytest.mark.slow
def test_a_real_limit_on_file_size_is_an_output_error(tmp_path: Path) -> None:
    limits = ["20000", "2870000", "2880000", "3300000"]
    command = [sys.executable, "-c", LIMITED, str(tmp_path / "a.tif"), *limits]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    said = run.stdout.splitlines()
    assert len(said) == 2 * len(limits), run.stderr
    assert all("a.tif could not be written: " in line for line in said[::2])
    assert said[1::2] == [""] * len(limits)  # nothing is left in the folder


def test_a_copy_that_lacks_its_last_blocks_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy: Callable[..., None] = rasterio.shutil.copy

    def cut(source: Path, target: Path, **options: Any) -> None:
        copy(source, target, **options)
        os.truncate(target, target.stat().st_size - 1)

    monkeypatch.setattr(rasterio.shutil, "copy", cut)
    with pytest.raises(OutputError, match="the disk took only a part"):
        by_windows(tmp_path / "a.tif", np.ones((300, 300), np.uint8), grid(300, 300), 100)
    assert not list(tmp_path.iterdir())
