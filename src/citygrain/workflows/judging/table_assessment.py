"""A table of mapped and reference classes, assessed group by group, with and without taking neighbours for independent.

Points of one neighbourhood are right or wrong together. The interval of points drawn one by one says how sure one would
be if they were not; the interval of whole blocks of ground says how sure one is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from citygrain.accuracy.assess import assess
from citygrain.accuracy.intervals import (
    block_class_intervals,
    block_intervals,
    block_matrices,
    row_class_intervals,
    row_intervals,
)
from citygrain.legend import Legend
from citygrain.samples.codes import value_key
from citygrain.samples.points_table import read_points_table
from citygrain.workflows.parts import map_table
from citygrain.workflows.patches.patch_scores import lcz_figures
from citygrain.workflows.references import named_legend

__all__ = ["TableFields", "assess_table", "ground_blocks", "table_text"]


@dataclass(frozen=True)
class TableFields:
    """Names of columns.

    Attributes
    ----------
    mapped, reference : str
        Classes on the map and in the reference.
    group : str or None
        City or whatever the points belong to; blocks do not reach over its borders.
    x, y : str
        Coordinates in metres.
    """

    mapped: str
    reference: str
    group: str | None = None
    x: str = "x"
    y: str = "y"


def assess_table(
    path: Path,
    fields: TableFields,
    *,
    classes: Mapping[str, str] | None = None,
    legend: str | None = None,
    block: float = 2000.0,
    seed: int = 0,
) -> dict[str, Any]:
    """Assess a table of points, all together and group by group, with naive and honest intervals.

    Parameters
    ----------
    path : Path
        CSV, also gzipped.
    fields : TableFields
        Its columns. Without coordinates groups are the blocks.
    classes : mapping of str to str, optional
        Class name by value in the table.
    legend : str, optional
        Or the name of a ready legend.
    block : float
        Side of a block of ground in metres.
    seed : int
        Draws for the intervals.

    Returns
    -------
    dict
        The figures of `Assessment.to_dict`; ``interval_95`` (blocks drawn again), ``interval_95_naive`` (points drawn
        one by one), ``interval_95_groups`` (whole groups drawn again), ``times_as_wide``, ``blocks``, and the same
        for each group in ``by_group``.

    Raises
    ------
    InputError
        If the table cannot be used, or a value has no class.
    """
    needed = [fields.mapped, fields.reference, *([fields.group] if fields.group else [])]
    table = read_points_table(path, needed, optional=(fields.x, fields.y))
    codes = map_table(classes, named_legend(legend))
    mapped, reference = (_coded(table[name], codes.codes, path.name, codes.check) for name in needed[:2])
    used = (mapped > 0) & (reference > 0)
    group = table[fields.group] if fields.group else np.zeros(len(mapped), int)
    names, number = np.unique(group[used], return_inverse=True)
    numbers, apart = ground_blocks(table, fields, number, used, block)
    points = _Points(mapped[used], reference[used], numbers, codes.legend)
    rng = np.random.default_rng(seed)
    whole = points.judged(rng)
    if fields.group and len(names) > 1:
        drawn = block_intervals(
            block_matrices(points.mapped, points.reference, number, points.legend), points.legend, rng=rng
        )
        whole["interval_95_groups"] = drawn
    return {
        **whole,
        "interval_of": apart,
        "by_group": {str(name): points[number == i].judged(rng) for i, name in enumerate(names)}
        if fields.group
        else {},
    }


def ground_blocks(
    table: Mapping[str, npt.NDArray[Any]],
    fields: TableFields,
    number: npt.NDArray[np.int64],
    used: npt.NDArray[np.bool_],
    side: float,
) -> tuple[npt.NDArray[np.int64], str]:
    """Return the number of the block of ground that each point lies in, within its group, and what the blocks are."""
    if fields.x not in table:
        return (number, "whole groups") if fields.group else (np.arange(len(number)), "points one by one")
    places = [np.floor(table[name][used].astype(float) / side).astype(np.int64) for name in (fields.x, fields.y)]
    _, block = np.unique(np.stack([number, *places]), axis=1, return_inverse=True)
    return block.ravel().astype(np.int64), f"blocks of {side:g} m" + (
        f" within each {fields.group}" if fields.group else ""
    )


@dataclass(frozen=True)
class _Points:
    """Classes and blocks of points."""

    mapped: npt.NDArray[np.uint8]
    reference: npt.NDArray[np.uint8]
    block: npt.NDArray[np.int64]
    legend: Legend

    def __getitem__(self, rows: npt.NDArray[np.bool_]) -> "_Points":
        return _Points(self.mapped[rows], self.reference[rows], self.block[rows], self.legend)

    def judged(self, rng: np.random.Generator) -> dict[str, Any]:
        """Return figures with both intervals."""
        result = assess(self.reference, self.mapped, self.legend)
        figures = result.to_dict()
        matrices = block_matrices(self.mapped, self.reference, self.block, self.legend)
        single = len(matrices) == result.total  # each point by itself; one block of several tells no spread
        honest = row_intervals(result, rng=rng) if single else block_intervals(matrices, self.legend, rng=rng)
        naive = row_intervals(result, rng=rng)
        of_class = (
            row_class_intervals(result, rng=rng) if single else block_class_intervals(matrices, self.legend, rng=rng)
        )
        for name, spans in of_class.items():
            figures["per_class"][name]["interval_95"] = spans
        wider = {
            name: float(np.ptp(honest[name]) / np.ptp(naive[name]))
            for name in honest
            if name in naive and np.ptp(naive[name]) > 0
        }
        return {
            **figures,
            "lcz": lcz_figures(result),
            "blocks": len(matrices),
            "interval_95": honest,
            "interval_95_naive": naive,
            "times_as_wide": wider,
        }


def table_text(figures: Mapping[str, Any], *, points: str = "points") -> list[str]:
    """Return the overall accuracy of each group in lines, with its interval and that of points if independent."""
    rows = [*figures["by_group"].items(), ("all", figures)]
    wide = max(len(name) for name, _ in rows)
    head = (
        f"{'':<{wide}}  {points:>7}  {'blocks':>6}  {'overall accuracy by blocks':<26}  {'if independent':<16}  wider"
    )
    lines = [head.rstrip()]
    for name, part in rows:
        right, naive = part["overall_accuracy"], part["interval_95_naive"].get("overall_accuracy")
        both = _range(part["interval_95"].get("overall_accuracy"))
        times = part["times_as_wide"].get("overall_accuracy")
        lines.append(
            f"{name:<{wide}}  {part['count']:>7,}  {part['blocks']:>6,}  {f'{right:.3f} ({both})':<26}  "
            f"{_range(naive):<16}  {'' if times is None else f'{times:.1f} x'}".rstrip()
        )
    groups = figures.get("interval_95_groups", {}).get("overall_accuracy")
    if groups:
        right = f"{figures['overall_accuracy']:.3f} ({_range(groups)})"
        lines.append(f"for other places like these (whole groups drawn again): {right}")
    return lines


def _range(bounds: Sequence[float] | None) -> str:
    return f"{bounds[0]:.3f} to {bounds[1]:.3f}" if bounds else "unknown"


def _coded(values: npt.NDArray[Any], codes: Mapping[str, int], file: str, check: Any) -> npt.NDArray[np.uint8]:
    found, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    keys = [value_key(value) for value in found.tolist()]
    check(dict(zip(keys, counts.tolist(), strict=True)), what="points", file=file)
    return np.array([codes[key] for key in keys], np.uint8)[place.ravel()]
