"""How good a segmentation is, against a reference and against the image itself.

Superpixels bound every map made from them: what they mix, no classifier can part. Each figure is a sum of counts, so
it does not depend on the order of pixels or labels.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from citygrain.errors import InputError
from citygrain.excerpt import Excerpt
from citygrain.zones import strips

__all__ = ["SegmentQuality", "explained_variation", "segment_quality"]

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class SegmentQuality:
    """Quality figures of a segmentation; None where they would need what was not given.

    Attributes
    ----------
    n_segments : int
        Number of segments.
    mean_area : float
        Mean segment area in pixels.
    boundary_recall : float or None
        Share of the reference's boundary pixels with a segment boundary nearby, 0 to 1, more is better.
    undersegmentation_error : float or None
        Share of pixels that leak across reference regions, 0 to 2, less is better.
    purity : float or None
        Share of pixels in their segment's majority class (achievable accuracy), 0 to 1, more is better.
    explained_variation : float or None
        Share of the features' variance between segments, 0 to 1, more is better.
    """

    n_segments: int
    mean_area: float
    boundary_recall: float | None = None
    undersegmentation_error: float | None = None
    purity: float | None = None
    explained_variation: float | None = None


def segment_quality(
    segments: xr.DataArray | npt.NDArray[Any],
    *,
    reference: xr.DataArray | npt.NDArray[Any] | None = None,
    features: xr.DataArray | npt.NDArray[Any] | None = None,
    tolerance: int = 2,
) -> SegmentQuality:
    r"""Measure a segmentation (definitions as in Stutz, Hermans & Leibe 2018, doi:10.1016/j.cviu.2017.03.007).

    With :math:`n_{sg}` labelled pixels of segment s in reference class g, :math:`n_s` in s, N in all:

    - boundary recall: share of reference boundary pixels (unlike the right or lower neighbour) with a segment boundary
      pixel at most `tolerance` rows and columns away (Martin et al. 2004, doi:10.1109/TPAMI.2004.1273918);
    - undersegmentation error: :math:`\frac{1}{N}\sum_{s,g} \min(n_{sg}, n_s - n_{sg})`
      (Neubert & Protzel 2012);
    - purity, or achievable accuracy: :math:`\frac{1}{N}\sum_s \max_g n_{sg}`
      (Liu et al. 2011, doi:10.1109/CVPR.2011.5995323);
    - explained variation: :math:`\sum_s n_s \lVert\mu_s - \mu\rVert^2 / \sum_p \lVert x_p - \mu\rVert^2` over pixels
      with all features (Moore et al. 2008, doi:10.1109/CVPR.2008.4587471). It sums over the features, so give them on
      comparable scales.

    Parameters
    ----------
    segments : array of int, (y, x)
        Labels, 0 = no data.
    reference : array of int, (y, x), optional
        Class codes, 0 = unlabelled, which is left out.
    features : array, (band, y, x), optional
        Features, NaN = no data.
    tolerance : int
        Pixels, at least 0.

    Raises
    ------
    InputError
        If shapes differ, there is no segment, or no labelled pixel lies in one.

    Examples
    --------
    >>> segments = np.array([[1, 1, 2, 2]])
    >>> quality = segment_quality(segments, reference=np.array([[7, 7, 7, 8]]), tolerance=0)
    >>> quality.purity, quality.undersegmentation_error, quality.boundary_recall
    (0.75, 0.5, 0.0)
    """
    labels = np.asarray(segments)
    if labels.ndim != 2 or not (labels > 0).any():
        raise InputError(f"segments of shape {labels.shape}", wanted="(y, x) with at least one segment above 0")
    if tolerance < 0:
        raise InputError(f"tolerance={tolerance}", wanted="0 pixels or more")
    _, compact = np.unique(labels, return_inverse=True)
    compact = np.where(labels > 0, compact.reshape(labels.shape) + (0 if labels.min() <= 0 else 1), 0)
    n = int(compact.max())
    figures: dict[str, float | None] = {}
    if reference is not None:
        figures |= _compare(compact, _same_shape(reference, labels, "reference"), tolerance)
    if features is not None:
        values = _same_shape(features, labels, "features")
        figures["explained_variation"] = explained_variation(_excerpt(compact), _excerpt(values), n)
    return SegmentQuality(n, float((compact > 0).sum() / n), **figures)


def _same_shape(other: xr.DataArray | npt.NDArray[Any], labels: npt.NDArray[Any], name: str) -> npt.NDArray[Any]:
    values = np.asarray(other)
    if values.shape[-2:] != labels.shape or values.ndim != (3 if name == "features" else 2):
        raise InputError(
            f"{name} of shape {values.shape} with segments of shape {labels.shape}", wanted="the same grid"
        )
    return values


def _compare(segments: npt.NDArray[Any], reference: npt.NDArray[Any], tolerance: int) -> dict[str, float | None]:
    """Return the figures that need a reference."""
    known = (segments > 0) & (reference > 0)
    if not known.any():
        raise InputError("a reference without a labelled pixel in any segment", wanted="class codes above 0")
    codes, classes = np.unique(reference[known], return_inverse=True)
    table = np.bincount(segments[known] * codes.size + classes, minlength=(segments.max() + 1) * codes.size)
    table = table.reshape(-1, codes.size)  # (segment, class)
    leak = np.minimum(table, table.sum(axis=1, keepdims=True) - table)
    wanted, found = _boundary(reference), _boundary(segments)
    hit = wanted & _grow(found, tolerance)
    return {
        "boundary_recall": float(hit.sum() / wanted.sum()) if wanted.any() else None,
        "undersegmentation_error": float(leak.sum() / known.sum()),
        "purity": float(table.max(axis=1).sum() / known.sum()),
    }


def _boundary(labels: npt.NDArray[Any]) -> Bools:
    """Mark pixels whose right or lower neighbour has another label, neither being 0."""
    boundary = np.zeros(labels.shape, bool)
    boundary[:, :-1] |= (labels[:, :-1] != labels[:, 1:]) & (labels[:, :-1] > 0) & (labels[:, 1:] > 0)
    boundary[:-1] |= (labels[:-1] != labels[1:]) & (labels[:-1] > 0) & (labels[1:] > 0)
    return boundary


def _grow(mask: Bools, by: int) -> Bools:
    """Mark everything at most `by` rows and columns away."""
    for _ in range(2):  # rows, then columns
        grown = mask.copy()
        for shift in range(1, by + 1):
            grown[shift:] |= mask[:-shift]
            grown[:-shift] |= mask[shift:]
        mask = grown.T
    return mask


def _excerpt(values: npt.NDArray[Any]) -> Excerpt:
    return Excerpt(values, (0, 0), (values.shape[-2], values.shape[-1]))


def explained_variation(labels: Excerpt, features: Excerpt, n: int) -> float | None:
    """Return the share of the features' variance that lies between segments, see `segment_quality`; read by windows.

    It holds 8 bytes for each segment and feature.

    Parameters
    ----------
    labels : Excerpt of int, (y, x)
        Segments 1..n of a whole scene, 0 = no data; may be lazy.
    features : Excerpt, (band, y, x)
        Features of the same pixels, NaN = no data; may be lazy.
    n : int
        Number of segments.

    Returns
    -------
    float or None
        None if there is no variance, or no pixel with all features.

    Examples
    --------
    >>> segments, band = np.array([[1, 1, 2, 2]]), np.array([[[0.0, 0.2, 0.8, 1.0]]])
    >>> round(explained_variation(*(Excerpt(part, (0, 0), (1, 4)) for part in (segments, band)), 2), 3)
    0.941
    """
    bands = int(features.data.shape[0])
    sizes, sums = np.zeros(n + 1, np.int64), np.zeros((bands, n + 1))
    middle: npt.NDArray[np.float64] | None = None
    squares = np.zeros(bands)
    for strip in strips(labels.box):
        zones, values = labels.cut(strip).read().values, features.cut(strip).read().values
        known = (zones > 0) & np.isfinite(values).all(axis=0)
        if not known.any():
            continue
        found = zones[known]
        first, end = int(found.min()), int(found.max()) + 1
        sizes[first:end] += np.bincount(found - first, minlength=end - first)
        middle = values[:, known].mean(axis=1, dtype=np.float64) if middle is None else middle  # near enough
        for band in range(bands):
            off = values[band][known].astype(np.float64) - middle[band]
            sums[band, first:end] += np.bincount(found - first, off, minlength=end - first)
            squares[band] += float((off**2).sum())
    there, pixels = sizes > 0, int(sizes.sum())
    mean = sums.sum(1) ** 2 / max(1, pixels)  # of all pixels, squared, times their number
    between = float((sums[:, there] ** 2 / sizes[there]).sum() - mean.sum())
    total = float((squares - mean).sum())
    return between / total if pixels and total > 1e-12 * float(squares.sum()) else None
