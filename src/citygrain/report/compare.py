"""One HTML file about two maps: where they differ, which is right there, and what the difference is worth.

Like the report of a run it holds its pictures and style, asks for nothing from anywhere, and escapes what comes from
outside.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from odc.geo.geobox import GeoBox

from citygrain.accuracy.comparing import PairedAssessment
from citygrain.files import write_text
from citygrain.legend import Legend
from citygrain.report.differences import figure_changes, figure_right_where
from citygrain.report.maps import figure_maps
from citygrain.report.matrices import figure_matrices
from citygrain.report.pages import page_template, picture_address

__all__ = ["ComparisonRecord", "comparison_figures", "write_comparison"]

Codes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class ComparisonRecord:
    """What the page about two maps is made from.

    Attributes
    ----------
    names : tuple of str
        What the maps are called.
    codes : pair of ndarray of uint8, (h, w)
        Class codes, 0 = no data.
    legend : Legend
        The classes of both.
    geobox : GeoBox
        Their grid.
    reference : ndarray of uint8, (h, w), or None
        Class in the reference where the maps are judged, 0 elsewhere.
    paired : mapping of str to PairedAssessment
        By unit; empty without a reference.
    comparison : mapping
        The content of ``comparison.json``.
    """

    names: tuple[str, str]
    codes: tuple[Codes, Codes]
    legend: Legend
    geobox: GeoBox
    reference: Codes | None
    paired: Mapping[str, PairedAssessment]
    comparison: Mapping[str, Any]


def comparison_figures(record: ComparisonRecord) -> dict[str, Figure]:
    """Draw the figures of the page, by name."""
    names, codes, geobox = record.names, record.codes, record.geobox
    figures = {
        "maps": figure_maps(dict(zip(names, codes, strict=True)), record.legend, geobox),
        "changes": figure_changes(*codes, record.legend, geobox, names=names),
    }
    if record.reference is not None:
        figures["right_where"] = figure_right_where(*codes, record.reference, geobox, names=names)
    for unit, part in record.paired.items():
        both = dict(zip(names, (part.first, part.second), strict=True))
        figures[f"matrices_{unit}"] = figure_matrices(both, unit=unit)
        figures[f"shares_{unit}"] = figure_matrices(both, unit=unit, per="map", counts=False)
    return figures


def write_comparison(path: Path, record: ComparisonRecord, figures: Mapping[str, Figure]) -> None:
    """Write the page about two maps as one self-contained HTML file.

    Parameters
    ----------
    path : Path
        The file; it appears whole or not at all.
    record : ComparisonRecord
        The maps and what was found.
    figures : mapping of str to Figure
        As `comparison_figures` draws them.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    page = page_template("compare.html.j2").render(
        record=record,
        found=record.comparison,
        change=record.comparison["change"],
        held=record.comparison.get("held", "split unknown"),
        parts=[(unit, record.comparison[unit], _classes(record, unit)) for unit in record.paired],
        pictures={name: picture_address(figure) for name, figure in figures.items()},
    )
    write_text(path, page)


def _classes(record: ComparisonRecord, unit: str) -> list[dict[str, Any]]:
    """Return both maps' accuracies of each class that occurs."""
    sides = [record.comparison[unit][side]["per_class"] for side in ("first", "second")]
    rows = [{"name": c.name, "color": c.color, "sides": [side[c.name] for side in sides]} for c in record.legend]
    return [row for row in rows if any(s["reference_count"] + s["map_count"] for s in row["sides"])]
