"""A map assessed by labelled points: with the design of the sample areas and intervals; without it, bare counts."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from citygrain.accuracy.area import AreaEstimates, cluster_areas, simple_areas, stratified_areas
from citygrain.accuracy.assess import assess
from citygrain.accuracy.intervals import block_matrices
from citygrain.errors import InputError
from citygrain.legend import Legend
from citygrain.samples.codes import CodeTable
from citygrain.samples.validation_points import LabelledPoints, read_points, reference_codes
from citygrain.scene.codes import open_codes, read_class_names
from citygrain.workflows.manifest import hash_file
from citygrain.workflows.points.map_classes import MapClasses, map_classes
from citygrain.workflows.points.sample_design import KIND
from citygrain.workflows.points.sample_notes import sample_notes, unlabelled_by_stratum

__all__ = [
    "NO_DESIGN",
    "assess_points",
    "design_of",
    "judged_map",
]

NO_DESIGN = (
    "These points come without the record of how they were drawn, so they are taken for no probability sample: the "
    "figures count the points, they hold for the points and not for the map, and no area can be estimated from them."
)
Codes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class _Sheet:
    """The points of a design, in its order, with what was written at each."""

    stratum: Numbers
    cluster: Numbers
    mapped: Codes
    reference: Codes

    def __getitem__(self, rows: npt.NDArray[np.bool_]) -> "_Sheet":
        return _Sheet(self.stratum[rows], self.cluster[rows], self.mapped[rows], self.reference[rows])


def assess_points(
    source: MapClasses, path: Path, *, design: Path | None = None, field: str | None = None
) -> dict[str, Any]:
    """Assess a map by points that somebody labelled.

    Parameters
    ----------
    source : MapClasses
        The map.
    path : Path
        The labelled points.
    design : Path, optional
        The design file; by default the one that the points name, or ``<stem>.design.json``, beside them.
    field : str, optional
        Attribute with the class; ``"reference"`` by default.

    Returns
    -------
    dict
        ``probability_sample``; ``points`` (how many are drawn, labelled, not labelled, ...); ``counts`` (as
        `Assessment.to_dict`); ``notes`` (plain sentences); and, of a probability sample, ``area_adjusted`` (as
        `AreaEstimates.to_dict`) with the hectares counted on the map beside it, in ``mapped``.

    Raises
    ------
    InputError
        If a file cannot be used, no point is labelled, or a stratum has fewer than two labelled points.
    """
    points = read_points(path, source.geobox, field=field)
    plan = _read_design(design_of(path, points) if design is None else design)
    codes = reference_codes(points, source.table, file=path.name)
    if not codes.any():
        raise InputError(f"no point of {path.name} is labelled", wanted=f"a class in the field {field or 'reference'}")
    if plan is None:
        rows, columns = source.pixel_of(points.x, points.y)
        return _counted(source, points, codes, source.at(rows, columns))
    return _estimated(source, points, codes, plan)


def design_of(path: Path, points: LabelledPoints | None = None) -> Path | None:
    """Return the design file of labelled points: the one that they name, or that of their own name; None without one.

    What the points name is looked for in their folder alone.
    """
    named = Path(points.design or "").name if points is not None else ""
    for name in (named, f"{path.stem}.design.json"):
        if name.endswith(".design.json") and (path.parent / name).is_file():
            return path.parent / name
    return None


def judged_map(
    path: Path,
    points: Path,
    *,
    classes: Mapping[str, str] | None = None,
    legend: str | None = None,
    design: Path | None = None,
) -> MapClasses:
    """Open a map that points are to judge; where nothing else says what its values mean, the points' design does.

    Parameters
    ----------
    path, points : Path
        The map and the labelled points.
    classes, legend
        As for `citygrain.workflows.points.map_classes.map_classes`.
    design : Path, optional
        The design file.
    """
    beside = design or design_of(points)
    if classes is None and legend is None and beside is not None and not read_class_names(path):
        plan = _read_design(beside) or {}
        own = Legend.from_list(str(plan["legend"]["scheme"]), plan["legend"]["classes"])
        return MapClasses(path, open_codes(path), CodeTable(own, {str(k): int(v) for k, v in plan["codes"].items()}))
    return map_classes(path, classes=classes, legend=legend)


def _read_design(path: Path | None) -> dict[str, Any] | None:
    if path is None:
        return None
    try:
        plan = json.loads(path.read_text(encoding="utf-8"))
        wanted = {
            "design": str,
            "strata": list,
            "points": list,
            "legend": dict,
            "map": dict,
            "codes": dict,
            "pixels": int,
        }
        if plan["kind"] != KIND or not all(isinstance(plan[key], kind) for key, kind in wanted.items()):
            raise ValueError("another kind of file")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} cannot be read as a design ({error})", wanted="the file of `citygrain design`"
        ) from None
    return dict(plan)


def _counted(source: MapClasses, points: LabelledPoints, reference: Codes, mapped: Codes) -> dict[str, Any]:
    result = assess(reference, mapped, source.legend)
    return {
        "probability_sample": False,
        "points": {
            "drawn": len(points),
            "labelled": int((reference > 0).sum()),
            "unlabelled": int((reference == 0).sum()),
            "unlabelled_ids": points.id[reference == 0].tolist(),
            "off_the_map": int(((mapped == 0) & (reference > 0)).sum()),
        },
        "counts": result.to_dict(),
        "notes": [NO_DESIGN],
    }


def _estimated(source: MapClasses, points: LabelledPoints, codes: Codes, plan: Mapping[str, Any]) -> dict[str, Any]:
    ids, sheet, moved = _sheet(source, points, codes, plan)
    labelled, on_map = sheet.reference > 0, sheet.mapped > 0
    used = sheet[labelled & on_map]
    same = bool(plan["map"].get("sha256") == hash_file(source.path))
    estimates = _areas(used, source.legend, plan)
    result = assess(used.reference, used.mapped, source.legend)
    facts = {
        "drawn": len(ids),
        "labelled": int(labelled.sum()),
        "unlabelled": int((~labelled).sum()),
        "unlabelled_ids": ids[~labelled].tolist(),
        "unlabelled_by_stratum": unlabelled_by_stratum(sheet.stratum[sheet.reference == 0], plan),
        "added": int((~np.isin(points.id, ids)).sum()),
        "moved": moved,
        "off_the_map": int((labelled & ~on_map).sum()),
    }
    hectares = source.pixel_hectares
    mapped = {
        c.name: {"share": float(n / source.pixels.sum()), "hectares": None if hectares is None else float(n * hectares)}
        for c, n in zip(source.legend, source.pixels, strict=True)
    }
    return {
        "probability_sample": True,
        "design": {"name": plan["design"], "map": plan["map"]["name"], "same_map": same, "seed": plan.get("seed")},
        "points": facts,
        "area_adjusted": estimates.to_dict(),
        "mapped": mapped,
        "counts": result.to_dict(),
        "notes": sample_notes(facts, plan, estimates, result, same=same),
    }


def _sheet(
    source: MapClasses, points: LabelledPoints, codes: Codes, plan: Mapping[str, Any]
) -> tuple[Numbers, _Sheet, int]:
    """Put what was written to the points that were drawn: where and in which stratum is as it was drawn."""
    try:
        drawn = [[p["id"], p["row"], p["column"], p["stratum"], p.get("cluster", -1)] for p in plan["points"]]
        ids, rows, columns, stratum, cluster = np.array(drawn, np.int64).T
        a, b, c, d, e, f = (float(v) for v in plan["grid"]["affine"])
    except (KeyError, TypeError, ValueError):
        raise InputError("a design without its points", wanted="the file as `citygrain design` wrote it") from None
    x, y = a * (columns + 0.5) + b * (rows + 0.5) + c, d * (columns + 0.5) + e * (rows + 0.5) + f
    if str(source.geobox.crs) != plan["grid"]["crs"]:
        raise InputError(
            f"a map in {source.geobox.crs} and points drawn in {plan['grid']['crs']}", wanted="one coordinate system"
        )
    place = {int(number): row for row, number in enumerate(points.id)}
    row = np.array([place.get(int(number), -1) for number in ids], np.int64)
    reference = np.where(row >= 0, codes[row], 0).astype(np.uint8)
    far = np.hypot(points.x[row] - x, points.y[row] - y) > max(abs(a), abs(e))
    mapped = source.at(*source.pixel_of(x, y))
    return ids, _Sheet(stratum, cluster, mapped, reference), int((far & (row >= 0) & (reference > 0)).sum())


def _areas(sheet: _Sheet, legend: Legend, plan: Mapping[str, Any]) -> AreaEstimates:
    hectares = plan.get("pixel_hectares")
    whole = None if hectares is None else float(plan["pixels"] * hectares)
    if plan["design"] == "stratified":
        strata = plan["strata"]
        counts = np.stack([_matrix(sheet[sheet.stratum == part["code"]], legend) for part in strata])
        areas = [part["pixels"] * (hectares or 1.0) for part in strata]
        names = tuple(str(part["name"]) for part in strata)
        return replace(stratified_areas(counts, areas, legend, strata=names), hectares=whole)
    if plan["design"] == "cluster":
        sizes = {int(part["id"]): part["pixels"] for part in plan["clusters"]}
        counts = block_matrices(sheet.mapped, sheet.reference, sheet.cluster, legend)
        return cluster_areas(counts, [sizes[int(c)] for c in np.unique(sheet.cluster)], whole, legend)
    return simple_areas(_matrix(sheet, legend), whole, legend, design=plan["design"])


def _matrix(sheet: _Sheet, legend: Legend) -> Numbers:
    return assess(sheet.reference, sheet.mapped, legend).matrix
