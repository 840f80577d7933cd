"""The scenes that superpixels are compared on: bands stretched to 0-1, and a reference map of each."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from scipy import ndimage
from sklearn.cluster import KMeans

from benchmarks import frame
from benchmarks.peers import MissingError
from citygrain.scene.synthetic import synthetic_city

__all__ = ["SCENES", "Scene", "aberystwyth", "data", "large", "leipzig", "stretch", "synthetic"]

Bands = npt.NDArray[np.float32]
Scene = tuple[Bands, npt.NDArray[Any]]


def synthetic(side: int = 1024) -> Scene:
    """Return the toy city's bands and its known truth."""
    city = synthetic_city((side, side), seed=7)
    return stretch(city.scene.values), np.asarray(city.truth.values)


def aberystwyth() -> Scene:
    """Return the real scene's ten bands with NDVI, MNDWI and NDBI, and its land-cover map."""
    with rasterio.open(_there("aberystwyth/s2_20210527.tif")) as file:
        bands = file.read().astype(np.float32) / 1000
    with rasterio.open(_there("aberystwyth/landcover_map_4class.tif")) as file:
        reference = file.read(1)
    green, red, nir, swir = bands[1], bands[2], bands[6], bands[8]
    pairs = ((nir, red), (green, swir), (swir, nir))
    indices = [(a - b) / np.where(a + b == 0, 1, a + b) for a, b in pairs]
    return stretch(np.concatenate([bands, np.stack(indices)])), reference


def leipzig() -> Scene:
    """Return the real scene's eight bands and, since its reference is points alone, a map made from the image itself.

    The map is six clusters of pixels, each pixel then given the majority of 3 x 3: what any classifier of pixels would
    draw borders around. It is the same for both methods, and favours neither.
    """
    with rasterio.open(_there("leipzig/s2_2021.tif")) as file:
        bands = stretch(np.nan_to_num(file.read().astype(np.float32)))
    pixels = bands.reshape(len(bands), -1).T
    codes = KMeans(6, n_init=4, random_state=0).fit_predict(pixels).reshape(bands.shape[1:])
    votes = np.stack([ndimage.uniform_filter((codes == code).astype(np.float32), 3) for code in range(6)])
    return bands, votes.argmax(0).astype(np.uint8) + 1


SCENES = {"synthetic city": synthetic, "Aberystwyth": aberystwyth, "Leipzig": leipzig}


def large(side: int, bands: int) -> Bands:
    """Return a city of `side` x `side` pixels: one of half the side, four times, with noise."""
    city = stretch(synthetic_city((side // 2, side // 2), seed=1).scene.values[:bands])
    whole = np.tile(city, (1, 2, 2))
    whole += np.random.default_rng(0).normal(0, 0.01, whole.shape).astype(np.float32)
    return whole


def stretch(bands: Bands) -> Bands:
    """Stretch each band's 2nd to 98th percentile to 0-1 and clip."""
    low, high = (edge[:, None, None] for edge in np.percentile(bands, (2, 98), axis=(1, 2)))
    return np.clip((bands - low) / (high - low), 0, 1).astype(np.float32)


def data() -> Path:
    """Return the folder of the real scenes."""
    return frame.data() / "scenes"


def _there(name: str) -> Path:
    if not (data() / name).exists():
        raise MissingError(f"no {name} in {data()}: set CITYGRAIN_DATA")
    return data() / name
