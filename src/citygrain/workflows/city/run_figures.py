"""All figures of a finished run as files for a paper: vector where the printer wants it, the same bytes each time."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from citygrain.accuracy.assess import Assessment
from citygrain.accuracy.reliability import ReliabilityBins, reliability_bins
from citygrain.errors import InputError
from citygrain.features.stack import compute_features
from citygrain.files import make_folder
from citygrain.report import figures as draw
from citygrain.report.area_rows import area_rows
from citygrain.report.display import pixel_metres
from citygrain.report.map_page import middle_window
from citygrain.samples.split import ROLES
from citygrain.samples.store import read_samples
from citygrain.workflows.city.city_map import run_record
from citygrain.workflows.city.finished_run import FinishedRun, check_inputs, read_run

if TYPE_CHECKING:
    from citygrain.report.html import RunRecord

__all__ = ["KINDS", "run_figures", "write_run_figures"]

KINDS = {"svg": 200, "pdf": 200, "png": 300}
"""Formats, and the dots per inch of their pictures: those of a vector file need no more than the scene has."""


def write_run_figures(folder: Path, out: Path, *, kind: str = "svg") -> list[Path]:
    """Draw every figure of a finished run into a folder.

    Parameters
    ----------
    folder : Path
        Output folder of the run; its scene and reference must still be there.
    out : Path
        Folder for the figures.
    kind : str
        ``svg``, ``pdf`` or ``png``.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    InputError
        If the run is not finished, its inputs have changed, or the format is unknown.
    """
    if kind not in KINDS:
        raise InputError(f"figure format {kind!r}", wanted=f"one of {', '.join(KINDS)}")
    figures = run_figures(folder)
    make_folder(out)
    written = []
    for name, figure in figures:
        written.append(out / f"{name}.{kind}")
        draw.save_figure(figure, written[-1], dpi=KINDS[kind])
    return written


def run_figures(folder: Path) -> Iterator[tuple[str, draw.Figure]]:
    """Return name and figure of everything that a finished run has to show, drawn one at a time.

    Parameters
    ----------
    folder : Path
        Output folder of the run.

    Raises
    ------
    InputError
        If the run is not finished, or its inputs have changed.
    """
    run = read_run(folder)
    check_inputs(run)
    record = run_record(run.config, folder)
    return chain(_of_scene(run, record), _of_samples(run, record), _of_accuracy(run, record), _of_map(run, record))


def _of_scene(run: FinishedRun, record: "RunRecord") -> Iterator[tuple[str, draw.Figure]]:
    scene, indices = record.scene, run.config.features.indices
    yield "scene", draw.figure_composite(scene)
    false = draw.false_color_bands(scene)
    if false:
        yield "scene_false_color", draw.figure_composite(scene, false)
    yield "histograms", draw.figure_histograms(scene)
    if indices:
        yield "indices", draw.figure_index_maps(compute_features(scene, indices))
    if record.segments is not None:
        window = middle_window(scene.shape[1:], 160)
        yield "segments", draw.figure_segments(scene, record.segments, mark=window)
        yield "segments_detail", draw.figure_segments(scene, record.segments, crop=window)


def _of_samples(run: FinishedRun, record: "RunRecord") -> Iterator[tuple[str, draw.Figure]]:
    legend, role, y = record.legend, run.table["role"], run.table["y"]
    words = {"training": "train", "validation": "valid", "test": "test", "left out": "unused"}
    counts = {
        word: {c.name: int(((role == ROLES.index(name)) & (y == c.code)).sum()) for c in legend}
        for word, name in words.items()
    }
    yield "samples", draw.figure_sample_counts(counts, legend)
    drawn = read_samples(run.folder / "samples.h5", on_disk=True)
    balanced = drawn[role[drawn.unit] == ROLES.index("train")].counts()
    yield "balance", draw.figure_balance(counts["training"], balanced, legend)
    if record.patches is not None and len(record.patches):
        yield "patches", draw.figure_patches(record.patches)
    if record.history:
        yield "learning_curves", draw.figure_learning_curves(record.history)


def _of_accuracy(run: FinishedRun, record: "RunRecord") -> Iterator[tuple[str, draw.Figure]]:
    held_out = record.assessment[record.unit]
    matrix = Assessment.from_dict(held_out, record.legend).matrix
    yield "confusion", draw.figure_confusion(matrix, record.legend)
    yield "class_accuracy", draw.figure_class_bars(held_out["per_class"])
    if record.spatial is not None and "features" in record.spatial:
        yield "variogram", draw.figure_variogram(record.spatial)
    if "purity" in record.assessment:
        yield "pixel_account", draw.figure_pixel_account(record.assessment["purity"])
    bins = record.assessment.get("confidence", {}).get("bins", {})
    if bins.get("after"):
        before, after = (ReliabilityBins.from_dict(bins[side]) for side in ("before", "after"))
        yield "calibration", draw.figure_calibration(before, after, unit=record.unit)
    rows = run.tested & (run.table["y"] > 0)
    sure = run.of_units(run.city.confidence.values)[rows]
    right = run.of_units(run.city.codes.values)[rows] == run.table["y"][rows]
    yield "reliability", draw.figure_reliability(reliability_bins(sure, right), unit=record.unit)


def _of_map(run: FinishedRun, record: "RunRecord") -> Iterator[tuple[str, draw.Figure]]:
    geobox, legend = record.scene.odc.geobox, record.legend
    yield "map", draw.figure_map(record.map_codes, legend, geobox)
    beside = {"Reference": record.reference_pixel, "Map": record.map_codes}
    yield "reference_and_map", draw.figure_maps(beside, legend, geobox, difference=("Reference", "Map"))
    yield "errors", draw.figure_errors(record.map_codes, record.reference_pixel, record.split, geobox)
    yield "confidence", draw.figure_confidence(record.confidence, geobox)
    if record.set_size is not None:
        yield "set_size", draw.figure_set_sizes(record.set_size, geobox)
    areas = _areas(run, record)
    if areas is not None:
        yield "areas", draw.figure_area_bars(areas[0], legend, unit=areas[1])


def _areas(run: FinishedRun, record: "RunRecord") -> tuple[list[dict[str, Any]], str] | None:
    """Return the areas of the classes: estimated from a validation sample where the run has one, else counted."""
    sample = record.assessment.get("validation_sample")
    if sample and sample["probability_sample"]:
        return area_rows(sample)
    metres = pixel_metres(run.city.geobox)
    if metres is None:
        return None
    counts = np.bincount(run.city.codes.values.ravel(), minlength=256) * metres[0] * metres[1] / 10_000
    return [{"name": c.name, "area": float(counts[c.code])} for c in record.legend], "ha"
