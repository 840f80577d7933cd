"""One HTML file about a run: how good the map is, where it is wrong, and what it will not tell.

The file holds its pictures and its style, asks for nothing from anywhere, and says the same bytes for the same run.
Everything that comes from outside (class names, paths, titles) is escaped by the template.
"""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import odc.geo.xr  # noqa: F401 (adds the .odc accessor to rasters)
import xarray as xr
from markupsafe import Markup

from citygrain.accuracy.reliability import ReliabilityBins
from citygrain.errors import InputError
from citygrain.files import write_text
from citygrain.legend import Legend
from citygrain.report.area_rows import area_rows, spoken_range
from citygrain.report.bars import figure_area_bars
from citygrain.report.charts import (
    figure_class_bars,
    figure_confusion,
    figure_learning_curves,
    figure_patches,
    figure_times,
)
from citygrain.report.display import natural_bands, pixel_metres
from citygrain.report.explore import Exploration, Explored, explore, script, script_hash
from citygrain.report.labels import figure_pixel_account
from citygrain.report.map_page import middle_window
from citygrain.report.maps import figure_composite, figure_confidence, figure_errors, figure_map, figure_maps
from citygrain.report.pages import page_template, picture_address, thousands
from citygrain.report.reliability import figure_calibration, figure_reliability
from citygrain.report.sets import figure_set_sizes
from citygrain.report.superpixels import figure_segments
from citygrain.report.variogram import figure_variogram
from citygrain.samples.samples import Samples

__all__ = ["LARGEST", "RunRecord", "write_report"]

LARGEST = 30_000_000
"""Bytes of a report: what the pictures leave of it is for the tiles of the map."""
_PICTURES = 6_000_000
"""Bytes that are kept free for the pictures; where they need more, what can be explored is packed again."""
_REST = 250_000
"""Bytes kept for texts, tables, style and script."""

Codes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class RunRecord:
    """What a report is made from.

    Attributes
    ----------
    title : str
        Name of the scene.
    scene : DataArray, (band, y, x)
        The scene.
    unit : str
        What has a class: ``"superpixel"``, ``"cell"`` or ``"pixel"``.
    segments : ndarray of int32, (h, w), or None
        Superpixel labels, where these are the units; 0 = no data.
    legend : Legend
        The classes.
    reference_pixel, reference_unit, map_codes : ndarray of uint8, (h, w)
        Reference as given, reference as the majority of each unit, and the map; 0 = none.
    confidence : ndarray of float32, (h, w)
        0 to 1, NaN = no data.
    split : ndarray of uint8, (h, w)
        0 neither, 1 training ground, 2 test ground.
    assessment : dict
        The content of ``assessment.json``.
    history : list of dict
        Per epoch: epoch, train_loss, valid_loss, train_accuracy, valid_accuracy, learning_rate; may be empty.
    patches : Samples or None
        A few training patches of each class.
    steps : list of dict
        name, seconds, peak_mb, reused.
    config : dict
        The configuration as resolved.
    caveats : list of str
        Plain sentences: what the map will not tell.
    cell : int
        Side of a cell in pixels, where cells are the units.
    step : int
        The rasters hold every so many-th row and column of the scene.
    whole : Whole, optional
        What they do not tell then.
    spatial : dict, optional
        The content of ``variogram.json``.
    gap : dict, optional
        The content of ``gap.json``.
    set_size : ndarray of uint8, (h, w), optional
        How many classes each pixel may be; 0 = no data.
    """

    title: str
    scene: xr.DataArray
    unit: str
    segments: npt.NDArray[np.int32] | None
    legend: Legend
    reference_pixel: Codes
    reference_unit: Codes
    map_codes: Codes
    confidence: npt.NDArray[np.float32]
    split: Codes
    assessment: dict[str, Any]
    history: list[dict[str, Any]]
    patches: Samples | None
    steps: list[dict[str, Any]]
    config: dict[str, Any]
    caveats: list[str]
    cell: int = 1
    step: int = 1
    whole: "Whole | None" = None
    spatial: dict[str, Any] | None = None
    gap: dict[str, Any] | None = None
    set_size: Codes | None = None

    def __post_init__(self) -> None:
        shape = self.scene.shape[1:]
        for name in ("segments", "reference_pixel", "reference_unit", "map_codes", "confidence", "split", "set_size"):
            raster = getattr(self, name)
            if raster is not None and raster.shape != shape:
                raise InputError(f"{name} of shape {raster.shape}", wanted=f"{shape}, the scene's")

    @property
    def ground(self) -> str:
        """What was held out for the test: ``"blocks"``, ``"polygons"`` or ``"superpixels"``."""
        return str(self.assessment.get("split_detail", {}).get("by", "blocks"))


@dataclass(frozen=True)
class Whole:
    """What is known of a scene of which the report shows a part of the rows and columns only.

    Attributes
    ----------
    shape : tuple of int
        Its rows and columns.
    counts : ndarray of int64, (256,)
        Pixels of each code on its map.
    units : int
        How many units it has.
    """

    shape: tuple[int, int]
    counts: npt.NDArray[np.int64]
    units: int


def write_report(path: Path, run: RunRecord) -> None:
    """Write the report of a run as one self-contained HTML file.

    Parameters
    ----------
    path : Path
        The file; it appears whole or not at all.
    run : RunRecord
        The run.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    pictures, exploration = _drawn(run)
    page = page_template("report.html.j2").render(
        run=run,
        held_out=run.assessment[run.unit],
        by_pixel=run.assessment["pixel"] if run.unit == "superpixel" else None,
        resubstitution=run.assessment.get("resubstitution"),
        truth=run.assessment.get("truth"),
        purity=run.assessment.get("purity"),
        notes=run.assessment.get("notes", []),
        sample=run.assessment.get("validation_sample"),
        baselines=run.assessment.get("baselines"),
        ceiling=run.assessment.get("ceiling"),
        gap=run.gap,
        spatial=run.spatial,
        areas=_areas(run),
        facts=_facts(run),
        pictures=pictures,
        exploration=exploration,
        script=Markup(script()),  # noqa: S704 - our own file
        script_hash=script_hash(),
        config=json.dumps(run.config, indent=2, default=str, ensure_ascii=False),
    )
    write_text(path, page)


def _drawn(run: RunRecord) -> tuple[dict[str, str], Exploration]:
    """Return pictures and what can be explored; one is packed while the other is drawn."""
    explored, room = _explored(run), LARGEST - _REST
    with ThreadPoolExecutor(1) as beside:
        packed = beside.submit(explore, explored, budget=room - _PICTURES)
        pictures = _pictures(run)
        exploration = packed.result()
    size = sum(map(len, pictures.values()))
    return pictures, exploration if size <= _PICTURES else explore(explored, budget=room - size)


def _pictures(run: RunRecord) -> dict[str, str]:
    """Draw every figure of the report, as data addresses."""
    geobox, matrix = run.scene.odc.geobox, run.assessment[run.unit]["confusion"]["matrix"]
    window = middle_window(run.scene.shape[1:], 160)
    given, majority = "Reference as given", "Reference by superpixel"
    references, difference = {given: run.reference_pixel}, None
    if run.unit == "superpixel":
        references[majority], difference = run.reference_unit, (given, majority)
    pictures = {
        "map": picture_address(figure_map(run.map_codes, run.legend, geobox)),
        "scene": picture_address(figure_composite(run.scene), photograph=True),
        "references": picture_address(figure_maps(references, run.legend, geobox, difference=difference), dpi=120),
        "confidence": picture_address(figure_confidence(run.confidence, geobox)),
        "errors": picture_address(figure_errors(run.map_codes, run.reference_pixel, run.split, geobox)),
        "confusion": picture_address(figure_confusion(matrix, run.legend)),
        "bars": picture_address(figure_class_bars(run.assessment[run.unit]["per_class"])),
    }
    if "purity" in run.assessment:
        pictures["purity"] = picture_address(figure_pixel_account(run.assessment["purity"]))
    if run.segments is not None:
        outlined = figure_segments(run.scene, run.segments, mark=window, width=4.6)
        pictures["segments"] = picture_address(outlined, dpi=220, photograph=True)
        pictures["crop"] = picture_address(figure_segments(run.scene, run.segments, crop=window, width=4.6), dpi=220)
    if (sample := run.assessment.get("validation_sample")) and sample["probability_sample"]:
        rows, unit = area_rows(sample)
        pictures["areas"] = picture_address(figure_area_bars(rows, run.legend, unit=unit))
    pictures |= _pictures_of_trust(run)
    if run.history:
        pictures["history"] = picture_address(figure_learning_curves(run.history))
    if run.patches is not None and len(run.patches):
        pictures["patches"] = picture_address(figure_patches(run.patches))
    if run.spatial is not None and "features" in run.spatial:
        pictures["variogram"] = picture_address(figure_variogram(run.spatial))
    if run.steps:
        pictures["times"] = picture_address(figure_times(run.steps))
    return pictures


def _pictures_of_trust(run: RunRecord) -> dict[str, str]:
    pictures, bins = {}, run.assessment.get("confidence", {}).get("bins", {})
    sides = {side: ReliabilityBins.from_dict(kept) for side, kept in bins.items() if kept}
    if len(sides) == 2:
        both = figure_calibration(sides["before"], sides["after"], unit=run.unit)
        pictures["calibration"] = picture_address(both, dpi=110)
    elif sides:
        pictures["calibration"] = picture_address(figure_reliability(sides["before"], unit=run.unit), dpi=110)
    if run.set_size is not None:
        pictures["set_size"] = picture_address(figure_set_sizes(run.set_size, run.scene.odc.geobox))
    return pictures


def _explored(run: RunRecord) -> Explored:
    """Return what of the run can be explored."""
    pixel = ["pixel"] if run.unit == "superpixel" else []
    return Explored(
        scene=run.scene,
        legend=run.legend,
        unit=run.unit,
        mapped=run.map_codes,
        reference=run.reference_pixel,
        reference_unit=run.reference_unit,
        confidence=run.confidence,
        split=run.split,
        segments=run.segments,
        cell=run.cell,
        window=int(run.config.get("samples", {}).get("window", 32)),
        matrices={name: run.assessment[name]["confusion"]["matrix"] for name in [run.unit, *pixel]},
    )


def _areas(run: RunRecord) -> list[dict[str, Any]]:
    """Return pixels, share and hectares of each class on the map."""
    counts = np.bincount(run.map_codes.ravel(), minlength=256) if run.whole is None else run.whole.counts
    total = int(counts[1:].sum())
    metres = pixel_metres(run.scene.odc.geobox)
    hectares = metres[0] * metres[1] / 10_000 / run.step**2 if metres else None
    adjusted = run.assessment.get("validation_sample", {}).get("area_adjusted", {}).get("per_class", {})
    return [
        {
            "name": c.name,
            "color": c.color,
            "pixels": int(counts[c.code]),
            "share": counts[c.code] / total if total else None,
            "hectares": None if hectares is None else float(counts[c.code] * hectares),
            "adjusted": _adjusted_area(adjusted.get(c.name)),
        }
        for c in run.legend
    ]


def _adjusted_area(figures: dict[str, Any] | None) -> str | None:
    """Return the area that a validation sample corrects, with its interval: hectares, else per cent."""
    if figures is None:
        return None
    if figures["area_hectares"] is None:
        return f"{spoken_range(figures['area_share'], times=100, digits=1)}\u202f%"
    return spoken_range(figures["area_hectares"], digits=0).replace(",", "\u202f")


def _facts(run: RunRecord) -> list[tuple[str, str]]:
    """Return what the scene is, in words."""
    geobox, (height, width) = run.scene.odc.geobox, run.whole.shape if run.whole else run.scene.shape[1:]
    shown = f", of which this page shows every {ordinal(run.step)} row and column" if run.step > 1 else ""
    facts = [("Size", f"{width} × {height} pixels{shown}")]
    if geobox is not None:
        geographic = geobox.crs is not None and geobox.crs.geographic
        facts.append(("Pixel", f"{abs(geobox.resolution.x) / run.step:g} {'°' if geographic else 'm'}"))
        if geobox.crs is not None:
            code = f" (EPSG:{geobox.crs.epsg})" if geobox.crs.epsg else ""
            facts.append(("Coordinate system", f"{geobox.crs.proj.name}{code}"))
    facts.append(("Bands", ", ".join(str(name) for name in run.scene.band.values)))
    facts.append(("Picture", " ".join(natural_bands(run.scene)) + " as red, green, blue"))
    if run.segments is not None:
        number = int(np.count_nonzero(np.bincount(run.segments.ravel())[1:])) if run.whole is None else run.whole.units
        facts.append(("Superpixels", thousands(number)))
    return facts


def ordinal(number: int) -> str:
    """Return 2 as ``2nd``, 3 as ``3rd``, 4 as ``4th``.

    Examples
    --------
    >>> [ordinal(number) for number in (2, 3, 4, 21)]
    ['2nd', '3rd', '4th', '21st']
    """
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th") if number % 100 not in (11, 12, 13) else "th"
    return f"{number}{ending}"
