"""From the classes of superpixels to the map: a look-up beside `np.isin` for each class, as taught.

    python -m benchmarks.label_map [--quick]

12.25 megapixels, 30,625 superpixels, 4 classes; both maps are compared pixel by pixel. Ours is `scatter` of the
tessellation that a run has had since it gathered the patches.
"""

import numpy as np

from benchmarks.frame import Row, beside, command_line, seconds, turns
from benchmarks.sampling import WINDOW, Codes, Labels, grid_of, world
from citygrain.tessellation import SegmentPatches, raster_like


def main(*, quick: bool = False) -> list[Row]:
    """Return the row."""
    side, pairs = (200, 1) if quick else (3500, 5)
    labels, _, _ = world(side, 20)
    classes = np.random.default_rng(1).integers(1, 5, int(labels.max())).astype(np.uint8)
    patches = SegmentPatches(raster_like(labels, grid_of(labels)), WINDOW)
    if not (patches.scatter(classes).values == taught(labels, classes)).all():
        raise AssertionError("the two maps differ")
    found = turns(seconds(lambda: patches.scatter(classes)), seconds(lambda: taught(labels, classes)), pairs=pairs)
    return [beside(f"{len(classes):,} superpixel classes to a map", "np.isin for each class", found, wanted=20)]


def taught(labels: Labels, classes: Codes) -> Codes:
    """Paint one class after the other where the label is one of its superpixels."""
    painted = np.zeros(labels.shape, np.uint8)
    for code in np.unique(classes):
        painted[np.isin(labels, np.flatnonzero(classes == code) + 1)] = code
    return painted


if __name__ == "__main__":
    command_line(main, __doc__)
