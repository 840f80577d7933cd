"""A small run, as the workflow hands it to the report."""

import numpy as np
import odc.geo.xr  # noqa: F401
import pytest
import xarray as xr
from odc.geo.geobox import GeoBox
from odc.geo.xr import xr_coords

from citygrain.accuracy.assess import assess
from citygrain.legend import Legend
from citygrain.report.html import RunRecord
from citygrain.samples.samples import Samples

BANDS = ("B02", "B03", "B04", "B08", "B11")


def make_scene(height=90, width=120, epsg=32633, bands=BANDS):
    rng = np.random.default_rng(0)
    step = 0.0001 if epsg == 4326 else 10.0
    geobox = GeoBox.from_bbox((10, 50, 10 + width * step, 50 + height * step), crs=epsg, shape=(height, width))
    values = rng.uniform(0.02, 0.4, (len(bands), height, width)).astype(np.float32)
    attrs = {"units": "reflectance", "sensor": "sentinel-2"}
    return xr.DataArray(values, dims=("band", "y", "x"), coords={"band": list(bands), **xr_coords(geobox)}, attrs=attrs)


def make_run(names=("Urban", "Crop", "Vegetation", "Water"), **changes):
    rng = np.random.default_rng(1)
    scene = make_scene()
    shape = scene.shape[1:]
    legend = Legend.from_names(dict(enumerate(names, start=1)))
    rows, columns = np.indices(shape) // 10
    segments = (rows * 12 + columns + 1).astype(np.int32)
    reference = rng.integers(1, len(names) + 1, 108).astype(np.uint8)
    mapped = np.where(rng.random(108) < 0.8, reference, rng.integers(1, len(names) + 1, 108)).astype(np.uint8)
    test = rng.random(108) < 0.5
    superpixel = assess(reference[test], mapped[test], legend).to_dict()
    pixels = rng.integers(1, len(names) + 1, shape).astype(np.uint8)
    pixel = assess(pixels.ravel(), mapped[segments - 1].ravel(), legend).to_dict()
    optimistic = {"superpixel": assess(reference, mapped, legend).to_dict(), "pixel": pixel, "optimistic": True}
    split = (1 + test[segments - 1]).astype(np.uint8)
    x = rng.uniform(0, 0.4, (20, len(BANDS), 9, 9)).astype(np.float32)
    patches = Samples.of(x, rng.integers(1, len(names) + 1, 20), features=BANDS, legend=legend)
    fields = {
        "title": "Toy town",
        "scene": scene,
        "unit": "superpixel",
        "segments": segments,
        "legend": legend,
        "reference_pixel": pixels,
        "reference_unit": reference[segments - 1],
        "map_codes": mapped[segments - 1],
        "confidence": rng.uniform(0.4, 1, 108).astype(np.float32)[segments - 1],
        "split": split,
        "assessment": {
            "split": "spatial",
            "superpixel": superpixel,
            "pixel": pixel,
            "resubstitution": optimistic,
            "notes": ["A note."],
        },
        "history": [
            {"epoch": e, "train_loss": 1 / e, "valid_loss": 1.1 / e, "train_accuracy": 0.5, "valid_accuracy": None}
            for e in (1, 2, 3)
        ],
        "patches": patches,
        "steps": [
            {"name": "segments", "seconds": 1.25, "peak_mb": 210.0, "reused": False},
            {"name": "train", "seconds": 9.5, "peak_mb": None, "reused": True},
        ],
        "config": {"seed": 0, "scene": {"path": "scene.tif"}},
        "caveats": ["The reference is wrong in places."],
    }
    return RunRecord(**(fields | changes))


@pytest.fixture(scope="session")
def run():
    return make_run()


@pytest.fixture(scope="session")
def remake():
    return make_run


@pytest.fixture(scope="session")
def remake_scene():
    return make_scene
