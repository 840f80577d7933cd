"""Patches that networks are measured on: of the synthetic city, with classes that can be learned."""

from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from benchmarks import frame
from citygrain.features.stack import compute_features
from citygrain.legend import LCZ, URBAN
from citygrain.samples.balance import balance
from citygrain.samples.draw import draw_samples
from citygrain.samples.samples import Samples
from citygrain.scene.synthetic import synthetic_city
from citygrain.segments.slic import superpixels
from citygrain.sensors import SO2SAT_SENTINEL2
from citygrain.tessellation import SegmentPatches

__all__ = ["city_patches", "lcz_patches", "lcz_samples"]

Rows = npt.NDArray[np.float32]


@cache
def city_patches(per_class: int, side: int) -> Samples:
    """Return 4 x `per_class` shuffled patches (3, 25, 25), red, green, blue, of a city of `side` x `side` pixels."""
    city = synthetic_city((side, side), seed=3)
    features = compute_features(city.scene, ["B04", "B03", "B02"])
    patches = SegmentPatches(superpixels(features, n_segments=side * side // 100), window=25)
    rng = np.random.default_rng(0)
    drawn = draw_samples(features, patches, city.reference, legend=URBAN)
    return balance(drawn, per_class=per_class, rng=rng, oversample=True)


def lcz_patches(count: int) -> Rows:
    """Return patches (n, 10, 32, 32): the real ones of Berlin again and again, or random ones without the data."""
    path: Path = frame.data() / "so2sat/berlin_lcz_patches.h5"
    if path.is_file():
        with h5py.File(path) as file:
            rows: Any = file["sen2"][:].transpose(0, 3, 1, 2)
    else:
        rows = np.random.default_rng(0).random((256, 10, 32, 32), np.float32) * 0.3
    return np.ascontiguousarray(rows[np.arange(count) % len(rows)])


def lcz_samples(count: int) -> Samples:
    """Return such patches with a class for each in turn, so that a network of 17 classes can be built."""
    return Samples.of(lcz_patches(count), np.arange(count) % 17 + 1, features=SO2SAT_SENTINEL2, legend=LCZ)
