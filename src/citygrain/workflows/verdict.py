"""What a run's figures say, and what they do not: accuracy on unseen blocks, and the caveats in plain words."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from citygrain.accuracy.assess import assess
from citygrain.accuracy.intervals import block_intervals, block_matrices
from citygrain.legend import Legend
from citygrain.samples.split import ROLES
from citygrain.workflows.config import RunConfig

__all__ = ["caveats", "verdict"]

Table = Mapping[str, npt.NDArray[Any]]


def verdict(table: Table, mapped: npt.NDArray[np.uint8], legend: Legend, config: RunConfig) -> dict[str, Any]:
    """Assess a map superpixel by superpixel and pixel by pixel, on the test blocks and, marked optimistic, on all.

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
        Plain values for ``assessment.json``.
    """
    test = table["role"] == ROLES.index("test")
    rng = np.random.default_rng([config.seed, 2])
    roles = {name: int(((table["role"] == i) & (table["y"] > 0)).sum()) for i, name in enumerate(ROLES)}
    return {
        "split": "spatial",
        "split_detail": {
            "block_m": config.samples.block,
            "units": roles,
            "test_blocks": int(np.unique(table["block"][test]).size),
            "meaning": "test and training blocks alternate; no test patch shares a pixel with a training patch; "
            "unused = unlabelled, or across a border between blocks",
        },
        **_both(table, mapped, test, legend, rng),
        "resubstitution": {
            "optimistic": True,
            "meaning": "all superpixels, those that the model was trained on included: not a measure of accuracy",
            **_both(table, mapped, table["y"] > 0, legend, None),
        },
    }


def _both(
    table: Table,
    mapped: npt.NDArray[np.uint8],
    rows: npt.NDArray[np.bool_],
    legend: Legend,
    rng: np.random.Generator | None,
) -> dict[str, Any]:
    """Assess the chosen units one by one, and pixel by pixel: a unit's pixels share its mapped class."""
    codes, counts = mapped[rows], table["counts"][rows]
    unit, class_ = np.nonzero(counts)
    reference, weights, owner = legend.codes(class_), counts[unit, class_], codes[unit]
    block = table["block"][rows]
    result = {
        "superpixel": assess(table["y"][rows], codes, legend).to_dict(),
        "pixel": assess(reference, owner, legend, weights=weights).to_dict(),
    }
    if rng is not None:
        by_block = {
            "superpixel": block_matrices(codes, table["y"][rows], block, legend),
            "pixel": block_matrices(owner, reference, block[unit], legend, weights=weights),
        }
        for side, matrices in by_block.items():
            result[side]["interval_95"] = block_intervals(matrices, legend, rng=rng)
    return result


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
    units, test = figures["superpixel"], table["role"] == ROLES.index("test")
    purity = float(np.average(table["purity"][test], weights=table["counts"][test].sum(1)))
    sentences = [
        "The accuracy above is agreement with the reference, on blocks of this scene that were never used for "
        "training. Where the reference is wrong, a right map counts as wrong, and the other way round; the reference's "
        "own error is not known here.",
        "It does not tell how the model would do in another city, season or year: for that, assess it there.",
        f"A superpixel has one class. On average {100 * purity:.1f} % of a superpixel's pixels belong to its majority "
        "class in the test blocks, so no map of these superpixels could agree with the reference at more pixels.",
        "Objects smaller than a superpixel are not on the map: it shows the class of most of the ground, not a lone "
        "house or a narrow street.",
        "The confidence is the model's own probability. It has not been calibrated: read it as a ranking of places to "
        "check, not as a frequency.",
        "The class areas are counted on the map. They inherit the map's errors and are no unbiased area estimates.",
    ]
    weak = _weak_classes(units)
    if weak:
        sentences.insert(
            1, f"Do not rely on {weak}: these classes are found or confirmed in less than 70 % of the cases."
        )
    few = [name for name, c in units["per_class"].items() if c["reference_count"] < 50]
    if few:
        sentences.insert(1, f"The figures of {', '.join(few)} rest on fewer than 50 test superpixels.")
    return sentences


def _weak_classes(units: Mapping[str, Any]) -> str:
    weak = [
        name
        for name, c in units["per_class"].items()
        if min(c["users_accuracy"] or 0, c["producers_accuracy"] or 0) < 0.7 and c["reference_count"] > 0
    ]
    return ", ".join(weak)
