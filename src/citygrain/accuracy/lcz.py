"""The accuracies that Local Climate Zone maps are compared by: of built types, of built against natural, and weighted.

Not every confusion is as bad: open midrise taken for open low-rise changes a city's climate little, taken for water
much. These figures stand beside overall accuracy in every WUDAPT map since Bechtel et al. (2017).
"""

import csv
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
import numpy.typing as npt

from citygrain.accuracy.assess import Assessment
from citygrain.errors import InputError
from citygrain.lcz import BUILT
from citygrain.legend import LCZ

__all__ = ["LczAccuracies", "lcz_accuracies", "lcz_similarity"]


@dataclass(frozen=True)
class LczAccuracies:
    """Three accuracies of a Local Climate Zone map, 0 to 1; NaN where nothing was assessed.

    Attributes
    ----------
    urban_accuracy : float
        OAu, of the units that are built (classes 1 to 10) in the reference: the share whose class is right.
    built_natural_accuracy : float
        OAbu, the share of all units that are rightly built (1 to 10) or rightly natural (11 to 17).
    weighted_accuracy : float
        OAw, the mean similarity of the mapped class to the reference class.
    """

    urban_accuracy: float
    built_natural_accuracy: float
    weighted_accuracy: float

    def to_dict(self) -> dict[str, float | None]:
        """Return the figures under their usual names for JSON; an undefined one is None."""
        figures = {"OAu": self.urban_accuracy, "OAbu": self.built_natural_accuracy, "OAw": self.weighted_accuracy}
        return {name: value if np.isfinite(value) else None for name, value in figures.items()}


def lcz_accuracies(assessment: Assessment) -> LczAccuracies:
    """Return OAu, OAbu and OAw of an assessed Local Climate Zone map.

    With counts c[i, j] of units mapped as i whose reference is j, N their sum, and U the built classes 1 to 10:

    - OAu = sum over j in U of c[j, j] / sum over all i and over j in U of c[i, j];
    - OAbu = (sum over i, j both in U, or both not, of c[i, j]) / N;
    - OAw = sum over all i, j of w[i, j] c[i, j] / N, with w of `lcz_similarity`.

    The WUDAPT literature (Bechtel et al. 2017) describes OAu as the overall accuracy of the urban classes only, which
    can also be read as leaving out built units that were mapped as natural. Here they count, as errors, and the
    published figure of Sen2LCZ-Net-MF (.6468, Qiu et al. 2020) is made so; left out, it would be .6648.

    Parameters
    ----------
    assessment : Assessment
        Its legend's codes are Local Climate Zones, 1 to 17; classes may be missing.

    Returns
    -------
    LczAccuracies

    Raises
    ------
    InputError
        If the legend is another scheme's.

    References
    ----------
    Bechtel, B., Demuzere, M., Stewart, I. D. (2020). A weighted accuracy measure for land cover mapping. Remote Sensing
    12, 1769. doi:10.3390/rs12111769
    Bechtel, B., et al. (2017). Quality of crowdsourced data on urban morphology: the human influence experiment
    (HUMINEX). Urban Science 1, 15. doi:10.3390/urbansci1020015

    Examples
    --------
    >>> from citygrain.accuracy.assess import assess
    >>> lcz_accuracies(assess([1, 2, 6, 17], [1, 1, 14, 17], LCZ)).to_dict()
    {'OAu': 0.3333333333333333, 'OAbu': 0.75, 'OAw': 0.875}
    """
    codes = assessment.legend.values.astype(int)
    if not assessment.legend.scheme.startswith("lcz") or not set(codes.tolist()) <= set(LCZ.values.tolist()):
        raise InputError(f"an assessment in legend {assessment.legend.scheme!r}", wanted="Local Climate Zones")
    matrix, built = assessment.matrix, codes <= BUILT
    weights = lcz_similarity()[np.ix_(codes - 1, codes - 1)]
    return LczAccuracies(
        urban_accuracy=_ratio(np.diag(matrix)[built].sum(), matrix[:, built].sum()),
        built_natural_accuracy=_ratio(matrix[built[:, None] == built].sum(), matrix.sum()),
        weighted_accuracy=_ratio((weights * matrix).sum(), matrix.sum()),
    )


def lcz_similarity() -> npt.NDArray[np.float64]:
    """Return how alike the Local Climate Zones are, (17, 17), 0 to 1: figure 3b of doi:10.3390/rs12111769.

    The figure prints two decimals of twelfths; the printed values are used, so that others' figures are met.

    Examples
    --------
    >>> similarity = lcz_similarity()
    >>> float(similarity[0, 1]), float(similarity[0, 16]), bool((similarity == similarity.T).all())
    (0.92, 0.0, True)
    """
    return _table().copy()


@cache
def _table() -> npt.NDArray[np.float64]:
    text = resources.files("citygrain").joinpath("data/lcz_similarity.csv").read_text(encoding="utf-8")
    rows = list(csv.reader(text.splitlines()))
    return np.array([row[1:] for row in rows[1:]], np.float64)


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else float("nan")
