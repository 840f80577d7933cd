"""Scenes made fit for a model: its features by name, its dates, its pixel size, or one line that says what differs."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from citygrain.errors import InputError, ModelMismatchError
from citygrain.features.stack import compute_features
from citygrain.legend import LCZ
from citygrain.models.card import ModelCard
from citygrain.sensors import SO2SAT_SENTINEL2
from citygrain.workflows.dates import join_dates

__all__ = ["context_of", "model_features"]

_SO2SAT_PIXEL_M2 = 100.0
_OF_DATE = " @"  # "B04 @2" is B04 of the second date, see `join_dates`


def context_of(card: ModelCard) -> int:
    """Return the side in pixels of the window that a model of pixels sees around each; 1 for the pixel alone.

    Raises
    ------
    InputError
        If the card is damaged.
    """
    window = card.preparation.get("context", 1)
    if not isinstance(window, int) or (window > 1 and not isinstance(card.preparation.get("features"), list)):
        raise InputError("a model card with a broken preparation", mend="train the model again")
    return window


def model_features(scenes: Sequence[xr.DataArray], card: ModelCard) -> list[xr.DataArray]:
    """Return the model's features of each date, in its order; a scene that has just these is not copied.

    Parameters
    ----------
    scenes : sequence of DataArray, (band, y, x)
        One date or several on one grid.
    card : ModelCard
        What the model was trained on.

    Returns
    -------
    list of DataArray, (band, y, x)
        One for each date; a single one if the model was trained on several dates side by side.

    Raises
    ------
    InputError
        If the dates differ in grid, or the pixels are not metres.
    ModelMismatchError
        If bands, dates or pixel size are not those of the training.
    """
    if not scenes:
        raise InputError("no scene", wanted="at least one date")
    for scene in scenes:
        if scene.odc.geobox != scenes[0].odc.geobox:
            raise InputError(
                f"{_source(scene)} lies on another grid than {_source(scenes[0])}",
                wanted="dates of one grid",
                mend="bring it there with gdalwarp",
            )
    _check_pixels(scenes[0], card)
    wanted = _of_units(card)
    first = [name.removesuffix(f"{_OF_DATE}1") for name in wanted if name.endswith(f"{_OF_DATE}1")]
    if not first:
        return [_features(scene, wanted) for scene in scenes]
    dates = max(int(name.rpartition(_OF_DATE)[2]) for name in wanted)
    if len(scenes) != dates:
        raise ModelMismatchError(f"{len(scenes)} dates", wanted=f"{dates}, as the model was trained")
    return [_features(join_dates([_features(scene, first) for scene in scenes]), wanted)]


def _of_units(card: ModelCard) -> tuple[str, ...]:
    """Return the features of a unit itself: pixels with context also have means and deviations of their window."""
    return tuple(card.preparation["features"]) if context_of(card) > 1 else card.features


def _features(scene: xr.DataArray, names: Sequence[str]) -> xr.DataArray:
    there = [str(name) for name in scene.band.values]
    if there == list(names):
        return scene
    if set(names) <= set(there):
        return scene.isel(band=[there.index(name) for name in names])
    try:
        features = compute_features(scene, names)  # indices, and bands under other names
    except InputError:
        raise ModelMismatchError(
            f"{_source(scene)} with bands {', '.join(there)}",
            wanted=f"{', '.join(names)}, as the model was trained",
            mend=f"missing {', '.join(name for name in names if name not in there)}",
        ) from None
    return features.assign_coords(band=list(names))


def _check_pixels(scene: xr.DataArray, card: ModelCard) -> None:
    crs, pixel = scene.odc.geobox.crs, scene.odc.geobox.resolution
    if crs is None or crs.units[0] not in ("metre", "m"):
        raise InputError(
            f"a scene in {crs}", wanted="a coordinate system in metres", mend="bring it to UTM by gdalwarp"
        )
    so2sat = card.legend == LCZ and set(card.features) <= set(SO2SAT_SENTINEL2) and len(card.input_shape) == 3
    wanted = card.preparation.get("pixel_m2", _SO2SAT_PIXEL_M2 if so2sat else None)
    if wanted is not None and not np.isclose(abs(pixel.x * pixel.y), wanted, rtol=0.02):
        raise ModelMismatchError(
            f"pixels of {abs(pixel.x * pixel.y) ** 0.5:g} m",
            wanted=f"{wanted**0.5:g} m, as the model was trained",
            mend="resample the scene, or train on it",
        )


def _source(scene: xr.DataArray) -> str:
    return str(scene.attrs.get("source", "the scene"))
