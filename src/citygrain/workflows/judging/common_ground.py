"""What two maps can be judged on, so that neither is judged on ground that made it.

The same units where both have the same ones; else the pixels that are held out in both.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from odc.geo.geobox import GeoBox

from citygrain.errors import InputError
from citygrain.legend import Legend
from citygrain.samples.reference import read_reference
from citygrain.workflows.city.finished_run import FinishedRun
from citygrain.workflows.references import reference_options

__all__ = ["Ground", "Judged", "common_legend", "ground_of_files", "ground_of_runs", "square_blocks"]

Codes = npt.NDArray[np.uint8]
Names = tuple[str, str]


@dataclass(frozen=True)
class Judged:
    """Units with the answers of both maps.

    Attributes
    ----------
    unit : str
        What is counted: ``"superpixel"``, ``"cell"`` or ``"pixel"``.
    labels : pair of ndarray of uint8, (n,)
        Class of each unit on either map.
    reference : ndarray of uint8, (n,)
        Its class in the reference.
    block : ndarray of int, (n,)
        Its block of ground.
    weights : ndarray of int, (n,), optional
        How often it counts.
    """

    unit: str
    labels: tuple[Codes, Codes]
    reference: Codes
    block: npt.NDArray[np.int64]
    weights: npt.NDArray[np.int64] | None = None


@dataclass(frozen=True)
class Ground:
    """The ground that both maps are judged on.

    Attributes
    ----------
    judged : tuple of Judged
        The units, and, of superpixels, their pixels.
    reference : ndarray of uint8, (h, w)
        Class in the reference where the maps are judged, 0 elsewhere.
    notes : tuple of str
        What must be said of it.
    """

    judged: tuple[Judged, ...]
    reference: Codes
    notes: tuple[str, ...]


def common_legend(first: Legend, second: Legend, names: Names) -> Legend:
    """Return the classes of both legends, if they agree about each code and each name.

    Parameters
    ----------
    first, second : Legend
        The legends; colours are the first's.
    names : tuple of str
        What the maps are called.

    Raises
    ------
    InputError
        If a code has two names, or a name two codes.

    Examples
    --------
    >>> land, water = Legend.from_names({1: "Land"}), Legend.from_names({1: "Land", 2: "Water"})
    >>> common_legend(land, water, ("a", "b")).names
    ('Land', 'Water')
    """
    by_code, by_name = ({c.code: c.name for c in first}, {c.name: c.code for c in first})
    for c in second:
        if by_code.get(c.code, c.name) != c.name:
            came = f"{c.code} is {by_code[c.code]!r} in {names[0]} and {c.name!r} in {names[1]}"
            raise InputError(came, wanted="the same legend")
        if by_name.get(c.name, c.code) != c.code:
            came = f"{c.name!r} is {by_name[c.name]} in {names[0]} and {c.code} in {names[1]}"
            raise InputError(came, wanted="the same legend")
    classes = {c.code: c for c in (*second, *first)}
    scheme = first.scheme if first.scheme == second.scheme else f"{first.scheme}, {second.scheme}"
    return Legend(scheme, tuple(classes[code] for code in sorted(classes)))


def ground_of_runs(
    first: FinishedRun, second: FinishedRun, legend: Legend, names: Names, *, reference: Path | None = None
) -> Ground:
    """Return the units that both runs held out; else the pixels of the ground that both held out.

    Parameters
    ----------
    first, second : FinishedRun
        Runs on the same grid.
    legend : Legend
        The classes of both.
    names : tuple of str
        What they are called.
    reference : Path, optional
        Another reference than that of the runs; judged pixel by pixel.

    Raises
    ------
    InputError
        If no ground is held out in both, or they had different references.
    """
    if reference is None and _same_units(first, second, legend):
        return _by_unit(first, second, legend, names)
    if reference is not None:
        truth, _ = read_reference(reference, first.city.geobox, legend=legend)
        codes, why = truth.values, f"Judged pixel by pixel against {reference.name}, on ground that both runs held out."
    else:
        codes = _common_reference(first, second, names)
        why = "The runs have different units or blocks: judged pixel by pixel, on ground that both held out."
    held = np.append(first.tested, False)[first.units] & np.append(second.tested, False)[second.units]
    where = held & (codes > 0)
    _refuse_none(int(where.sum()), names)
    coarse = _coarser(first, second, where)
    labels = first.city.codes.values[where], second.city.codes.values[where]
    judged = Judged("pixel", labels, codes[where], coarse.on_map(coarse.table["block"])[where])
    return Ground((judged,), np.where(where, codes, 0).astype(np.uint8), (why, *_left_out(first, second, held, names)))


def ground_of_files(
    codes: tuple[Codes, Codes], reference: Codes, geobox: GeoBox, metres: tuple[float, float], *, block: float
) -> Ground:
    """Return every pixel that has a class in both maps and in the reference.

    Parameters
    ----------
    codes : pair of ndarray of uint8, (h, w)
        The maps.
    reference : ndarray of uint8, (h, w)
        The reference.
    geobox : GeoBox
        Their grid.
    metres : tuple of float
        Height and width of a pixel.
    block : float
        Side in metres of the blocks that are drawn again for the interval.
    """
    where = (codes[0] > 0) & (codes[1] > 0) & (reference > 0)
    if not where.any():
        raise InputError("no pixel has a class in both maps and the reference", wanted="common ground")
    blocks = square_blocks((geobox.shape[0], geobox.shape[1]), metres, block)
    judged = Judged("pixel", (codes[0][where], codes[1][where]), reference[where], blocks[where])
    notes = (
        "Nothing is known of how these maps were made: ground that one of them was trained on may be among the judged "
        "pixels, and would flatter it.",
        f"The interval is drawn from squares of {block:g} m of ground.",
    )
    return Ground((judged,), np.where(where, reference, 0).astype(np.uint8), notes)


def square_blocks(shape: tuple[int, int], metres: tuple[float, float], side: float) -> npt.NDArray[np.int64]:
    """Return the number of the square block of each pixel, (h, w).

    Examples
    --------
    >>> square_blocks((2, 4), (10, 10), 20).tolist()
    [[0, 0, 1, 1], [0, 0, 1, 1]]
    """
    row, column = (np.arange(n) // max(1, round(side / metre)) for n, metre in zip(shape, metres, strict=True))
    return np.asarray(row[:, None] * (int(column[-1]) + 1) + column, np.int64)


def _same_units(first: FinishedRun, second: FinishedRun, legend: Legend) -> bool:
    """Tell whether both have the same units with the same reference; roles and blocks may differ."""
    return (
        first.config.units.kind == second.config.units.kind
        and np.array_equal(first.units, second.units)
        and np.array_equal(first.table["y"], second.table["y"])
        and np.array_equal(_counts(first, legend), _counts(second, legend))
    )


def _counts(run: FinishedRun, legend: Legend) -> npt.NDArray[np.int64]:
    """Return reference pixels by unit and class of the common legend, (n, k)."""
    counts = np.zeros((len(run.table["counts"]), len(legend)), np.int64)
    counts[:, legend.columns(run.city.legend.values)] = run.table["counts"]
    return counts


def _by_unit(first: FinishedRun, second: FinishedRun, legend: Legend, names: Names) -> Ground:
    rows = first.tested & second.tested & (first.table["y"] > 0)
    _refuse_none(int(rows.sum()), names)
    labels = first.of_units(first.city.codes.values), second.of_units(second.city.codes.values)
    numbers = [np.unique(run.table["block"][rows]).size for run in (first, second)]
    block = (first if numbers[0] <= numbers[1] else second).table["block"]
    y = first.table["y"].astype(np.uint8)
    judged = [Judged(first.noun, (labels[0][rows], labels[1][rows]), y[rows], block[rows])]
    if first.noun == "superpixel":
        unit, column = np.nonzero(_counts(first, legend) * rows[:, None])
        weights = _counts(first, legend)[unit, column]
        pixels = labels[0][unit], labels[1][unit]
        judged.append(Judged("pixel", pixels, legend.codes(column), block[unit], weights))
    said = f"Both runs have the same {first.noun}s: judged on those that both held out for the test."
    left = _left_out(first, second, np.append(rows, False)[first.units], names)
    return Ground(tuple(judged), first.on_map(np.where(rows, y, 0).astype(np.uint8)), (said, *left))


def _coarser(first: FinishedRun, second: FinishedRun, where: npt.NDArray[np.bool_]) -> FinishedRun:
    """Return the run whose blocks on this ground are fewer: its interval is the more careful one."""
    numbers = [np.unique(run.on_map(run.table["block"])[where]).size for run in (first, second)]
    return first if numbers[0] <= numbers[1] else second


def _common_reference(first: FinishedRun, second: FinishedRun, names: Names) -> Codes:
    one, other = (_reference(run) for run in (first, second))
    if not np.array_equal(one, other):
        raise InputError(
            f"{names[0]} and {names[1]} were judged against different references "
            f"({Path(first.config.reference.path).name}, {Path(second.config.reference.path).name})",
            wanted="one for both",
            mend="give --reference FILE",
        )
    return one


def _reference(run: FinishedRun) -> Codes:
    c = run.config.reference
    codes, _ = read_reference(Path(c.path), run.city.geobox, **reference_options(c))
    return np.asarray(codes.values, np.uint8)


def _refuse_none(count: int, names: Names) -> None:
    if not count:
        raise InputError(
            f"no ground is held out in both {names[0]} and {names[1]}",
            wanted="runs with the same seed and [samples] block",
            mend="or compare their map.tif with --reference FILE",
        )


def _left_out(first: FinishedRun, second: FinishedRun, held: npt.NDArray[np.bool_], names: Names) -> tuple[str, ...]:
    """Say how much of either run's test ground the other had trained on."""
    said = []
    for run, name in ((first, names[0]), (second, names[1])):
        own = np.append(run.tested, False)[run.units]
        share = float(held[own].mean()) if own.any() else 1.0
        if share < 0.995:
            said.append(
                f"Of the test ground of {name}, {100 * share:.0f} % is judged here: the rest the other run did not "
                "hold out."
            )
    return tuple(said)
