import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from distributed import Client, LocalCluster
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from odc.geo.xr import xr_coords
from scipy import ndimage

from citygrain.errors import InputError, OutputError
from citygrain.lazy import lazy_raster
from citygrain.segments import slic
from citygrain.segments._lattice import lay_lattice
from citygrain.segments._pack import block_size
from citygrain.segments._plan import table_bytes, work_bytes
from citygrain.segments._shelf import FileShelf
from citygrain.segments.slic import stream_superpixels, superpixels


def city(height: int = 90, width: int = 110, *, bands: int = 5, seed: int = 0, holes: bool = True) -> xr.DataArray:
    """Patches of their own spectra, with noise; some without data, and single bands missing here and there."""
    rng = np.random.default_rng(seed)
    seeds = rng.uniform(0, (height, width), (60, 2))
    y, x = np.mgrid[:height, :width]
    nearest = ((y[..., None] - seeds[:, 0]) ** 2 + (x[..., None] - seeds[:, 1]) ** 2).argmin(axis=-1)
    values = rng.uniform(0.02, 0.5, (bands, 60))[:, nearest] + rng.normal(0, 0.03, (bands, height, width))
    if holes:
        values[:, 20:40, 50:75] = np.nan
        values[:, 28:30, 60:62] = 0.3  # an island
        values[1, 60:64, 10:20] = np.nan
    return xr.DataArray(values.astype(np.float32), dims=("band", "y", "x"))


def georeferenced(crs: str, pixel: float) -> xr.DataArray:
    scene = city(holes=False)
    box = GeoBox.from_bbox((10, 40, 10 + 110 * pixel, 40 + 90 * pixel), crs, shape=(90, 110))
    scene = scene.rename({"y": box.dimensions[0], "x": box.dimensions[1]}).assign_coords(xr_coords(box))
    return scene if box.dimensions == ("y", "x") else scene.rename({box.dimensions[0]: "y", box.dimensions[1]: "x"})


def boundaries(labels: np.ndarray) -> np.ndarray:
    found = np.zeros(labels.shape, bool)
    found[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    found[1:] |= labels[1:] != labels[:-1]
    return found


SCENE = city()
WHOLE = {"n_segments": 120, "compactness": 0.1}


@pytest.fixture(scope="module")
def whole() -> np.ndarray:
    return superpixels(SCENE, **WHOLE).values


def least_memory(scene: xr.DataArray, n: int) -> int:
    """Bytes in which one thread can work, and its blocks have no room."""
    height, width = scene.shape[1:]
    lattice = lay_lattice((height, width), int(np.isfinite(scene.values).any(axis=0).sum()), n)
    room = max(block_size(lattice.edges(tile)) for tile in lattice.tiles(slic.BLOCK))
    return work_bytes(room, len(scene)) + table_bytes(lattice, len(scene))


@contextmanager
def small_blocks(size: int) -> Iterator[None]:
    """Cut a scene of a few pixels into many blocks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slic, "BLOCK", size)
        yield


@pytest.mark.slow
@given(
    block=st.integers(1, 60), engine=st.integers(1, 3), share=st.sampled_from([0.0, 1.0, 9.0]), seed=st.integers(0, 5)
)
@settings(max_examples=25, deadline=None)
def test_same_bytes_whatever_the_memory_and_the_engine(block, engine, share, seed):
    scene = city(70, 80, bands=4, seed=seed, holes=seed % 2 == 0)
    with small_blocks(block):
        whole = superpixels(scene, n_segments=90, engine=1).values
        memory = int((1 + share) * least_memory(scene, 90))
        assert superpixels(scene, n_segments=90, engine=engine, memory=memory).values.tobytes() == whole.tobytes()
    obeys_the_laws(whole, scene)


def test_blocks_lie_in_a_scratch_file_that_is_gone_afterwards(tmp_path, monkeypatch):
    kept = []
    monkeypatch.setattr(slic, "BLOCK", 30)
    monkeypatch.setattr(
        FileShelf, "put", lambda self, k, block, put=FileShelf.put: (kept.append(k), put(self, k, block))
    )
    windows = []
    arguments = {"n_segments": 120, "memory": least_memory(SCENE, 120), "scratch": tmp_path}
    attrs = stream_superpixels(SCENE, lambda *window: windows.append(window), **arguments)
    assert sorted(kept) == list(range(len(windows))) and len(kept) > 4
    assert list(tmp_path.iterdir()) == []

    def full(rows: slice, columns: slice, labels: np.ndarray) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        stream_superpixels(SCENE, full, **arguments)
    assert list(tmp_path.iterdir()) == []
    labels = np.zeros(SCENE.shape[1:], np.int32)
    for rows, columns, window in windows:
        assert not labels[rows, columns].any()
        labels[rows, columns] = window
    assert [(rows.start, columns.start) for rows, columns, _ in windows] == sorted(
        (rows.start, columns.start) for rows, columns, _ in windows
    )
    assert np.array_equal(labels, superpixels(SCENE, n_segments=120).values)
    assert attrs == superpixels(SCENE, n_segments=120).attrs


def test_no_scratch_folder_is_one_line(tmp_path):
    with pytest.raises(OutputError, match="scratch file"):
        stream_superpixels(
            SCENE,
            lambda rows, columns, labels: None,
            n_segments=120,
            memory=least_memory(SCENE, 120),
            scratch=tmp_path / "no" / "such",
        )


def test_a_lazy_scene_is_read_by_windows():
    grid = GeoBox.from_bbox((0, 0, 1100, 900), "EPSG:32633", resolution=10)
    read = []

    def reader(bands: np.ndarray, rows: slice, columns: slice) -> np.ndarray:
        read.append((rows.stop - rows.start) * (columns.stop - columns.start))
        return SCENE.values[bands][:, rows, columns]

    lazy = lazy_raster(reader, grid, [f"B{k}" for k in range(5)])
    with small_blocks(40):
        found = superpixels(lazy, n_segments=120)
        assert np.array_equal(found.values, superpixels(SCENE, n_segments=120).values)
    assert found.odc.geobox == grid
    assert max(read) <= 40 * 40 and sum(read) == 2 * SCENE[0].size


MEMORY_HELD = """
import resource, sys, threading, time
import numpy as np
from odc.geo.geobox import GeoBox
from citygrain.lazy import lazy_raster
from citygrain.segments import slic
from citygrain.segments.slic import compile_ahead, stream_superpixels

slic.BLOCK = 256
side, bands, memory = 3700, 8, int(sys.argv[1])
rng = np.random.default_rng(0)
plots, grain = rng.random((bands, 64, 64), np.float32), rng.normal(0, 0.02, (bands, 512, 512)).astype(np.float32)

def reader(chosen, rows, columns):
    y, x = np.arange(rows.start, rows.stop)[:, None], np.arange(columns.start, columns.stop)
    return plots[chosen][:, y // 67 % 64, x // 71 % 64] + grain[chosen][:, y % 512, x % 512]

compile_ahead()
before = int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()
peak, done = [0], threading.Event()
def watch():
    while not done.wait(0.005):
        peak[0] = max(peak[0], int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize())
threading.Thread(target=watch).start()
count = [0]
try:
    scene = lazy_raster(reader, GeoBox.from_bbox((0, 0, side, side), "EPSG:32633", resolution=1), list("abcdefgh"))
    def sink(rows, columns, labels):
        count[0] += labels.size
    found = stream_superpixels(scene, sink, n_segments=10_000, memory=memory, iterations=3, engine=2)
finally:
    done.set()
print(count[0], found["n_segments"], peak[0] - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="resident memory is read from /proc")
def test_memory_is_held_on_a_scene_ten_times_as_large(tmp_path):
    memory = 40 * 2**20  # the scene takes 438 MB as it comes, 246 MB packed
    done = subprocess.run(
        [sys.executable, "-c", MEMORY_HELD, str(memory)], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    pixels, segments, peak = (int(word) for word in done.stdout.split())
    assert pixels == 3700**2
    assert 4_000 < segments <= 10_500  # of 2,915 plots, most of them larger than a segment
    assert peak <= memory


def test_cluster_is_whole(whole):
    with (
        LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        assert np.array_equal(superpixels(SCENE, n_segments=120, engine=client).values, whole)


@given(order=st.permutations(range(5)))
@settings(max_examples=8, deadline=None)
def test_order_of_bands_does_not_matter(whole, order):
    assert np.array_equal(superpixels(SCENE[list(order)], n_segments=120).values, whole)


@pytest.mark.slow
def test_plain_python_gives_the_same(tmp_path):
    """The kernels are plain Python: uncompiled they give the same labels, to the last one."""
    scene = city(24, 26, bands=5)
    np.save(tmp_path / "scene.npy", scene.values)
    script = (
        "import sys, json, numpy as np, xarray as xr; from citygrain.segments.slic import superpixels;"
        "scene = xr.DataArray(np.load(sys.argv[1]), dims=('band', 'y', 'x'));"
        "print(json.dumps(superpixels(scene, n_segments=12, iterations=3, memory=2**26).values.tolist()))"
    )
    command = [sys.executable, "-W", "error::RuntimeWarning", "-c", script, str(tmp_path / "scene.npy")]
    done = subprocess.run(
        command, env=os.environ | {"NUMBA_DISABLE_JIT": "1"}, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == superpixels(scene, n_segments=12, iterations=3, memory=2**26).values.tolist()


@given(
    seed=st.integers(0, 9),
    n=st.integers(1, 400),
    compactness=st.sampled_from([0.01, 0.1, 1.0, 30.0]),
    shape=st.sampled_from([(90, 110), (1, 700), (500, 1), (33, 47)]),
)
@settings(max_examples=25, deadline=None)
def test_labels_obey_the_laws(seed, n, compactness, shape):
    scene = city(*shape, seed=seed, holes=shape == (90, 110))
    found = superpixels(scene, n_segments=n, compactness=compactness)
    assert found.dtype == np.int32
    assert found.values.max() == found.attrs["n_segments"]
    obeys_the_laws(found.values, scene)


def obeys_the_laws(labels: np.ndarray, scene: xr.DataArray) -> None:
    """Every pixel with data and no other has a label; 1..n in reading order; each segment hangs together."""
    valid = np.isfinite(scene.values).any(axis=0)
    assert np.array_equal(labels > 0, valid)
    names, first = np.unique(labels[valid], return_index=True)
    assert np.array_equal(names, np.arange(1, labels.max() + 1))
    assert np.all(np.diff(first) > 0), "numbered in reading order"
    for label, window in enumerate(ndimage.find_objects(labels), start=1):
        assert ndimage.label(labels[window] == label)[1] == 1, "4-connected"


def test_island_keeps_a_label_of_its_own(whole):
    island = whole[28:30, 60:62]
    assert (island == island[0, 0]).all()
    assert (whole == island[0, 0]).sum() == 4


def test_same_input_same_bytes(whole):
    again = superpixels(SCENE.copy(deep=True), **WHOLE)
    assert again.values.tobytes() == whole.tobytes()


def test_a_bright_pixel_far_away_changes_nothing():
    scene = city(120, 120, holes=False)
    bright = scene.copy(deep=True)
    bright[:, 115, 115] = 1e6
    before, after = (superpixels(s, n_segments=140).values for s in (scene, bright))
    changed = (boundaries(before) != boundaries(after))[:70, :70]  # four cells and more away
    assert not changed.any()


def test_great_compactness_gives_the_lattice():
    labels = superpixels(city(60, 80, holes=False), n_segments=12, compactness=1000).values
    cells = np.arange(60)[:, None] // 20 * 4 + np.arange(80) // 20 + 1
    assert np.array_equal(labels, cells)


def test_missing_band_counts_as_the_middle():
    scene = city(40, 40, holes=False)
    with_gap = scene.copy(deep=True)
    with_gap[2, 5, 5] = np.nan
    found = superpixels(with_gap, n_segments=20)
    filled = with_gap.copy(deep=True)
    filled[2, 5, 5] = found.attrs["feature_centre"][2]
    assert np.array_equal(found.values, superpixels(filled, n_segments=20).values)


def test_infinity_is_no_data():
    scene = city(40, 40, holes=False)
    scene[:, 0, 0] = np.inf
    scene[:, 0, 1] = [np.nan, -np.inf, np.inf, np.nan, np.nan]
    labels = superpixels(scene, n_segments=20).values
    assert np.argwhere(labels == 0).tolist() == [[0, 0], [0, 1]]


def test_nearly_constant_scene_is_cut_where_it_is_not():
    scene = xr.DataArray(np.full((1, 50, 50), 0.1, np.float32), dims=("band", "y", "x"))
    scene[:, 20:24, 20:24] = 0.4  # less than 2 % of the pixels
    labels = superpixels(scene, n_segments=9, compactness=0.05).values
    assert len(np.unique(labels[20:24, 20:24])) == 1
    assert (labels == labels[21, 21]).sum() == 16 or (labels == labels[21, 21]).sum() > 69  # its own, or merged whole


def test_geometry_stays_and_hectares_are_measured():
    scene = georeferenced("EPSG:32630", 10.0)
    found = superpixels(scene, area_ha=1.0)
    assert found.odc.geobox == scene.odc.geobox
    assert found.attrs["n_segments"] == pytest.approx(99, abs=10)


def test_hectares_want_metres():
    with pytest.raises(InputError, match="projected CRS in metres"):
        superpixels(georeferenced("EPSG:4326", 0.001), area_ha=1.0)
    with pytest.raises(InputError, match="projected CRS in metres"):
        superpixels(city(), area_ha=1.0)
    with pytest.raises(InputError, match="at least one pixel"):
        superpixels(georeferenced("EPSG:32630", 10.0), area_ha=0.001)


@given(n=st.integers(1, 120))
@settings(max_examples=10, deadline=None)
def test_a_mean_area_in_pixels_is_the_number_it_makes(n: int) -> None:
    scene = city()
    valid = int(np.isfinite(scene.values).any(0).sum())
    by_number, by_area = superpixels(scene, n_segments=n), superpixels(scene, area_pixels=valid / n)
    np.testing.assert_array_equal(by_area.values, by_number.values)
    assert by_area.attrs["wanted_segments"] == n


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "exactly one"),
        ({"n_segments": 5, "area_ha": 1.0}, "exactly one"),
        ({"area_pixels": 0.5}, "area_pixels=0.5; wanted: at least 1"),
        ({"area_pixels": float("nan")}, "at least 1"),
        ({"n_segments": 0}, "1 to 9404"),
        ({"n_segments": 9405}, "1 to 9404"),
        ({"n_segments": 5, "compactness": 0.0}, "compactness"),
        ({"n_segments": 5, "compactness": np.nan}, "compactness"),
        ({"n_segments": 5, "iterations": 0}, "iterations"),
        ({"n_segments": 5, "memory": 1000}, "memory of 0 MB"),
    ],
)
def test_wrong_arguments_are_one_line(arguments, message):
    with pytest.raises(InputError, match=message) as caught:
        superpixels(SCENE, **arguments)
    assert "\n" not in str(caught.value)


def test_wrong_scenes_are_one_line():
    with pytest.raises(InputError, match="without a single valid pixel"):
        superpixels(xr.full_like(SCENE, np.nan), n_segments=5)
    with pytest.raises(InputError, match="transpose"):
        superpixels(SCENE.transpose("y", "x", "band"), n_segments=5)
    empty_band = SCENE.copy(deep=True)
    empty_band[3] = np.nan
    with pytest.raises(InputError, match="feature 3 has no valid pixel"):
        superpixels(empty_band, n_segments=5)


def test_a_pixel_each():
    assert superpixels(city(6, 7, holes=False), n_segments=42).attrs["n_segments"] <= 42
    one = superpixels(city(1, 1, holes=False), n_segments=1)
    assert one.values.tolist() == [[1]]


def test_progress_is_told():
    told: list[tuple[int, int]] = []
    superpixels(SCENE, n_segments=50, iterations=3, progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]
