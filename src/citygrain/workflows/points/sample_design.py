"""A validation sample: how many points, which, and a record of how they were drawn, without which they prove little."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from citygrain.accuracy.allocation import SamplePlan, plan_sample
from citygrain.accuracy.survey import Z95
from citygrain.errors import InputError
from citygrain.files import write_text
from citygrain.samples.validation_points import write_points
from citygrain.workflows.manifest import hash_file
from citygrain.workflows.points.map_classes import MapClasses
from citygrain.workflows.points.point_draws import Drawn, draw_clusters, draw_lattice, draw_random, draw_strata

__all__ = ["KIND", "DesignName", "SampleWish", "design_sample", "design_text"]

KIND = "citygrain sample design"
DesignName = Literal["stratified", "random", "systematic", "cluster"]
EXPECTED = 0.8
"""User's accuracy of a class of which nothing is known; Olofsson et al. (2014) conjecture .6 to .95."""
_WORST = "worst user's +-"
CORRELATION = 0.1
"""How alike points of one block are expected to be, right or wrong."""


@dataclass(frozen=True)
class SampleWish:
    """What is asked of a validation sample.

    Attributes
    ----------
    design : str
        ``"stratified"`` by the classes of the map, ``"random"``, ``"systematic"`` or ``"cluster"`` (blocks).
    half_width : float or None
        Wished half width of the overall accuracy's 95 % interval.
    total : int or None
        Or the number of points.
    allocation : str
        Of a stratified sample, see `citygrain.accuracy.allocation.allocate`.
    expected : mapping of str to float
        Expected user's accuracies by class name; 0.8 where none is given.
    block : float
        Side of a cluster, in the map's unit of length.
    per_block : int
        Points in each cluster.
    seed : int
        Draws the points.
    """

    design: DesignName = "stratified"
    half_width: float | None = None
    total: int | None = None
    allocation: str = "recommended"
    expected: Mapping[str, float] | None = None
    block: float = 1000.0
    per_block: int = 5
    seed: int = 0


def design_sample(source: MapClasses, wish: SampleWish, out: Path | None) -> dict[str, Any]:
    """Plan a validation sample, draw its points from a map by windows, and write them to be labelled.

    Parameters
    ----------
    source : MapClasses
        The map.
    wish : SampleWish
        What is asked.
    out : Path or None
        GeoPackage of the points; KML and ``<stem>.design.json`` come beside it. None only plans.

    Returns
    -------
    dict
        The plan as plain values; with `out` it is the content of the design file without the points.

    Raises
    ------
    InputError
        If the wish cannot be met on this map.
    """
    plan = _plan(source, wish)
    record = _record(source, wish, plan)
    if out is None:
        return record
    if out.suffix.lower() != ".gpkg":
        raise InputError(f"{out.name}", wanted="a name that ends in .gpkg")
    rng = np.random.default_rng(wish.seed)
    drawn = _draw(source, wish, plan, rng).shuffled(rng)
    return _write(source, record, drawn, out)


def design_text(record: Mapping[str, Any]) -> list[str]:
    """Return a plan in lines: points of each class under each allocation, and what each would tell."""
    plan = record["plan"]
    if "allocations" not in plan:
        return [plan["meaning"]]
    kinds = plan["allocations"]
    wide = max(len("points for each class"), *(len(s["name"]) for s in record["strata"]))
    lines = [" ".join([f"{'points for each class':<{wide}}", f"{'pixels':>12}", *(f"{kind:>13}" for kind in kinds)])]
    for stratum in record["strata"]:
        counts = (f"{part['points'][stratum['name']]:>13,}" for part in kinds.values())
        lines.append(" ".join([f"{stratum['name']:<{wide}}", f"{stratum['pixels']:>12,}", *counts]))
    totals = (f"{sum(part['points'].values()):>13,}" for part in kinds.values())
    widths = (f"{part['half_width_95_overall']:>13.4f}" for part in kinds.values())
    worst = (f"{_worst(part):>13.4f}" for part in kinds.values())
    lines.append(" ".join([f"{'all':<{wide}}", f"{record['pixels']:>12,}", *totals]))
    lines.append(" ".join([f"{'overall accuracy +-':<{wide}}", " " * 12, *widths]))
    lines.append(" ".join([f"{_WORST:<{wide}}", " " * 12, *worst]))
    return [*lines, plan["meaning"]]


def _worst(part: Mapping[str, Any]) -> float:
    return max(float(v) for v in part["half_width_95_users"].values() if v is not None)


def _plan(source: MapClasses, wish: SampleWish) -> SamplePlan:
    expected = dict.fromkeys(source.legend.names, EXPECTED)
    for name, value in (wish.expected or {}).items():
        expected[source.legend.name_of(source.legend.code_of(name))] = value
    return plan_sample(
        _sampled(source, wish),
        list(expected.values()),
        width=wish.half_width,
        total=wish.total,
        allocation=wish.allocation,
    )


def _sampled(source: MapClasses, wish: SampleWish) -> npt.NDArray[np.int64]:
    """Return the pixels of each class; a stratum of a single pixel is left out, for one point has no spread."""
    return np.where((source.pixels > 1) | (wish.design != "stratified"), source.pixels, 0)


def _size(plan: SamplePlan, wish: SampleWish) -> tuple[int, float]:
    """Return how many points a sample needs that is not stratified, and the half width that they give."""
    right = float(np.average(plan.expected, weights=plan.pixels))
    alike = 1 + (wish.per_block - 1) * CORRELATION if wish.design == "cluster" else 1.0
    spread = right * (1 - right) * alike
    total = wish.total or ceil(spread * (Z95 / float(wish.half_width or 1)) ** 2)
    return total, Z95 * (spread / total) ** 0.5


def _draw(source: MapClasses, wish: SampleWish, plan: SamplePlan, rng: np.random.Generator) -> Drawn:
    if wish.design == "stratified":
        return draw_strata(source, plan.points[wish.allocation], rng=rng)
    total, _ = _size(plan, wish)
    if wish.design == "random":
        return draw_random(source, total, rng=rng)
    if wish.design == "systematic":
        return draw_lattice(source, total, rng=rng)
    pixel = abs(float(source.geobox.resolution.x))
    side, blocks = max(1, round(wish.block / pixel)), max(2, ceil(total / wish.per_block))
    return draw_clusters(source, blocks, side=side, per_cluster=wish.per_block, rng=rng)


def _record(source: MapClasses, wish: SampleWish, plan: SamplePlan) -> dict[str, Any]:
    hectares, pixels = source.pixel_hectares, _sampled(source, wish)
    strata = [
        {
            "code": c.code,
            "name": c.name,
            "pixels": int(n),
            "hectares": None if hectares is None else float(n * hectares),
        }
        for c, n in zip(source.legend, pixels, strict=True)
        if n
    ]
    return {
        "kind": KIND,
        "version": 1,
        "design": wish.design,
        "seed": wish.seed,
        "map": {"name": source.path.name, "sha256": hash_file(source.path)},
        "legend": {"scheme": source.legend.scheme, "classes": source.legend.to_list()},
        "codes": dict(source.table.codes),
        "pixel_hectares": hectares,
        "pixels": int(pixels.sum()),
        "strata": strata,
        "plan": _planned(source, wish, plan),
    }


def _planned(source: MapClasses, wish: SampleWish, plan: SamplePlan) -> dict[str, Any]:
    guessed = [name for name in source.legend.names if name not in (wish.expected or {})]
    words = (
        f"Expected user's accuracy: {EXPECTED:g} for {', '.join(guessed)} (nothing else is known)." if guessed else ""
    )
    if wish.design == "stratified":
        needed = f" The wished interval needs {plan.least_total} points at best." if plan.least_total else ""
        chosen = f"Drawn: {plan.total} points, {wish.allocation}."
        return {
            "half_width": wish.half_width,
            **plan.to_dict(source.legend.names),
            "meaning": f"{chosen}{needed} {words}",
        }
    total, width = _size(plan, wish)
    of = {
        "random": "drawn anywhere",
        "systematic": "on a lattice with a random start, judged as if drawn at random, which is on the safe side",
        "cluster": f"in blocks of {wish.block:g} m, {wish.per_block} in each, taken to be alike by {CORRELATION:g}",
    }[wish.design]
    return {
        "half_width": wish.half_width,
        "total": total,
        "half_width_95_overall": width,
        "meaning": f"About {total} points {of}; overall accuracy +- {width:.4f}. {words}".strip(),
    }


def _write(source: MapClasses, record: dict[str, Any], drawn: Drawn, out: Path) -> dict[str, Any]:
    beside = out.with_suffix(".design.json")
    x, y = source.centre_of(drawn.rows, drawn.columns)
    stratum = drawn.codes.astype(np.int64)
    files = write_points(out, x, y, stratum=stratum, geobox=source.geobox, design=beside.name)
    points = [
        {"id": number, "row": int(row), "column": int(column), "stratum": int(code)}
        for number, (row, column, code) in enumerate(zip(drawn.rows, drawn.columns, drawn.codes, strict=True), start=1)
    ]
    if drawn.cluster is not None and drawn.cluster_pixels is not None:
        record["clusters"] = [{"id": i, "pixels": int(n)} for i, n in enumerate(drawn.cluster_pixels)]
        points = [{**point, "cluster": int(c)} for point, c in zip(points, drawn.cluster, strict=True)]
    for part in record["strata"]:
        part["points"] = int((drawn.codes == part["code"]).sum())
    a = source.geobox.affine
    record["grid"] = {"crs": str(source.geobox.crs), "affine": [a.a, a.b, a.c, a.d, a.e, a.f]}
    record["drawn"] = len(drawn)
    write_text(beside, json.dumps({**record, "points": points}, indent=1) + "\n")
    record["files"] = [str(path) for path in (*files, beside)]
    return record
