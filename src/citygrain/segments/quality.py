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

__all__ = ["SegmentQuality", "segment_quality"]

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
        figures["explained_variation"] = _explain(compact, _same_shape(features, labels, "features"))
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


def _explain(segments: npt.NDArray[Any], features: npt.NDArray[Any]) -> float | None:
    """Return the share of the variance that lies between segments; None if there is no variance."""
    known = (segments > 0) & np.isfinite(features).all(axis=0)
    if not known.any():
        return None
    labels = segments[known]
    sizes = np.maximum(np.bincount(labels), 1)
    between, total = 0.0, 0.0
    for band in features:
        values = band[known].astype(np.float64)
        values -= values.mean()
        between += float((np.bincount(labels, values) ** 2 / sizes).sum())
        total += float((values**2).sum())
    return between / total if total > 0 else None
