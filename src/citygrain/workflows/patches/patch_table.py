"""What a benchmark says: one table as CSV and JSON, the matrices side by side, a report, and lines for the terminal."""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from citygrain.accuracy.assess import Assessment
from citygrain.files import write_text
from citygrain.legend import Legend
from citygrain.workflows.manifest import Manifest
from citygrain.workflows.patches.patch_splits import Split

__all__ = ["COLUMNS", "Entry", "table_lines", "write_tables"]

COLUMNS = (
    "split", "model", "overall_accuracy", "low_95", "high_95", "interval_of", "average_accuracy", "kappa", "macro_f1",
    "OAu", "OAbu", "OAw", "parameters", "model_mb", "training_rows", "test_rows", "epochs", "training_seconds",
    "patches_per_second",
)  # fmt: skip
"""Columns of ``table.csv``; accuracies are 0 to 1."""


@dataclass(frozen=True)
class Entry:
    """One model on one split.

    Attributes
    ----------
    model, split : str
        What was scored on what.
    scores : mapping
        As `citygrain.workflows.patches.patch_scores.score_rows`, all folds together.
    runs : sequence of mapping
        For each fold: parameters, epochs, bytes, training_rows, training_seconds, test_rows, prediction_seconds.
    legend : Legend
        The classes.
    """

    model: str
    split: str
    scores: Mapping[str, Any]
    runs: Sequence[Mapping[str, Any]]
    legend: Legend

    @cached_property
    def assessment(self) -> Assessment:
        """The confusion matrix."""
        return Assessment.from_dict(self.scores, self.legend)

    @property
    def interval(self) -> tuple[float, float] | None:
        """Bounds of the overall accuracy, where they could be drawn."""
        bounds = self.scores["interval_95"].get("overall_accuracy")
        return (float(bounds[0]), float(bounds[1])) if bounds else None

    def row(self) -> dict[str, Any]:
        """Return the row of the table; what is not known is None."""
        low, high = self.interval or (None, None)
        lcz = self.scores["lcz"] or {}
        training = [run["training_seconds"] for run in self.runs]
        predicting = sum(run["prediction_seconds"] for run in self.runs)
        tested = sum(run["test_rows"] for run in self.runs)
        return {
            "split": self.split,
            "model": self.model,
            "overall_accuracy": self.scores["overall_accuracy"],
            "low_95": low,
            "high_95": high,
            "interval_of": self.scores["interval_of"],
            **{name: self.scores[name] for name in ("average_accuracy", "kappa", "macro_f1")},
            **{name: lcz.get(name) for name in ("OAu", "OAbu", "OAw")},
            "parameters": self.runs[0]["parameters"],
            "model_mb": round(self.runs[0]["bytes"] / 1e6, 3),
            "training_rows": round(sum(run["training_rows"] for run in self.runs) / len(self.runs)),
            "test_rows": tested,
            "epochs": self.runs[0]["epochs"],
            "training_seconds": None if None in training else round(sum(training), 2),
            "patches_per_second": round(tested / predicting, 1) if predicting else None,
        }


def write_tables(
    folder: Path,
    entries: Sequence[Entry],
    splits: Sequence[Split],
    *,
    remarks: Sequence[str],
    facts: Mapping[str, Any],
    manifest: Manifest,
    kind: str = "png",
) -> dict[str, Any]:
    """Write ``table.csv``, ``table.json``, ``matrices*.png`` and ``report.html``.

    Parameters
    ----------
    folder : Path
        Gets the files.
    entries : sequence of Entry
        Every model on every split.
    splits : sequence of Split
        The splits.
    remarks : sequence of str
        What must be said of the whole.
    facts : mapping
        What the patches are.
    manifest : Manifest
        The benchmark's record.
    kind : str
        Format of the matrices: ``png``, ``svg`` or ``pdf``.

    Returns
    -------
    dict
        The content of ``table.json``.
    """
    rows = [entry.row() for entry in entries]
    table = {
        "patches": dict(facts),
        "splits": {split.name: split.to_dict() for split in splits},
        "remarks": list(remarks),
        "rows": rows,
    }
    write_text(folder / "table.json", json.dumps(table, indent=1) + "\n")
    text = io.StringIO()
    out = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    out.writeheader()
    out.writerows(rows)
    write_text(folder / "table.csv", text.getvalue())
    _draw(folder, entries, table, manifest, kind)
    return table


def _draw(folder: Path, entries: Sequence[Entry], table: Mapping[str, Any], manifest: Manifest, kind: str) -> None:
    from citygrain.report.benchmark import BenchmarkRecord, write_benchmark  # noqa: PLC0415 - matplotlib for the end
    from citygrain.report.matrices import figure_matrices  # noqa: PLC0415
    from citygrain.report.style import save_figure  # noqa: PLC0415

    matrices = {}
    for nth, (split, chunk) in enumerate(_panels(entries)):
        figure = figure_matrices(
            {entry.model: entry.assessment for entry in chunk},
            intervals={entry.model: entry.interval for entry in chunk if entry.interval},
        )
        stem = f"matrices{f'-{split}' if nth else ''}{f'-{nth + 1}' if nth > 1 else ''}"
        save_figure(figure, folder / f"{stem}.{kind}")
        matrices[f"{split} {nth}"] = (split, figure)
    record = BenchmarkRecord(
        title=folder.resolve().name,
        table=table,
        matrices=list(matrices.values()),
        assessments=[(entry.split, entry.model, entry.scores) for entry in entries],
        legend=entries[0].legend,
        steps=manifest.listed(),
        config=dict(manifest.head["config"]),
    )
    write_benchmark(folder / "report.html", record)


def _panels(entries: Sequence[Entry]) -> Iterator[tuple[str, list[Entry]]]:
    """Yield the models split by split, as many at a time as one figure takes."""
    from citygrain.report.matrices import MOST  # noqa: PLC0415 - matplotlib for the end

    for split in dict.fromkeys(entry.split for entry in entries):
        own = [entry for entry in entries if entry.split == split]
        for first in range(0, len(own), MOST):
            yield split, own[first : first + MOST]


def table_lines(table: Mapping[str, Any]) -> Iterator[str]:
    """Give the lines that a benchmark ends with: what is wrong with each split, and its table."""
    zones = any(row["OAu"] is not None for row in table["rows"])
    heads = ("model", "OA %", "95 %", "AA %", "kappa", *(("OAu %", "OAbu %", "OAw %") if zones else ()), "macro F1")
    heads += ("parameters", "MB", "train s", "patches/s")
    for name, split in table["splits"].items():
        folds = f", {split['folds']} folds" if split["folds"] else ""
        yield f"split {name}: {split['meaning']}"
        yield f"  {split['train_rows']:,} rows train{folds}, {split['test_rows']:,} test"
        yield from (f"  ! {note}" for note in split["notes"])
        lines = [heads, *(_cells(row, zones) for row in table["rows"] if row["split"] == name)]
        widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
        for line in lines:
            first, *rest = (text.rjust(width) for text, width in zip(line, widths, strict=True))
            yield f"  {first.strip():<{widths[0]}}  {'  '.join(rest)}"
        drawn = {row["interval_of"] for row in table["rows"] if row["split"] == name}
        narrow = ": too narrow, for neighbours are no independent witnesses" if "rows of one group" in drawn else ""
        yield f"  95 % intervals drawn from {' and '.join(sorted(drawn))}{narrow}"
    yield from (f"! {remark}" for remark in table["remarks"])


def _cells(row: Mapping[str, Any], zones: bool) -> tuple[str, ...]:
    low, high = row["low_95"], row["high_95"]
    interval = "-" if low is None else f"{100 * low:.1f} to {100 * high:.1f}"
    special = tuple(_percent(row[name]) for name in ("OAu", "OAbu", "OAw")) if zones else ()
    seconds, rate = row["training_seconds"], row["patches_per_second"]
    return (
        row["model"],
        _percent(row["overall_accuracy"]),
        interval,
        _percent(row["average_accuracy"]),
        "-" if row["kappa"] is None else f"{row['kappa']:.3f}",
        *special,
        "-" if row["macro_f1"] is None else f"{row['macro_f1']:.3f}",
        f"{row['parameters']:,}",
        f"{row['model_mb']:.1f}",
        "-" if seconds is None else f"{seconds:,.1f}",
        "-" if rate is None else f"{rate:,.0f}",
    )


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"
