"""Choices that a configuration implies: which features, which tessellation, which rows."""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from citygrain.errors import InputError
from citygrain.legend import Legend, ready_legends
from citygrain.samples.balance import balance
from citygrain.samples.samples import Samples, join_samples
from citygrain.samples.split import ROLES, assign_roles
from citygrain.sensors import sensor_named
from citygrain.tessellation import SegmentPatches, SegmentStatistics
from citygrain.workflows.config import ModelConfig, RunConfig

__all__ = [
    "choose_features",
    "choose_rows",
    "choose_tessellation",
    "few_patches",
    "named_legend",
    "preparation",
    "unit_values",
]


log = logging.getLogger(__name__)

_LEAST_VALID = 50
"""Validation rows below which the best epoch would be chosen by chance."""


def choose_features(features: xr.DataArray, names: Sequence[str] | None, sensor: str) -> xr.DataArray:
    """Return the named features in that order (all, if none is named); a band goes by any of its names.

    Raises
    ------
    InputError
        If one is not there.
    """
    if names is None:
        return features
    known = [str(name) for name in features.band.values]
    found = []
    for name in names:
        band = sensor_named(sensor).find(name)
        matches = [k for k in known if k.lower() == name.lower() or (band is not None and k == band.name)]
        if not matches:
            raise InputError(f"feature {name!r} is not there", wanted=f"one of {', '.join(known)}")
        found.append(known.index(matches[0]))
    return features.isel(band=found)


def sees_patches(model: ModelConfig) -> bool:
    """Tell whether a model sees patches; the others see statistics of the superpixel and its surroundings."""
    return model.name == "cnn" or model.recipe == "course"


def choose_tessellation(segments: xr.DataArray, config: RunConfig) -> SegmentPatches | SegmentStatistics:
    """Return the superpixels as the configured model sees them."""
    window = config.samples.window
    if not sees_patches(config.model):
        return SegmentStatistics(segments, window)
    return SegmentPatches(segments, window, outline=config.model.recipe == "default")


def choose_rows(samples: Samples, config: RunConfig) -> tuple[Samples, dict[str, npt.NDArray[Any]]]:
    """Choose the rows to train and to validate on, and tell the role of every unit.

    Parameters
    ----------
    samples : Samples
        One row for each unit.
    config : RunConfig
        Number for each class, blocks, balance, seed.

    Returns
    -------
    samples : Samples
        Training rows, balanced, and validation rows.
    table : dict of str to ndarray
        For each unit: `role` (see `citygrain.samples.split.ROLES`), `block`, `y`, `purity`.
    """
    c = config.samples
    role, block = assign_roles(samples, c.block, rng=np.random.default_rng([config.seed, 0]), valid_share=c.valid_share)
    role = _worth_validating(role)
    course = config.model.recipe == "course"
    train = balance(
        samples[role == 1],
        per_class=c.per_class,
        rng=np.random.default_rng([config.seed, 1]),
        oversample=c.balance == "oversample" or (c.balance == "auto" and course),
        augment=not course,
    )
    drawn = join_samples(train, samples[role == 2])
    drawn.group[:] = block[drawn.unit]
    return drawn, {"role": role, "block": block, "y": samples.y, "purity": samples.purity}


def _worth_validating(role: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Give the validation rows back to training where they are too few to judge by."""
    held = int((role == ROLES.index("valid")).sum())
    if 0 < held < _LEAST_VALID:
        log.info("%d samples are too few to validate on (%d or more): they are trained on", held, _LEAST_VALID)
        return np.where(role == ROLES.index("valid"), ROLES.index("train"), role).astype(np.uint8)
    return role


def preparation(config: RunConfig, features: xr.DataArray, segments: int) -> dict[str, Any]:
    """Return what another scene needs to be prepared for the model: features, superpixels, window.

    Parameters
    ----------
    config : RunConfig
        The run.
    features : DataArray, (band, y, x)
        All features of the run: those the superpixels were made of.
    segments : int
        Number of superpixels; with the valid area it gives their size.
    """
    chosen = choose_features(features, config.model.bands, config.scene.sensor)
    pixel = abs(features.odc.geobox.resolution.x * features.odc.geobox.resolution.y)
    valid = int(np.isfinite(features.values[0]).sum())
    return {
        "tessellation": "patches" if sees_patches(config.model) else "statistics",
        "outline": sees_patches(config.model) and config.model.recipe == "default",
        "window": config.samples.window,
        "segment_pixels": round(valid / segments, 1),
        "pixel_m2": round(float(pixel), 3),
        "compactness": config.segments.compactness,
        "segment_features": [str(name) for name in features.band.values],
        "features": [str(name) for name in chosen.band.values],
        "sensor": config.scene.sensor,
    }


def named_legend(name: str | None) -> Legend | None:
    """Return the ready legend called `name`.

    Raises
    ------
    InputError
        If there is none.
    """
    if name is None:
        return None
    known = ready_legends()
    if name.lower() not in known:
        raise InputError(
            f"legend {name!r}", wanted=f"one of {', '.join(known)}", mend="or give classes = { code = name }"
        )
    return known[name.lower()]


def unit_values(raster: npt.NDArray[Any], segments: npt.NDArray[np.integer[Any]], n: int) -> npt.NDArray[Any]:
    """Return each unit's value from a raster that is constant within units, (n,).

    Examples
    --------
    >>> unit_values(np.array([[7, 7, 9]]), np.array([[1, 1, 2]]), 2).tolist()
    [7, 9]
    """
    values = np.zeros(n + 1, raster.dtype)
    values[segments] = raster
    return values[1:]


def few_patches(samples: Samples, number: int = 8) -> Samples:
    """Return the first patches of each class, to be looked at."""
    rows = [np.flatnonzero(samples.y == c.code)[:number] for c in samples.legend]
    return samples[np.concatenate(rows)]
