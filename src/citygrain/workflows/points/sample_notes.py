"""What a validation sample cannot tell, in plain sentences: points left out, other strata, classes without an error."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from citygrain.accuracy.area import AreaEstimates
from citygrain.accuracy.assess import Assessment

__all__ = ["sample_notes", "unlabelled_by_stratum"]

_FEW_BLOCKS = 30


def unlabelled_by_stratum(missing: npt.NDArray[np.int64], plan: Mapping[str, Any]) -> dict[str, int]:
    """Count the points of each stratum that nobody labelled, by name; `missing` has the stratum of each."""
    counts = {str(part["name"]): int((missing == part["code"]).sum()) for part in plan["strata"]}
    return {name: n for name, n in counts.items() if n}


def sample_notes(
    facts: Mapping[str, Any], plan: Mapping[str, Any], estimates: AreaEstimates, result: Assessment, *, same: bool
) -> list[str]:
    """Return what must be known of the figures of a validation sample.

    Parameters
    ----------
    facts : mapping
        How many points are drawn, labelled, added, moved, ...
    plan : mapping
        The design.
    estimates : AreaEstimates
        The figures.
    result : Assessment
        The counts that they rest on.
    same : bool
        Whether the map is the one that the points were drawn from.
    """
    notes = []
    if not same:
        notes.append(
            f"The points were drawn from another map or another state of it ({plan['map']['name']}): its classes are "
            "the strata, this map's are judged (Stehman 2014)."
        )
    if facts["unlabelled"]:
        of = ", ".join(f"{name} {n}" for name, n in facts["unlabelled_by_stratum"].items())
        notes.append(
            f"{facts['unlabelled']} of {facts['drawn']} drawn points are not labelled ({of}). The figures suppose that "
            "they are like the others; if the hard ones were left out, the map looks better than it is."
        )
    if facts["added"]:
        notes.append(f"{facts['added']} points are no part of the drawn sample; they do not count.")
    if facts["moved"]:
        notes.append(
            f"{facts['moved']} points lie elsewhere than they were drawn; the place where they were drawn counts."
        )
    if facts["off_the_map"]:
        notes.append(f"{facts['off_the_map']} labelled points lie where this map has no data; they do not count.")
    if plan["design"] == "systematic":
        notes.append("A systematic sample is judged as if drawn at random: the intervals are on the safe side.")
    if plan["design"] == "cluster" and len(plan["clusters"]) < _FEW_BLOCKS:
        notes.append(f"{len(plan['clusters'])} blocks are few: the intervals are too narrow rather than too wide.")
    return [*notes, *_sure(estimates, result)]


def _sure(estimates: AreaEstimates, result: Assessment) -> list[str]:
    """Say what an interval of no width means."""
    flawless = [
        f"{name} ({n} points: below {min(1.0, 3 / n):.0%})"
        for name, n, error, value in zip(
            estimates.legend.names,
            result.map_count.tolist(),
            estimates.users.standard_error,
            estimates.users.value,
            strict=True,
        )
        if n and error == 0 and value == 1
    ]
    producers = estimates.producers
    found = [
        name
        for name, error, value in zip(estimates.legend.names, producers.standard_error, producers.value, strict=True)
        if error == 0 and value == 1
    ]
    notes = []
    if flawless:
        notes.append(
            "An interval of no width says only that no error was met. At 95 % confidence the share of error on the map "
            f"is, of {', '.join(flawless)}."
        )
    if found:
        notes.append(f"No point of {', '.join(found)} was mapped as another class: that some are cannot be excluded.")
    return notes
