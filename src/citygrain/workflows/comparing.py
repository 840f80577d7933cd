"""Compare any map with any reference pixel by pixel, and any model's answers with labelled patches."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from citygrain.accuracy.assess import Assessment, assess
from citygrain.errors import InputError
from citygrain.files import write_text
from citygrain.models.shelf import find_model
from citygrain.samples.reference import read_reference
from citygrain.scene.codes import read_codes
from citygrain.workflows.config import ReferenceConfig
from citygrain.workflows.parts import map_table, recoded_map
from citygrain.workflows.patch_training import assess_patches, source_of
from citygrain.workflows.references import named_legend, reference_options, settled_merge

__all__ = ["assess_files", "assess_model", "write_assessment"]


def assess_files(
    mapped: Path,
    reference: Path,
    *,
    classes: Mapping[str, str] | None = None,
    legend: str | None = None,
    field: str | None = None,
    product: str | None = None,
    merge: str | None = None,
) -> Assessment:
    """Assess a map against a reference that is brought to its grid.

    Parameters
    ----------
    mapped : Path
        Raster of class codes: the reference's, or those that the map's own file names.
    reference : Path
        Raster, polygons or points.
    classes : mapping of str to str, optional
        Name by value in the reference; values with one name are one class.
    legend : str, optional
        Or the name of a ready legend.
    field : str, optional
        Attribute of polygons or points that holds the class.
    product : str, optional
        Or the map product that the reference is; it brings its legend and a merge.
    merge : str, optional
        How the classes of product or legend are merged: ``"urban"``, ``"finer"``, ``"none"``, or a table (.csv).

    Raises
    ------
    InputError
        If a file cannot be used, or a value of the map has no class.
    """
    codes = read_codes(mapped)
    options: dict[str, Any] = {"classes": classes, "legend": named_legend(legend), "field": field}
    if product is not None or merge is not None:
        if classes is not None or (legend is None) == (product is None):
            came = "a product or a merge beside classes" if classes is not None else "a merge of nothing"
            raise InputError(came, wanted="either a product or a legend" if classes is None else "one of both")
        groups = settled_merge(legend, product, None, merge)
        given = ReferenceConfig(path=str(reference), legend=legend, product=product, merge=groups, field=field)
        options = reference_options(given)
    truth, known = read_reference(reference, codes.odc.geobox, **options)
    table = map_table(classes, known)
    return assess(truth.values, recoded_map(mapped, codes, table), known)


def assess_model(
    model: str, path: Path, *, part: str | None = None, cache: Path | None = None, seed: int = 0
) -> tuple[dict[str, Any], Assessment]:
    """Assess a trained or published model on labelled patches.

    Parameters
    ----------
    model : str
        Folder of a model, or the name of a published one.
    path : Path
        Patches, read as those of its training.
    part : str, optional
        Only this split (or file of a So2Sat folder).
    cache : Path, optional
        Where published models are kept.
    seed : int
        Draws for the intervals.

    Returns
    -------
    figures : dict
        As `citygrain.workflows.patch_scores.score_rows`.
    result : Assessment
        The matrix.
    """
    classifier = find_model(model, cache=cache)
    figures = assess_patches(classifier, source_of(classifier.card, path, part=part), seed=seed)
    return figures, Assessment.from_dict(figures, classifier.legend_)


def write_assessment(
    folder: Path, figures: Mapping[str, Any], result: Assessment, *, name: str, kind: str = "png"
) -> None:
    """Write ``assessment.json``, ``confusion.csv`` and ``confusion.png`` into a folder.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    figures : mapping
        Plain values for JSON.
    result : Assessment
        The matrix.
    name : str
        What was assessed, for the figure's title.
    kind : str
        Format of the figure: ``png``, ``svg`` or ``pdf``.
    """
    from citygrain.report.figures import figure_matrices, save_figure  # noqa: PLC0415 - matplotlib only here

    write_text(folder / "assessment.json", json.dumps(figures, indent=1) + "\n")
    write_text(folder / "confusion.csv", result.to_csv())
    bounds = figures.get("interval_95", {}).get("overall_accuracy")
    intervals = {name: bounds} if bounds else None
    save_figure(figure_matrices({name: result}, intervals=intervals), folder / f"confusion.{kind}")
