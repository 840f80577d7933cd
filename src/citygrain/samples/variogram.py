"""The variogram: how unlike two places become with the distance between them, and from where on they are no kin.

Up to the range of the variogram a test sample resembles its neighbours that were trained on. So the range says how far
apart, or how large, the blocks of an honest split have to be.
"""

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from citygrain.errors import InputError

__all__ = ["Variogram", "VariogramModel", "empirical_variogram", "fit_variogram"]

Values = npt.NDArray[np.float64]
Shape = Literal["spherical", "exponential"]

_FEWEST_PAIRS = 30
_RANGES = 120
_PRACTICAL = 3.0  # an exponential has 95 % of its sill at three times its scale


@dataclass(frozen=True)
class Variogram:
    """Half the mean squared difference of pairs of places, by their distance.

    Attributes
    ----------
    distance : ndarray of float, (bins,)
        Mean distance of the pairs in each bin, in metres (the units of the coordinates).
    semivariance : ndarray of float, (bins,)
        Half the mean squared difference of their values, summed over the columns of the values.
    pairs : ndarray of int, (bins,)
        How many pairs.
    longest : float
        The largest distance looked at.
    """

    distance: Values
    semivariance: Values
    pairs: npt.NDArray[np.int64]
    longest: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "distance_m": np.round(self.distance, 2).tolist(),
            "semivariance": np.round(self.semivariance, 8).tolist(),
            "pairs": self.pairs.tolist(),
            "longest_m": self.longest,
        }

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> "Variogram":
        """Read back what `to_dict` wrote."""
        return cls(
            np.array(plain["distance_m"], float),
            np.array(plain["semivariance"], float),
            np.array(plain["pairs"], np.int64),
            float(plain["longest_m"]),
        )


@dataclass(frozen=True)
class VariogramModel:
    """A curve through a variogram: ``nugget + sill * shape(distance / scale)``.

    Attributes
    ----------
    shape : str
        ``"spherical"`` or ``"exponential"``.
    nugget : float
        Semivariance at distance 0: noise, and what varies within the smallest distance.
    sill : float
        What distance adds to it at most.
    scale : float
        Of a spherical one the range; of an exponential one a third of the practical range.
    misfit : float
        Weighted sum of squares that is left.

    Examples
    --------
    >>> model = VariogramModel("spherical", 0.1, 0.9, 500.0, 0.0)
    >>> model(np.array([0.0, 250.0, 500.0, 900.0])).round(3).tolist(), model.practical_range
    ([0.1, 0.719, 1.0, 1.0], 500.0)
    """

    shape: Shape
    nugget: float
    sill: float
    scale: float
    misfit: float

    def __call__(self, distance: Values) -> Values:
        """Return the semivariance at distances of any shape."""
        return self.nugget + self.sill * _curve(self.shape, np.asarray(distance, float), self.scale)

    @property
    def practical_range(self) -> float:
        """Distance at which 95 % (spherical: all) of the sill is reached."""
        return self.scale * (_PRACTICAL if self.shape == "exponential" else 1.0)

    @property
    def structured(self) -> float:
        """Share of the variance that depends on distance, 0 (noise alone) to 1."""
        total = self.nugget + self.sill
        return self.sill / total if total > 0 else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self) | {"practical_range_m": self.practical_range, "structured": self.structured}

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> "VariogramModel":
        """Read back what `to_dict` wrote."""
        return cls(**{name: plain[name] for name in ("shape", "nugget", "sill", "scale", "misfit")})


def empirical_variogram(
    points: npt.NDArray[np.float64],
    values: npt.NDArray[Any],
    *,
    rng: np.random.Generator,
    bins: int = 24,
    longest: float | None = None,
    most: int = 2_000,
) -> Variogram:
    r"""Return Matheron's estimate of the variogram, from pairs of at most `most` places drawn at random.

    Parameters
    ----------
    points : ndarray of float, (n, 2)
        Places in metres.
    values : ndarray, (n,) or (n, p)
        Their values. Of several columns the semivariances are summed (a multivariate variogram); of a class, given as
        one column of 0 and 1 for each class, the sum is the share of pairs whose classes differ.
    rng : numpy.random.Generator
        Draws the places.
    bins : int
        Classes of distance, the near ones narrower.
    longest : float, optional
        Largest distance; by default half the diagonal of the places' box, as is usual.
    most : int
        Places that are drawn.

    Returns
    -------
    Variogram
        Bins of fewer than 30 pairs are left out.

    Raises
    ------
    InputError
        If there are fewer than ten places with values, or all lie on one spot.

    Notes
    -----
    :math:`\gamma(h) = \frac{1}{2 N(h)} \sum \lVert z_i - z_j \rVert^2` over the N(h) pairs at distance h.

    References
    ----------
    Matheron, G. (1963). Principles of geostatistics. Economic Geology 58, 1246-1266. doi:10.2113/gsecongeo.58.8.1246
    Bourgault, G. & Marcotte, D. (1991). Multivariable variogram and its application to the linear model of
    coregionalization. Mathematical Geology 23, 899-928. doi:10.1007/BF02066732

    Examples
    --------
    >>> points = np.column_stack([np.arange(50.0), np.zeros(50)])
    >>> found = empirical_variogram(points, points[:, 0], rng=np.random.default_rng(0), bins=4, longest=8)
    >>> bool(found.semivariance[0] < found.semivariance[-1])
    True
    """
    points, table = np.asarray(points, float), np.asarray(values, float).reshape(len(points), -1)
    known = np.flatnonzero(np.isfinite(points).all(1) & np.isfinite(table).all(1))
    if len(known) < 10:
        raise InputError(f"{len(known)} places with values", wanted="ten or more, to see how they vary with distance")
    chosen = np.sort(rng.choice(known, min(most, len(known)), replace=False))
    points, table = points[chosen], table[chosen]
    side = np.ptp(points, axis=0)
    longest = float(np.hypot(*side) / 2) if longest is None else float(longest)
    if not longest > 0:
        raise InputError(f"places within {longest:g} m", wanted="places apart from each other")
    from scipy.spatial.distance import pdist  # noqa: PLC0415 - scipy is slow to import

    apart, unlike = pdist(points), pdist(table, "sqeuclidean") / 2
    edges = longest * np.linspace(0, 1, bins + 1) ** 1.5
    place = np.searchsorted(edges, apart, side="left") - 1  # a pair at distance 0 is in no bin
    inside = (place >= 0) & (place < bins)
    pairs = np.bincount(place[inside], minlength=bins)
    sums = [np.bincount(place[inside], of[inside], bins) for of in (apart, unlike)]
    kept = pairs >= _FEWEST_PAIRS
    return Variogram(sums[0][kept] / pairs[kept], sums[1][kept] / pairs[kept], pairs[kept].astype(np.int64), longest)


def fit_variogram(variogram: Variogram, shapes: tuple[Shape, ...] = ("spherical", "exponential")) -> VariogramModel:
    """Fit a model by weighted least squares; of several shapes the one that fits best.

    Each bin weighs by its pairs over the square of its distance (the default of gstat), so that the near bins count,
    where a trend over the whole scene does not hide what neighbours share. Nugget and sill are never negative.

    Parameters
    ----------
    variogram : Variogram
        At least four bins.
    shapes : tuple of str
        ``"spherical"``, ``"exponential"``.

    Raises
    ------
    InputError
        If there are fewer than four bins.

    References
    ----------
    Pebesma, E. J. (2004). Multivariable geostatistics in S: the gstat package. Computers & Geosciences 30, 683-691.
    doi:10.1016/j.cageo.2004.03.012

    Examples
    --------
    >>> truth = VariogramModel("spherical", 0.2, 0.8, 300.0, 0.0)
    >>> distance = np.linspace(20, 900, 30)
    >>> seen = Variogram(distance, truth(distance), np.full(30, 1000), 900.0)
    >>> fitted = fit_variogram(seen)
    >>> fitted.shape, round(fitted.practical_range, -1), round(fitted.nugget, 2)
    ('spherical', 300.0, 0.2)
    """
    if len(variogram.distance) < 4:
        raise InputError(f"a variogram of {len(variogram.distance)} bins", wanted="four or more")
    shortest = float(variogram.distance[0])
    scales = np.geomspace(max(shortest, variogram.longest / 500) / 2, 2 * variogram.longest, _RANGES)
    found = [_best(variogram, shape, scales) for shape in shapes]
    return min(found, key=lambda model: model.misfit)


def _best(variogram: Variogram, shape: Shape, scales: Values) -> VariogramModel:
    coarse = min((_at(variogram, shape, float(scale)) for scale in scales), key=lambda model: model.misfit)
    step = scales[1] / scales[0]
    fine = np.geomspace(coarse.scale / step, coarse.scale * step, 21)
    return min((_at(variogram, shape, float(scale)) for scale in fine), key=lambda model: model.misfit)


def _at(variogram: Variogram, shape: Shape, scale: float) -> VariogramModel:
    """Fit nugget and sill at a given scale."""
    root = np.sqrt(variogram.pairs) / variogram.distance
    base = np.column_stack([np.ones(len(root)), _curve(shape, variogram.distance, scale)])
    from scipy.optimize import nnls  # noqa: PLC0415 - scipy is slow to import

    (nugget, sill), rest = nnls(base * root[:, None], variogram.semivariance * root)
    return VariogramModel(shape, float(nugget), float(sill), scale, float(rest) ** 2)


def _curve(shape: Shape, distance: Values, scale: float) -> Values:
    ratio = distance / scale
    if shape == "exponential":
        return np.asarray(1 - np.exp(-ratio))
    return np.where(ratio < 1, 1.5 * ratio - 0.5 * ratio**3, 1.0)
