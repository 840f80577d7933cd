"""Figures of a run as files: all of them, whole, the same bytes each time, letters as letters."""

import json
import re
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest

from citygrain.errors import InputError
from citygrain.workflows.city.run_figures import run_figures, write_run_figures

EXPECTED = {
    "areas", "balance", "class_accuracy", "confidence", "confusion", "errors", "histograms", "indices", "map",
    "pixel_account", "reference_and_map", "reliability", "samples", "scene", "scene_false_color", "segments",
    "segments_detail", "variogram",
}  # fmt: skip


@pytest.mark.slow
def test_every_figure_is_a_vector_file(finished_runs: Path, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (finished_runs / "a").rglob("*")}
    written = write_run_figures(finished_runs / "a", tmp_path / "one", kind="svg")
    again = write_run_figures(finished_runs / "a", tmp_path / "two", kind="svg")
    assert {path.stem for path in written} == EXPECTED
    for path, other in zip(written, again, strict=True):
        assert path.read_bytes() == other.read_bytes(), path.name
        ElementTree.fromstring(path.read_bytes())  # noqa: S314 - our own file
    assert {path: path.stat().st_mtime_ns for path in (finished_runs / "a").rglob("*")} == before
    samples = (tmp_path / "one/samples.svg").read_text(encoding="utf-8")
    assert re.search(r"<text[^>]*>Vegetation</text>", samples)
    picture = (tmp_path / "one/map.svg").read_text(encoding="utf-8")
    assert picture.count("<image") == 1 and re.search(r"<text[^>]*>N</text>", picture)


@pytest.mark.slow
def test_areas_have_the_intervals_of_the_validation_sample(finished_runs: Path, tmp_path: Path) -> None:
    shutil.copytree(finished_runs / "a", tmp_path / "run")
    path = tmp_path / "run/assessment.json"
    figures = json.loads(path.read_text(encoding="utf-8"))
    names = list(figures["superpixel"]["per_class"])
    adjusted = {name: {"area_hectares": {"value": 200.0, "interval_95": [150.0, 260.0]}} for name in names}
    figures["validation_sample"] = {
        "probability_sample": True,
        "area_adjusted": {"total_hectares": 800.0, "per_class": adjusted},
        "mapped": {name: {"hectares": 210.0, "share": 0.25} for name in names},
    }
    for sampled in (True, False):
        figures["validation_sample"]["probability_sample"] = sampled
        path.write_text(json.dumps(figures), encoding="utf-8")
        drawn = dict(run_figures(tmp_path / "run"))["areas"]
        texts = [text.get_text() for text in drawn.axes[0].texts]
        assert ("200  (150 to 260)" in texts) == sampled


@pytest.mark.slow
def test_a_format_that_is_none(finished_runs: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="figure format 'bmp'; wanted: one of svg, pdf, png"):
        write_run_figures(finished_runs / "a", tmp_path, kind="bmp")
