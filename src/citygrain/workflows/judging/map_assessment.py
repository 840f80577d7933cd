"""A map file against a reference: every figure with an interval, drawn from what of the reference is alike.

Pixels of a polygon, and pixels near each other, err together. So whole polygons, or squares of ground, are drawn again;
only labelled pixels that lie alone stand for themselves.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from odc.geo.geobox import GeoBox

from citygrain.accuracy.assess import Assessment
from citygrain.accuracy.intervals import block_class_intervals, block_intervals, row_class_intervals, row_intervals
from citygrain.accuracy.lcz import lcz_accuracies
from citygrain.errors import InputError
from citygrain.legend import LCZ, Legend
from citygrain.report.display import pixel_metres
from citygrain.samples.polygons import polygon_ids
from citygrain.samples.reference import read_reference
from citygrain.samples.vector import is_vector
from citygrain.scene.codes import read_codes
from citygrain.workflows.config import ReferenceConfig
from citygrain.workflows.judging.common_ground import square_blocks
from citygrain.workflows.parts import map_table, recoded_map
from citygrain.workflows.references import named_legend, product_figures, reference_options, settled_merge

__all__ = ["BLOCK", "assess_map"]

BLOCK = 1200.0
"""Side in metres of the squares that are drawn again."""

_FEW = 12
"""Blocks or polygons below which an interval is a guess."""
_WHOLE = 0.99
_POLYGON_PIXELS = 4  # on average; points are one pixel, or two where they lie near each other

Codes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int64]


def assess_map(
    mapped: Path,
    reference: Path,
    *,
    classes: Mapping[str, str] | None = None,
    legend: str | None = None,
    field: str | None = None,
    product: str | None = None,
    merge: str | None = None,
    block: float | None = None,
    seed: int = 0,
) -> tuple[dict[str, Any], Assessment]:
    """Assess a map against a reference that is brought to its grid, with intervals and what they leave out.

    Parameters
    ----------
    mapped : Path
        Raster of class codes: the reference's, or those that the map's own file names.
    reference : Path
        Raster, polygons or points.
    classes : mapping of str to str, optional
        Name by value in the reference; values with one name are one class.
    legend : str, optional
        Or the name of a ready legend.
    field : str, optional
        Attribute of polygons or points that holds the class.
    product : str, optional
        Or the map product that the reference is; it brings its legend and a merge.
    merge : str, optional
        How the classes of product or legend are merged: ``"urban"``, ``"finer"``, ``"none"``, or a table (.csv).
    block : float, optional
        Side in metres of the squares of ground that are drawn again. Without it whole polygons are, where the
        reference is of polygons, else squares of `BLOCK`.
    seed : int
        Draws them.

    Returns
    -------
    figures : dict
        As `Assessment.to_dict`, with ``interval_95`` (also of each class) and ``interval_of``, ``lcz`` for Local
        Climate Zones, ``share_labelled`` (of the map), ``probability_sample``, ``sampling`` and ``notes``.
    result : Assessment
        The matrix.

    Raises
    ------
    InputError
        If a file cannot be used, a value of the map has no class, or no pixel has a class in both.
    """
    codes = read_codes(mapped)
    geobox = codes.odc.geobox
    options = _reference_options(reference, classes=classes, legend=legend, field=field, product=product, merge=merge)
    truth, known = read_reference(reference, geobox, **options)
    labels = recoded_map(mapped, codes, map_table(classes, known))
    where = (labels > 0) & (truth.values > 0)
    if not where.any():
        raise InputError(
            f"{reference.name} labels no pixel that has a class in {mapped.name}", wanted="a reference of its ground"
        )
    polygons = None
    if block is None and is_vector(reference):
        polygons = (
            polygon_ids(reference, geobox, field=field, legend=options.get("legend")).values[where].astype(np.int64)
        )
    group, noun = _groups(where, geobox, polygons, BLOCK if block is None else block)
    matrices = _matrices(labels[where], truth.values[where], group, known)
    result = Assessment(matrices.sum(0), known)
    figures = _figures(result, matrices, noun, np.random.default_rng(seed))
    share = float(where.sum() / (labels > 0).sum())
    whole = share >= _WHOLE and not is_vector(reference)
    sampling = _WHOLE_MAP if whole else _NO_SAMPLE.format(_percent(share))
    about = {"share_labelled": share, "probability_sample": False, "sampling": sampling}
    about |= product_figures(product)
    return figures | about | {"notes": [sampling, _UNKNOWN, *figures["notes"]]}, result


def _reference_options(
    reference: Path,
    *,
    classes: Mapping[str, str] | None,
    legend: str | None,
    field: str | None,
    product: str | None,
    merge: str | None,
) -> dict[str, Any]:
    """Return what `read_reference` is told: classes, or a ready legend, or a product and how it is merged."""
    if product is None and merge is None:
        return {"classes": classes, "legend": named_legend(legend), "field": field}
    if classes is not None or (legend is None) == (product is None):
        came = "a product or a merge beside classes" if classes is not None else "a merge of nothing"
        raise InputError(came, wanted="either a product or a legend" if classes is None else "one of both")
    groups = settled_merge(legend, product, None, merge)
    return reference_options(
        ReferenceConfig(path=str(reference), legend=legend, product=product, merge=groups, field=field)
    )


def _groups(
    where: npt.NDArray[np.bool_], geobox: GeoBox, polygons: Numbers | None, block: float
) -> tuple[Numbers, str]:
    """Return which labelled pixels are drawn together, numbered from 0, and what holds them together."""
    if polygons is not None and polygons.size >= _POLYGON_PIXELS * np.unique(polygons).size:
        return np.unique(polygons, return_inverse=True)[1].astype(np.int64), "polygons"
    squares = square_blocks((where.shape[0], where.shape[1]), pixel_metres(geobox) or (1.0, 1.0), block)
    return np.unique(squares[where], return_inverse=True)[1].astype(np.int64), f"blocks of {block:,g} m"


def _matrices(mapped: Codes, reference: Codes, group: Numbers, legend: Legend) -> npt.NDArray[np.int64]:
    """Return one confusion matrix for each group, (groups, k, k), rows = map."""
    k, number = len(legend), int(group.max()) + 1
    cell = (group * k + legend.columns(mapped)) * k + legend.columns(reference)
    return np.bincount(cell, minlength=number * k * k).reshape(number, k, k)


def _figures(
    result: Assessment, matrices: npt.NDArray[np.int64], noun: str, rng: np.random.Generator
) -> dict[str, Any]:
    figures, number = result.to_dict(), len(matrices)
    alone = number == result.total  # each labelled pixel is the only one of its square: a simple sample
    if alone:
        spans, of_class = row_intervals(result, rng=rng), row_class_intervals(result, rng=rng)
        drawn = f"{number:,} labelled pixels, no two of them in one of the {noun} (shares: Wilson)"
    else:
        spans = block_intervals(matrices, result.legend, rng=rng)
        of_class = block_class_intervals(matrices, result.legend, rng=rng)
        drawn = f"{number:,} {noun}"
    for name, bounds in of_class.items():
        figures["per_class"][name]["interval_95"] = bounds
    if result.legend == LCZ:
        figures["lcz"] = lcz_accuracies(result).to_dict()
    few = [] if alone or number >= _FEW else [_of_few(number, noun)]
    return figures | {"interval_95": spans, "interval_of": drawn, "notes": few}


_WHOLE_MAP = "The reference labels the whole map: the figures are agreement with it, its own errors included."
_UNKNOWN = (
    "Nothing is known of how the map was made: ground that its model was trained on may be among the judged pixels, "
    "and would flatter it."
)
_NO_SAMPLE = (
    "The reference labels {} of the map and is not known to be drawn at random from it: it is no probability sample, "
    "and the figures are no estimates for the whole map. `citygrain design` draws points for that; judge them with "
    "--points."
)


def _of_few(number: int, noun: str) -> str:
    if number == 1:
        return f"All labelled ground lies in one of the {noun}: nothing can be drawn again, so there is no interval."
    return f"{number} {noun} are few: the intervals are too narrow rather than too wide."


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share >= 0.0005 else "less than 0.1 %"
