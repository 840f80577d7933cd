"""`citygrain review` and `citygrain suggest`, as a user meets them."""

import json
from pathlib import Path

import pytest

from helpers.commands import Command


@pytest.mark.slow
def test_review_of_a_run(citygrain: Command, finished_runs: Path, tmp_path: Path) -> None:
    said = citygrain("review", finished_runs / "a", "--out", tmp_path, "-n", 3)
    assert said.returncode == 0, said.stderr
    lines = said.stdout.splitlines()
    assert "labelled superpixels are doubted" in lines[0] and lines[1].lstrip().startswith("1  ")
    written = [Path(line) for line in lines if line.startswith(str(tmp_path))]
    assert sorted(written) == sorted(tmp_path.iterdir())
    plain = json.loads(citygrain("review", finished_runs / "a", "--out", tmp_path, "-n", 3, "--json").stdout)
    assert len(plain["suspicious"]) == 3 <= plain["suspects"] and plain["files"] == [str(path) for path in written]


@pytest.mark.slow
def test_review_of_a_configuration_before_any_run(citygrain: Command, finished_runs: Path, tmp_path: Path) -> None:
    said = citygrain("review", finished_runs / "a.toml", "--out", tmp_path, "--json")
    assert said.returncode == 0, said.stderr
    run = citygrain("review", finished_runs / "a", "--out", tmp_path / "run", "--json")
    assert json.loads(said.stdout)["suspicious"] == json.loads(run.stdout)["suspicious"]


@pytest.mark.slow
def test_suggest(citygrain: Command, finished_runs: Path, tmp_path: Path) -> None:
    said = citygrain("suggest", finished_runs / "a", "-n", 6, "--all", "--out", tmp_path / "next.gpkg")
    assert said.returncode == 0, said.stderr
    assert said.stdout.startswith("6 superpixels to label, of all superpixels, labelled or not, at least ")
    assert {path.suffix for path in tmp_path.iterdir()} == {".gpkg", ".kml", ".json", ".png"}
    again = citygrain("suggest", finished_runs / "a", "-n", 6, "--all", "--out", tmp_path / "next.gpkg", "--json")
    assert [row["rank"] for row in json.loads(again.stdout)["suggested"]] == [1, 2, 3, 4, 5, 6]


MISTAKES = {
    "nothing there": (["review", "none"], "none does not exist; wanted: a run's folder"),
    "no run": (["review", "."], "holds no run"),
    "a map": (["suggest", "a/map.tif"], "is no run; wanted: a run's folder"),
    "all labelled": (["suggest", "a"], "has a label; wanted: some without"),
    "no such configuration": (["review", "none.toml"], "cannot be read"),
    "another ending": (["suggest", "a", "--all", "-n", "1", "--out", "next.shp"], "wanted: a file that ends in .gpkg"),
}


@pytest.mark.slow
@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_mistake_is_one_line(
    citygrain: Command, finished_runs: Path, mistake: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(finished_runs)
    words, expected = MISTAKES[mistake]
    said = citygrain(*words)
    assert said.returncode == 2 and expected in said.stderr
    assert said.stderr.startswith("citygrain: ") and len(said.stderr.splitlines()) == 1
