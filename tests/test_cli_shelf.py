"""The shelf on the command line: what there is, and weights of Keras made a model."""

import json
from pathlib import Path

import pytest

from citygrain.models import shelf
from citygrain.models.catalogue import load_model
from citygrain.models.shelf import find_model, published_models
from helpers.commands import Command


@pytest.fixture(autouse=True)
def empty_shelf(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CITYGRAIN_CACHE", str(tmp_path / "cache"))


def test_models_tells_what_a_user_must_know(citygrain: Command, tmp_path: Path) -> None:
    code, said, errors = citygrain("models")
    assert (code, errors) == (0, "")
    for model in published_models().values():
        for word in (model.name, model.licence, model.url, model.sha256, model.level, model.training, model.not_for):
            assert word in said
    assert "overall accuracy 0.6937" in said and "none published" in said
    assert f"{tmp_path / 'cache'}" in said and "fetched when first used" in said


def test_models_as_json(citygrain: Command) -> None:
    rows = json.loads(citygrain("models", "--json")[1])
    assert [row["name"] for row in rows] == list(published_models())
    assert rows[0]["scores"]["kappa"] == 0.6644 and rows[0]["fetched"] is False
    assert rows[0]["features"] == list(published_models()["sen2lcz-mf"].features)


def test_import_and_list(citygrain: Command, data: Path, tmp_path: Path) -> None:
    weights = data / "so2sat/weights"
    code, said, errors = citygrain(
        "import-keras", weights / "sen2lcz_mf_best_32.hdf5", "--network", "sen2lcz", "--out", tmp_path / "all/mine"
    )
    assert (code, errors) == (0, "") and "791,428 parameters, published as sen2lcz-mf, MIT" in said
    assert load_model(tmp_path / "all/mine").card.origin["level"] == "top-of-atmosphere"
    said = citygrain("models", tmp_path / "all")[1]
    assert said.count("caution") == 3  # two of the shelf, and ours, which is one of them
    assert said.count("sha256") == 3 and f"{tmp_path / 'all/mine'}: Sen2LCZ-Net-MF" in said
    row = json.loads(citygrain("models", tmp_path / "all/mine", "--json")[1])[-1]
    assert row["scores"]["overall_accuracy"] == 0.6937 and row["shape"] == [10, 32, 32]


def test_weights_that_nobody_published_are_taken_too(
    citygrain: Command, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelf, "recognise", lambda _: None)
    path = data / "so2sat/weights/s1_resnet20_2019-06-22.h5"
    code, _, errors = citygrain("import-keras", path, "--network", "resnet20", "--out", tmp_path / "m")
    assert code == 2 and "3 x 3 x 7 x 16; wanted: 3 x 3 x 10 x 16; name its network and its bands" in errors
    code, said, _ = citygrain("import-keras", path, "--network", "resnet20", "--sensor", "s1", "--out", tmp_path / "m")
    assert code == 0 and "not a file of the shelf" in said
    assert find_model(tmp_path / "m").features_[0] == "VH_DB"


def test_mistakes_are_one_line_and_exit_code_2(citygrain: Command, tmp_path: Path) -> None:
    (tmp_path / "w.h5").write_bytes(b"no weights")
    (tmp_path / "empty").mkdir()
    cases = {
        "no file": (("import-keras", tmp_path / "none.h5", "--network", "sen2lcz"), "there is no file"),
        "not HDF5": (("import-keras", tmp_path / "w.h5", "--network", "sen2lcz"), "damaged"),
        "no model": (("models", tmp_path / "empty"), "holds no model"),
    }
    for arguments, message in cases.values():
        code, _, errors = citygrain(*arguments)
        assert code == 2 and message in errors and errors.count("\n") == 1 and "Traceback" not in errors
    assert citygrain("import-keras", tmp_path / "w.h5", "--network", "vgg")[0] == 2


def test_help_shows_examples(citygrain: Command) -> None:
    for name in ("models", "import-keras"):
        assert f"Example: citygrain {name}" in citygrain(name, "--help")[1]
