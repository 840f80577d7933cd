"""What a model's answers on test patches are worth: all figures, their intervals, and what was drawn for them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from citygrain.accuracy.assess import Assessment, assess
from citygrain.accuracy.groups import accuracies_by_group
from citygrain.accuracy.intervals import (
    block_class_intervals,
    block_intervals,
    block_matrices,
    row_class_intervals,
    row_intervals,
)
from citygrain.accuracy.lcz import lcz_accuracies
from citygrain.legend import LCZ, Legend

__all__ = ["lcz_figures", "score_rows"]

Codes = npt.NDArray[np.uint8]


def score_rows(
    reference: Codes,
    mapped: Codes,
    legend: Legend,
    *,
    group: npt.NDArray[np.int64],
    names: Mapping[Any, str] | None = None,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Assess mapped classes of rows against their reference, as plain values for JSON.

    Parameters
    ----------
    reference, mapped : ndarray of uint8, (n,)
        Class codes; rows without a reference are left out.
    legend : Legend
        The classes.
    group : ndarray of int, (n,)
        City, polygon or block of each row; -1 = unknown. Where two or more are known for all rows, intervals are drawn
        from whole groups, since rows of one group are no independent witnesses.
    names : mapping of int to str, optional
        Names of the groups.
    rng : numpy.random.Generator
        Draws for the intervals.

    Returns
    -------
    dict
        The figures of `Assessment.to_dict` with ``interval_95``, also of each class, ``interval_of`` (what was drawn
        again), ``lcz`` (OAu, OAbu, OAw; only for Local Climate Zones) and ``by_group``.
    """
    known = reference > 0
    reference, mapped, group = reference[known], mapped[known], group[known]
    result = assess(reference, mapped, legend)
    numbers = np.unique(group) if len(group) else np.array([-1])
    grouped = len(numbers) > 1 and numbers[0] >= 0
    if grouped:
        matrices = block_matrices(mapped, reference, group, legend)
        drawn = block_intervals(matrices, legend, rng=rng)
        of_class = block_class_intervals(matrices, legend, rng=rng)
    else:
        drawn, of_class = row_intervals(result, rng=rng), row_class_intervals(result, rng=rng)
    told = group >= 0
    parts = accuracies_by_group(mapped[told], reference[told], group[told], legend) if told.any() else {}
    figures = result.to_dict()
    for name, spans in of_class.items():
        figures["per_class"][name]["interval_95"] = spans
    return {
        **figures,
        "interval_95": drawn,
        "interval_of": f"{len(numbers)} groups" if grouped else "rows" if numbers[0] < 0 else "rows of one group",
        "lcz": lcz_figures(result),
        "by_group": {str((names or {}).get(number, number)): _brief(part) for number, part in parts.items()},
    }


def lcz_figures(result: Assessment) -> dict[str, float | None] | None:
    """Return OAu, OAbu and OAw of Local Climate Zones; None for other legends."""
    if result.legend != LCZ:
        return None
    return lcz_accuracies(result).to_dict()


def _brief(result: Assessment) -> dict[str, Any]:
    figures = result.to_dict()
    return {key: figures[key] for key in ("count", "overall_accuracy", "average_accuracy", "kappa", "macro_f1")}
