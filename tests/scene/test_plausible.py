"""What is said of a scene's values is the same whether it is read whole or by windows."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from citygrain.errors import InputError
from citygrain.lazy import lazy_raster
from citygrain.scene import plausible
from citygrain.scene.plausible import sample_pixels
from citygrain.scene.read import read_scene

LAYOUTS = [{}, {"tiled": True, "blockxsize": 16, "blockysize": 48}, {"blockysize": 1, "interleave": "pixel"}]


def write(path: Path, cube: np.ndarray, **options: object) -> Path:
    profile = {"count": len(cube), "height": cube.shape[1], "width": cube.shape[2], "dtype": cube.dtype}
    affine = Affine(10, 0, 500_000, 0, -10, 6_000_000)
    with rasterio.open(path, "w", crs="EPSG:32633", transform=affine, nodata=0, **profile, **options) as target:
        target.write(cube)
        for index, name in enumerate(["B02", "B03"], start=1):
            target.set_band_description(index, name)
    return path


def said(path: Path, *, lazy: bool, scale: float) -> str:
    try:
        read_scene(path, scale=scale, lazy=lazy)
    except InputError as error:
        return str(error)
    return "fine"


@pytest.mark.slow
@given(height=st.integers(1, 90), width=st.integers(1, 70), side=st.integers(1, 12), layout=st.sampled_from(LAYOUTS))
def test_the_sample_is_the_same_of_the_whole_and_by_windows(
    *, tmp_path_factory: pytest.TempPathFactory, height: int, width: int, side: int, layout: dict[str, object]
) -> None:
    cube = np.random.default_rng(0).integers(500, 4000, (2, height, width)).astype(np.uint16)
    path = write(tmp_path_factory.mktemp("s") / "s.tif", cube, **layout)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plausible, "_SIDE", side)
        whole, lazy = sample_pixels(read_scene(path)), sample_pixels(read_scene(path, lazy=True))
    assert whole.tobytes() == lazy.tobytes() and whole.shape == lazy.shape
    assert whole.shape == (2, min(height, 8 * side), min(width, 8 * side))


def test_the_windows_lie_all_over_the_scene_and_apart() -> None:
    for length in (321, 327, 1000, 10_980):
        places = [place for place, _ in plausible._places(length)]
        assert [place.stop - place.start for place in places] == 8 * [40]
        assert places[0].start == length - places[-1].stop or abs(places[0].start - (length - places[-1].stop)) <= 1
        gaps = [after.start - before.stop for before, after in itertools.pairwise(places)]
        assert min(gaps) >= 0 and max(gaps) - min(gaps) <= 1


def test_of_a_large_scene_few_pixels_are_read() -> None:
    read = []

    def reader(bands: np.ndarray, rows: slice, columns: slice) -> np.ndarray:
        read.append((rows.stop - rows.start) * (columns.stop - columns.start))
        return np.ones((len(bands), rows.stop - rows.start, columns.stop - columns.start), np.float32)

    grid = GeoBox.from_bbox((0, 0, 109_800, 109_800), "EPSG:32633", resolution=10)
    assert sample_pixels(lazy_raster(reader, grid, ["B02"])).shape == (1, 320, 320)
    assert len(read) == 64 and sum(read) == 320**2


@pytest.mark.slow
@given(
    scale=st.sampled_from([1.0, 100.0, 10_000.0, 1e6]),
    values=st.sampled_from([0.0, 0.001, 0.02, 0.5, 1.0]),
    layout=st.sampled_from(LAYOUTS),
    seed=st.integers(0, 99),
)
def test_the_verdict_is_that_of_the_whole(
    *, tmp_path_factory: pytest.TempPathFactory, scale: float, values: float, layout: dict[str, object], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    cube = rng.integers(500, 4000, (2, 60, 70)).astype(np.uint16)
    cube[:, rng.random((60, 70)) >= values] = 0  # the windows meet few values, or none
    path = write(tmp_path_factory.mktemp("s") / "s.tif", cube, **layout)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("_WINDOWS", 3), ("_SIDE", 1), ("_GATHERED", 25), ("_EACH", 9)):
            patch.setattr(plausible, name, value)
        assert said(path, lazy=True, scale=scale) == said(path, lazy=False, scale=scale)
    if values == 0:
        assert "every pixel of s.tif is no data" in said(path, lazy=True, scale=scale)


def test_a_scene_in_the_dark_and_one_too_bright(tmp_path: Path) -> None:
    path = write(tmp_path / "s.tif", np.full((2, 40, 50), 3000, np.uint16))
    for lazy in (True, False):
        assert said(path, lazy=lazy, scale=1000) == (
            "values reach 3 with scale 1000; wanted: 0.08 to 2 as reflectance; try scale = 10000"
        )
        assert said(path, lazy=lazy, scale=10_000) == "fine"
