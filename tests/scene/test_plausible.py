"""What is said of a scene's values is the same whether it is read whole or by windows."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st

from citygrain.errors import InputError
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
@given(
    height=st.integers(1, 90),
    width=st.integers(1, 70),
    stride_pixels=st.integers(1, 400),
    window=st.integers(1, 3000),
    layout=st.sampled_from(LAYOUTS),
)
def test_the_sample_is_the_stride_of_the_whole(
    *,
    tmp_path_factory: pytest.TempPathFactory,
    height: int,
    width: int,
    stride_pixels: int,
    window: int,
    layout: dict[str, object],
) -> None:
    cube = np.random.default_rng(0).integers(500, 4000, (2, height, width)).astype(np.uint16)
    path = write(tmp_path_factory.mktemp("s") / "s.tif", cube, **layout)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plausible, "_SAMPLE_PIXELS", stride_pixels)
        patch.setattr(plausible, "_WINDOW_PIXELS", window)
        whole, lazy = sample_pixels(read_scene(path)), sample_pixels(read_scene(path, lazy=True))
    assert whole.tobytes() == lazy.tobytes() and whole.shape == lazy.shape


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
    cube[:, rng.random((60, 70)) >= values] = 0  # the stride meets few values, or none
    path = write(tmp_path_factory.mktemp("s") / "s.tif", cube, **layout)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plausible, "_SAMPLE_PIXELS", 12)
        patch.setattr(plausible, "_WINDOW_PIXELS", 500)
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
