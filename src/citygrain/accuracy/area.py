"""How much ground each class really covers, and how good the map is, from a probability sample of reference points.

Counting a map's pixels gives biased areas: what is wrongly mapped is counted as well. A sample of points that was drawn
by chance corrects the bias and tells its own uncertainty, provided that the estimator follows the way it was drawn.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from citygrain.accuracy.survey import Estimate, cluster_ratios, figure_cells, stratified_ratios
from citygrain.errors import InputError
from citygrain.legend import Legend

__all__ = ["AreaEstimates", "cluster_areas", "estimate_areas", "simple_areas", "stratified_areas"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class AreaEstimates:
    """Area-adjusted accuracies and areas of the classes, with standard errors.

    Attributes
    ----------
    legend : Legend
        The k classes.
    design : str
        How the points were drawn: ``"stratified"``, ``"random"``, ``"systematic"`` or ``"cluster"``.
    points : int
        Number of reference points.
    hectares : float or None
        The whole area; None where it is not known.
    overall : Estimate
        Overall accuracy, ().
    users, producers : Estimate
        User's and producer's accuracy by class, (k,).
    shares : Estimate
        Share of the area that each class really covers, (k,); they sum to 1.
    proportions : ndarray, (k, k)
        Share of the area in each cell of the matrix, **rows = map, columns = reference**.
    """

    legend: Legend
    design: str
    points: int
    hectares: float | None
    overall: Estimate
    users: Estimate
    producers: Estimate
    shares: Estimate
    proportions: Array

    @property
    def areas(self) -> Estimate:
        """Hectares of each class with standard errors, (k,).

        Raises
        ------
        InputError
            If the whole area is not known.
        """
        if self.hectares is None:
            raise InputError("the area of the map is not known", wanted="a map in metres")
        return Estimate(self.hectares * self.shares.value, self.hectares * self.shares.standard_error)

    def to_dict(self) -> dict[str, Any]:
        """Return all figures as plain values for JSON; an undefined one is None."""
        per_class = {
            c.name: {
                "users_accuracy": _plain(self.users[i]),
                "producers_accuracy": _plain(self.producers[i]),
                "area_share": _plain(self.shares[i]),
                "area_hectares": None if self.hectares is None else _plain(self.shares[i], self.hectares),
            }
            for i, c in enumerate(self.legend)
        }
        return {
            "design": self.design,
            "points": self.points,
            "total_hectares": self.hectares,
            "overall_accuracy": _plain(self.overall),
            "per_class": per_class,
            "proportions": {
                "rows": "map",
                "columns": "reference",
                "classes": list(self.legend.names),
                "matrix": self.proportions.tolist(),
            },
        }


def estimate_areas(matrix: npt.ArrayLike, mapped: npt.ArrayLike, legend: Legend) -> AreaEstimates:
    """Estimate areas and accuracies from a sample stratified by the classes of the map.

    Parameters
    ----------
    matrix : array-like of int, (k, k)
        Points, rows = map, columns = reference; the points of a row were drawn at random within that class.
    mapped : array-like of float, (k,)
        Hectares of each class on the map.
    legend : Legend
        The k classes.

    Returns
    -------
    AreaEstimates

    Raises
    ------
    InputError
        If a shape does not fit, or a mapped class has fewer than two points.

    References
    ----------
    Olofsson, P. et al. (2013). Making better use of accuracy data in land change studies. doi:10.1016/j.rse.2012.10.031
    Olofsson, P. et al. (2014). Good practices for estimating area and assessing accuracy of land change.
    doi:10.1016/j.rse.2014.02.015

    Examples
    --------
    >>> legend = Legend.from_names({1: "Deforestation", 2: "Forest gain", 3: "Forest", 4: "Other"})
    >>> matrix = [[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]]
    >>> result = estimate_areas(matrix, 0.09 * np.array([200_000, 150_000, 3_200_000, 6_450_000]), legend)
    >>> float(result.overall.value.round(3)), result.areas.value.round().tolist(), result.areas.half_width[0].round()
    (0.947, [21158.0, 11686.0, 285770.0, 581386.0], np.float64(6158.0))
    """
    counts = np.asarray(matrix, float)
    k = len(legend)
    if counts.shape != (k, k):
        raise InputError(f"confusion matrix of shape {counts.shape}", wanted=f"({k}, {k}), rows = map")
    return stratified_areas(counts[:, None, :] * np.eye(k)[:, :, None], mapped, legend, strata=legend.names)


def stratified_areas(
    counts: npt.ArrayLike, areas: npt.ArrayLike, legend: Legend, *, strata: tuple[str, ...] | None = None
) -> AreaEstimates:
    """Estimate areas and accuracies from a stratified sample whose strata need not be the classes of the map.

    Such are districts, or an older map: the points keep the weight of the stratum that they were drawn in.

    Parameters
    ----------
    counts : array-like of int, (s, k, k)
        Points of each stratum, rows = map, columns = reference.
    areas : array-like of float, (s,)
        Hectares of each stratum.
    legend : Legend
        The k classes.
    strata : tuple of str, optional
        Names of the strata, for messages.

    Raises
    ------
    InputError
        If a shape does not fit, or a stratum of some area has fewer than two points.

    References
    ----------
    Stehman, S. V. (2014). Estimating area and map accuracy for stratified random sampling when the strata are different
    from the map classes. doi:10.1080/01431161.2014.930207

    Examples
    --------
    >>> legend = Legend.from_names({1: "Land", 2: "Water"})
    >>> east, west = [[5, 0], [1, 4]], [[9, 1], [0, 0]]
    >>> stratified_areas([east, west], [300.0, 100.0], legend).areas.value.round(6).tolist()
    [270.0, 130.0]
    """
    tables, sizes = _checked(counts, areas, legend, strata)
    there = sizes > 0
    above, below = figure_cells(len(legend))
    weights = sizes[there] / sizes.sum()
    found = stratified_ratios(tables[there], weights, above, below)
    cells = tables[there] / tables[there].sum((1, 2), keepdims=True)
    proportions = np.einsum("s,sij->ij", weights, cells)
    return _estimates("stratified", found, tables[there], legend, hectares=float(sizes.sum()), proportions=proportions)


def simple_areas(matrix: npt.ArrayLike, area: float | None, legend: Legend, *, design: str = "random") -> AreaEstimates:
    """Estimate areas and accuracies from a simple random or a systematic sample.

    Systematic points are judged as if they were drawn at random: no unbiased estimate of their error exists, and
    this one is on the safe side where near places resemble each other.

    Parameters
    ----------
    matrix : array-like of int, (k, k)
        Points, rows = map, columns = reference.
    area : float or None
        Hectares of the whole map.
    legend : Legend
        The k classes.
    design : str
        ``"random"`` or ``"systematic"``.

    Raises
    ------
    InputError
        If the shape does not fit, or there are fewer than two points.

    Examples
    --------
    >>> legend = Legend.from_names({1: "Land", 2: "Water"})
    >>> simple_areas([[60, 10], [0, 30]], 1000.0, legend).areas.value.tolist()
    [600.0, 400.0]
    """
    tables, _ = _checked(np.asarray(matrix, float)[None], [1.0], legend, ("the whole map",))
    found = stratified_ratios(tables, np.ones(1), *figure_cells(len(legend)))
    return _estimates(design, found, tables, legend, hectares=area, proportions=tables[0] / tables.sum())


def cluster_areas(counts: npt.ArrayLike, sizes: npt.ArrayLike, area: float | None, legend: Legend) -> AreaEstimates:
    """Estimate areas and accuracies from clusters (blocks of ground) drawn at random, with points in each.

    Parameters
    ----------
    counts : array-like of int, (m, k, k)
        Points of each cluster, rows = map, columns = reference; drawn at random within it, or all that it has.
    sizes : array-like of float, (m,)
        Mapped ground in each cluster, in any unit.
    area : float or None
        Hectares of the whole map.
    legend : Legend
        The k classes.

    Raises
    ------
    InputError
        If a shape does not fit, there are fewer than two clusters, or one has no points.

    Examples
    --------
    >>> legend = Legend.from_names({1: "Land", 2: "Water"})
    >>> result = cluster_areas([[[5, 0], [0, 0]], [[2, 1], [0, 2]], [[4, 1], [0, 0]]], [100, 100, 50], 1000.0, legend)
    >>> float(result.overall.value.round(2)), float(result.overall.standard_error.round(3))
    (0.88, 0.073)
    """
    tables, ground = _shaped(counts, sizes, legend)
    if len(tables) < 2 or (tables.sum((1, 2)) < 1).any() or (ground <= 0).any():
        raise InputError(
            f"{len(tables)} clusters with {tables.sum((1, 2)).astype(int).tolist()} points",
            wanted="two clusters or more, each with ground and points",
        )
    found = cluster_ratios(tables, ground, *figure_cells(len(legend)))
    cells = tables * (ground / tables.sum((1, 2)))[:, None, None]
    return _estimates("cluster", found, tables, legend, hectares=area, proportions=cells.sum(0) / ground.sum())


def _shaped(counts: npt.ArrayLike, sizes: npt.ArrayLike, legend: Legend) -> tuple[Array, Array]:
    tables, ground, k = np.asarray(counts, float), np.asarray(sizes, float), len(legend)
    if tables.ndim != 3 or tables.shape[1:] != (k, k) or ground.shape != tables.shape[:1]:
        raise InputError(
            f"counts of shape {tables.shape} and {ground.shape} areas", wanted=f"(strata, {k}, {k}) and (strata,)"
        )
    if not (tables >= 0).all() or not (np.isfinite(ground) & (ground >= 0)).all() or not ground.sum() > 0:
        raise InputError("counts or areas below 0, or no area at all", wanted="numbers of 0 or more")
    return tables, ground


def _checked(
    counts: npt.ArrayLike, areas: npt.ArrayLike, legend: Legend, strata: tuple[str, ...] | None
) -> tuple[Array, Array]:
    tables, sizes = _shaped(counts, areas, legend)
    names = strata or tuple(f"stratum {number}" for number in range(1, len(sizes) + 1))
    number = tables.sum((1, 2))
    few = [f"{name} ({int(n)})" for name, n, size in zip(names, number, sizes, strict=True) if size > 0 and n < 2]
    if few:
        raise InputError(
            f"too few labelled points in {', '.join(few)}",
            wanted="two or more in each stratum, to know a spread",
            mend="label more of them",
        )
    stray = [name for name, n, size in zip(names, number, sizes, strict=True) if size == 0 and n]
    if stray:
        raise InputError(f"points in {', '.join(stray)}, which has no area", wanted="the area of each stratum")
    return tables, sizes


def _estimates(
    design: str, found: Estimate, tables: Array, legend: Legend, *, hectares: float | None, proportions: Array
) -> AreaEstimates:
    k = len(legend)
    users, producers, shares = (found[1 + part * k : 1 + (part + 1) * k] for part in range(3))
    return AreaEstimates(legend, design, int(tables.sum()), hectares, found[0], users, producers, shares, proportions)


def _plain(estimate: Estimate, times: float = 1.0) -> Mapping[str, Any] | None:
    if not np.isfinite(estimate.value):
        return None
    return {
        "value": float(times * estimate.value),
        "standard_error": float(times * estimate.standard_error),
        "half_width_95": float(times * estimate.half_width),
        "interval_95": [float(times * estimate.low), float(times * estimate.high)],
    }
