"""What is kept with a model: a saved temperature is used, the map stays as it was, and damage is answered."""

import functools
import json
from pathlib import Path

import numpy as np
import pytest

from citygrain.errors import InputError
from citygrain.models.card import CARD, read_card
from citygrain.models.catalogue import load_model, make_model
from citygrain.models.classifier import Classifier, Embedder
from citygrain.models.trust import APPLICABILITY, read_applicability, write_trust
from citygrain.tempering import temper
from helpers.worlds import toy_patches, toy_rows


@functools.cache
def forest() -> Classifier:
    model = make_model("forest", threads=1)
    model.trees = 12  # type: ignore[attr-defined]
    return model.fit(toy_rows())


@functools.cache
def network() -> Classifier:
    return make_model("cnn", epochs=1, threads=1).fit(toy_patches())


@pytest.mark.parametrize(("make", "rows"), [(forest, toy_rows), (network, toy_patches)])
def test_a_saved_temperature_is_used_and_changes_no_class(make, rows, tmp_path: Path) -> None:
    model, test = make(), rows(200, seed=4)
    model.save(tmp_path)
    before = model.predict_proba(test.x)
    write_trust(tmp_path, {"temperature": {"value": 1.7, "rows": 300, "blocks": 4, "reason": ""}})
    again = load_model(tmp_path)
    assert np.array_equal(again.predict_proba(test.x), temper(before, 1.7))
    assert np.array_equal(again.predict(test.x), model.predict(test.x))
    assert not np.array_equal(again.predict_proba(test.x), before)
    again.save(tmp_path / "copy")
    assert np.array_equal(load_model(tmp_path / "copy").predict_proba(test.x), again.predict_proba(test.x))


@pytest.mark.parametrize(("make", "rows"), [(forest, toy_rows), (network, toy_patches)])
def test_what_a_model_decides_on_is_the_same_after_saving_and_in_any_slices(make, rows, tmp_path: Path) -> None:
    model, test = make(), rows(300, seed=4)
    assert isinstance(model, Embedder)
    seen = model.embed(test.x)
    assert seen.shape == (300, len(model.importance_))
    assert seen.dtype == np.float32
    model.save(tmp_path)
    assert np.array_equal(load_model(tmp_path).embed(test.x), seen)  # type: ignore[attr-defined]
    assert np.allclose(np.concatenate([model.embed(test.x[:128]), model.embed(test.x[128:])]), seen, atol=1e-5)
    assert model.embed(test.x[:0]).shape == (0, seen.shape[1])


def test_a_networks_last_layer_makes_its_answer_of_it() -> None:
    from citygrain.models.penultimate import last_linear

    model, test = network(), toy_patches(20, seed=4)
    layer = last_linear(model.module_)  # type: ignore[attr-defined]
    logits = model.embed(test.x) @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()  # type: ignore[attr-defined]
    learned = model.predict_proba(test.x)[:, list(model.card.present)]
    assert np.array_equal(logits.argmax(1), learned.argmax(1))


def test_arrays_come_back_and_a_changed_file_is_refused(tmp_path: Path) -> None:
    forest().save(tmp_path)
    assert read_applicability(tmp_path) is None
    write_trust(tmp_path, {}, {"rows": np.eye(3, dtype=np.float32)})
    found = read_applicability(tmp_path)
    assert found is not None and np.array_equal(found["rows"], np.eye(3))
    (tmp_path / APPLICABILITY).write_bytes(b"other")
    with pytest.raises(InputError, match="not the file"):
        read_applicability(tmp_path)
    (tmp_path / APPLICABILITY).unlink()
    with pytest.raises(InputError, match="cannot be read"):
        read_applicability(tmp_path)
    write_trust(tmp_path, {})
    assert read_applicability(tmp_path) is None


@pytest.mark.parametrize("value", [0, -1, 1000, "2", None])
def test_a_card_with_another_temperature_is_refused(tmp_path: Path, value: object) -> None:
    forest().save(tmp_path)
    content = json.loads((tmp_path / CARD).read_text(encoding="utf-8"))
    content["trust"] = {"temperature": {"value": value}}
    (tmp_path / CARD).write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(InputError, match="temperature"):
        read_card(tmp_path)


def test_an_older_card_has_no_temperature(tmp_path: Path) -> None:
    forest().save(tmp_path)
    content = json.loads((tmp_path / CARD).read_text(encoding="utf-8"))
    del content["trust"]
    (tmp_path / CARD).write_text(json.dumps(content), encoding="utf-8")
    assert read_card(tmp_path).temperature == 1
