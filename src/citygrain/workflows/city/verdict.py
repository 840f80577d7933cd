"""What a run's figures say, and what they do not: accuracy on unseen blocks, and the caveats in plain words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from citygrain.accuracy.assess import assess
from citygrain.accuracy.intervals import block_class_intervals, block_intervals, block_matrices
from citygrain.accuracy.lcz import lcz_accuracies
from citygrain.accuracy.purity import account_for_pixels
from citygrain.legend import Legend
from citygrain.samples.split import ROLES
from citygrain.workflows.city.baselines import baseline_caveats
from citygrain.workflows.city.confidence import trust_caveats
from citygrain.workflows.config import RunConfig
from citygrain.workflows.references import product_caveat
from citygrain.workflows.units import NOUNS

__all__ = ["caveats", "verdict"]

Table = Mapping[str, npt.NDArray[Any]]

_NO_SAMPLE = (
    "The held-out ground was not drawn at random from the whole map; it is what the reference and the split left over. "
    "It is no probability sample, and its figures are no estimates for the whole map."
)


def verdict(table: Table, mapped: npt.NDArray[np.uint8], legend: Legend, config: RunConfig) -> dict[str, Any]:
    """Assess a map unit by unit and pixel by pixel, on unseen ground and, marked optimistic, on all of it.

    Parameters
    ----------
    table : mapping of str to ndarray
        For each unit: `role`, `block`, `y`, and `counts` (n, k), its reference pixels by class.
    mapped : ndarray of uint8, (n,)
        Class of each unit on the map.
    legend : Legend
        The classes.
    config : RunConfig
        The run.

    Returns
    -------
    dict
        Plain values for ``assessment.json``; the figures of the units stand under their name (``superpixel``), those
        of the pixels, where units are larger, under ``pixel``.
    """
    unit = NOUNS[config.units.kind]
    test = table["role"] == ROLES.index("test")
    rng = np.random.default_rng([config.seed, 2])
    roles = {name: int(((table["role"] == i) & (table["y"] > 0)).sum()) for i, name in enumerate(ROLES)}
    return {
        "unit": unit,
        "split": "spatial",
        "probability_sample": False,
        "sampling": _NO_SAMPLE,
        "split_detail": {"units": roles, **_split(table, test, config)},
        **({"left_out": left} if (left := _left_out(table, legend)) else {}),
        **_both(_chosen(table, mapped, test), legend, unit, rng),
        **({"purity": _purity(table, mapped, test, legend)} if unit == "superpixel" else {}),
        "resubstitution": {
            "optimistic": True,
            "meaning": f"all {unit}s, those that the model was trained on included: not a measure of accuracy",
            **_both(_chosen(table, mapped, table["y"] > 0), legend, unit, None),
        },
    }


def _left_out(table: Table, legend: Legend) -> dict[str, int]:
    """Return how many units of the reference each class has that is neither trained on nor tested."""
    used = table["y"][table["role"] > 0]
    return {c.name: int((table["y"] == c.code).sum()) for c in legend if c.code in table["y"] and c.code not in used}


def _split(table: Table, test: npt.NDArray[np.bool_], config: RunConfig) -> dict[str, Any]:
    number = int(np.unique(table["block"][test]).size)
    if config.samples.split == "polygons":
        return {
            "by": "polygons",
            "test_polygons": number,
            "meaning": "whole polygons are trained on or tested; no test patch shares a pixel with a training patch; "
            "unused = unlabelled, or too near to a test polygon",
        }
    if config.samples.split == "superpixels":
        return {
            "by": "superpixels",
            "test_superpixels": number,
            "meaning": "all pixels of a superpixel are trained on or tested; the superpixel beside it may be trained "
            "on, and resembles it: larger blocks would be stricter",
        }
    return {
        "by": "blocks",
        "block_m": config.samples.block,
        "test_blocks": number,
        "meaning": "test and training blocks alternate; no test patch shares a pixel with a training patch; "
        "unused = unlabelled, or across a border between blocks",
    }


@dataclass(frozen=True)
class _Pairs:
    """Mapped and reference classes of some units, the block of each, and how often each counts."""

    mapped: npt.NDArray[np.uint8]
    reference: npt.NDArray[np.uint8]
    block: npt.NDArray[np.int64]
    weights: npt.NDArray[np.int64] | None = None
    counts: npt.NDArray[np.int64] | None = None


def _chosen(table: Table, mapped: npt.NDArray[np.uint8], rows: npt.NDArray[np.bool_]) -> _Pairs:
    return _Pairs(mapped[rows], table["y"][rows], table["block"][rows], counts=table["counts"][rows])


def _both(units: _Pairs, legend: Legend, noun: str, rng: np.random.Generator | None) -> dict[str, Any]:
    """Assess units one by one and, for superpixels, pixel by pixel: their pixels share their class."""
    result = {noun: _judged(units, legend, rng)}
    if noun == "superpixel" and units.counts is not None:
        unit, class_ = np.nonzero(units.counts)
        weights = units.counts[unit, class_]
        pixels = _Pairs(units.mapped[unit], legend.codes(class_), units.block[unit], weights)
        result["pixel"] = _judged(pixels, legend, rng)
    return result


def _judged(pairs: _Pairs, legend: Legend, rng: np.random.Generator | None) -> dict[str, Any]:
    assessment = assess(pairs.reference, pairs.mapped, legend, weights=pairs.weights)
    figures = assessment.to_dict()
    if legend.scheme == "lcz":
        figures["lcz"] = lcz_accuracies(assessment).to_dict()
    if rng is not None:
        matrices = block_matrices(pairs.mapped, pairs.reference, pairs.block, legend, weights=pairs.weights)
        figures["interval_95"] = block_intervals(matrices, legend, rng=rng)
        figures["interval_of"] = f"{len(matrices)} blocks or polygons, drawn again whole"
        for name, spans in block_class_intervals(matrices, legend, rng=rng).items():
            figures["per_class"][name]["interval_95"] = spans
    return figures


def _purity(table: Table, mapped: npt.NDArray[np.uint8], test: npt.NDArray[np.bool_], legend: Legend) -> dict[str, Any]:
    """Return where the pixels of the test ground went."""
    rows = test & (table["y"] > 0)
    return {
        "meaning": "test superpixels, weighted by their pixels: pixel accuracy, what is lost to superpixels of more "
        "than one class, and what is lost to wrong classes add up to 1",
        **account_for_pixels(table["counts"][rows], mapped[rows], legend).to_dict(),
    }


def caveats(figures: Mapping[str, Any], table: Table, config: RunConfig) -> list[str]:
    """Say in plain sentences what the map will not tell, with the run's own figures.

    Parameters
    ----------
    figures : mapping
        The content of ``assessment.json``.
    table : mapping of str to ndarray
        As for `verdict`.
    config : RunConfig
        The run.
    """
    noun = NOUNS[config.units.kind]
    units, test = figures[noun], table["role"] == ROLES.index("test")
    ground = "blocks of this scene" if config.samples.split == "blocks" else config.samples.split
    sentences = [
        f"The accuracy above is agreement with the reference, on {ground} that were never used for training. Where the "
        "reference is wrong, a right map counts as wrong, and the other way round; the reference's own error is not "
        "known here.",
        *(
            ["Polygons are drawn where a class is plain to see: between them, where most of the map lies, expect less."]
            if config.samples.split == "polygons"
            else []
        ),
        "It does not tell how the model would do in another city, season or year: for that, assess it there.",
        *(_of_superpixels(figures, table, test) if noun == "superpixel" else []),
        *trust_caveats(figures),
        _NO_SAMPLE,
        _of_areas(figures),
    ]
    sentences[1:1] = baseline_caveats(figures)
    if (product := product_caveat(figures)) is not None:
        sentences[0] = product
    if left := figures.get("left_out"):
        counted = ", ".join(f"{name} ({count:,} {noun}{'s' if count > 1 else ''})" for name, count in left.items())
        sentences.insert(1, f"Too rare here to be learned, so the map does not have it: {counted}.")
    alone = _only_trained(figures, table)
    if alone:
        sentences.insert(1, f"Nothing is known about {alone}: all its polygons or blocks were needed for training.")
    weak = _weak_classes(units)
    if weak:
        sentences.insert(
            1, f"Do not rely on {weak}: these classes are found or confirmed in less than 70 % of the cases."
        )
    few = [name for name, c in units["per_class"].items() if 0 < c["reference_count"] < 50]
    if few:
        sentences.insert(1, f"The figures of {', '.join(few)} rest on fewer than 50 test {noun}s.")
    return sentences


def _of_areas(figures: Mapping[str, Any]) -> str:
    counted = "The class areas are counted on the map. They inherit the map's errors and are no unbiased area estimates"
    if "area_adjusted" in figures.get("validation_sample", {}):
        return f"{counted}; beside them stand those that the validation sample corrects: use these."
    return f"{counted}: for those, `citygrain design` draws points to label, and [assess] points takes them in."


def _of_superpixels(figures: Mapping[str, Any], table: Table, test: npt.NDArray[np.bool_]) -> list[str]:
    account = figures.get("purity")
    if account is None:  # of a run from before there was one
        best = float(np.average(table["purity"][test], weights=table["counts"][test].sum(1)))
        lost = ""
    else:
        best = account["best_pixel_accuracy"]
        lost = (
            f" The map agrees at {_percent(account['pixel_accuracy'])}: {_percent(1 - best)} of the pixels are lost to "
            f"mixed superpixels, and {_percent(account['lost_to_wrong_classes'])} to wrong classes."
        )
    return [
        f"A superpixel has one class. On average {_percent(best)} of a superpixel's pixels belong to its majority "
        f"class on the test ground, so no map of these superpixels could agree with the reference at more pixels."
        + lost,
        "Objects smaller than a superpixel are not on the map: it shows the class of most of the ground, not a lone "
        "house or a narrow street.",
    ]


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _only_trained(figures: Mapping[str, Any], table: Table) -> str:
    """Name the classes of the reference that no test unit has."""
    tested = figures[figures["unit"]]["per_class"]
    known = figures["resubstitution"][figures["unit"]]["per_class"]
    there = [n for n, c in tested.items() if c["reference_count"] == 0 and known[n]["reference_count"] > 0]
    names = [name for name in there if name not in figures.get("left_out", {})]
    return ", ".join(names)


def _weak_classes(units: Mapping[str, Any]) -> str:
    weak = [
        name
        for name, c in units["per_class"].items()
        if min(c["users_accuracy"] or 0, c["producers_accuracy"] or 0) < 0.7 and c["reference_count"] > 0
    ]
    return ", ".join(weak)
