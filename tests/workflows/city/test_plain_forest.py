"""A run whose automatic choice is the plain forest: it maps, is kept, explained and judged as any other model is."""

import json
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from citygrain.models import choice
from citygrain.models.card import read_card
from citygrain.models.choice import PLAIN
from citygrain.models.selection import Choice
from citygrain.scene.codes import open_codes, read_codes
from citygrain.scene.synthetic import SyntheticCity
from citygrain.workflows.city.baselines import baseline_caveats, baselines
from citygrain.workflows.city.city_map import run_city_map
from citygrain.workflows.city.finished_run import read_run
from citygrain.workflows.city.gap import measure_gap
from citygrain.workflows.city.run_data import RunData
from citygrain.workflows.config_file import read_config
from citygrain.workflows.units import map_values
from helpers.city_runs import run_toml, write_city
from helpers.commands import Command

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(city: SyntheticCity, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that takes the plain forest; too few rows are there to validate on, so training rows would choose."""
    folder = tmp_path_factory.mktemp("plain")
    write_city(folder, city)
    (folder / "auto.toml").write_text(run_toml(per_class=60, model="auto", valid_share=0), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(choice, "choose_crossed", lambda *_, **__: Choice(PLAIN, "the best of all", {PLAIN: 1.0}))
        patch.setattr("citygrain.report.pages.encode_figure", lambda *_, **__: b"\x89PNG")  # no test looks at it
        run_city_map(read_config(folder / "auto.toml", {}), folder / "out")
    return folder / "out"


def test_it_stands_beside_the_forest_that_it_is(run: Path) -> None:
    card, figures = read_card(run / "model"), json.loads((run / "assessment.json").read_text(encoding="utf-8"))
    assert card.recipe["chosen"] == [PLAIN] == figures["model"]["chosen"]
    assert read_card(run / "model" / PLAIN).recipe == {"name": "default", "trees": 100, "sees": "means"}
    assert card.preparation["tessellation"] == "statistics" and "B02 mean" in card.features
    assert figures["baselines"]["mean_spectra"]["difference"]["overall_accuracy"] == 0
    assert "The model is a forest on mean spectra: none that sees more was clearly better" in " ".join(
        baseline_caveats(figures)
    )
    assert "Plain forest</b> was taken: the best of all." in (run / "report.html").read_text(encoding="utf-8")


def test_it_is_the_forest_of_the_baseline(run: Path) -> None:
    finished = read_run(run)
    data = RunData(finished.config, run, lambda _: nullcontext())
    mapped = map_values(open_codes(run / "map.tif"), data.units)
    alone = baselines(data, finished.table, mapped, read_card(run / "model").legend)["mean_spectra"]
    assert alone["difference"]["overall_accuracy"] == 0  # trained again, on its own
    assert alone["other"] == alone["map"]


def test_the_same_scene_gets_the_same_map_by_the_model_alone(run: Path, citygrain: Command, tmp_path: Path) -> None:
    scene = run.parent / "scene.tif"
    given = ("--scale", 10000, "--segments", run / "segments.tif", "--applicability", "--out", tmp_path)
    said = citygrain("map", scene, "--model", run / "model", *given)
    assert said.returncode == 0, said.stderr
    np.testing.assert_array_equal(read_codes(tmp_path / "map.tif").values, read_codes(run / "map.tif").values)
    assert (tmp_path / "applicability.json").exists()


def test_the_list_of_models_says_what_was_chosen_and_why(run: Path, citygrain: Command) -> None:
    said = citygrain("models", run / "model").stdout
    assert f"extra-trees of recipe auto\n  network      extra-trees\n  chosen       {PLAIN}: the best of all\n" in said


def test_the_leak_is_measured_on_what_was_chosen(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("chosen anew")

    monkeypatch.setattr(choice, "choose_crossed", refuse)
    found = measure_gap(run, folds=2)
    assert found["model"] == "auto" and found["random"]["overall_accuracy"] > 0.7
