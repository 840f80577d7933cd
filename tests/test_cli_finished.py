"""`citygrain figures` and `citygrain compare`, as a user meets them."""

import json
from pathlib import Path

import pytest

from helpers.commands import Command


@pytest.mark.slow
def test_figures_of_a_run(citygrain: Command, finished_runs: Path, tmp_path: Path) -> None:
    said = citygrain("figures", finished_runs / "a", "--format", "pdf", "--out", tmp_path)
    assert said.returncode == 0, said.stderr
    listed = [Path(line) for line in said.stdout.splitlines()]
    assert tmp_path / "map.pdf" in listed and sorted(listed) == sorted(tmp_path.iterdir())
    assert all(path.read_bytes().startswith(b"%PDF") for path in listed)
    assert b"/Type3" not in (tmp_path / "samples.pdf").read_bytes()


@pytest.mark.slow
def test_two_runs(citygrain: Command, finished_runs: Path, tmp_path: Path) -> None:
    said = citygrain("compare", finished_runs / "a", finished_runs / "b", "--out", tmp_path)
    assert said.returncode == 0, said.stderr
    assert said.stdout.startswith("the maps differ at ") and "Crop -> Vegetation" in said.stdout
    assert said.stdout.splitlines()[-1] == str(tmp_path / "comparison.html")
    plain = citygrain("compare", finished_runs / "a", finished_runs / "b", "--out", tmp_path, "--json")
    assert json.loads(plain.stdout) == json.loads((tmp_path / "comparison.json").read_text(encoding="utf-8"))


@pytest.mark.slow
def test_two_maps(citygrain: Command, finished_runs: Path, tmp_path: Path) -> None:
    maps = [finished_runs / name / "map.tif" for name in ("a", "b")]
    reference = "--reference", finished_runs / "reference.tif"
    said = citygrain("compare", *maps, *reference, "--legend", "urban", "--block", 500, "--out", tmp_path)
    assert said.returncode == 0, said.stderr
    assert "pixels: overall accuracy a/map " in said.stdout
    assert "Nothing is known of how these maps were made" in (tmp_path / "comparison.html").read_text(encoding="utf-8")


MISTAKES = {
    "nothing there": (["none", "a"], "none does not exist"),
    "a run and a map": (["a", "b/map.tif"], "a run and a map file; wanted: two runs or two maps"),
    "no run": (["a", "."], "holds no run"),
    "runs know their classes": (["a", "b", "--legend", "urban"], "--legend with two runs"),
    "codes without names": (["a/map.tif", "b/map.tif"], "classes"),
    "other grid": (["a/map.tif", "small.tif", "--legend", "urban"], "wanted: the same grid"),
}


@pytest.mark.slow
@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_mistake_is_one_line(
    citygrain: Command, finished_runs: Path, tmp_path: Path, mistake: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from citygrain.scene.codes import read_codes
    from citygrain.scene.write import write_cog

    codes = read_codes(finished_runs / "a/map.tif")
    write_cog(finished_runs / "small.tif", codes.values[:50], codes.odc.geobox[:50], nodata=0)
    monkeypatch.chdir(finished_runs)
    arguments, message = MISTAKES[mistake]
    said = citygrain("compare", *arguments, "--out", tmp_path / "out")
    assert said.returncode == 2 and message in said.stderr, said.stderr
    assert said.stderr.count("citygrain: ") == 1 and "Traceback" not in said.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("size", ["inf", "nan", "-inf", "0"])
def test_no_size_of_a_block(citygrain: Command, tmp_path: Path, size: str) -> None:
    (tmp_path / "a.tif").touch()
    said = citygrain("compare", tmp_path / "a.tif", tmp_path / "a.tif", "--block", size, "--classes", "1=A")
    assert said.returncode == 2 and said.stdout == ""
    assert said.stderr.splitlines()[-1].startswith("Error: Invalid value for '--block'")
