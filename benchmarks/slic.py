"""Our superpixels beside scikit-image's `slic`: time and quality, on the same scaled bands in the same run.

Both get bands stretched to 0-1 (2nd to 98th percentile, clipped), the same compactness and 10 iterations. scikit-image
returns fewer segments than it is asked for; ours is asked for as many as scikit-image returned, so that neither wins
by cutting finer.

    python benchmarks/slic.py [synthetic|aberystwyth|large] ...
"""

import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
import xarray as xr
from skimage.segmentation import slic

from citygrain.scene.synthetic import synthetic_city
from citygrain.segments.quality import segment_quality
from citygrain.segments.slic import superpixels

COMPACTNESS = 0.1
Scene = tuple[npt.NDArray[np.float32], npt.NDArray[Any]]
Figures = dict[str, float]


def main(names: list[str] | None = None) -> dict[str, Figures]:
    """Print a table of the scenes named (all that are there by default); return figures by scene and method."""
    scenes: dict[str, Callable[[], Scene]] = {"synthetic": synthetic}
    if data().exists():
        scenes["aberystwyth"] = aberystwyth
    figures: dict[str, Figures] = {}
    for name in names or [*scenes, "large"]:
        if name == "large":
            figures["large"] = large()
        else:
            figures |= compare(name, *scenes[name]())
    for name, values in figures.items():
        print(f"{name:26s}" + "  ".join(f"{key}={value:.4g}" for key, value in values.items()))
    return figures


def compare(
    name: str, bands: npt.NDArray[np.float32], reference: npt.NDArray[Any], *, area: int = 98
) -> dict[str, Figures]:
    """Measure both methods on a scene with segments of about `area` pixels; the quickest of several runs counts.

    `times_faster` compares what a user waits for, both called plainly: scikit-image takes one processor, ours all.
    `times_less_work` compares processor seconds with one thread each.
    """
    features = xr.DataArray(bands, dims=("band", "y", "x"))
    image = np.ascontiguousarray(bands.transpose(1, 2, 0))  # (y, x, band)
    asked = reference.size // area
    superpixels(features[:, :64, :64], n_segments=40)  # compile
    peer_s, peer = quickest(lambda: scikit_image(image, asked), runs=3)
    peer_work, _ = quickest(lambda: scikit_image(image, asked), runs=1, clock=time.process_time)
    n = int(peer.max())
    ours_s, ours = quickest(lambda: superpixels(features, n_segments=n, compactness=COMPACTNESS), runs=5)
    ours_work, _ = quickest(
        lambda: superpixels(features, n_segments=n, compactness=COMPACTNESS, engine=1),
        runs=3,
        clock=time.process_time,
    )
    speed = {"seconds": ours_s, "times_faster": peer_s / ours_s, "times_less_work": peer_work / ours_work}
    return {
        f"{name}/scikit-image": {"seconds": peer_s} | quality(peer, reference, bands),
        f"{name}/citygrain": speed | quality(ours, reference, bands),
    }


def large(side: int = 3536, n_segments: int = 30_000) -> Figures:
    """Time 12.5 megapixels of 8 bands with one and two threads, and take the peak memory of the process."""
    bands = stretch(synthetic_city((side // 2, side // 2), seed=1).scene.values[:8])
    bands = np.tile(bands, (1, 2, 2))
    bands += np.random.default_rng(0).normal(0, 0.01, bands.shape).astype(np.float32)
    features = xr.DataArray(bands, dims=("band", "y", "x"))
    superpixels(features[:, :64, :64], n_segments=40)
    before = peak_gb()
    one, _ = quickest(lambda: superpixels(features, n_segments=n_segments, engine=1), runs=1)
    two, labels = quickest(lambda: superpixels(features, n_segments=n_segments, engine=2), runs=1)
    n = float(labels.max())
    return {"seconds_1_thread": one, "seconds_2_threads": two, "n": n, "gb_before": before, "gb_peak": peak_gb()}


def scikit_image(image: npt.NDArray[np.float32], n_segments: int) -> npt.NDArray[Any]:
    found: npt.NDArray[Any] = slic(
        image,
        n_segments=n_segments,
        compactness=COMPACTNESS,
        max_num_iter=10,
        channel_axis=-1,
        convert2lab=False,
        enforce_connectivity=True,
        start_label=1,
    )
    return found


def quality(labels: Any, reference: npt.NDArray[Any], bands: npt.NDArray[np.float32]) -> Figures:
    found = segment_quality(labels, reference=reference, features=bands)
    return {
        "n": found.n_segments,
        "boundary_recall": found.boundary_recall or 0.0,
        "undersegmentation_error": found.undersegmentation_error or 0.0,
        "explained_variation": found.explained_variation or 0.0,
        "purity": found.purity or 0.0,
    }


def synthetic(side: int = 1024) -> Scene:
    """Return the toy city's bands and its known truth."""
    city = synthetic_city((side, side), seed=7)
    return stretch(city.scene.values), np.asarray(city.truth.values)


def aberystwyth() -> Scene:
    """Return the real scene's ten bands with NDVI, MNDWI and NDBI, and its land-cover map."""
    with rasterio.open(data() / "s2_20210527.tif") as file:
        bands = file.read().astype(np.float32) / 1000
    with rasterio.open(data() / "landcover_map_4class.tif") as file:
        reference = file.read(1)
    green, red, nir, swir = bands[1], bands[2], bands[6], bands[8]
    pairs = ((nir, red), (green, swir), (swir, nir))
    indices = [(a - b) / np.where(a + b == 0, 1, a + b) for a, b in pairs]
    return stretch(np.concatenate([bands, np.stack(indices)])), reference


def data() -> Path:
    default = Path(__file__).parents[1] / "../shared/data"
    return Path(os.environ.get("CITYGRAIN_DATA", default)) / "scenes/aberystwyth"


def stretch(bands: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Stretch each band's 2nd to 98th percentile to 0-1 and clip."""
    low, high = (edge[:, None, None] for edge in np.percentile(bands, (2, 98), axis=(1, 2)))
    return np.clip((bands - low) / (high - low), 0, 1).astype(np.float32)


def quickest(
    function: Callable[[], Any], *, runs: int, clock: Callable[[], float] = time.perf_counter
) -> tuple[float, npt.NDArray[Any]]:
    """Return the least time in seconds and the result as an array."""
    times = []
    for _ in range(runs):
        start = clock()
        result = function()
        times.append(clock() - start)
    return min(times), np.asarray(result)


def peak_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


if __name__ == "__main__":
    main(sys.argv[1:] or None)
