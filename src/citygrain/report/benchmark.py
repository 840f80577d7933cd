"""One HTML file about a benchmark: which model does how well, on which split, and how far the split can be trusted.

Like the report of a run it holds its pictures and style, asks for nothing from anywhere, and escapes what comes from
outside.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from citygrain.files import write_text
from citygrain.legend import Legend
from citygrain.report.pages import page_template, picture_address
from citygrain.report.style import INK, MUTED, TRIO, new_figure, styled

__all__ = ["BenchmarkRecord", "figure_scores", "write_benchmark"]


@dataclass(frozen=True)
class BenchmarkRecord:
    """What the report of a benchmark is made from.

    Attributes
    ----------
    title : str
        Name of the benchmark.
    table : mapping
        The content of ``table.json``: patches, splits, remarks, rows.
    matrices : sequence of (str, Figure)
        Split and figure of matrices.
    assessments : sequence of (str, str, mapping)
        Split, model and its ``assessment.json``.
    legend : Legend
        The classes.
    steps : sequence of mapping
        name, seconds, peak_mb, reused.
    config : mapping
        The plan.
    """

    title: str
    table: Mapping[str, Any]
    matrices: Sequence[tuple[str, Figure]]
    assessments: Sequence[tuple[str, str, Mapping[str, Any]]]
    legend: Legend
    steps: Sequence[Mapping[str, Any]]
    config: Mapping[str, Any]


def write_benchmark(path: Path, record: BenchmarkRecord) -> None:
    """Write the report of a benchmark as one self-contained HTML file.

    Parameters
    ----------
    path : Path
        The file; it appears whole or not at all.
    record : BenchmarkRecord
        The benchmark.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    page = page_template("benchmark.html.j2", missing="–").render(
        record=record,
        rows=record.table["rows"],
        splits=record.table["splits"],
        patches=record.table["patches"],
        zones=any(row["OAu"] is not None for row in record.table["rows"]),
        scores=picture_address(figure_scores(record.table["rows"], list(record.table["splits"]))),
        matrices=[(split, picture_address(figure)) for split, figure in record.matrices],
        producers=_producers(record),
        config=json.dumps(record.config, indent=2, default=str, ensure_ascii=False),
    )
    write_text(path, page)


@styled
def figure_scores(rows: Sequence[Mapping[str, Any]], splits: Sequence[str]) -> Figure:
    """Draw the overall accuracy of each model with its interval, the splits beside each other, so that the gap is seen.

    Parameters
    ----------
    rows : sequence of mapping
        split, model, overall_accuracy, low_95, high_95 (0 to 1 or None).
    splits : sequence of str
        The splits, in the order of their colours; at most three.
    """
    models = list(dict.fromkeys(str(row["model"]) for row in rows))
    figure = new_figure(7.2, 0.3 + 0.42 * len(models) + 0.55)
    axes = figure.add_subplot()
    offsets = np.linspace(-0.14, 0.14, len(splits)) if len(splits) > 1 else np.zeros(1)
    for nth, split in enumerate(splits):
        color = TRIO[nth % len(TRIO)]
        own = [row for row in rows if row["split"] == split]
        places = np.array([models.index(str(row["model"])) for row in own]) + offsets[nth]
        values = [100 * (row["overall_accuracy"] or 0.0) for row in own]
        axes.scatter(values, places, 34, color=color, label=f"split {split}", zorder=3)
        for row, place, value in zip(own, places.tolist(), values, strict=True):
            if row["low_95"] is not None:
                axes.plot([100 * row["low_95"], 100 * row["high_95"]], [place, place], color=color, linewidth=2)
            high = 100 * (row["high_95"] or 0.0)
            axes.annotate(
                f"{value:.1f}", (max(value, high), place), (6, 0), textcoords="offset points", va="center", size=7.5
            )
    axes.set_yticks(range(len(models)), models)
    axes.set_ylim(len(models) - 0.5, -0.5)
    axes.set_xlim(0, 106)
    axes.set_xticks(range(0, 101, 20))
    axes.set_xlabel("overall accuracy, per cent, with 95 % interval", color=INK)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    if len(splits) > 1:
        figure.legend(loc="outside upper right", ncols=len(splits), labelcolor=MUTED)
    return figure


def _producers(record: BenchmarkRecord) -> list[dict[str, Any]]:
    """Return for each split what share of each class every model found."""
    tables = []
    for split in record.table["splits"]:
        own = [(model, scores["per_class"]) for of, model, scores in record.assessments if of == split]
        classes = [
            {
                "name": c.name,
                "color": c.color,
                "count": own[0][1][c.name]["reference_count"],
                "found": [per_class[c.name]["producers_accuracy"] for _, per_class in own],
            }
            for c in record.legend
            if own[0][1][c.name]["reference_count"]
        ]
        tables.append({"split": split, "models": [model for model, _ in own], "classes": classes})
    return tables
