"""Where to label next: units ranked by what their labels would teach, with outlines to be labelled in QGIS.

What a model is unsure of, what much of the scene looks like, and what no label explains yet: see
`citygrain.samples.next_samples`.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from citygrain.errors import InputError
from citygrain.files import write_text
from citygrain.models.crossed import crossed_probabilities
from citygrain.models.forest import ForestClassifier
from citygrain.samples.apart import folds_apart
from citygrain.samples.next_samples import NextSamples, suggest_next, uncertainty
from citygrain.samples.places import write_places
from citygrain.tiles import Progress
from citygrain.workflows.labels.label_review import FOLDS, TREES, outlines
from citygrain.workflows.labels.unit_rows import UnitRows

__all__ = ["Suggestion", "suggest_labels", "suggestion_lines", "write_suggestion"]


@dataclass(frozen=True)
class Suggestion:
    """What to label next.

    Attributes
    ----------
    units : UnitRows
        The units.
    table : list of dict
        Those to label, best first.
    spacing : float
        Least distance between them in metres.
    among : str
        What they were chosen from, in words.
    """

    units: UnitRows
    table: list[dict[str, Any]]
    spacing: float
    among: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"unit": self.units.noun, "among": self.among, "spacing_m": self.spacing, "suggested": self.table}


def suggest_labels(
    units: UnitRows,
    count: int,
    *,
    labelled_too: bool = False,
    spacing: float | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Suggestion:
    """Rank the units of a run by what their labels would teach.

    Parameters
    ----------
    units : UnitRows
        The units, some of them labelled.
    count : int
        How many to rank.
    labelled_too : bool
        Rank labelled units as well, as where a reference covers the whole scene and is to be checked or replaced; they
        then explain nothing, and what a model of other blocks says of them counts.
    spacing : float, optional
        Least distance in metres between chosen units; the window that a model sees, if not given.
    seed : int
        Of the forest and its folds.
    progress : callable, optional
        Called with (done, total).

    Raises
    ------
    InputError
        If every unit has a label, or there are too few labels to train on.
    """
    labelled = units.samples.y > 0
    if not labelled_too and labelled.all():
        raise InputError(
            f"each of the {len(labelled)} {units.noun}s has a label",
            wanted="some without",
            mend="rank labelled ones, too, with --all",
        )
    p = _probabilities(units, labelled, crossed=labelled_too, seed=seed, progress=progress)
    there = np.isfinite(units.samples.x).any(1) & np.isfinite(p).all(1)
    unsure = np.where(there, uncertainty(np.nan_to_num(p)), 0.0)
    window = units.samples.extent[:, 2] - units.samples.extent[:, 0]
    apart = float(np.median(window)) if spacing is None else spacing
    found = suggest_next(
        units.looks,
        units.centres,
        count,
        weights=units.table.areas,
        unsure=unsure,
        known=None if labelled_too else labelled,
        open_to=there,
        spacing=apart,
    )
    among = f"all {units.noun}s, labelled or not" if labelled_too else f"{units.noun}s without a label"
    return Suggestion(units, _table(units, found, p, labelled), apart, among)


def _probabilities(
    units: UnitRows, labelled: npt.NDArray[np.bool_], *, crossed: bool, seed: int, progress: Progress | None
) -> npt.NDArray[np.float64]:
    """Return what a forest of the labels says of each unit; of labelled ones a forest that has not seen them."""
    samples, p = units.samples, np.full((len(labelled), len(units.legend)), np.nan)
    if crossed:
        folds = folds_apart(samples, FOLDS, rng=np.random.default_rng([seed, 3]))
        p = crossed_probabilities(samples, folds, lambda: ForestClassifier(seed=seed, trees=TREES), progress=progress)
    if not labelled.all():
        forest = ForestClassifier(seed=seed, trees=TREES).fit(samples[labelled])
        p[~labelled] = forest.predict_proba(samples[~labelled].x)
    return p


def _table(
    units: UnitRows, found: NextSamples, p: npt.NDArray[np.float64], labelled: npt.NDArray[np.bool_]
) -> list[dict[str, Any]]:
    away = _distance(units.centres, labelled)
    rows = []
    for rank, (row, gain, alike) in enumerate(zip(found.rows.tolist(), found.gain, found.alike, strict=True), 1):
        first, second = np.argsort(-p[row], kind="stable")[:2].tolist()
        names, sure = units.legend.names, p[row]
        near = f"; the nearest label is {away[row]:.0f} m away" if np.isfinite(away[row]) and not labelled[row] else ""
        rows.append(
            {
                "rank": rank,
                "label": None,
                "guess": names[first],
                "unsure": round(float(1 - sure[first] + sure[second]), 3),
                "alike": round(float(alike), 4),
                "gain": round(float(gain), 5),
                "number": row + 1,
                "x": round(float(units.centres[row, 0]), 2),
                "y": round(float(units.centres[row, 1]), 2),
                "row": int(units.table.centres[row, 0]),
                "column": int(units.table.centres[row, 1]),
                "reason": f"a model of the labels says {names[first]} at {sure[first]:.2f} and {names[second]} at "
                f"{sure[second]:.2f}; {100 * alike:.1f} % of the scene looks like it{near}.",
            }
        )
    return rows


def _distance(centres: npt.NDArray[np.float64], labelled: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    if not labelled.any():
        return np.full(len(centres), np.inf)
    return np.asarray(cKDTree(centres[labelled]).query(centres)[0])


def write_suggestion(suggestion: Suggestion, out: Path) -> list[Path]:
    """Write what to label as GeoPackage and KML with an empty ``label``, as JSON, and as a map, all of one name.

    Parameters
    ----------
    suggestion : Suggestion
        What to label.
    out : Path
        The GeoPackage; the others stand beside it.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    InputError
        If `out` does not end in ``.gpkg``.
    """
    from citygrain.report.figures import save_figure  # noqa: PLC0415 - matplotlib only for figures
    from citygrain.report.labels import figure_next_samples  # noqa: PLC0415

    if out.suffix.lower() != ".gpkg":
        raise InputError(f"suggestions as {out.name}", wanted="a file that ends in .gpkg")
    units, table = suggestion.units, suggestion.table
    shapes = outlines(units, [row["number"] for row in table], by=units.noun)
    keys = ("rank", "label", "guess", "unsure", "alike", "gain", "reason", "number")
    places = [{key: row[key] for key in keys} for row in table]
    geobox = units.labels.odc.geobox
    write_places(out, shapes, places, geobox, name="to label")
    marks = [place | {"title": "?", "words": f"{place['rank']}: {place['reason']}"} for place in places]
    write_places(out.with_suffix(".kml"), shapes, marks, geobox, name="to label")
    write_text(out.with_suffix(".json"), json.dumps(suggestion.to_dict(), indent=1) + "\n")
    scene = units.data.dates[0]
    cell = scene.shape[1] / units.labels.shape[0]
    spots = [row | {"row": row["row"] * cell, "column": row["column"] * cell} for row in table]
    save_figure(figure_next_samples(scene, spots), out.with_suffix(".png"))
    return [out, *(out.with_suffix(ending) for ending in (".kml", ".json", ".png"))]


def suggestion_lines(suggestion: Suggestion, most: int) -> list[str]:
    """Return the first of the ranking in plain lines."""
    s = suggestion
    head = f"{len(s.table)} {s.units.noun}s to label, of {s.among}, at least {s.spacing:.0f} m apart"
    lines = [f"{row['rank']:>4}  at {row['x']:.0f}, {row['y']:.0f}: {row['reason']}" for row in s.table[:most]]
    return [head, *lines]
