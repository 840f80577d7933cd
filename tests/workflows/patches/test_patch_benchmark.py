"""A benchmark: its table is its assessments', it goes on after a kill, and it refuses before it begins."""

import csv
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from citygrain.accuracy.assess import assess
from citygrain.accuracy.intervals import block_intervals
from citygrain.errors import InputError
from citygrain.models import forest
from citygrain.models.catalogue import load_model
from citygrain.workflows.patches import patch_scores, patch_table
from citygrain.workflows.patches.benchmark_plan import BenchmarkPlan, Contender
from citygrain.workflows.patches.patch_benchmark import run_benchmark
from citygrain.workflows.patches.patch_source import PatchSource
from citygrain.workflows.patches.patch_table import COLUMNS, table_lines
from helpers.board_logs import read_log
from helpers.patch_worlds import make_patches, write_patches

TIMED = {"training_seconds", "patches_per_second"}


@pytest.fixture(autouse=True)
def few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forest, "_TREES", {"course": 5, "default": 8})


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the figures and most draws of the intervals, for tests that read the tables."""
    monkeypatch.setattr(patch_table, "_draw", lambda *_: None)
    monkeypatch.setattr(patch_scores, "block_intervals", partial(block_intervals, draws=20))


def plan(path: Path, *models: str, **options: Any) -> BenchmarkPlan:
    return BenchmarkPlan(PatchSource(path), tuple(map(Contender.parse, models)), **options)


def steps_of(work: Callable[[Callable[[str, str], None]], object]) -> tuple[list[str], list[str]]:
    told: list[tuple[str, str]] = []
    work(lambda name, state: told.append((name, state)))
    return [n for n, state in told if state == "finished"], [n for n, state in told if state == "reused"]


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_two_models_on_two_splits(tmp_path: Path) -> None:
    samples = write_patches(tmp_path / "a.h5")
    table = run_benchmark(plan(tmp_path / "a.h5", "forest", "forest:course"), tmp_path / "out")
    assert json.loads((tmp_path / "out/table.json").read_text()) == table
    assert [(row["split"], row["model"]) for row in table["rows"]] == [
        (split, model) for split in ("course", "group") for model in ("forest", "forest:course")
    ]
    with (tmp_path / "out/table.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [float(row["kappa"]) for row in rows] == [row["kappa"] for row in table["rows"]]
    for row in table["rows"]:
        place = tmp_path / "out" / row["split"] / row["model"].replace(":", "-")
        answers = np.loadtxt(place / "whole/predictions.csv", int, delimiter=",", skiprows=1)
        test = samples[answers[:, 0]]
        model = load_model(place / "whole/model")
        assert answers[:, 2].tolist() == model.predict(test.x).tolist()
        result = assess(test.y, answers[:, 2], samples.legend)
        assert row["overall_accuracy"] == result.overall_accuracy
        assert row["low_95"] <= row["overall_accuracy"] <= row["high_95"]
        assert (place / "confusion.csv").read_text() == result.to_csv()
        assert row["model_mb"] > 0 and row["OAw"] > row["overall_accuracy"]
    assert model.card.units == "reflectance"
    text = "\n".join(table_lines(table))
    assert "Optimistic" in text and "forest:course" in text and "OAbu" in text


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    write_patches(tmp_path / "a.h5")
    out, one = tmp_path / "out", plan(tmp_path / "a.h5", "forest")
    first = run_benchmark(one, out)
    done, reused = steps_of(lambda tell: run_benchmark(one, out, observer=tell))
    assert (done, reused) == ([], ["forest course", "forest group"])
    more = plan(tmp_path / "a.h5", "forest", "forest:course")
    done, reused = steps_of(lambda tell: run_benchmark(more, out, observer=tell))
    assert (done, len(reused)) == (["forest:course course", "forest:course group"], 2)
    (out / "group/forest/whole/predictions.csv").unlink()
    done, _ = steps_of(lambda tell: run_benchmark(one, out, observer=tell))
    assert done == ["forest group"]
    write_patches(tmp_path / "a.h5", seed=1)
    done, _ = steps_of(lambda tell: run_benchmark(one, out, observer=tell))
    assert len(done) == 2
    done, _ = steps_of(lambda tell: run_benchmark(one, out, fresh=True, observer=tell))
    assert len(done) == 2 and first["rows"][0]["model"] == "forest"


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_a_killed_benchmark_ends_in_the_same_table(tmp_path: Path) -> None:
    write_patches(tmp_path / "a.h5")
    asked = plan(tmp_path / "a.h5", "forest", "forest:course", split="random", folds=2)

    def killed(name: str, state: str) -> None:
        if (name, state) == ("forest:course random 2", "started"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_benchmark(asked, tmp_path / "a", observer=killed)
    done, reused = steps_of(lambda tell: run_benchmark(asked, tmp_path / "a", observer=tell))
    assert reused == ["forest random 1", "forest random 2", "forest:course random 1"] and len(done) == 5
    straight = run_benchmark(asked, tmp_path / "b")
    again = json.loads((tmp_path / "a/table.json").read_text())
    for mine, theirs in zip(again["rows"], straight["rows"], strict=True):
        assert {k: v for k, v in mine.items() if k not in TIMED} == {k: v for k, v in theirs.items() if k not in TIMED}
    assert [row["test_rows"] for row in straight["rows"]] == [80] * 4  # each row once
    assert straight["splits"]["random"]["folds"] == 2


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_a_trained_model_is_scored_and_not_trained(tmp_path: Path) -> None:
    write_patches(tmp_path / "a.h5")
    run_benchmark(plan(tmp_path / "a.h5", "forest"), tmp_path / "out")
    folder = str(tmp_path / "out/group/forest/whole/model")
    table = run_benchmark(plan(tmp_path / "a.h5", folder, grouped=False), tmp_path / "two")
    (row,) = table["rows"]
    assert row["training_seconds"] is None and row["test_rows"] == 16
    (Path(folder) / "tensorboard").mkdir()
    (Path(folder) / "tensorboard/events").write_bytes(b"a log beside the model does not change it")
    again = plan(tmp_path / "a.h5", folder, grouped=False)
    assert not steps_of(lambda told: run_benchmark(again, tmp_path / "two", observer=told))[0]
    assert " -  " in list(table_lines(table))[-2]


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_another_file_can_be_tested_on(tmp_path: Path) -> None:
    write_patches(tmp_path / "a.h5")
    write_patches(tmp_path / "b.h5", 40, seed=1)
    source = PatchSource(tmp_path / "a.h5")
    asked = plan(tmp_path / "a.h5", "forest", split="file", test=source.beside(tmp_path / "b.h5"))
    (row,) = run_benchmark(asked, tmp_path / "out")["rows"]
    assert (row["training_rows"], row["test_rows"], row["split"]) == (80, 40, "file")


def test_what_cannot_be_compared_is_refused_before_it_begins(tmp_path: Path) -> None:
    write_patches(tmp_path / "a.h5")
    with pytest.raises(InputError, match="model 'forrest'"):
        plan(tmp_path / "a.h5", "forrest")
    with pytest.raises(InputError, match="each once"):
        plan(tmp_path / "a.h5", "forest", "forest")
    with pytest.raises(InputError, match="recipe 'curse'"):
        plan(tmp_path / "a.h5", "forest:curse")
    with pytest.raises(InputError, match="recipe setting 'mixups'"):
        plan(tmp_path / "a.h5", "mlp", settings={"mixups": 1})
    with pytest.raises(InputError, match="other files beside the split 'course'"):
        plan(tmp_path / "a.h5", "forest", valid=PatchSource(tmp_path / "b.h5"))
    with pytest.raises(InputError, match="train and test"):
        run_benchmark(plan(tmp_path / "a.h5", "forest", split="file"), tmp_path / "out")
    with pytest.raises(InputError, match="does not exist"):
        run_benchmark(plan(tmp_path / "nowhere.h5", "forest"), tmp_path / "out")
    assert not any((tmp_path / "out").glob("*/*"))


@pytest.mark.slow
def test_figures_and_report_are_written(tmp_path: Path) -> None:
    write_patches(tmp_path / "a.h5")
    run_benchmark(plan(tmp_path / "a.h5", "forest", "forest:course"), tmp_path / "out")
    for name in ("matrices.png", "matrices-group.png"):
        assert (tmp_path / "out" / name).read_bytes().startswith(b"\x89PNG")
    page = (tmp_path / "out/report.html").read_text(encoding="utf-8")
    assert page.count("data:image/png") == 3 and "forest:course" in page


@pytest.mark.slow
def test_a_network_beside_a_forest(tmp_path: Path) -> None:
    write_patches(tmp_path / "a.h5", 800, groups=20)
    asked = plan(tmp_path / "a.h5", "forest", "mlp", epochs=2, settings={"label_smoothing": "0.2"}, split="random")
    table = run_benchmark(asked, tmp_path / "out")
    mlp = next(row for row in table["rows"] if (row["split"], row["model"]) == ("random", "mlp"))
    assert mlp["epochs"] == 2 and mlp["training_rows"] == 640
    assert list((tmp_path / "out/tensorboard/random/mlp/whole").glob("events*"))
    assert not (tmp_path / "out/tensorboard/random/forest").exists()
    told = read_log(tmp_path / "out/tensorboard/random/mlp/whole").run.Scalars("test/overall accuracy")
    assert [entry.value for entry in told] == [pytest.approx(mlp["overall_accuracy"])]
    card = load_model(tmp_path / "out/random/mlp/whole/model").card
    assert 500 < sum(card.counts.values()) < 600  # some of the training groups validate
    assert card.recipe["label_smoothing"] == 0.2 and "valid_accuracy" in card.history[0]
    assert make_patches(1).legend == card.legend
