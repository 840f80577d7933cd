"""The table that `make bench` prints, and the alarm: no ratio may fall more than a quarter below the accepted one.

``benchmarks/results.json`` holds the figures of the last run and, beside each, the ratio that was last accepted. Only
``--update`` accepts a new one, so that ten small losses in a row are still a loss.
"""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.frame import Row

__all__ = ["losses", "merged", "read_results", "show", "write_results"]

LOSS = 0.25
"""Share of a ratio that may be lost between the accepted run and this one."""
_HEAD = ("what", "ours", "peer", "theirs", "ratio", "wanted", "reached")
_VERSIONS = ("numpy", "numba", "torch", "lightning", "scikit-image", "scikit-learn")

Results = dict[str, Any]


def show(rows: Sequence[Row]) -> str:
    """Return the rows as a table of plain text.

    Examples
    --------
    >>> print(show([Row("SLIC", 1.0, 14.0, "s", "scikit-image", 14.0, 12.0)]))
    what    ours  peer          theirs  ratio  wanted  reached
    SLIC  1.00 s  scikit-image  14.0 s   14.0      12  yes
    """
    lines = [_HEAD, *(_line(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEAD))]
    return "\n".join("  ".join(_fit(place, *pair) for place, pair in enumerate(zip(line, widths, strict=True))).rstrip()
                     for line in lines)  # fmt: skip


def _line(row: Row) -> tuple[str, ...]:
    wanted = "" if row.wanted is None else f"{row.wanted:,.2f}".removesuffix(".00")
    reached = {True: "yes", False: "NO", None: ""}[row.reached]
    ours, theirs = (f"{_digits(value)} {row.unit}".rstrip() for value in (row.ours, row.theirs))
    return row.what, ours, row.peer, theirs, _digits(row.ratio), wanted, reached


def _digits(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:#.3g}"


def _fit(place: int, word: str, width: int) -> str:
    return word.ljust(width) if _HEAD[place] in ("what", "peer", "reached") else word.rjust(width)


def read_results(path: Path) -> Results:
    """Return what an earlier run wrote; nothing, where there is none or it has another form."""
    if not path.exists():
        return {"rows": {}}
    found = json.loads(path.read_text(encoding="utf-8"))
    return found if isinstance(found.get("rows"), dict) else {"rows": {}}


def losses(rows: Sequence[Row], earlier: Results) -> list[str]:
    """Return a sentence about each row whose ratio fell more than `LOSS` below the accepted one.

    Examples
    --------
    >>> row = Row("SLIC", 1.0, 8.0, "s", "scikit-image", 8.0, None)
    >>> losses([row], {"rows": {"SLIC": {"accepted": 12.0}}})
    ['SLIC: 8.00 beside scikit-image, accepted 12.0: a loss of 33 %']
    """
    said = []
    for row in rows:
        accepted = earlier["rows"].get(row.what, {}).get("accepted")
        if accepted and _compared(row) < (1 - LOSS) * accepted:
            lost = 100 * (1 - _compared(row) / accepted)
            against = row.peer if row.compared is None else "the yardstick"
            said.append(
                f"{row.what}: {_digits(_compared(row))} beside {against}, accepted {_digits(accepted)}: "
                f"a loss of {lost:.0f} %"
            )
    return said


def merged(rows: Sequence[Row], earlier: Results, *, update: bool) -> Results:
    """Return the results to write: new figures over old ones; accepted ratios stay, unless `update` renews them."""
    kept = dict(earlier["rows"])
    for row in rows:
        accepted = kept.get(row.what, {}).get("accepted")
        new = update or accepted is None
        kept[row.what] = row.to_dict() | {"reached": row.reached, "accepted": _compared(row) if new else accepted}
    return {"machine": _machine(), "rows": kept}


def write_results(path: Path, results: Mapping[str, Any]) -> None:
    """Write the results whole or not at all."""
    partial = path.with_suffix(".part")
    partial.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)


def _compared(row: Row) -> float:
    return row.ratio if row.compared is None else row.compared


def _machine() -> dict[str, Any]:
    versions = {name: metadata.version(name) for name in _VERSIONS}
    return {"processors": os.cpu_count(), "architecture": platform.machine(), "versions": versions}
