"""Area-adjusted figures of an assessment as rows: for the bars of areas and for the tables of a report."""

from collections.abc import Mapping
from typing import Any

__all__ = ["area_rows", "spoken_range"]


def area_rows(result: Mapping[str, Any]) -> tuple[list[dict[str, Any]], str]:
    """Return each class with its area, its interval, and what is counted on the map, and the unit of area.

    Parameters
    ----------
    result : mapping
        What `citygrain.workflows.points.point_assessment.assess_points` returned of a probability sample.

    Returns
    -------
    rows : list of dict
        name, area, low, high, mapped; as `citygrain.report.bars.figure_area_bars` takes them.
    unit : str
        ``"ha"``, or ``"%"`` where the map's area is not known.
    """
    adjusted = result["area_adjusted"]
    hectares = adjusted["total_hectares"] is not None
    key, times = ("area_hectares", 1.0) if hectares else ("area_share", 100.0)
    rows = []
    for name, part in adjusted["per_class"].items():
        low, high = part[key]["interval_95"]
        on_map = result["mapped"][name]["hectares" if hectares else "share"]
        area = times * part[key]["value"]
        rows.append({"name": name, "area": area, "low": times * low, "high": times * high, "mapped": times * on_map})
    return rows, "ha" if hectares else "%"


def spoken_range(figure: Mapping[str, Any] | None, *, times: float = 1.0, digits: int = 2) -> str:
    """Return an estimate with its interval in words.

    Examples
    --------
    >>> spoken_range({"value": 0.8712, "interval_95": [0.84, 0.9012]})
    '0.87 (0.84 to 0.90)'
    >>> spoken_range(None)
    'unknown'
    """
    if figure is None:
        return "unknown"
    low, high = (times * bound for bound in figure["interval_95"])
    return f"{times * figure['value']:,.{digits}f} ({low:,.{digits}f} to {high:,.{digits}f})"
