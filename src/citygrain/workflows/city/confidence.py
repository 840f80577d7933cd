"""The part of ``assessment.json`` that tells how far confidence, sets and applicability go, all on test ground."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from citygrain.accuracy.calibration import calibration_scores, class_reliability
from citygrain.accuracy.conformal import set_figures
from citygrain.accuracy.reliability import reliability_bins
from citygrain.models.card import ModelCard
from citygrain.tempering import temper
from citygrain.workflows.config import RunConfig
from citygrain.workflows.trust import set_rule, set_rules

__all__ = ["trust_caveats", "trust_figures"]

Table = Mapping[str, npt.NDArray[Any]]
_NOT_FITTED = "the model was not calibrated"


def trust_figures(
    table: Table, judged: Table, card: ModelCard, mapped: npt.NDArray[np.uint8], config: RunConfig
) -> dict[str, Any]:
    """Judge confidence, sets and applicability on units of test ground.

    Parameters
    ----------
    table : mapping of str to ndarray
        For each unit: `role`, `block`, `y`.
    judged : mapping of str to ndarray
        `unit` (m,) and `probabilities` (m, k) of test units; perhaps `ground_unit`, `ground_places`, `dissimilarity`.
    card : ModelCard
        Of the model; its `trust` says what was fitted.
    mapped : ndarray of uint8, (n,)
        Class of each unit on the map.
    config : RunConfig
        The run.

    Returns
    -------
    dict
        ``confidence``, ``sets`` and ``applicability``.
    """
    unit, p = judged["unit"], judged["probabilities"]
    there = np.isfinite(p).all(1)
    unit, p = unit[there], p[there]
    columns, block = card.legend.columns(table["y"][unit]), table["block"][unit]
    return {
        "confidence": _of_confidence(p, columns, block, card, config.seed),
        "sets": _of_sets(p, columns, block, card, config),
        "applicability": _of_ground(table, judged, card, mapped),
    }


def _of_confidence(
    p: npt.NDArray[np.float32], columns: npt.NDArray[np.int64], block: npt.NDArray[np.int64], card: ModelCard, seed: int
) -> dict[str, Any]:
    fitted = card.trust.get("temperature", {"value": 1.0, "reason": _NOT_FITTED})
    sides = {"before": p if fitted["reason"] else temper(p, 1 / card.temperature)}
    if not fitted["reason"]:
        sides["after"] = p
    return {
        "units": len(p),
        "blocks": int(np.unique(block).size),
        "temperature": fitted,
        **{
            side: calibration_scores(q, columns, block, rng=np.random.default_rng([seed, 6]))
            for side, q in sides.items()
        },
        "bins": {side: _bins(q, columns) for side, q in sides.items()},
        "per_class": class_reliability(p, columns, card.legend),
    }


def _bins(p: npt.NDArray[np.float32], columns: npt.NDArray[np.int64]) -> dict[str, Any]:
    return reliability_bins(p.max(1), p.argmax(1) == columns).to_dict() if len(p) else {}


def _of_sets(
    p: npt.NDArray[np.float32],
    columns: npt.NDArray[np.int64],
    block: npt.NDArray[np.int64],
    card: ModelCard,
    config: RunConfig,
) -> dict[str, Any]:
    shown = set_rule(card, config.map.level)
    if shown is None:
        return {"reason": card.trust.get("sets", {}).get("reason", _NOT_FITTED)}
    levels = []
    for rule in set_rules(card):
        figures = set_figures(rule.sets(p), columns, block, rng=np.random.default_rng([config.seed, 7]))
        levels.append({**rule.to_dict(), "on_test": figures})
    sets, per_class = shown.sets(p), {}
    for column, name in enumerate(card.legend.names):
        rows = columns == column
        share = float(sets[rows, column].mean()) if rows.any() else None
        per_class[name] = {"units": int(rows.sum()), "coverage": share}
    return {"level": shown.level, "levels": levels, "per_class": per_class}


def _of_ground(table: Table, judged: Table, card: ModelCard, mapped: npt.NDArray[np.uint8]) -> dict[str, Any]:
    kept = card.trust.get("applicability", {})
    if "dissimilarity" not in judged or "threshold" not in kept:
        return {"reason": kept.get("reason", "it was not kept with the model")}
    unit, places, index = judged["ground_unit"], judged["ground_places"], judged["dissimilarity"]
    outside = index > kept["threshold"]  # what has no index is not outside: it has no features to compare
    tested = (table["role"][unit] == 3) & (table["y"][unit] > 0)
    right = mapped[unit] == table["y"][unit]
    total = int(places.sum())
    return {
        "threshold": kept["threshold"],
        "training_rows": kept["rows"],
        "places": total,
        "share_outside": float(places[outside].sum() / total) if total else None,
        "test_units": {"inside": _share(right[tested & ~outside]), "outside": _share(right[tested & outside])},
    }


def _share(right: npt.NDArray[np.bool_]) -> dict[str, Any]:
    return {"units": int(right.size), "share_right": float(right.mean()) if right.size else None}


def trust_caveats(figures: Mapping[str, Any]) -> list[str]:
    """Say in plain sentences what was done to the confidence, and how far it goes.

    Parameters
    ----------
    figures : mapping
        The content of ``assessment.json``.
    """
    confidence, ground = figures.get("confidence", {}), figures.get("split_detail", {}).get("by", "blocks")
    fitted = confidence.get("temperature", {"reason": _NOT_FITTED})
    after = confidence.get("after", {}).get("expected_calibration_error")
    if fitted["reason"] or after is None:
        sentences = [
            "The confidence is the model's own probability. It has not been calibrated "
            f"({fitted['reason'] or 'no test units'}): read it as a ranking of places to check, not as a frequency."
        ]
    else:
        before = confidence["before"]["expected_calibration_error"]
        how = "no better than before" if after >= before else "better than before"
        sentences = [
            f"The confidence was calibrated by one number, a temperature of {fitted['value']:.2f}, on "
            f"{fitted['rows']} units of {fitted['blocks']} validation {ground}. On the test {ground} it is off by "
            f"{100 * after:.1f} % on average ({100 * before:.1f} % before, so {how}); of a single class or place it "
            "may be off by more."
        ]
    return [*sentences, *_of_outside(figures.get("applicability", {}))]


def _of_outside(ground: Mapping[str, Any]) -> list[str]:
    share = ground.get("share_outside")
    if not share or share < 0.01:
        return []
    return [
        f"About {100 * share:.0f} % of the map is less like the training samples than these are like each other from "
        "block to block: there the accuracy above says little."
    ]
