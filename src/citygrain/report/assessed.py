"""The units that a run's accuracy was measured on, one by one: what stands behind each number of the matrix."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from citygrain.legend import Legend
from citygrain.zones import centroids

__all__ = ["AssessedUnits", "cell_units", "pixel_matrix", "segment_units"]

TEST = 2
"""Test ground in a raster of the split."""

Codes = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int32]


@dataclass(frozen=True)
class AssessedUnits:
    """Superpixels or cells of the test ground that have a class both on the map and in the reference.

    Attributes
    ----------
    number : ndarray of int32, (n,)
        The superpixel's label, or the cell's number, row by row.
    mapped, reference : ndarray of uint8, (n,)
        Class on the map and in the reference.
    percent : ndarray of uint8, (n,)
        Confidence in per cent; 255 = none.
    box : ndarray of int32, (n, 4)
        Top, left, bottom, right in pixels of the scene, ends excluded.
    centre : ndarray of int32, (n, 2)
        Row and column of the pixel in the middle.
    """

    number: npt.NDArray[np.int32]
    mapped: Codes
    reference: Codes
    percent: Codes
    box: npt.NDArray[np.int32]
    centre: npt.NDArray[np.int32]

    def matrix(self, legend: Legend) -> npt.NDArray[np.int64]:
        """Return the confusion matrix of these units: rows = map, columns = reference."""
        return _matrix(self.mapped, self.reference, legend)


def segment_units(segments: Labels, rasters: dict[str, Codes]) -> AssessedUnits:
    """Return the assessed superpixels.

    Parameters
    ----------
    segments : ndarray of int32, (h, w)
        Labels, 0 = no data.
    rasters : dict of str to ndarray of uint8, (h, w)
        ``mapped``, ``reference``, ``percent`` and ``split``, each constant within a superpixel.
    """
    n = int(segments.max(initial=0))
    values = {name: _by_label(segments, raster, n) for name, raster in rasters.items()}
    number = np.flatnonzero(_assessed(values)).astype(np.int32)
    box, centre = _boxes(segments, n)[number], centroids(segments, n)[number - 1].astype(np.int32)
    return _units(values, number, box, centre)


def cell_units(cell: int, rasters: dict[str, Codes]) -> AssessedUnits:
    """Return the assessed cells of `cell` x `cell` pixels, which begin in the scene's upper left corner.

    Parameters
    ----------
    cell : int
        Side in pixels.
    rasters : dict of str to ndarray of uint8, (h, w)
        ``mapped``, ``reference``, ``percent`` and ``split``, each constant within a cell.
    """
    shape = rasters["mapped"].shape
    values = {name: raster[::cell, ::cell].ravel() for name, raster in rasters.items()}
    number = np.flatnonzero(_assessed(values)).astype(np.int32)
    start = np.column_stack(np.divmod(number, -(-shape[1] // cell))).astype(np.int32) * cell
    end = np.minimum(start + cell, np.array(shape, np.int32))
    box = np.concatenate([start, end], axis=1).astype(np.int32)
    centre = np.minimum(start + cell // 2, end - 1).astype(np.int32)
    return _units(values, number, box, centre)


def pixel_matrix(mapped: Codes, reference: Codes, split: Codes, legend: Legend) -> npt.NDArray[np.int64]:
    """Return the confusion matrix of the pixels of the test ground: rows = map, columns = reference."""
    where = (split == TEST) & (mapped > 0) & (reference > 0)
    return _matrix(mapped[where], reference[where], legend)


def _units(
    values: dict[str, Codes], number: npt.NDArray[np.int32], box: npt.NDArray[np.int32], centre: npt.NDArray[np.int32]
) -> AssessedUnits:
    mapped, reference, percent = (values[name][number] for name in ("mapped", "reference", "percent"))
    return AssessedUnits(number, mapped, reference, percent, box, centre)


def _assessed(values: dict[str, Codes]) -> npt.NDArray[np.bool_]:
    assessed: npt.NDArray[np.bool_] = (values["split"] == TEST) & (values["mapped"] > 0) & (values["reference"] > 0)
    return assessed


def _matrix(mapped: Codes, reference: Codes, legend: Legend) -> npt.NDArray[np.int64]:
    codes = [c.code for c in legend]
    counts = np.bincount(mapped.astype(np.intp) * 256 + reference, minlength=1 << 16).reshape(256, 256)
    return counts[np.ix_(codes, codes)].astype(np.int64)


def _by_label(labels: Labels, raster: npt.NDArray[Any], n: int) -> npt.NDArray[Any]:
    """Return each label's value from a raster that is constant within labels; label 0 has none."""
    values = np.zeros(n + 1, raster.dtype)
    values[labels] = raster
    values[0] = 0
    return values


def _boxes(labels: Labels, n: int) -> npt.NDArray[np.int32]:
    """Return the pixel box of each label 0..n, (n + 1, 4); labels that do not occur have none (all 0)."""
    from scipy.ndimage import find_objects  # noqa: PLC0415 - scipy.ndimage is slow to import

    found = np.zeros((n + 1, 4), np.int32)
    for label, place in enumerate(find_objects(labels), start=1):
        if place is not None:
            found[label] = place[0].start, place[1].start, place[0].stop, place[1].stop
    return found
