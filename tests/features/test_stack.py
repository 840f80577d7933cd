"""Features side by side: order kept, bands before indices, the scene's own attributes and grid."""

import logging
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from citygrain.errors import InputError
from citygrain.features import indices
from citygrain.features.stack import compute_features
from citygrain.lazy import blocks_of, is_lazy, lazy_raster
from citygrain.scene.read import read_scene
from citygrain.sensors import SENTINEL2


def toy() -> xr.DataArray:
    names = [band.name for band in SENTINEL2.bands]
    values = np.random.default_rng(0).uniform(0.02, 0.6, (len(names), 6, 5)).astype(np.float32)
    attrs = {"units": "reflectance", "sensor": "sentinel-2", "scale": 10_000.0}
    return xr.DataArray(values, dims=("band", "y", "x"), coords={"band": names, "y": np.arange(6)}, attrs=attrs)


def test_features_in_the_order_asked_for() -> None:
    scene = toy()
    features = compute_features(scene, ["swir", "ndvi", "B02", "(nir-red)/(nir+red)", "N"])
    assert features.band.values.tolist() == ["B11", "NDVI", "B02", "(nir-red)/(nir+red)", "B08"]
    assert features.dims == ("band", "y", "x")
    assert features.dtype == np.float32
    assert features.attrs == scene.attrs
    assert "y" in features.coords
    np.testing.assert_array_equal(features.values[0], scene.sel(band="B11"))
    np.testing.assert_array_equal(features.values[1], features.values[3])


def test_a_band_wins_over_the_index_of_its_name() -> None:
    scene = toy().sel(band=["B04", "B08"])
    scene = scene.assign_coords(band=["B04", "NDVI"])
    features = compute_features(scene, ["ndvi"])
    np.testing.assert_array_equal(features.values[0], scene.sel(band="NDVI"))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "no features were asked for"),
        (["B02", "blue"], "feature B02 comes twice"),
        (["B13"], "feature 'B13' is no band of the scene"),
        (["NVDI"], "perhaps .*NDVI"),
        (["nir/"], "is no formula"),
        (["nir.real"], "holds an attribute"),
    ],
)
def test_features_that_cannot_be(names: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        compute_features(toy(), names)


# ---- lazy scenes -----------------------------------------------------------------------------------------------


class Reader:
    """Windows of an array, with a note of each."""

    def __init__(self, values: np.ndarray) -> None:
        self.values, self.read = values, []

    def __call__(self, bands: np.ndarray, rows: slice, columns: slice) -> np.ndarray:
        self.read.append((bands.tolist(), rows, columns))
        return self.values[bands][:, rows, columns]


def lazy_toy(height: int = 40, width: int = 33) -> tuple[Reader, xr.DataArray]:
    names = [band.name for band in SENTINEL2.bands]
    rng = np.random.default_rng(0)
    values = rng.uniform(0.0, 0.6, (len(names), height, width)).astype(np.float32)
    values[rng.random(values.shape) < 0.05] = np.nan
    values[:, rng.random((height, width)) < 0.05] = np.nan
    reader = Reader(values)
    grid = GeoBox.from_bbox((0, 0, 10 * width, 10 * height), "EPSG:32633", shape=(height, width))
    scene = lazy_raster(reader, grid, names, attrs={"units": "reflectance", "sensor": "sentinel-2"}, name="scene")
    scene.encoding["preferred_chunks"] = {"y": 16, "x": 8}
    return reader, scene


NAMES = ["swir", "ndvi", "kNDVI", "EVI", "GEMI", "sqrt(nir)**1.7 - log(max(red, 0.01))", "red**0", "B8A"]


@pytest.mark.slow
@given(st.tuples(*[st.integers(0, 32)] * 4), st.lists(st.sampled_from(range(8)), min_size=1, unique=True))
def test_windows_of_features_are_the_features(place: tuple[int, int, int, int], bands: list[int]) -> None:
    _, scene = lazy_toy()
    eager, lazy = compute_features(scene.load(), NAMES), compute_features(lazy_toy()[1], NAMES)
    assert is_lazy(lazy) and not is_lazy(eager)
    top, left, height, width = place
    window = (bands, slice(top, top + height + 1), slice(left, left + width + 1))
    assert lazy[window].values.tobytes() == eager[window].values.tobytes()


def test_lazy_features_look_like_the_others() -> None:
    reader, scene = lazy_toy()
    lazy = compute_features(scene, NAMES)
    part = compute_features(scene[:, 3:20, 5:], NAMES)
    assert reader.read == [] and blocks_of(lazy) == (16, 8)
    again = pickle.loads(pickle.dumps(lazy))  # noqa: S301 - our own
    assert is_lazy(again)
    eager = compute_features(lazy_toy()[1].load(), NAMES)
    xr.testing.assert_identical(again, eager)
    xr.testing.assert_identical(part, eager[:, 3:20, 5:])


def test_a_window_reads_the_bands_it_needs_once() -> None:
    reader, scene = lazy_toy()
    lazy = compute_features(scene, NAMES)
    lazy.sel(band=["NDVI", "B11", "red**0"])[:, 4:9, 2:7].load()
    names = scene.band.values.tolist()
    bands = sorted(names.index(name) for name in ("B04", "B08", "B11"))
    assert reader.read == [(bands, slice(4, 9), slice(2, 7))]


def test_names_and_warnings_come_at_once_and_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, scene = lazy_toy()
    with pytest.raises(InputError, match=r"perhaps .*NDVI"):
        compute_features(scene, ["NVDI"])
    with pytest.raises(InputError, match="comes twice"):
        compute_features(scene, ["red", "B04"])
    lazy = compute_features(scene.assign_attrs(units="digital numbers"), ["EVI"])
    assert caplog.text.count("made for reflectance") == 1 and reader.read == []
    monkeypatch.setattr(indices, "parse_formula", None)  # windows parse nothing
    with caplog.at_level(logging.WARNING):
        lazy[:, :5].load()
    assert caplog.text.count("made for reflectance") == 1


def test_real_scenes() -> None:
    folder = Path(os.environ.get("CITYGRAIN_DATA", Path(__file__).parents[2] / "../shared/data")) / "scenes"
    if not folder.is_dir():
        pytest.skip(f"no real scenes at {folder} (set CITYGRAIN_DATA)")
    scene = read_scene(folder / "leipzig/s2_2021.tif")
    features = compute_features(scene, ["NDVI", "(nir-red)/(nir+red)", "MNDWI"])
    np.testing.assert_allclose(features.values[0], features.values[1], atol=1e-5)
    assert features.odc.geobox == scene.odc.geobox
    assert np.isfinite(features.values).all()
