"""30,000 patches of 25 x 25 x 8 with majority class and purity from 12.5 megapixels, beside the course's way.

    python benchmarks/sampling.py

The course searches the label image for each superpixel; that is timed on 30 superpixels and scaled.
"""

import time

import numpy as np
import xarray as xr
from odc.geo.geobox import GeoBox

from citygrain.legend import URBAN
from citygrain.samples.draw import draw_samples
from citygrain.tessellation import SegmentPatches, raster_like

SIDE, CELL, TRIED = 3500, 20, 30


def main() -> dict[str, float]:
    rng = np.random.default_rng(0)
    grid = GeoBox.from_bbox((0, 0, SIDE * 20, SIDE * 20), "EPSG:32633", resolution=20)
    cells = np.arange(SIDE) // CELL
    labels = (cells[:, None] * (cells[-1] + 1) + cells + 1).astype(np.int32)
    reference = raster_like(rng.integers(1, 5, (SIDE, SIDE)).astype(np.uint8), grid)
    values = rng.random((8, SIDE, SIDE), np.float32)
    features = xr.DataArray(values, dims=("band", "y", "x"), coords={"band": list("abcdefgh")})

    start = time.perf_counter()
    samples = draw_samples(features, SegmentPatches(raster_like(labels, grid), 25), reference, legend=URBAN)
    tables = time.perf_counter() - start
    n = len(samples)
    for first in range(0, n, 1024):  # as models read them; one array of them all is bound by the kernel's fresh pages
        samples.x[first : first + 1024]
    ours = time.perf_counter() - start

    start = time.perf_counter()
    for label in range(1000, 1000 + TRIED):
        rows, columns = np.nonzero(labels == label)
        np.bincount(reference.values[rows, columns]).argmax()
        top, left = int(rows.mean()) - 12, int(columns.mean()) - 12
        values[:, top : top + 25, left : left + 25].copy()
    search = (time.perf_counter() - start) / TRIED * n
    print(f"{n:,} patches {samples.x.shape[1:]}: {ours:.2f} s (tables {tables:.2f} s, cutting {ours - tables:.2f} s)")
    print(f"a search for each superpixel, as taught: {search:.0f} s, {search / ours:.0f} times as long")
    return {"seconds": ours, "search_seconds": search, "times_faster": search / ours}


if __name__ == "__main__":
    main()
