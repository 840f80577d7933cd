"""The part of a report that can be explored: scene, reference, map and confidence as tiles inside the page.

A page that loads nothing from elsewhere has to hold what it shows. So there is a budget, and what is given up to keep
it (fine colours of the scene first, then its sharpness, then steps of the confidence, then every other pixel) is said
on the page.
"""

import base64
import hashlib
import json
from dataclasses import dataclass
from importlib import resources
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import xarray as xr
from markupsafe import Markup
from odc.geo.geobox import GeoBox

from citygrain.legend import LandClass, Legend
from citygrain.report.assessed import AssessedUnits, cell_units, pixel_matrix, segment_units
from citygrain.report.color_words import color_word
from citygrain.report.display import pixel_metres
from citygrain.report.explore_layers import percent_codes, scene_layer, unit_layers
from citygrain.report.pyramid import TILE, level_shapes, pack
from citygrain.report.style import PALE, RIGHT, SEQUENTIAL, WRONG

__all__ = ["Exploration", "Explored", "explore", "script", "script_hash"]

_SCRIPTS = ("explore_tiles.js", "explore_view.js", "explore_marks.js", "explore.js")

Codes = npt.NDArray[np.uint8]
Matrix = list[list[int]]


@dataclass(frozen=True)
class Explored:
    """What can be explored, on the scene's grid.

    Attributes
    ----------
    scene : DataArray, (band, y, x)
        The scene.
    legend : Legend
        The classes.
    unit : str
        ``"superpixel"``, ``"cell"`` or ``"pixel"``.
    mapped, reference, reference_unit : ndarray of uint8, (h, w)
        The map, the reference as given, and as the majority of each unit; 0 = none.
    confidence : ndarray of float32, (h, w)
        0 to 1, NaN = no data.
    split : ndarray of uint8, (h, w)
        0 neither, 1 training ground, 2 test ground.
    segments : ndarray of int32, (h, w), or None
        Superpixel labels, where these are the units.
    cell : int
        Side of a cell in pixels, where these are the units.
    window : int
        Side in pixels of the patch shown around a unit.
    matrices : dict of str to list
        Confusion matrix in units and, for superpixels, in pixels, as the page shows it.
    """

    scene: xr.DataArray
    legend: Legend
    unit: str
    mapped: Codes
    reference: Codes
    reference_unit: Codes
    confidence: npt.NDArray[np.float32]
    split: Codes
    segments: npt.NDArray[np.int32] | None
    cell: int
    window: int
    matrices: dict[str, Matrix]


@dataclass(frozen=True)
class Exploration:
    """What the template puts into the page.

    Attributes
    ----------
    facts : Markup
        JSON, safe inside a script element.
    parts : dict of str to str
        Text of each tile and table, by the id of its element; base64.
    notes : list of str
        What was given up to keep the budget, in plain words.
    """

    facts: Markup
    parts: dict[str, str]
    notes: list[str]


def explore(what: Explored, *, budget: int = 24_000_000) -> Exploration:
    """Cut what can be explored into tiles that keep a budget.

    Parameters
    ----------
    what : Explored
        The rasters.
    budget : int
        Characters that all tiles together may take; below about 200,000 a large scene is coarse, not left out.
    """
    percent = percent_codes(what.confidence)
    units = _units(what, percent)
    table = {f"unit-{name}": pack(values) for name, values in _columns(units).items()}
    left = budget - sum(map(len, table.values()))
    rasters = {"map": what.mapped, "reference": what.reference, "confidence": percent, "split": what.split}
    layers, notes = unit_layers(rasters, what.segments, left * 7 // 8)
    base = layers["map"].base
    scene, said = scene_layer(what.scene, left - sum(layer.size for layer in layers.values()))
    tiles = {
        f"tile-{name}-{k}-{row}-{column}": text
        for name, layer in {"scene": scene, **layers}.items()
        for (k, row, column), text in layer.tiles.items()
    }
    facts = _facts(what, percent) | {
        "base": {"scene": scene.base, "codes": base},
        "drills": _drills(what, units, base),
        "units": 0 if units is None else len(units.number),
    }
    return Exploration(embedded_json(facts), tiles | table, [*said, *notes])


def script() -> str:
    """Return the page's own JavaScript, all of it."""
    folder = resources.files("citygrain") / "report" / "templates"
    body = "\n".join((folder / name).read_text(encoding="utf-8") for name in _SCRIPTS)
    return f'(() => {{\n"use strict";\n{body}}})();\n'


def script_hash() -> str:
    """Return the script's hash as a content security policy names it: no other script may run on the page."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script().encode("utf-8")).digest()).decode("ascii")


def embedded_json(value: Any) -> Markup:
    r"""Return JSON that cannot end the script element around it, whatever the texts in it say.

    Examples
    --------
    >>> print(embedded_json({"name": "</script> & \u2028"}))
    {"name":"\u003c/script\u003e \u0026 \u2028"}
    """
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)  # ASCII: U+2028 and U+2029 are escaped
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704 - nothing in it can be read as HTML


def _units(what: Explored, percent: Codes) -> AssessedUnits | None:
    if what.unit == "pixel":
        return None
    rasters = {"mapped": what.mapped, "reference": what.reference_unit, "percent": percent, "split": what.split}
    return cell_units(what.cell, rasters) if what.segments is None else segment_units(what.segments, rasters)


def _drills(what: Explored, units: AssessedUnits | None, base: int) -> dict[str, str]:
    """Tell which matrices can be clicked: those whose every number is found again in what the page holds."""
    drills = {}
    shown = {name: np.array(matrix) for name, matrix in what.matrices.items()}
    if units is not None and np.array_equal(units.matrix(what.legend), shown[what.unit]):
        drills[what.unit] = "units"
    if "pixel" in shown and base == 0:
        counted = pixel_matrix(what.mapped, what.reference, what.split, what.legend)
        if np.array_equal(counted, shown["pixel"]):
            drills["pixel"] = "pixels"
    return drills


def _columns(units: AssessedUnits | None) -> dict[str, npt.NDArray[Any]]:
    if units is None:
        return {}
    columns = {"top": 0, "left": 1, "bottom": 2, "right": 3}
    return {
        "number": units.number,
        "mapped": units.mapped,
        "reference": units.reference,
        "percent": units.percent,
        **{name: units.box[:, i] for name, i in columns.items()},
        "row": units.centre[:, 0],
        "column": units.centre[:, 1],
    }


def _facts(what: Explored, percent: Codes) -> dict[str, Any]:
    shape = what.mapped.shape
    present = np.bincount(percent.ravel(), minlength=256)[:101]
    lowest = int(present.argmax() if not present.any() else np.flatnonzero(present)[0])
    low = min(90, lowest // 10 * 10)
    ramp = mpl.colormaps[SEQUENTIAL](np.linspace(0, 1, 101 - low))
    return {
        "shape": list(shape),
        "tile": TILE,
        "levels": len(level_shapes((shape[0], shape[1]))),
        "unit": what.unit,
        "labels": what.segments is not None,
        "window": what.window,
        "classes": [_class(c) for c in what.legend],
        "ramp": {"low": low, "colors": [mpl.colors.to_hex(color) for color in ramp]},
        "agreement": {"right": RIGHT, "wrong": WRONG, "training": PALE},
        "grid": _grid(what.scene.odc.geobox),
    }


def _class(c: LandClass) -> dict[str, Any]:
    return {"code": c.code, "name": c.name, "color": c.color, "word": color_word(c.color)}


def _grid(geobox: GeoBox | None) -> dict[str, Any] | None:
    if geobox is None or geobox.crs is None:
        return None
    metres, affine = pixel_metres(geobox), geobox.affine
    return {
        "origin": [affine.c, affine.f],
        "step": [affine.a, affine.e],
        "degrees": bool(geobox.crs.geographic),
        "crs": f"EPSG:{geobox.crs.epsg}" if geobox.crs.epsg else str(geobox.crs.proj.name),
        "metres": None if metres is None else metres[1],
    }
