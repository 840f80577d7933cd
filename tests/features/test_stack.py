"""Features side by side: order kept, bands before indices, the scene's own attributes and grid."""

import os
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from citygrain.errors import InputError
from citygrain.features.stack import compute_features
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


def test_real_scenes() -> None:
    folder = Path(os.environ.get("CITYGRAIN_DATA", Path(__file__).parents[2] / "../shared/data")) / "scenes"
    if not folder.is_dir():
        pytest.skip(f"no real scenes at {folder} (set CITYGRAIN_DATA)")
    scene = read_scene(folder / "leipzig/s2_2021.tif")
    features = compute_features(scene, ["NDVI", "(nir-red)/(nir+red)", "MNDWI"])
    np.testing.assert_allclose(features.values[0], features.values[1], atol=1e-5)
    assert features.odc.geobox == scene.odc.geobox
    assert np.isfinite(features.values).all()
