"""Cross-validated probabilities: what a model says of each row when it has not seen the row."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from citygrain.errors import InputError
from citygrain.models.classifier import Classifier
from citygrain.samples.folds import Fold
from citygrain.samples.samples import Samples
from citygrain.tiles import Progress

__all__ = ["crossed_probabilities"]


def crossed_probabilities(
    samples: Samples, folds: Sequence[Fold], make: Callable[[], Classifier], *, progress: Progress | None = None
) -> npt.NDArray[np.float64]:
    """Train a model in each fold, and return what it says of the rows that the fold tests.

    Parameters
    ----------
    samples : Samples
        n rows; those with ``y`` = 0 do not train.
    folds : sequence of (ndarray, ndarray)
        Rows to train on and rows to test on.
    make : callable
        Returns a new classifier.
    progress : callable, optional
        Called with (done, total).

    Returns
    -------
    ndarray of float64, (n, k)
        In the legend's order; NaN for rows that no fold tests.

    Raises
    ------
    InputError
        If a fold has one class only to train on.
    """
    out = np.full((len(samples), len(samples.legend)), np.nan)
    for done, (train, test) in enumerate(folds, 1):
        present = np.unique(samples.y[train])
        if (present > 0).sum() < 2:
            raise InputError(
                "a fold with one class only to train on",
                wanted="two classes on either side",
                mend="set smaller blocks, or label more ground",
            )
        out[test] = make().fit(samples[train]).predict_proba(samples[test].x)
        if progress:
            progress(done, len(folds))
    return out
