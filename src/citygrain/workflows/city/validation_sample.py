"""Labelled points within a run, and what they say of a map as files."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from citygrain.accuracy.assess import Assessment
from citygrain.files import write_text
from citygrain.legend import Legend
from citygrain.scene.codes import open_codes
from citygrain.workflows.config import RunConfig
from citygrain.workflows.manifest import hash_file
from citygrain.workflows.parts import map_table
from citygrain.workflows.points.map_classes import MapClasses
from citygrain.workflows.points.point_assessment import assess_points, design_of

__all__ = ["validation_figures", "validation_ingredients", "write_point_assessment"]


def validation_figures(path: Path, legend: Legend, config: RunConfig) -> dict[str, Any]:
    """Return what the configured points say of a run's map, under ``validation_sample``; nothing without points.

    Parameters
    ----------
    path : Path
        The map.
    legend : Legend
        Its classes.
    config : RunConfig
        The run; its ``[assess]`` names the points.
    """
    c = config.assess
    if c.points is None:
        return {}
    source = MapClasses(path, open_codes(path), map_table(None, legend))
    beside = None if c.design is None else Path(c.design)
    return {"validation_sample": assess_points(source, Path(c.points), design=beside, field=c.field)}


def validation_ingredients(config: RunConfig) -> list[str]:
    """Return the hashes of the configured points and of their design; none without points."""
    c = config.assess
    if c.points is None:
        return []
    points = Path(c.points)
    beside = Path(c.design) if c.design is not None else design_of(points)
    return [hash_file(points), *([hash_file(beside)] if beside else []), str(c.field)]


def write_point_assessment(folder: Path, result: Mapping[str, Any], legend: Legend, *, name: str) -> None:
    """Write ``assessment.json``, ``confusion.csv``, and, of a probability sample, ``areas.png`` into a folder.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    result : mapping
        What `assess_points` returned.
    legend : Legend
        The classes.
    name : str
        Name of the map, for the record.
    """
    write_text(folder / "assessment.json", json.dumps({"map": name, **result}, indent=1) + "\n")
    write_text(folder / "confusion.csv", Assessment.from_dict(result["counts"], legend).to_csv())
    if result["probability_sample"]:
        from citygrain.report.area_rows import area_rows  # noqa: PLC0415 - matplotlib only here
        from citygrain.report.figures import figure_area_bars, save_figure  # noqa: PLC0415

        rows, unit = area_rows(result)
        save_figure(figure_area_bars(rows, legend, unit=unit), folder / "areas.png")
