import numpy as np
import numpy.typing as npt
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from citygrain.errors import InputError
from citygrain.grid_patches import GridPatches
from citygrain.tessellation import raster_like

ORIGIN = (300_000.0, 5_800_000.0)  # upper left corner
SHAPES = st.tuples(st.integers(9, 40), st.integers(9, 40))


def scene_of(values: npt.NDArray[np.floating]) -> xr.DataArray:
    height, width = values.shape[1:]
    x, y = ORIGIN
    grid = GeoBox.from_bbox((x, y - 10 * height, x + 10 * width, y), "EPSG:32633", resolution=10)
    layers = [raster_like(layer.astype(np.float32), grid) for layer in values]
    return xr.concat(layers, "band").assign_coords(band=[f"b{i}" for i in range(len(values))])


def positions(height: int, width: int) -> xr.DataArray:
    """A scene whose two bands are each pixel's row and column."""
    return scene_of(np.stack(np.meshgrid(np.arange(height), np.arange(width), indexing="ij")).astype(np.float32))


@settings(max_examples=30)
@given(shape=st.tuples(st.integers(32, 70), st.integers(32, 70)), stride=st.sampled_from([1, 2, 5, 9, 10]))
def test_the_patch_is_centred_on_its_cell_on_the_ground(shape: tuple[int, int], stride: int) -> None:
    scene = positions(*shape)
    cells = GridPatches.of(scene, size=32, stride=stride)
    rows = cells.gather(scene)[:]
    row, column = np.divmod(np.arange(len(cells)), cells.geobox.shape[1])
    inside = ((row * stride > 16) & (row * stride + stride + 16 < shape[0])).nonzero()[0]
    inside = inside[(column[inside] * stride > 16) & (column[inside] * stride + stride + 16 < shape[1])]
    middle = rows[inside].mean((2, 3))  # row and column of the patch's centre, counted in pixel middles
    x = ORIGIN[0] + 10 * (middle[:, 1] + 0.5)
    y = ORIGIN[1] - 10 * (middle[:, 0] + 0.5)
    half = 0 if stride % 2 == 0 else 5  # metres up and left, where no patch of even side can be centred
    map_y = cells.geobox.coordinates["y"].values[row[inside]]
    map_x = cells.geobox.coordinates["x"].values[column[inside]]
    np.testing.assert_allclose(x, map_x - half, atol=1e-3)
    np.testing.assert_allclose(y, map_y + half, atol=1e-3)


@settings(max_examples=30)
@given(shape=SHAPES, size=st.integers(1, 9), stride=st.integers(1, 12))
def test_patches_are_windows_of_the_reflected_scene(shape: tuple[int, int], size: int, stride: int) -> None:
    scene = positions(*shape)
    if min(shape) <= stride / 2:
        return
    cells = GridPatches.of(scene, size=size, stride=stride)
    padded = np.pad(scene.values, ((0, 0), (9, 9), (9, 9)), mode="reflect")
    down, across = cells.geobox.shape
    offset = 9 + (stride - size) // 2
    wanted = [
        padded[:, offset + r * stride :][:, :size, offset + c * stride :][:, :, :size]
        for r in range(down)
        for c in range(across)
    ]
    assert np.array_equal(cells.gather(scene)[:], np.stack(wanted))


@given(shape=SHAPES, stride=st.integers(1, 9))
def test_cells_whose_centre_lies_in_the_scene_take_part(shape: tuple[int, int], stride: int) -> None:
    cells = GridPatches.of(positions(*shape), size=9, stride=stride)
    for side, number in zip(shape, cells.geobox.shape, strict=True):
        assert (number - 0.5) * stride < side <= (number + 0.5) * stride
    assert cells.geobox.affine.c == ORIGIN[0] and cells.geobox.affine.f == ORIGIN[1]
    assert cells.geobox.resolution.x == 10 * stride and cells.geobox.crs == "EPSG:32633"


def test_a_bright_object_appears_in_its_cell() -> None:
    values = np.zeros((1, 64, 80))
    values[0, 30:40, 50:60] = 1  # the cell of row 3, column 5
    scene = scene_of(values)
    cells = GridPatches.of(scene, size=10, stride=10)
    shown = cells.scatter(cells.gather(scene)[:].mean((1, 2, 3)))
    assert shown.shape == (6, 8) and shown.values[3, 5] == 1 and shown.values.sum() == 1
    x, y = ORIGIN
    assert shown.sel(x=x + 550, y=y - 350, method="nearest") == 1


def test_a_cell_needs_data_in_half_of_its_own_pixels() -> None:
    values = np.ones((2, 32, 36))
    values[:, :10, :5] = np.nan  # half of the first cell: it stays
    values[:, :10, 10:15] = np.nan
    values[:, 0, 15] = np.nan  # one pixel more than half of the second
    values[0, :10, 20:30] = np.nan  # the third has data in its other band
    values[:, :, 30:34] = np.nan  # the last column of cells is 6 pixels wide in the scene: 2 of them have data
    scene = scene_of(values)
    cells = GridPatches.of(scene, size=8, stride=10)
    assert cells.scatter(np.ones(len(cells), np.uint8)).values.tolist() == [[1, 0, 1, 0], [1, 1, 1, 0], [1, 1, 1, 0]]


def test_missing_values_take_the_mean_of_their_patch_and_band() -> None:
    values = np.random.default_rng(0).random((2, 40, 40))
    values[:, 12:15, 13:19] = np.nan
    values[1, :, :] = np.nan
    scene = scene_of(values)
    cells = GridPatches.of(scene, size=16, stride=10)
    with_gaps = GridPatches.of(scene, size=16, stride=10).gather(scene)
    patch = with_gaps[5]
    raw = scene.values[:, 7:23, 7:23]
    filled = np.where(np.isnan(raw[0]), np.nanmean(raw[0]), raw[0])
    np.testing.assert_allclose(patch[0], filled, rtol=1e-6)
    assert np.isnan(patch[1]).all()  # a band without any value in the patch stays missing
    assert np.array_equal(scene.values, scene_of(values).values, equal_nan=True)  # the scene itself is not filled
    assert len(cells) == 16


@given(order=st.lists(st.integers(0, 15), max_size=20))
def test_chosen_patches_are_those_of_all(order: list[int]) -> None:
    scene = positions(40, 40)
    rows = GridPatches.of(scene, size=12, stride=10).gather(scene)
    everything = rows[:]
    chosen = np.array(order, np.int64)
    assert np.array_equal(rows[chosen], everything[chosen])
    assert np.array_equal(rows.subset(chosen)[: len(order) // 2], everything[chosen[: len(order) // 2]])
    assert np.array_equal(rows[3], everything[3]) and rows[3].shape == rows.shape[1:]


def test_extents_hold_cell_and_patch_within_the_scene() -> None:
    x, y = ORIGIN
    extents = GridPatches.of(positions(40, 40), size=16, stride=10).extents()
    assert extents[0].tolist() == [x, y - 130, x + 130, y]
    assert extents[5].tolist() == [x + 70, y - 230, x + 230, y - 70]
    narrow = GridPatches.of(positions(40, 40), size=2, stride=10).extents()
    assert narrow[5].tolist() == [x + 100, y - 200, x + 200, y - 100]  # the cell is larger than its patch


def test_impossible_grids_are_refused() -> None:
    scene = positions(20, 30)
    for size, stride, message in ((21, 10, "patch of 21"), (0, 10, "patch of 0"), (8, 0, "1 or more"), (8, 40, "cell")):
        with pytest.raises(InputError, match=message):
            GridPatches.of(scene, size=size, stride=stride)
    with pytest.raises(InputError, match="one grid"):
        GridPatches.of(scene, size=8).gather(scene[:, :10])
    with pytest.raises(InputError, match="one value for each unit"):
        GridPatches.of(scene, size=8).scatter(np.zeros(3))
