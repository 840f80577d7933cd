"""A map is ``scatter(predict(gather(scene)))``: every unit of a tessellation gets a class and a confidence."""

import numpy as np
import numpy.typing as npt
import xarray as xr

from citygrain.maps.thematic_map import ThematicMap
from citygrain.models.classifier import Classifier
from citygrain.tessellation import Tessellation
from citygrain.tiles import Progress

__all__ = ["predict_map", "predict_units", "scatter_map"]

_BATCH = 4096  # units at a time: 25 x 25 x 13 float32 patches of one batch take 133 MB


def predict_units(
    features: xr.DataArray, tessellation: Tessellation, model: Classifier, *, progress: Progress | None = None
) -> npt.NDArray[np.float32]:
    """Return the class probabilities of each unit, (n, k), in legend order.

    Parameters
    ----------
    features : DataArray, (band, y, x)
        The features that the model was trained on.
    tessellation : Tessellation
        n units.
    model : Classifier
        A fitted model.
    progress : callable, optional
        Called with (done, total) units.

    Raises
    ------
    ModelMismatchError
        If the features, their order or their units are not those of the model.
    """
    names = tessellation.names([str(name) for name in features.band.values])
    rows = tessellation.gather(features)
    model.card.check(names, str(features.attrs.get("units", "")), tuple(rows.shape[1:]))
    n = len(tessellation)
    probabilities = np.empty((n, len(model.card.legend)), np.float32)
    for start in range(0, n, _BATCH):
        probabilities[start : start + _BATCH] = model.predict_proba(rows[start : start + _BATCH])
        if progress:
            progress(min(n, start + _BATCH), n)
    return probabilities


def scatter_map(probabilities: npt.NDArray[np.float32], tessellation: Tessellation, model: Classifier) -> ThematicMap:
    """Put each unit's most likely class, and its probability, back onto the map by look-up.

    Parameters
    ----------
    probabilities : ndarray, (n, k)
        Class probabilities of each unit, in legend order.
    tessellation : Tessellation
        n units.
    model : Classifier
        The model that gave them; its legend names the columns.
    """
    legend = model.card.legend
    codes = legend.codes(probabilities.argmax(1))
    confidence = tessellation.scatter(probabilities.max(1).astype(np.float32))
    return ThematicMap(tessellation.scatter(codes), confidence, legend)


def predict_map(
    features: xr.DataArray, tessellation: Tessellation, model: Classifier, *, progress: Progress | None = None
) -> ThematicMap:
    """Map a scene: gather, predict, scatter.

    Parameters
    ----------
    features : DataArray, (band, y, x)
        The features that the model was trained on, NaN = no data.
    tessellation : Tessellation
        Units of the scene.
    model : Classifier
        A fitted model.
    progress : callable, optional
        Called with (done, total) units.

    Returns
    -------
    ThematicMap
        Code 0 where there is no data, and only there.

    Raises
    ------
    ModelMismatchError
        If the features, their order or their units are not those of the model.
    """
    return scatter_map(predict_units(features, tessellation, model, progress=progress), tessellation, model)
