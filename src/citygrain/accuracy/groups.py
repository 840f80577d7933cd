"""Accuracy group by group: one figure for ten cities hides the city where the map fails."""

from collections.abc import Hashable

import numpy as np
import numpy.typing as npt

from citygrain.accuracy.assess import Assessment, assess
from citygrain.errors import InputError
from citygrain.legend import Legend

__all__ = ["accuracies_by_group"]


def accuracies_by_group(
    mapped: npt.ArrayLike, reference: npt.ArrayLike, group: npt.ArrayLike, legend: Legend
) -> dict[Hashable, Assessment]:
    """Assess the units of each group by themselves.

    Parameters
    ----------
    mapped, reference : array-like of int, (n,)
        Class codes; a unit with 0 on either side is left out.
    group : array-like of int or str, (n,)
        City, block, polygon or whatever the unit belongs to.
    legend : Legend
        The classes.

    Returns
    -------
    dict of Assessment
        By group, in sorted order. Their matrices sum to the matrix of all units.

    Raises
    ------
    InputError
        If the three have different lengths.

    Examples
    --------
    >>> from citygrain.legend import URBAN
    >>> by_city = accuracies_by_group([1, 4, 4], [1, 4, 1], ["Berlin", "Berlin", "Oslo"], URBAN)
    >>> {city: verdict.overall_accuracy for city, verdict in by_city.items()}
    {'Berlin': 1.0, 'Oslo': 0.0}
    """
    mapped, reference, group = np.asarray(mapped).ravel(), np.asarray(reference).ravel(), np.asarray(group).ravel()
    if not mapped.size == reference.size == group.size:
        raise InputError(
            f"{mapped.size} mapped and {reference.size} reference units in groups of {group.size}",
            wanted="the same units",
        )
    names, inverse = np.unique(group, return_inverse=True)
    order = np.argsort(inverse, kind="stable")
    pieces = np.split(order, np.searchsorted(inverse[order], np.arange(1, len(names))))
    return {
        name: assess(reference[rows], mapped[rows], legend) for name, rows in zip(names.tolist(), pieces, strict=True)
    }
