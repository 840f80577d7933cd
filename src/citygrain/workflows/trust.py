"""What a run finds out on validation ground so that its map can be trusted, and how it is used on the map.

After the training: a temperature, a rule for sets of classes, and what the training rows were like; all of it is kept
with the model. While mapping: what the model says of test units, and how far the map's ground is from the training.
"""

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from citygrain.accuracy.calibration import fit_temperature, too_few
from citygrain.accuracy.conformal import MOST_CLASSES, SetRule, fit_rules, informative_level
from citygrain.errors import InputError
from citygrain.maps.applicability import MOST_ROWS, Applicability, learn_applicability
from citygrain.maps.predict import BLOCK
from citygrain.models.card import ModelCard
from citygrain.models.classifier import Classifier, Embedder
from citygrain.models.trust import read_applicability, write_trust
from citygrain.samples.samples import Samples
from citygrain.tempering import temper
from citygrain.tiles import tile_grid
from citygrain.workflows.units import Units

__all__ = ["TestLog", "known_ground", "learn_trust", "look_at_ground", "set_rule", "set_rules", "units_to_log"]

log = logging.getLogger(__name__)

_MOST_VALID = 4_000
"""Validation rows that are judged; of more, as many are drawn."""
_MOST_FEATURES = 1_024
"""Features of a row beyond which distances are not kept: 2,000 rows of them are 8 MB."""
_MOST_LOGGED = 20_000
"""Test units whose probabilities are kept; of more, as many are drawn."""
GROUND = 1_000
"""Places of a map at which its applicability is looked at."""
_GROUND_TILES = 16


def learn_trust(folder: Path, model: Classifier, train: Samples, valid: Samples | None, *, seed: int) -> None:
    """Find out what tells how far a model's answers go, and keep it in the model's folder.

    Parameters
    ----------
    folder : Path
        Where the model was saved.
    model : Classifier
        The model, not yet tempered.
    train, valid : Samples
        What it was fitted on; `group` is the block.
    seed : int
        Source of the draws.
    """
    rng = np.random.default_rng([seed, 3])
    trust = _of_validation(model, valid, rng)
    known = _of_training(model, train, rng)
    if isinstance(known, str):
        trust["applicability"] = {"reason": known}
        write_trust(folder, trust)
        return
    trust["applicability"] = {
        "threshold": known.threshold,
        "rows": len(known.rows),
        "features": known.rows.shape[1],
        "groups": int(np.unique(train.group).size),
    }
    write_trust(folder, trust, known.to_arrays())


def _of_validation(model: Classifier, valid: Samples | None, rng: np.random.Generator) -> dict[str, Any]:
    k = len(model.card.legend)
    probabilities, columns, block = np.empty((0, k), np.float32), np.empty(0, np.int64), np.empty(0, np.int64)
    if valid is not None:
        labelled = np.flatnonzero(valid.y > 0)
        chosen = np.sort(rng.choice(labelled, min(_MOST_VALID, labelled.size), replace=False))
        probabilities = model.predict_proba(valid.take(chosen))
        columns, block = valid.legend.columns(valid.y[chosen]), valid.group[chosen]
    temperature = fit_temperature(probabilities, columns, block)
    if temperature.reason:
        log.info("the confidence is not calibrated: %s", temperature.reason)
    reason = too_few(temperature.rows, temperature.blocks) or (
        f"{k} classes, more than {MOST_CLASSES}" if k > MOST_CLASSES else ""
    )
    if reason:
        return {"temperature": asdict(temperature), "sets": {"reason": reason}}
    tempered = temper(probabilities, temperature.value)
    kept = [rule.to_dict() for rule in fit_rules(tempered, columns, block)]
    return {"temperature": asdict(temperature), "sets": {"level": informative_level(tempered, columns), "rules": kept}}


def _of_training(model: Classifier, train: Samples, rng: np.random.Generator) -> Applicability | str:
    """Return what tells how far rows are from the training rows, or why there is no such thing."""
    if not isinstance(model, Embedder):
        return "the model does not tell what it decides on"
    if len(model.importance_) > _MOST_FEATURES:
        return f"the model decides on {len(model.importance_)} values, more than {_MOST_FEATURES}"
    _, first = np.unique(train.unit, return_index=True)  # a copy would have its own twin for nearest row
    chosen = np.sort(rng.choice(first, min(MOST_ROWS, first.size), replace=False))
    try:
        return learn_applicability(model.embed(train.take(chosen)), train.group[chosen], model.importance_, rng=rng)
    except InputError as error:
        return error.came


def set_rules(card: ModelCard) -> list[SetRule]:
    """Return how a model's sets of classes are made, for each level; none where nothing was fitted.

    Raises
    ------
    InputError
        If the card is damaged.
    """
    kept = card.trust.get("sets", {})
    try:
        rules = [SetRule(**rule) for rule in kept.get("rules", [])]
        if not all(np.isfinite(rule.threshold) and rule.score in ("lac", "aps") for rule in rules):
            raise ValueError
    except (TypeError, ValueError):
        raise InputError("a model card with a broken rule for sets", mend="train the model again") from None
    return rules


def set_rule(card: ModelCard, level: float | None = None) -> SetRule | None:
    """Return how sets of classes are made that hold the right one in `level` of the cases; None without a rule.

    Parameters
    ----------
    card : ModelCard
        Of the model.
    level : float, optional
        One of `citygrain.accuracy.conformal.LEVELS`; the smallest that tells something, if not given.

    Raises
    ------
    InputError
        If the card is damaged.
    """
    wanted = card.trust.get("sets", {}).get("level") if level is None else level
    return next((rule for rule in set_rules(card) if rule.level == wanted), None)


@dataclass
class TestLog:
    """Keeps the probabilities of some units as they are judged.

    Attributes
    ----------
    units : ndarray of int64, (m,)
        Rows of the units, increasing.
    probabilities : ndarray of float32, (m, k)
        NaN until the unit is judged.
    """

    __test__ = False  # no class of tests

    units: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.float32]

    @classmethod
    def of(cls, units: npt.NDArray[np.int64], classes: int) -> "TestLog":
        """Make an empty one."""
        return cls(units, np.full((len(units), classes), np.nan, np.float32))

    def __call__(self, units: npt.NDArray[np.int64], probabilities: npt.NDArray[np.float32]) -> None:
        """Keep those of `units`, (m,), that are asked for."""
        if not self.units.size:
            return
        place = np.minimum(np.searchsorted(self.units, units), self.units.size - 1)
        wanted = self.units[place] == units
        self.probabilities[place[wanted]] = probabilities[wanted]


def units_to_log(table: Mapping[str, npt.NDArray[Any]], *, seed: int) -> npt.NDArray[np.int64]:
    """Return the labelled test units, increasing; of very many, some."""
    tested = np.flatnonzero((table["role"] == 3) & (table["y"] > 0)).astype(np.int64)
    if tested.size > _MOST_LOGGED:
        tested = np.sort(np.random.default_rng([seed, 4]).choice(tested, _MOST_LOGGED, replace=False))
    return tested


def known_ground(folder: Path) -> Applicability | None:
    """Return what a model's training rows were like; None where it was not kept.

    Raises
    ------
    InputError
        If the file is damaged.
    """
    arrays = read_applicability(folder)
    return None if arrays is None else Applicability.from_arrays(arrays)


def look_at_ground(
    features: xr.DataArray, units: Units, model: Classifier, known: Applicability, *, seed: int = 0
) -> dict[str, npt.NDArray[Any]]:
    """Return the dissimilarity index at `GROUND` places of a map, drawn at random from at most 16 windows.

    Each place counts alike, so that the share of places is an estimate of the share of the area.

    Returns
    -------
    dict
        ``ground_unit`` (m,), ``ground_places`` (m,), how many of the places lie in it, and ``dissimilarity`` (m,).
    """
    rng = np.random.default_rng([seed, 5])
    height, width = units.geobox.shape
    tiles = tile_grid((height, width), BLOCK)
    some = rng.permutation(len(tiles))[:_GROUND_TILES]
    numbers = [units.parts(tiles[i]).ravel() for i in np.sort(some)]
    there = [part[part >= 0] for part in numbers]
    total = sum(part.size for part in there)
    drawn = [part[rng.integers(part.size, size=round(GROUND * part.size / total))] for part in there if part.size]
    found, places = np.unique(np.concatenate([np.empty(0, np.int64), *drawn]), return_counts=True)
    rows = units.rows(features)[found] if found.size else np.empty((0, *model.card.input_shape), np.float32)
    index = known.dissimilarity(model.embed(rows)) if isinstance(model, Embedder) else np.full(len(found), np.nan)
    return {"ground_unit": found, "ground_places": places, "dissimilarity": np.asarray(index, np.float32)}
