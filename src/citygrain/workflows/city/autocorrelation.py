"""How far the units of a scene resemble each other, and how large the blocks of its split are for that reason."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from citygrain.errors import ConfigError, InputError
from citygrain.samples.block_size import choose_block_size
from citygrain.samples.samples import Samples
from citygrain.samples.variogram import empirical_variogram, fit_variogram
from citygrain.workflows.city.mean_spectra import mean_spectra
from citygrain.workflows.config import RunConfig
from citygrain.workflows.units import Units

__all__ = ["FILE", "measure_autocorrelation", "read_autocorrelation", "with_block"]

log = logging.getLogger(__name__)

FILE = "variogram.json"
"""What is found, in the folder of a run."""
_PLACES, _FEWEST = 2_000, 50
_COMPONENTS = 3
_NOISE = 0.05  # of the variance; with less structure than that there is no range to speak of


def measure_autocorrelation(
    samples: Samples, features: xr.DataArray, units: Units, config: RunConfig
) -> dict[str, Any]:
    """Measure how far features and labels are alike, and say how large the blocks are.

    Parameters
    ----------
    samples : Samples
        One row for each unit.
    features : DataArray, (band, y, x)
        What the model sees.
    units : Units
        The units.
    config : RunConfig
        The run; with ``[samples] block = "auto"`` the size is chosen here.

    Returns
    -------
    dict
        Plain values for ``variogram.json``: `features` and `labels` with `variogram` and `model`, `alike_up_to_m`,
        `block` and `sentences`.

    Raises
    ------
    ConfigError
        If the size cannot be chosen, because there are too few labelled units.
    """
    labelled = np.flatnonzero((samples.y > 0) & np.isfinite(samples.extent).all(1))
    found: dict[str, Any] = {"meaning": _MEANING, "labelled_units": len(labelled)}
    try:
        found |= _measured(samples, labelled, features, units, np.random.default_rng([config.seed, 3]))
    except InputError as error:  # a run with a split of its own needs no variogram
        log.info("no variogram: %s", error)
    found["block"] = _block(samples, found, config)
    found["sentences"] = list(_sentences(found))
    for sentence in found["sentences"] if config.samples.block == "auto" else []:
        log.info("%s", sentence)
    return found


def read_autocorrelation(folder: Path) -> dict[str, Any] | None:
    """Return what a run found, or None of a run that did not look."""
    try:
        return dict(json.loads((folder / FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def with_block(config: RunConfig, folder: Path) -> RunConfig:
    """Return the configuration with the size of the blocks that was chosen for it, in metres."""
    if config.samples.block != "auto" or config.samples.split != "blocks":
        return config
    size = json.loads((folder / FILE).read_text(encoding="utf-8"))["block"]["size"]
    return config.model_copy(update={"samples": config.samples.model_copy(update={"block": float(size)})})


_MEANING = (
    "half the mean squared difference of two units, by the distance of their centres; features: the first principal "
    "components of their standardised means, their variances summing to 1; labels: the share of pairs whose classes "
    "differ; range: where 95 % of the rise is reached"
)


def _measured(
    samples: Samples,
    labelled: npt.NDArray[np.int64],
    features: xr.DataArray,
    units: Units,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Return both variograms with their models, from some of the labelled units."""
    if len(labelled) < _FEWEST:
        raise InputError(f"{len(labelled)} labelled units", wanted=f"{_FEWEST} or more")
    rows = np.sort(rng.choice(labelled, min(_PLACES, len(labelled)), replace=False))
    x0, y0, x1, y1 = samples.extent[rows].T
    points = np.column_stack([x0 + x1, y0 + y1]) / 2
    components, share = _components(mean_spectra(features, units, rows))
    parts = {"features": components, "labels": np.eye(256)[samples.y[rows]][:, samples.legend.values]}
    curves = {name: _curve(points, values, rng) for name, values in parts.items()}
    curves["features"] |= {"components": components.shape[1], "explained": round(share, 4)}
    return {**curves, "alike_up_to_m": max(part["range_m"] for part in curves.values())}


def _components(means: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float64], float]:
    """Return the first principal components, scaled so that their variances sum to 1, and their share of the whole."""
    known = np.isfinite(means).all(1)
    if known.sum() < _FEWEST:
        raise InputError(
            f"{int(known.sum())} labelled units with a value of every feature", wanted=f"{_FEWEST} or more"
        )
    table = means[known].astype(float)
    spread = table.std(0)
    table = (table - table.mean(0)) / np.where(spread > 0, spread, 1)
    left, size, _ = np.linalg.svd(table, full_matrices=False)
    kept, variance = min(_COMPONENTS, len(size)), size**2
    scale = np.sqrt(len(table) / max(float(variance[:kept].sum()), 1e-12))
    components = np.full((len(means), kept), np.nan)
    components[known] = left[:, :kept] * size[:kept] * scale
    return components, float(variance[:kept].sum() / max(float(variance.sum()), 1e-12))


def _curve(
    points: npt.NDArray[np.float64], values: npt.NDArray[np.float64], rng: np.random.Generator
) -> dict[str, Any]:
    seen = empirical_variogram(points, values, rng=rng)
    model = fit_variogram(seen)
    reached = model.practical_range <= seen.longest
    alike = min(model.practical_range, seen.longest) if model.structured > _NOISE else 0.0
    return {
        "variogram": seen.to_dict(),
        "model": model.to_dict(),
        "range_m": round(alike, 1),
        "levels_off": bool(reached),
    }


def _block(samples: Samples, found: Mapping[str, Any], config: RunConfig) -> dict[str, Any] | None:
    c = config.samples
    if c.split != "blocks":
        return None
    if c.block != "auto":
        return {"size": c.block, "wished": None, "limit": "", "from": "configuration"}
    if "alike_up_to_m" not in found:
        raise ConfigError(
            f"[samples] block = 'auto' with {found['labelled_units']} labelled units",
            wanted=f"{_FEWEST} or more with a value of every feature, spread over the scene",
            mend="set block to a number of metres",
        )
    chosen = choose_block_size(
        samples, found["alike_up_to_m"], seed=config.seed, valid_share=c.valid_share, spare_rare=c.rare == "leave out"
    )
    return chosen.to_dict() | {"from": "variogram"}


def _sentences(found: Mapping[str, Any]) -> list[str]:
    """Say what was found and what it means for the split."""
    if "alike_up_to_m" not in found:
        return [f"{found['labelled_units']} labelled units are too few to see how far they are alike."]
    said = [f"{_reach('features', found['features'])} {_reach('labels', found['labels'])}"]
    block, alike = found["block"], found["alike_up_to_m"]
    if block is None:
        return said
    size = f"{block['size']:g} m"
    if block["from"] == "variogram":
        said.append(f"The blocks are {size} wide, chosen from this distance.")
        if block["limit"]:
            said.append(f"They should be {block['wished']:.0f} m wide, but {block['limit']}.")
    else:
        said.append(f"The blocks are {size} wide, as configured.")
    if block["size"] < 0.95 * alike:
        said.append(
            "Blocks are smaller than the distance up to which places are alike: test units near the edge of a block "
            "resemble training units beyond it, so the accuracy is somewhat flattering."
        )
    return said


def _reach(what: str, part: Mapping[str, Any]) -> str:
    """Say in a sentence how far features or labels are alike.

    Examples
    --------
    >>> _reach("labels", {"range_m": 840.0, "levels_off": True})
    'The labels of two units are alike up to about 840 m.'
    """
    if not part["range_m"]:
        return f"The {what} of two units are no more alike near than far."
    if not part["levels_off"]:
        return f"The {what} of two units are alike up to {part['range_m']:.0f} m and farther: the scene shows no end."
    return f"The {what} of two units are alike up to about {part['range_m']:.0f} m."
