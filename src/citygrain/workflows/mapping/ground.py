"""How much of a map is unlike what its model was trained on: said in one line, and kept beside the map."""

import json
import logging
from pathlib import Path

import numpy as np
import numpy.typing as npt

from citygrain.accuracy.conformal import SetRule
from citygrain.errors import InputError
from citygrain.files import write_text
from citygrain.maps.applicability import Applicability
from citygrain.maps.map_writer import SET_SIZE, SETS
from citygrain.models.card import ModelCard
from citygrain.workflows.rasters import APPLICABLE, DISSIMILARITY

__all__ = ["OUTSIDE", "clear_trust", "refuse_what_is_not_kept", "tell_of_ground"]

OUTSIDE = "applicability.json"
"""File of the share of a map that is outside its model's area of applicability."""

_WARN = 0.05
_FILES = (SET_SIZE, SETS, OUTSIDE, DISSIMILARITY, APPLICABLE)

log = logging.getLogger(__name__)


def refuse_what_is_not_kept(
    card: ModelCard, rule: SetRule | None, known: Applicability | None, *, sets: bool, applicability: bool
) -> None:
    """Refuse sets or an area of applicability of a model that kept nothing to make them of.

    Parameters
    ----------
    card : ModelCard
        Of the model; it may say why.
    rule : SetRule or None
        How its sets are made.
    known : Applicability or None
        What its training rows were like.
    sets, applicability : bool
        What is asked for.

    Raises
    ------
    InputError
        If something is asked for that is not there.
    """
    for what, asked, there in (("sets", sets, rule), ("applicability", applicability, known)):
        if asked and there is None:
            reason = card.trust.get(what, {}).get("reason", "it was trained by an older version, or not by a run")
            raise InputError(
                f"{what} of a model that kept nothing for it ({reason})", mend="train it again by `citygrain run`"
            )


def clear_trust(folder: Path) -> None:
    """Take away what an earlier map in this folder said of its sets and its ground; it is not the new one's."""
    for name in _FILES:
        (folder / name).unlink(missing_ok=True)


def tell_of_ground(
    folder: Path, index: npt.NDArray[np.float32], places: npt.NDArray[np.integer], known: Applicability
) -> float:
    """Log and write the share of a map that is unlike the training rows; a warning from 5 % on.

    Parameters
    ----------
    folder : Path
        Gets ``applicability.json``.
    index : ndarray of float32, (m,)
        Dissimilarity index of the units that were looked at; NaN counts as inside.
    places : ndarray of int, (m,)
        Places of the map that each stands for.
    known : Applicability
        What the training rows were like.

    Returns
    -------
    float
        The share, 0 to 1.
    """
    total, outside = int(places.sum()), int(places[index > known.threshold].sum())
    share = outside / total if total else 0.0
    record = {"share_outside": share, "places": total, "threshold": known.threshold, "training_rows": len(known.rows)}
    write_text(folder / OUTSIDE, json.dumps(record, indent=1) + "\n")
    say = log.warning if share >= _WARN else log.info
    say(
        "about %.0f %% of the map is outside the model's area of applicability (%d of %d places looked at are "
        "less like its training samples than these are like each other): there its measured accuracy says nothing",
        100 * share, outside, total,
    )  # fmt: skip
    return share
