"""Two maps of the same ground: where they differ, which is right there, and whether the difference is more than chance.

Two runs are judged on ground that both held out. Of two map files nothing is known but what they say.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from odc.geo.geobox import GeoBox

from citygrain.accuracy.assess import confusion_matrix
from citygrain.accuracy.change import MEANING, judge_changes
from citygrain.accuracy.comparing import PairedAssessment, compare_labels
from citygrain.errors import InputError
from citygrain.files import make_folder, write_text
from citygrain.legend import Legend
from citygrain.report.compare import ComparisonRecord, comparison_figures, write_comparison
from citygrain.report.display import pixel_metres
from citygrain.report.figures import save_figure
from citygrain.samples.reference import read_reference
from citygrain.scene.codes import read_codes
from citygrain.workflows.city.finished_run import FinishedRun, read_run
from citygrain.workflows.judging.common_ground import Ground, Judged, common_legend, ground_of_files, ground_of_runs
from citygrain.workflows.parts import map_table, recoded_map
from citygrain.workflows.references import named_legend

__all__ = ["compare_files", "compare_runs", "comparison_lines"]

Codes = npt.NDArray[np.uint8]


def compare_runs(
    first: Path, second: Path, out: Path, *, reference: Path | None = None, kind: str | None = None, seed: int = 0
) -> dict[str, Any]:
    """Compare the maps of two finished runs, and write ``comparison.html`` and ``comparison.json``.

    Parameters
    ----------
    first, second : Path
        Folders of finished runs, with the same grid and legend.
    out : Path
        Folder for the results.
    reference : Path, optional
        Another reference than that of the runs.
    kind : str, optional
        Write the figures as files, too: ``svg``, ``pdf`` or ``png``.
    seed : int
        Draws the blocks of the interval.

    Returns
    -------
    dict
        The content of ``comparison.json``.

    Raises
    ------
    InputError
        If the runs cannot be compared: other grids, legends or references, or no ground that both held out.
    """
    runs = read_run(first), read_run(second)
    names = _names(first, second)
    legend = common_legend(runs[0].city.legend, runs[1].city.legend, names)
    geobox = _same_grid(runs[0].city.geobox, runs[1].city.geobox, names)
    ground = ground_of_runs(*runs, legend, names, reference=reference)
    about = {
        "paths": (first, second),
        "settings": _settings_that_differ(*map(_settings, runs)),
        "held": "held out in both runs",
    }
    codes = runs[0].city.codes.values, runs[1].city.codes.values
    return _compare(names, codes, legend, geobox, ground, about=about, out=out, kind=kind, seed=seed)


def compare_files(
    first: Path,
    second: Path,
    out: Path,
    *,
    reference: Path | None = None,
    classes: Mapping[str, str] | None = None,
    legend: str | None = None,
    field: str | None = None,
    block: float = 1200.0,
    kind: str | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Compare two map files of which nothing else is known, and write ``comparison.html`` and ``comparison.json``.

    Parameters
    ----------
    first, second : Path
        Rasters of class codes on the same grid.
    out : Path
        Folder for the results.
    reference : Path, optional
        Raster, polygons or points; without it nobody can say which map is right.
    classes : mapping of str to str, optional
        Name of each code.
    legend : str, optional
        Or the name of a ready legend.
    field : str, optional
        Attribute of polygons or points that holds the class.
    block : float
        Side in metres of the blocks of ground that are drawn again for the interval.
    kind : str, optional
        Write the figures as files, too: ``svg``, ``pdf`` or ``png``.
    seed : int
        Draws the blocks.

    Raises
    ------
    InputError
        If the grids differ, or a code has no name.
    """
    maps, names = (read_codes(first), read_codes(second)), _names(first, second)
    geobox = _same_grid(maps[0].odc.geobox, maps[1].odc.geobox, names)
    table = map_table(classes, named_legend(legend))
    codes = recoded_map(first, maps[0], table), recoded_map(second, maps[1], table)
    ground = None
    if reference is not None:
        truth, _ = read_reference(reference, geobox, classes=classes, legend=named_legend(legend), field=field)
        ground = ground_of_files(codes, truth.values, geobox, pixel_metres(geobox) or (1.0, 1.0), block=block)
    about: dict[str, Any] = {
        "paths": (first, second),
        "settings": [],
        "held": "split unknown: both maps may have seen it",
    }
    return _compare(names, codes, table.legend, geobox, ground, about=about, out=out, kind=kind, seed=seed)


def comparison_lines(comparison: Mapping[str, Any]) -> list[str]:
    """Return what a comparison found, in a few lines.

    Parameters
    ----------
    comparison : mapping
        The content of ``comparison.json``.
    """
    change, (one, other) = comparison["change"], (comparison[side]["name"] for side in ("first", "second"))
    lines = [f"the maps differ at {100 * change['share']:.1f} % of {change['pixels']:,} pixels"]
    lines += [
        f"  {row['from']} -> {row['to']}: {row['hectares']:,.1f} ha, {100 * row['share']:.1f} %"
        for row in change["changes"][:5]
    ]
    for unit in comparison["units"]:
        part = comparison[unit]
        accuracy, test = part["overall_accuracy"], part["mcnemar"]
        lines.append(
            f"{part['first']['count']:,} {unit}s: overall accuracy {one} {accuracy['first']:.3f}, {other} "
            f"{accuracy['second']:.3f}; only {one} right {test['first_only']:,}, only {other} right "
            f"{test['second_only']:,}"
        )
    return [*lines, *comparison["conclusions"]]


def _compare(
    names: tuple[str, str],
    codes: tuple[Codes, Codes],
    legend: Legend,
    geobox: GeoBox,
    ground: Ground | None,
    *,
    about: Mapping[str, Any],
    out: Path,
    kind: str | None,
    seed: int,
) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    paired = {
        part.unit: compare_labels(part.labels, part.reference, part.block, legend, rng=rng, weights=part.weights)
        for part in (ground.judged if ground else ())
    }
    sides = [{"name": name, "path": str(path)} for name, path in zip(names, about["paths"], strict=True)]
    comparison = {
        "first": sides[0],
        "second": sides[1],
        "grid": {"width": geobox.shape[1], "height": geobox.shape[0], "pixel": abs(float(geobox.resolution.x))},
        "classes": legend.to_list(),
        "change": _change(codes, legend, geobox) | {"meaning": MEANING},
        "units": list(paired),
        "held": about["held"],
        "conclusions": [_conclusion(part, unit, names) for unit, part in paired.items()] or [_NO_REFERENCE],
        "notes": list(ground.notes) if ground else [],
        "settings": about["settings"],
        **{unit: part.to_dict() for unit, part in paired.items()},
    }
    if ground is not None:
        _judge(comparison["change"], ground.judged[0], legend, seed)
    make_folder(out)
    reference = ground.reference if ground else None
    record = ComparisonRecord(names, codes, legend, geobox, reference, paired, comparison)
    figures = comparison_figures(record)
    write_comparison(out / "comparison.html", record, figures)
    for name, figure in figures.items() if kind else ():
        save_figure(figure, out / f"{name}.{kind}", dpi=200)
    write_text(out / "comparison.json", json.dumps(comparison, indent=1, default=str) + "\n")
    return comparison


_NO_REFERENCE = "Without a reference nobody can say which of the two maps is right where they differ."


def _change(codes: tuple[Codes, Codes], legend: Legend, geobox: GeoBox) -> dict[str, Any]:
    """Return what the second map calls otherwise than the first, in pixels, hectares and shares."""
    matrix = confusion_matrix(*codes, legend)  # rows = first, columns = second
    metres, total = pixel_metres(geobox) or (0.0, 0.0), int(matrix.sum())
    if not total:
        raise InputError("no pixel has a class in both maps", wanted="maps of the same ground")
    hectares = metres[0] * metres[1] / 10_000
    pairs = [(i, j) for i, j in np.argwhere(matrix).tolist() if i != j]
    pairs.sort(key=lambda pair: -int(matrix[pair]))
    return {
        "pixels": total,
        "hectares": total * hectares,
        "share": 1 - float(np.trace(matrix)) / total,
        "only_first": int(((codes[0] > 0) & (codes[1] == 0)).sum()),
        "only_second": int(((codes[1] > 0) & (codes[0] == 0)).sum()),
        "changes": [
            {
                "from": legend.names[i],
                "to": legend.names[j],
                "pixels": int(matrix[i, j]),
                "hectares": float(matrix[i, j] * hectares),
                "share": float(matrix[i, j] / total),
            }
            for i, j in pairs
        ],
        "matrix_ha": {
            "rows": "first",
            "columns": "second",
            "classes": list(legend.names),
            "matrix": np.round(matrix * hectares, 4).tolist(),
        },
    }


def _judge(change: dict[str, Any], part: Judged, legend: Legend, seed: int) -> None:
    """Add to each change which map the reference bears out there, where it labels any of it."""
    rng = np.random.default_rng([seed, 1])
    found = judge_changes(part.labels, part.reference, part.block, legend, rng=rng, weights=part.weights)
    code = {c.name: c.code for c in legend}
    for row in change["changes"]:
        judged = found.get((code[row["from"]], code[row["to"]]))
        row["judged"] = judged.to_dict() if judged else None
    change["judged_unit"] = part.unit


def _conclusion(paired: PairedAssessment, unit: str, names: tuple[str, str]) -> str:
    """Say in one sentence what the interval over blocks says."""
    found, (one, other) = paired.difference, names
    if found.interval is None:
        return f"By {unit}: the test ground is a single block, so nobody can say whether the difference would repeat."
    low, high = (100 * bound for bound in found.interval)
    points = f"{100 * found.difference:+.1f} percentage points, 95 % interval {low:+.1f} to {high:+.1f}".replace(
        "-", "−"
    )
    if low <= 0 <= high:
        return f"By {unit}: the two cannot be told apart on this ground ({other} minus {one}: {points})."
    better = other if low > 0 else one
    return (
        f"By {unit}: {better} is better, by more than chance between blocks explains ({other} minus {one}: {points})."
    )


def _names(first: Path, second: Path) -> tuple[str, str]:
    """Return what the two are called: their own names, or, where these are one, what tells them apart."""
    paths = first.resolve(), second.resolve()
    names = tuple(path.stem if path.is_file() else path.name for path in paths)
    if names[0] == names[1]:
        names = tuple(f"{path.parent.name}/{name}" for path, name in zip(paths, names, strict=True))
    return (names[0], names[1]) if names[0] != names[1] else (f"{names[0]} (1)", f"{names[1]} (2)")


def _same_grid(first: GeoBox, second: GeoBox, names: tuple[str, str]) -> GeoBox:
    same = first.shape == second.shape and first.crs == second.crs
    if not (same and first.affine.almost_equals(second.affine, 1e-3 * abs(first.resolution.x))):
        said = " and ".join(f"{name} has {_grid(box)}" for name, box in zip(names, (first, second), strict=True))
        raise InputError(said, wanted="the same grid", mend="bring one to the other's with gdalwarp")
    return first


def _grid(box: GeoBox) -> str:
    crs = f"EPSG:{box.crs.epsg}" if box.crs and box.crs.epsg else str(box.crs)
    corner = f"{box.affine.c:.6g}, {box.affine.f:.7g}"
    return f"{box.shape[1]} x {box.shape[0]} pixels of {abs(box.resolution.x):g} from {corner} in {crs}"


def _settings_that_differ(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the settings in which two configurations differ, by their dotted names.

    Examples
    --------
    >>> _settings_that_differ({"model": {"name": "cnn"}, "seed": 0}, {"model": {"name": "forest"}, "seed": 0})
    [{'setting': 'model.name', 'first': 'cnn', 'second': 'forest'}]
    """
    one, other = _flat(first), _flat(second)
    return [
        {"setting": key, "first": one.get(key), "second": other.get(key)}
        for key in dict.fromkeys([*one, *other])
        if one.get(key) != other.get(key)
    ]


def _settings(run: FinishedRun) -> dict[str, Any]:
    """Return a run's configuration, with what its files hold in place of where they lay."""
    settings = run.config.model_dump()
    marks = {path: mark[:12] for path, mark in run.inputs.items()}
    scene = [marks.get(str(path), str(path)) for path in run.config.scene.paths]
    settings["scene"] = {k: v for k, v in settings["scene"].items() if k not in ("path", "dates")} | {"content": scene}
    reference = settings["reference"]
    path = str(reference.pop("path"))
    reference["content"] = marks.get(path, path)
    return settings


def _flat(values: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{before}{key}.") if isinstance(value, Mapping) and value else {f"{before}{key}": value}
    return flat
