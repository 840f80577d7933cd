"""Toy worlds, and the way to the real data."""

import os
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import settings
from odc.geo.geobox import GeoBox

from citygrain.scene.synthetic import SyntheticCity, synthetic_city
from citygrain.tessellation import raster_like

ROOT = Path(__file__).parents[1]

settings.register_profile(
    "citygrain",
    deadline=None,  # shared machines are no stopwatches
    max_examples=50,
    derandomize=os.environ.get("CI") == "true",  # there the same cases each time; a developer's runs draw new ones
)
settings.load_profile("citygrain")


@pytest.fixture(scope="session")
def data() -> Path:
    """Folder of the real scenes; tests that need it skip where it is absent."""
    folder = Path(os.environ.get("CITYGRAIN_DATA", ROOT / "../shared/data"))
    if not (folder / "scenes").is_dir():
        pytest.skip(f"no real scenes in {folder}: set CITYGRAIN_DATA")
    return folder.resolve()


@pytest.fixture(scope="session")
def city() -> SyntheticCity:
    """A small city with known truth."""
    return synthetic_city((256, 256), seed=3)


@pytest.fixture
def quilt() -> tuple[xr.DataArray, xr.DataArray]:
    """Features (2, 40, 60) with a hole of no data, and superpixels of 5 x 5 pixels that leave the hole out."""
    grid = GeoBox.from_bbox((0, 0, 600, 400), "EPSG:32633", resolution=10)
    rng = np.random.default_rng(0)
    values = rng.random((2, 40, 60), np.float32)
    labels = (np.arange(40)[:, None] // 5 * 12 + np.arange(60) // 5 + 1).astype(np.int32)
    hole = np.isin(labels, [50, 51])
    values[:, hole] = np.nan
    labels[hole] = 0
    labels[labels > 51] -= 2
    layers = [raster_like(layer, grid) for layer in values]
    features = xr.concat(layers, "band").assign_coords(band=["B04", "B08"])
    features.attrs.update(units="reflectance", sensor="sentinel-2")
    return features, raster_like(labels, grid)
