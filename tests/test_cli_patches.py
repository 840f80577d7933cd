"""Patches on the command line: look, benchmark, train and assess, and one line for every mistake."""

import json
from pathlib import Path

import numpy as np
import pytest

from citygrain.models import forest
from citygrain.samples.store import write_samples
from helpers.commands import Command
from helpers.patch_worlds import make_patches, write_patches
from helpers.so2sat_files import write_geo, write_so2sat


@pytest.fixture(autouse=True)
def small_and_offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Forests of few trees, and an empty shelf."""
    monkeypatch.setattr(forest, "_TREES", {"course": 5, "default": 8})
    monkeypatch.setenv("CITYGRAIN_CACHE", str(tmp_path / "cache"))


def test_look_at_patches(citygrain: Command, tmp_path: Path) -> None:
    write_patches(tmp_path / "a.h5", 40)
    code, said, errors = citygrain("look", tmp_path / "a.h5", "--out", tmp_path / "look.png", "--per-class", 2)
    assert (code, errors) == (0, "")
    assert "40 patches of 4 x 6 x 6, reflectance, legend lcz" in said and "8 groups" in said and "missing 0.0 %" in said
    assert (tmp_path / "look.png").is_file()
    code, said, _ = citygrain("look", tmp_path / "a.h5", "--rgb", "B08,B04,B03", "--out", tmp_path / "b.png", "--json")
    assert code == 0 and json.loads(said)["classes"]["Compact midrise"] == 10


def test_train_and_assess_a_model(citygrain: Command, tmp_path: Path) -> None:
    write_so2sat(tmp_path / "a.h5", 68)
    write_so2sat(tmp_path / "b.h5", 34, seed=1)
    model = tmp_path / "model"
    code, said, errors = citygrain("train", tmp_path / "a.h5", "--valid", tmp_path / "b.h5", "--model", "forest",
                                   "--sensors", "s1,s2", "--out", model)  # fmt: skip
    assert (code, errors) == (0, "") and "68 samples" in said
    code, said, _ = citygrain("assess", "--model", model, "--samples", tmp_path / "b.h5", "--by-group",
                              "--out", tmp_path / "as", "--format", "svg")  # fmt: skip
    assert code == 0 and "no groups" in said and "OAbu" in said and "[95 % interval], drawn from rows" in said
    figures = json.loads((tmp_path / "as/assessment.json").read_text())
    code, said, _ = citygrain("assess", "--model", model, "--samples", tmp_path / "b.h5", "--json")
    assert json.loads(said) == figures and figures["confusion"]["rows"] == "map"
    assert (tmp_path / "as/confusion.svg").is_file() and (tmp_path / "as/confusion.csv").is_file()


@pytest.mark.slow
def test_benchmark_prints_its_table(citygrain: Command, tmp_path: Path) -> None:
    write_patches(tmp_path / "a.h5")
    arguments = ("benchmark", tmp_path / "a.h5", "--models", "forest", "--split", "random", "--out", tmp_path / "out")
    code, said, errors = citygrain(*arguments)
    assert (code, errors) == (0, "") and "split random" in said and "split group" in said and "Optimistic" in said
    code, said, _ = citygrain(*arguments, "--json", "--format", "pdf")
    assert json.loads(said) == json.loads((tmp_path / "out/table.json").read_text())
    assert (tmp_path / "out/matrices.pdf").read_bytes().startswith(b"%PDF")


def test_a_mistake_is_one_line(citygrain: Command, tmp_path: Path) -> None:
    samples = write_patches(tmp_path / "a.h5")
    write_samples(tmp_path / "b.h5", make_patches(20).select(("B02", "B03")))
    np.save(tmp_path / "x.npy", samples.x)
    citygrain("train", tmp_path / "a.h5", "--model", "forest", "--out", tmp_path / "m")
    mistakes = (
        (("assess",), "what to assess is not clear"),
        (("assess", "map.tif"), "what to assess is not clear"),
        (("assess", "map.tif", "--reference", "r.tif", "--model", "m", "--samples", "s.h5"), "not clear"),
        (("assess", "--model", tmp_path / "m", "--samples", tmp_path / "b.h5"), "missing B04, B08"),
        (("assess", "--model", tmp_path / "m", "--samples", tmp_path / "a.h5", "--split", "test"), "part 'test'"),
        (("assess", "--model", "nobodys", "--samples", tmp_path / "a.h5"), "model 'nobodys'"),
        (("benchmark", tmp_path / "a.h5", "--models", "forrest"), "model 'forrest'"),
        (("benchmark", tmp_path / "a.h5", "--models", "forest", "--split", "file"), "train and test"),
        (("benchmark", tmp_path / "a.h5", "--models", "forest", "--folds", 3), "3 folds of the course split"),
        (("train", tmp_path / "a.h5", "--sensors", "s1", "--model", "forest"), "not So2Sat"),
        (("train", tmp_path / "nowhere.h5"), "does not exist"),
        (("look", tmp_path / "nowhere.h5"), "does not exist"),
    )
    for arguments, told in mistakes:
        code, _, errors = citygrain(*arguments, *(() if arguments[0] == "assess" else ("--out", tmp_path / "out.png")))
        assert code == 2 and told in errors and len(errors.strip().splitlines()) == 1, (arguments, errors)


def test_cities_are_named_by_their_file(citygrain: Command, tmp_path: Path) -> None:
    write_so2sat(tmp_path / "a.h5", 68, sen1=False)
    cities = write_geo(tmp_path / "a_geo.h5", 68)
    citygrain("train", tmp_path / "a.h5", "--model", "forest", "--out", tmp_path / "m")
    code, said, _ = citygrain("assess", "--model", tmp_path / "m", "--samples", tmp_path / "a.h5", "--by-group")
    assert code == 0 and "drawn from 4 groups" in said
    for city in set(cities):
        assert f"{city}: {cities.count(city)} rows, overall accuracy" in said


def test_a_refused_training_leaves_nothing(citygrain: Command, tmp_path: Path) -> None:
    write_patches(tmp_path / "a.h5", 40)
    bands = ("--model", "cnn", "--projector-bands", "B04,<b>,B02")
    code, _, errors = citygrain("train", tmp_path / "a.h5", "--out", tmp_path / "model", *bands)
    assert code == 2 and "<b>" in errors and len(errors.splitlines()) == 1
    assert not (tmp_path / "model").exists()
