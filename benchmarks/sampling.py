"""Patches of 25 x 25 x 8 at 30,625 centroids, with majority class and purity, from 12.25 megapixels.

    python -m benchmarks.sampling [--quick]

Beside the course's way, which searches the label image for each superpixel (timed on 100 superpixels in each pair, and
scaled to all), and beside scikit-image's `regionprops`, which finds all regions at once and counts in each region's
box. All three read every patch once.
"""

import statistics
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from odc.geo.geobox import GeoBox
from skimage.measure import regionprops

from benchmarks.frame import Row, beside, command_line, seconds, turns
from citygrain.legend import URBAN
from citygrain.samples.draw import draw_samples
from citygrain.tessellation import SegmentPatches, raster_like

WINDOW = 25
Labels = npt.NDArray[np.int32]
Codes = npt.NDArray[np.uint8]
Values = npt.NDArray[np.float32]


def main(*, quick: bool = False) -> list[Row]:
    """Return the rows beside the search and beside `regionprops`."""
    side, cell, tried, pairs = (200, 20, 10, 1) if quick else (3500, 20, 100, 3)
    labels, reference, values = world(side, cell)
    padded = np.pad(
        values, ((0, 0), (WINDOW // 2,) * 2, (WINDOW // 2,) * 2), mode="reflect"
    )  # the peers' need not count
    n = int(labels.max())
    some = np.linspace(1, n, tried).astype(int)
    took = seconds(lambda: ours(labels, reference, values))
    search = seconds(lambda: searched(labels, reference, padded, some))
    regions = seconds(lambda: by_regions(labels, reference, padded))
    name = f"{n:,} patches {WINDOW} x {WINDOW} x {len(values)}"
    found = turns(took, lambda: search() / tried * n, pairs=pairs)
    rows = [beside(name, "a search for each, as taught", found, wanted=1000, tried_in_each_pair=tried)]
    found = turns(took, regions, pairs=pairs, warm=False)
    least = statistics.median(seconds(lambda: cut_all(labels, padded))() for _ in range(pairs))
    return [*rows, beside(name + ", regions", "scikit-image regionprops", found, wanted=10, cutting_alone=least)]


def world(side: int, cell: int) -> tuple[Labels, Codes, Values]:
    """Return squares as superpixels, with a ragged edge between them, a reference and features."""
    rng = np.random.default_rng(0)
    wave = np.rint(3 * np.sin(np.arange(side) / 5)).astype(int)  # borders are not straight
    rows = np.clip(np.arange(side)[:, None] + wave, 0, side - 1) // cell
    columns = np.clip(np.arange(side) + wave[:, None], 0, side - 1) // cell
    labels = (rows * (int(columns.max()) + 1) + columns + 1).astype(np.int32)
    reference = rng.integers(1, 5, (side, side)).astype(np.uint8)
    return labels, reference, rng.random((8, side, side), np.float32)


def ours(labels: Labels, reference: Codes, values: Values) -> int:
    """Draw the samples and read every patch, 1,024 at a time as models do; return how many there are."""
    grid = grid_of(labels)
    features = xr.DataArray(values, dims=("band", "y", "x"), coords={"band": list("abcdefgh")})
    patches = SegmentPatches(raster_like(labels, grid), WINDOW)
    samples = draw_samples(features, patches, raster_like(reference, grid), legend=URBAN)
    for first in range(0, len(samples), 1024):
        samples.x[first : first + 1024]
    return len(samples)


def cut_all(labels: Labels, padded: Values) -> None:
    """Cut as many patches, at places known beforehand: what any way has to do at least."""
    step = max(1, labels.shape[0] // int(labels.max() ** 0.5))
    for top in range(0, labels.shape[0] - step, step):
        for left in range(0, labels.shape[1] - step, step):
            padded[:, top : top + WINDOW, left : left + WINDOW].copy()


def searched(labels: Labels, reference: Codes, padded: Values, some: npt.NDArray[Any]) -> None:
    """Search the label image for each superpixel, as taught."""
    for label in some:
        rows, columns = np.nonzero(labels == label)
        counts = np.bincount(reference[rows, columns], minlength=5)
        counts.argmax(), counts.max() / counts.sum()
        top, left = int(rows.mean()), int(columns.mean())
        padded[:, top : top + WINDOW, left : left + WINDOW].copy()


def by_regions(labels: Labels, reference: Codes, padded: Values) -> None:
    """Take each region of `regionprops`: centroid, counts within its box, patch."""
    for region in regionprops(labels, intensity_image=reference):
        counts = np.bincount(region.image_intensity[region.image], minlength=5)
        counts.argmax(), counts.max() / counts.sum()
        row, column = region.centroid
        padded[:, int(row) : int(row) + WINDOW, int(column) : int(column) + WINDOW].copy()


def grid_of(labels: Labels) -> GeoBox:
    side = labels.shape[0] * 20
    return GeoBox.from_bbox((0, 0, side, side), "EPSG:32633", resolution=20)


if __name__ == "__main__":
    command_line(main, __doc__)
