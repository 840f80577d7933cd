"""Compare any model's answers with labelled patches, and write an assessment into a folder."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from citygrain.accuracy.assess import Assessment
from citygrain.files import write_text
from citygrain.models.shelf import find_model
from citygrain.workflows.patches.patch_training import assess_patches, source_of

__all__ = ["assess_model", "write_assessment"]


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
        As `citygrain.workflows.patches.patch_scores.score_rows`.
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
