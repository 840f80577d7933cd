"""What a run says of its pixels: the account is that of its own figures, in JSON, in words, and on the page."""

import json
from pathlib import Path

import numpy as np
import pytest

from citygrain.workflows.city.finished_run import read_run
from citygrain.workflows.city.verdict import caveats


@pytest.mark.slow
def test_the_account_of_a_run_adds_up_to_its_own_figures(finished_runs: Path) -> None:
    figures = json.loads((finished_runs / "a/assessment.json").read_text(encoding="utf-8"))
    account = figures["purity"]
    lost = account["lost_to_mixed_superpixels"] + account["lost_to_wrong_classes"]
    assert account["pixel_accuracy"] + lost == pytest.approx(1, abs=1e-12)
    assert account["pixel_accuracy"] == pytest.approx(figures["pixel"]["overall_accuracy"])
    assert account["superpixel_accuracy"] == pytest.approx(figures["superpixel"]["overall_accuracy"])
    assert account["pixels"] == np.sum(figures["pixel"]["confusion"]["matrix"])
    gap = figures["superpixel"]["overall_accuracy"] - figures["pixel"]["overall_accuracy"]
    assert account["gap"]["superpixel_minus_pixel_accuracy"] == pytest.approx(gap)


@pytest.mark.slow
def test_the_report_and_the_caveats_say_it(finished_runs: Path) -> None:
    run = read_run(finished_runs / "a")
    wrong = run.assessment["purity"]["lost_to_wrong_classes"]
    (said,) = [s for s in caveats(run.assessment, run.table, run.config) if s.startswith("A superpixel has one class")]
    assert f"{100 * wrong:.1f} % to wrong classes" in said
    assert "Where the pixels went" in (finished_runs / "a/report.html").read_text(encoding="utf-8")
    before = {key: value for key, value in run.assessment.items() if key != "purity"}
    assert any("no map of these superpixels" in sentence for sentence in caveats(before, run.table, run.config))
