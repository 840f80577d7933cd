"""The report of a benchmark: its figures are the table's, and nothing from outside gets in unescaped."""

import re
from typing import Any

import numpy as np
import pytest

from citygrain.accuracy.assess import Assessment
from citygrain.legend import Legend
from citygrain.report.benchmark import BenchmarkRecord, figure_scores, write_benchmark

EVIL = "<script>alert(1)</script>"


def row(split: str, model: str, overall: float, **others: Any) -> dict[str, Any]:
    known: dict[str, Any] = dict.fromkeys(("OAu", "OAbu", "OAw", "training_seconds", "patches_per_second"))
    known |= {"average_accuracy": 0.5, "kappa": 0.25, "macro_f1": 0.4, "parameters": 1234, "model_mb": 1.5}
    bounds = {"low_95": overall - 0.05, "high_95": overall + 0.05, "interval_of": "4 groups"}
    return {"split": split, "model": model, "overall_accuracy": overall, **bounds, **known, **others}


def record(**changes: Any) -> BenchmarkRecord:
    legend = Legend.from_names({1: "Forest", 2: EVIL})
    scores = Assessment(np.array([[3, 1], [0, 4]]), legend).to_dict()
    rows = [
        row(split, model, value)
        for split, model, value in (
            ("random", "forest", 0.9),
            ("random", EVIL, 0.8),
            ("group", "forest", 0.6),
            ("group", EVIL, 0.5),
        )
    ]
    split = {"meaning": "rows", "folds": 0, "train_rows": 80, "test_rows": 8, "test_groups": 4, "notes": [EVIL]}
    fields: dict[str, Any] = {
        "title": EVIL,
        "table": {
            "patches": {
                "path": EVIL,
                "rows": 1000,
                "channels": ["B02", EVIL],
                "shape": [2, 8, 8],
                "units": "reflectance",
                "legend": "custom",
                "groups": 0,
            },
            "splits": {"random": split, "group": split},
            "remarks": ["A remark."],
            "rows": rows,
        },
        "matrices": [],
        "assessments": [(r["split"], r["model"], scores) for r in rows],
        "legend": legend,
        "steps": [{"name": "forest random", "seconds": 1.0, "peak_mb": 100.0, "reused": False}],
        "config": {"seed": 0},
    }
    return BenchmarkRecord(**(fields | changes))


@pytest.mark.usefixtures("undrawn")
def test_every_accuracy_is_the_tables(tmp_path: Any) -> None:
    write_benchmark(tmp_path / "r.html", record())
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert [float(value) for value in re.findall(r'<data value="([^"]+)"', page)] == [0.9, 0.8, 0.6, 0.5]
    for said in ("85.0\u202f% to 95.0\u202f%", "drawn from 4 groups", "A remark.", "75.0\u202f%", "1\u202f234"):
        assert said in page
    assert "OAbu" not in page


@pytest.mark.usefixtures("undrawn")
def test_nothing_from_outside_gets_in(tmp_path: Any) -> None:
    write_benchmark(tmp_path / "r.html", record())
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "<script" not in page and page.count("&lt;script&gt;") >= 5
    assert not re.search(r"url\(|@import|https?://", page)


@pytest.mark.usefixtures("undrawn")
def test_zones_have_their_own_columns(tmp_path: Any) -> None:
    base = record()
    rows = [{**r, "OAu": 0.61, "OAbu": 0.97, "OAw": 0.93} for r in base.table["rows"]]
    write_benchmark(tmp_path / "r.html", record(table={**base.table, "rows": rows}))
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert page.count("61.0\u202f%") == 4 and "OAbu" in page


def test_the_gap_between_splits_is_drawn() -> None:
    figure = figure_scores(record().table["rows"], ["random", "group"])
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["forest", EVIL]
    dots = [collection.get_offsets()[:, 0].tolist() for collection in axes.collections]
    assert dots == [[90, 80], [60, 50]]
    assert sorted(line.get_xdata()[0] for line in axes.lines) == pytest.approx([45, 55, 75, 85])
    one = figure_scores([row("random", "forest", 0.9, low_95=None, high_95=None)], ["random"])
    assert not one.axes[0].lines and not one.legends
