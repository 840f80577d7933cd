"""Where to label next: a ranking that QGIS can open, and that `[reference]` reads once it is filled in."""

import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest

from citygrain.errors import InputError
from citygrain.samples.kml import read_kml
from citygrain.samples.reference import read_reference
from citygrain.workflows.labels.next_labels import suggest_labels, suggestion_lines, write_suggestion
from citygrain.workflows.labels.unit_rows import UnitRows, units_of_run


@pytest.fixture
def units(finished_runs: Path) -> UnitRows:
    """A run's units of which every fifth has a label."""
    found = units_of_run(finished_runs / "a")
    found.samples.y[np.arange(len(found.samples)) % 5 > 0] = 0
    return found


@pytest.mark.slow
def test_unlabelled_units_apart_from_each_other(units: UnitRows) -> None:
    found = suggest_labels(units, 20, spacing=120)
    rows = np.array([row["number"] for row in found.table]) - 1
    assert len(rows) == 20 and (units.samples.y[rows] == 0).all()
    for nth, row in enumerate(rows[1:], 1):
        assert np.hypot(*(units.centres[rows[:nth]] - units.centres[row]).T).min() >= 120
    assert suggest_labels(units, 5, spacing=120).table == found.table[:5]
    assert "the nearest label is" in found.table[0]["reason"] and len(suggestion_lines(found, 3)) == 4


@pytest.mark.slow
def test_a_filled_in_file_is_a_reference(units: UnitRows, tmp_path: Path) -> None:
    found = suggest_labels(units, 12, spacing=0)
    written = write_suggestion(found, tmp_path / "next.gpkg")
    assert {path.name for path in written} == {f"next.{kind}" for kind in ("gpkg", "kml", "json", "png")}
    assert len(json.loads((tmp_path / "next.json").read_text(encoding="utf-8"))["suggested"]) == 12
    assert [mark.name for mark in read_kml(tmp_path / "next.kml")] == ["?"] * 12
    frame = gpd.read_file(tmp_path / "next.gpkg")
    assert frame["label"].isna().all()
    frame.loc[:6, "label"] = ["Urban", "Crop", "Urban", "Water", "Crop", "Urban", "Crop"]
    frame.to_file(tmp_path / "labelled.gpkg")
    classes = {name: name for name in units.legend.names}
    codes, legend = read_reference(tmp_path / "labelled.gpkg", units.labels.odc.geobox, field="label", classes=classes)
    for _, row in frame.iterrows():
        here = codes.values[units.labels.values == row["number"]]
        assert set(here.tolist()) == (
            {legend.codes(np.array([legend.names.index(row["label"])]))[0]} if row.notna()["label"] else {0}
        )


@pytest.mark.slow
def test_a_scene_with_labels_everywhere(finished_runs: Path) -> None:
    units = units_of_run(finished_runs / "a")
    with pytest.raises(InputError, match="--all"):
        suggest_labels(units, 5)
    found = suggest_labels(units, 5, labelled_too=True)
    assert len(found.table) == 5 and found.spacing == pytest.approx(90, abs=40)
    assert found.to_dict()["among"] == "all superpixels, labelled or not"


@pytest.mark.slow
def test_only_a_geopackage_is_written(units: UnitRows, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\.gpkg"):
        write_suggestion(suggest_labels(units, 2), tmp_path / "next.shp")
