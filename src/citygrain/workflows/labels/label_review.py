"""Review a reference: which labels are probably wrong, why, and where to look at them in QGIS or Google Earth.

Labels are judged by a forest that has seen neither them nor ground beside them: whole blocks, or whole polygons of the
reference, are held out in turn.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from shapely.geometry.base import BaseGeometry

from citygrain.accuracy.label_quality import LabelQuality, judge_labels, pool_probabilities
from citygrain.files import make_folder, write_text
from citygrain.models.classifier import Classifier
from citygrain.models.crossed import crossed_probabilities
from citygrain.models.forest import ForestClassifier
from citygrain.samples.apart import folds_apart
from citygrain.samples.draw import majority
from citygrain.samples.places import outline_of, write_places
from citygrain.tiles import Progress, Tile
from citygrain.workflows.labels.label_words import Reasons
from citygrain.workflows.labels.unit_rows import UnitRows

__all__ = ["Review", "outlines", "review_labels", "review_lines", "write_review"]

FOLDS = 5
TREES = 100
_SHOWN = 24


@dataclass(frozen=True)
class Review:
    """What a review found.

    Attributes
    ----------
    units : UnitRows
        The units.
    quality : LabelQuality
        Of the units; of the polygons, where the reference has them.
    by : str
        ``"polygon"``, or the word for a unit.
    numbers : ndarray of int64, (n,)
        Number of each judged thing: of the unit from 1, or of the polygon.
    table : list of dict
        The doubted labels, the most doubtful first.
    """

    units: UnitRows
    quality: LabelQuality
    by: str
    numbers: npt.NDArray[np.int64]
    table: list[dict[str, Any]]

    def to_dict(self, most: int | None = None) -> dict[str, Any]:
        """Return plain values for JSON, with the first `most` suspects (all, if not given)."""
        ground = "polygons" if self.by == "polygon" else "blocks"
        return {
            "judged": self.by,
            "split": f"cross-validated over whole {ground}, {FOLDS} folds; no training ground touches tested ground",
            "model": f"forest of {TREES} trees on statistics",
            **self.quality.to_dict(),
            "suspicious": self.table[:most],
        }


def review_labels(
    units: UnitRows,
    *,
    make: Callable[[], Classifier] | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Review:
    """Find the labels of a run's units that are probably wrong; whole polygons, where the reference has them.

    Parameters
    ----------
    units : UnitRows
        The units with their labels.
    make : callable, optional
        Returns a new classifier of rows of statistics; a forest, if not given.
    seed : int
        Draws the folds, and the forest's trees.
    progress : callable, optional
        Called with (done, total).

    Raises
    ------
    InputError
        If there are too few labels, classes, blocks or polygons to judge by.
    """
    samples = units.samples
    if units.polygons is not None:
        kept = samples.group >= 0
        samples.y[~kept] = 0
    folds = folds_apart(samples, FOLDS, rng=np.random.default_rng([seed, 3]))
    fresh = make or (lambda: ForestClassifier(seed=seed, trees=TREES))
    p = crossed_probabilities(samples, folds, fresh, progress=progress)
    judged = _units(units, p) if units.polygons is None else _polygons(units, p)
    quality = judge_labels(judged.labels, judged.probabilities, units.legend)
    by = units.noun if units.polygons is None else "polygon"
    return Review(units, quality, by, judged.numbers, _table(judged, quality, units))


@dataclass(frozen=True)
class _Judged:
    """What is judged: units or polygons, with all that reasons are made from."""

    numbers: npt.NDArray[np.int64]
    labels: npt.NDArray[np.uint8]
    probabilities: npt.NDArray[np.float64]
    values: npt.NDArray[np.float64]
    centres: npt.NDArray[np.float64]
    pixels: npt.NDArray[np.float64]
    purity: npt.NDArray[np.float64]
    ground: str


def _units(units: UnitRows, p: npt.NDArray[np.float64]) -> _Judged:
    s = units.samples
    return _Judged(
        np.arange(1, len(s) + 1),
        s.y,
        p,
        _means(units),
        units.centres,
        units.table.centres.astype(np.float64),
        s.purity.astype(np.float64),
        "blocks",
    )


def _polygons(units: UnitRows, p: npt.NDArray[np.float64]) -> _Judged:
    """Return the polygons, each the mean of its units weighted by their labelled pixels."""
    group, weight = units.samples.group, units.counts.sum(1).astype(np.float64)
    numbers, pooled = pool_probabilities(p, group, weight)
    member = np.searchsorted(numbers, group)
    inside = (group >= 0) & np.isfinite(p).all(1)
    counts = np.zeros((len(numbers), len(units.legend)), np.int64)
    np.add.at(counts, member[inside], units.counts[inside])
    labels, purity = majority(counts, units.legend)

    def mean(values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        total = np.zeros((len(numbers), values.shape[1]))
        np.add.at(total, member[inside], values[inside] * weight[inside, None])
        return np.asarray(total / np.maximum(np.bincount(member[inside], weight[inside]), 1e-9)[:, None])

    pixels = mean(units.table.centres.astype(np.float64))
    return _Judged(
        numbers, labels, pooled, mean(_means(units)), mean(units.centres), pixels, purity.astype(np.float64), "polygons"
    )


def _means(units: UnitRows) -> npt.NDArray[np.float64]:
    """Return the mean of each feature within each unit, indices first, (n, m)."""
    return np.asarray(units.looks[:, _columns(units)[0]], np.float64)


def _columns(units: UnitRows) -> tuple[list[int], tuple[str, ...]]:
    """Return where the unit's own means of the indices stand (of all features, where there are none), and names."""
    names = [name.removesuffix(" mean") for name in units.samples.features if name.endswith(" mean")]
    chosen = [name for name in names if name in units.config.features.indices] or names
    return [units.samples.features.index(f"{name} mean") for name in chosen], tuple(chosen)


def _table(judged: _Judged, quality: LabelQuality, units: UnitRows) -> list[dict[str, Any]]:
    legend, rows = units.legend, quality.ranking
    reasons = Reasons(
        judged.labels, judged.probabilities, judged.values, _columns(units)[1], judged.centres, judged.purity, legend,
        judged.ground,
    ).of(rows.tolist(), quality.suggested)  # fmt: skip
    return [
        {
            "rank": rank,
            "number": int(judged.numbers[row]),
            "label": legend.name_of(int(quality.labels[row])),
            "suggested": legend.name_of(int(quality.suggested[row])),
            "score": round(float(quality.margin[row]), 4),
            "confident": bool(quality.confident[row]),
            "purity": round(float(judged.purity[row]), 3),
            "x": round(float(judged.centres[row, 0]), 2),
            "y": round(float(judged.centres[row, 1]), 2),
            "row": round(float(judged.pixels[row, 0]), 1),
            "column": round(float(judged.pixels[row, 1]), 1),
            "reason": reason,
        }
        for rank, (row, reason) in enumerate(zip(rows.tolist(), reasons, strict=True), 1)
    ]


def outlines(units: UnitRows, numbers: Sequence[int], *, by: str) -> list[BaseGeometry]:
    """Return the outline of each unit, or polygon of the reference, by its number."""
    geobox = units.labels.odc.geobox
    if by == "polygon" and units.polygons is not None:
        return [outline_of(np.asarray(units.polygons.values == number), geobox) for number in numbers]
    found: list[BaseGeometry] = []
    boxes = units.table.boxes[np.asarray(numbers, np.int64) - 1]
    for number, (top, left, bottom, right) in zip(numbers, boxes.tolist(), strict=True):
        tile = Tile(top, left, bottom - top, right - left)
        here = np.asarray(units.labels.variable[tile.slices].values == number)
        found.append(outline_of(here, geobox[tile.slices]))
    return found


def write_review(review: Review, out: Path) -> list[Path]:
    """Write ``review.json``, and where labels are doubted ``review.gpkg``, ``review.kml`` and two figures.

    Parameters
    ----------
    review : Review
        What was found.
    out : Path
        Folder; made if it is not there.

    Returns
    -------
    list of Path
        The files.
    """
    from citygrain.report.figures import save_figure  # noqa: PLC0415 - matplotlib only for figures
    from citygrain.report.labels import figure_suspect_map, figure_suspects  # noqa: PLC0415

    make_folder(out)
    write_text(out / "review.json", json.dumps(review.to_dict(), indent=1) + "\n")
    written = [out / "review.json"]
    if not review.table:
        return written
    units, table = review.units, review.table
    shapes = outlines(units, [row["number"] for row in table], by=review.by)
    keys = ("rank", "label", "suggested", "score", "reason", "confident", "purity", "number")
    places = [{key: row[key] for key in keys} | _words(row) for row in table]
    for kind in ("gpkg", "kml"):
        written.append(out / f"review.{kind}")
        write_places(written[-1], shapes, places, units.labels.odc.geobox, name="doubted labels")
    numbers = units.polygons if review.by == "polygon" and units.polygons is not None else units.labels
    scene, cell = units.data.dates[0], units.data.dates[0].shape[1] / units.labels.shape[0]
    if cell == 1:  # of cells there is no outline on the scene's own pixels
        written.append(out / "suspects.png")
        save_figure(figure_suspects(scene, numbers.values, table[:_SHOWN]), written[-1])
    written.append(out / "suspect_map.png")
    marks = [row | {"row": row["row"] * cell, "column": row["column"] * cell} for row in table]
    save_figure(figure_suspect_map(scene, marks, units.legend), written[-1])
    return written


def _words(row: dict[str, Any]) -> dict[str, str]:
    return {"title": f"{row['rank']} {row['label']} → {row['suggested']}", "words": row["reason"]}


def review_lines(review: Review, most: int) -> list[str]:
    """Return the review in plain lines."""
    quality, plural = review.quality.to_dict(), f"{review.by}s"
    head = (
        f"{quality['suspects']} of {quality['labels']} labelled {plural} are doubted "
        f"({quality['confident_suspects']} with confidence); estimated share of wrong labels "
        f"{100 * quality['estimated_error_rate']:.1f} %"
    )
    lines = [
        f"{row['rank']:>4}  {row['score']:+.2f}  {row['label']} -> {row['suggested']}  {review.by} {row['number']} at "
        f"{row['x']:.0f}, {row['y']:.0f}: {row['reason']}"
        for row in review.table[:most]
    ]
    return [head, *lines]
