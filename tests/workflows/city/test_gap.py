"""The leak of a random split: measured with only the split different, written once, shown as long as it is true."""

import json
import shutil
from pathlib import Path

import pytest

from citygrain.errors import InputError
from citygrain.workflows.city.gap import FILE, gap_lines, measure_gap, read_gap
from citygrain.workflows.city.reporting import report_again
from helpers.commands import Command


@pytest.fixture(scope="module")
def run(finished_runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gap") / "a"
    shutil.copytree(finished_runs / "a", folder)
    return folder


@pytest.fixture(scope="module")
def found(run: Path) -> dict:
    ticks: list[tuple[int, int]] = []
    found = measure_gap(run, folds=3, progress=lambda done, total: ticks.append((done, total)))
    assert ticks == [(i, 6) for i in range(1, 7)]
    return found


@pytest.mark.slow
def test_only_the_split_differs(found: dict) -> None:
    assert found["random"].keys() == found["spatial"].keys() == found["leak"].keys()
    for name in ("overall_accuracy", "kappa", "macro_f1"):
        assert found["leak"][name] == pytest.approx(found["random"][name] - found["spatial"][name])
        low, high = found["leak"]["interval_95"][name]
        assert low <= found["leak"][name] <= high
    assert found["by"] == "blocks" and found["block_m"] == 500 and found["dropped"] == 0
    assert found["random_sharing_ground"] > 0.5  # windows of neighbours overlap


@pytest.mark.slow
def test_it_is_kept_and_told(found: dict, run: Path) -> None:
    assert read_gap(run) == found == json.loads((run / FILE).read_text(encoding="utf-8"))
    lines = gap_lines(found)
    assert any(line.startswith("random folds: overall accuracy 0.") for line in lines)
    assert any(line.startswith("the leak, random minus blocks: overall accuracy ") for line in lines)
    report_again(run)
    page = (run / "report.html").read_text(encoding="utf-8")
    assert 'id="gap"' in page and "Folds of whole blocks" in page


@pytest.mark.slow
def test_of_other_samples_it_says_nothing(found: dict, run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "a")
    with (tmp_path / "a/samples.h5").open("ab") as file:
        file.write(b"other")
    assert read_gap(tmp_path / "a") is None
    assert read_gap(tmp_path) is None


@pytest.mark.slow
def test_the_command_says_the_leak(citygrain: Command, finished_runs: Path, tmp_path: Path) -> None:
    shutil.copytree(finished_runs / "a", tmp_path / "a")
    result = citygrain("assess", "--gap", tmp_path / "a", "--folds", 2, "--model", "forest")
    assert result.returncode == 0 and "the leak, random minus blocks" in result.stdout
    result = citygrain("assess", "--gap", tmp_path / "a", "--samples", "patches.h5")
    assert result.returncode == 2 and "--gap RUN" in result.stderr


@pytest.mark.slow
def test_what_cannot_be_measured_is_refused(finished_runs: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no run"):
        measure_gap(tmp_path)
    with pytest.raises(InputError, match="0 repeats"):
        measure_gap(finished_runs / "a", repeats=0)
    with pytest.raises(InputError, match="folds of"):
        measure_gap(finished_runs / "a", folds=400)
