"""A scene that does not fit into memory is read by windows, and nothing in the results tells."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from citygrain.lazy import is_lazy
from citygrain.workflows.city import run_report
from citygrain.workflows.city.city_map import run_city_map, run_record
from citygrain.workflows.city.run_data import RunData
from citygrain.workflows.config import RunConfig
from citygrain.workflows.config_file import read_config
from citygrain.workflows.memory import MemoryPlan

RESULTS = ("segments.tif", "samples.h5", "map.tif", "map.tif.aux.xml", "map.qml", "map.clr", "confidence.tif",
           "assessment.json", "confusion.csv")  # fmt: skip


def streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemoryPlan, "holds", lambda *_: False)


def config_of(folder: Path, **changes: object) -> RunConfig:
    return read_config(folder / "a.toml", {}).model_copy(update=changes)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "model"), [("superpixels", "forest"), ("superpixels", "cnn"), ("cells", "forest"), ("pixels", "mlp")]
)
def test_streamed_or_in_memory_the_files_are_the_same(
    finished_runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, model: str
) -> None:
    read = config_of(finished_runs)
    changes = {"units": read.units.model_copy(update={"kind": kind}), "tensorboard": False}
    options = read.model.options if model == "forest" else {}
    learner = read.model.model_copy(update={"name": model, "epochs": 1, "options": options})
    config = read.model_copy(update=changes | {"model": learner})
    run_city_map(config, tmp_path / "whole", until="assess")
    streamed(monkeypatch)
    run_city_map(config, tmp_path / "parts", until="assess")
    there = [name for name in RESULTS if (tmp_path / "whole" / name).exists()]
    assert len(there) == len(RESULTS) - (kind != "superpixels")
    for name in there:
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes(), name


@pytest.mark.slow
def test_worker_processes_make_the_same_files(
    finished_runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = config_of(finished_runs)
    config = read.model_copy(update={"compute": read.compute.model_copy(update={"workers": 2})})
    streamed(monkeypatch)
    run_city_map(config, tmp_path / "parts", until="assess")
    for name in RESULTS:
        assert (finished_runs / "a" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes(), name


@pytest.mark.slow
def test_a_run_goes_on_in_the_other_way(finished_runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(finished_runs / "a", tmp_path / "a")
    streamed(monkeypatch)
    steps = run_city_map(config_of(finished_runs), tmp_path / "a").listed()
    assert all(step["reused"] for step in steps)


@pytest.mark.slow
def test_the_report_of_a_large_scene_shows_a_part_and_counts_all(
    finished_runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run_record(config_of(finished_runs), finished_runs / "a")
    streamed(monkeypatch)
    same = run_record(config_of(finished_runs), finished_runs / "a")
    monkeypatch.setattr(run_report, "MOST_SHOWN", 256 * 256 // 8)
    thin = run_record(config_of(finished_runs), finished_runs / "a")
    names = ("segments", "reference_pixel", "reference_unit", "map_codes", "confidence", "split")
    for name in names:
        np.testing.assert_array_equal(getattr(same, name), getattr(whole, name))
        np.testing.assert_array_equal(getattr(thin, name), getattr(whole, name)[::3, ::3])
    assert thin.step == 3 and thin.whole is not None and thin.whole.shape == (256, 256)
    np.testing.assert_array_equal(thin.whole.counts, np.bincount(whole.map_codes.ravel(), minlength=256))


@pytest.mark.slow
def test_rasters_are_lazy_where_they_must_be(finished_runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from contextlib import nullcontext

    data = RunData(config_of(finished_runs), finished_runs / "a", lambda _: nullcontext())
    assert not data.streams and not is_lazy(data.features)
    streamed(monkeypatch)
    data = RunData(config_of(finished_runs), finished_runs / "a", lambda _: nullcontext())
    assert data.streams and is_lazy(data.features) and is_lazy(data.chosen)
