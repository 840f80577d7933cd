"""Superpixels as a run's plain forest sees them: whole, where the other models see what of them lies in a window.

So it is the very forest that the run's score stands beside, and a superpixel longer than the window loses nothing.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from citygrain.models.choice import PLAIN, AutoClassifier
from citygrain.models.classifier import Classifier
from citygrain.samples.samples import Samples
from citygrain.tessellation import SegmentPatches, SegmentStatistics
from citygrain.workflows.city.run_data import RunData
from citygrain.workflows.units import Units

__all__ = ["rows_seen", "see_whole", "units_seen"]


def see_whole(model: Classifier, samples: Samples, data: RunData) -> None:
    """Let the plain forest among a model's candidates see whole superpixels, where the others see patches.

    Parameters
    ----------
    model : Classifier
        Not yet trained; only one that chooses has candidates.
    samples : Samples
        The patches that it will be trained and validated on.
    data : RunData
        The run's rasters.
    """
    units = data.units
    if not isinstance(model, AutoClassifier) or not isinstance(units, SegmentPatches):
        return
    whole, numbers = SegmentStatistics(units.labels, units.window), np.unique(samples.unit)
    names = whole.names([str(name) for name in data.chosen.band.values])
    table, make = whole.rows(data.chosen)[numbers], model.make

    def seen(part: Samples) -> Samples:
        return replace(part, x=table[np.searchsorted(numbers, part.unit)], features=names)

    def member(name: str) -> Classifier:
        from citygrain.models.forest import ForestClassifier  # noqa: PLC0415 - scikit-learn only for a forest

        made = make(name)
        if name == PLAIN and isinstance(made, ForestClassifier):
            made.preparation = {**made.preparation, "tessellation": "statistics", "outline": False}
        return made

    model.whole, model.make = seen, member


def rows_seen(model: Classifier, samples: Samples) -> Samples:
    """Return the rows that a model was trained or validated on as it sees them."""
    return model.as_seen(samples) if isinstance(model, AutoClassifier) else samples


def units_seen(units: Units, preparation: Mapping[str, Any]) -> Units:
    """Return the units of a run as its trained model sees them.

    Parameters
    ----------
    units : Units
        The units as the run's candidates see them.
    preparation : mapping
        Of the model's card.
    """
    if isinstance(units, SegmentPatches) and preparation.get("tessellation") == "statistics":
        return SegmentStatistics(units.labels, units.window)
    return units
