"""The card says everything, strictly, and holds no code."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citygrain.errors import InputError, ModelMismatchError
from citygrain.legend import URBAN
from citygrain.models.card import CARD, ModelCard, read_card

NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=8)


def card() -> ModelCard:
    return ModelCard(
        kind="cnn",
        network="segment-net",
        recipe={"name": "default", "rate": 0.1},
        parameters=7,
        features=("B02", "Größe <ä>"),
        input_shape=(2, 25, 25),
        units="reflectance",
        normalisation={"mean": [0.1, 0.0], "std": [1.0, 2.5]},
        legend=URBAN,
        counts={"Urban": 3, "Crop": 0, "Vegetation": 1, "Water": 1},
        seed=3,
        preparation={"window": 25, "tessellation": "segments"},
        history=[{"epoch": 1.0, "train_loss": 0.5}],
    )


def same(one: ModelCard, other: ModelCard) -> bool:
    return one.to_json() == other.to_json() and (one.features, one.legend) == (other.features, other.legend)


def test_card_comes_back() -> None:
    again = ModelCard.from_json(card().to_json())
    assert same(again, card())
    assert again.present == (0, 2, 3)
    assert again.preparation == {"window": 25, "tessellation": "segments"}


@given(features=st.lists(NAMES, min_size=1, max_size=5, unique=True), seed=st.integers(0, 2**62), units=NAMES)
def test_any_card_comes_back(features: list[str], seed: int, units: str) -> None:
    drawn = replace(card(), features=tuple(features), input_shape=(len(features),), seed=seed, units=units)
    assert same(ModelCard.from_json(drawn.to_json()), drawn)


def without(key: str) -> str:
    values = json.loads(card().to_json())
    del values[key]
    return json.dumps(values)


def changed(key: str, value: object) -> str:
    return json.dumps(json.loads(card().to_json()) | {key: value})


def test_a_card_from_before_imported_weights_is_read() -> None:
    assert same(ModelCard.from_json(without("origin")), card())
    told = replace(card(), origin={"level": "top-of-atmosphere", "scores": {"kappa": 0.66}})
    assert ModelCard.from_json(told.to_json()).origin == told.origin


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("[]", "no model card"),
        ("{}", "no model card"),
        (changed("citygrain_model", 99), "no model card"),
        (without("normalisation"), "without normalisation"),
        (changed("pickle", "x"), "unknown pickle"),
        (changed("features", "B02"), "whose features is 'B02'"),
        (changed("features", ["B02"]), "do not fit"),
        (changed("input_shape", ["a"]), "broken legend or shape"),
        (
            changed("legend", {"scheme": "x", "classes": [{"code": 0, "name": "a", "color": "#000000"}]}),
            "broken legend",
        ),
        (changed("counts", {"Urban": 1}), "do not fit"),
        (changed("seed", "1"), "whose seed is '1'"),
    ],
)
def test_a_card_that_is_not_ours_is_refused_in_one_line(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        ModelCard.from_json(text)
    assert "\n" not in str(caught.value)


def test_a_folder_without_a_card_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no model"):
        read_card(tmp_path / "nowhere")
    (tmp_path / CARD).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot be read"):
        read_card(tmp_path)


def test_check_names_both_sides() -> None:
    card().check(("B02", "Größe <ä>"), "reflectance", (2, 25, 25))
    with pytest.raises(ModelMismatchError, match=r"2 x 9 x 9; wanted: 2 x 25 x 25"):
        card().check(card().features, "reflectance", (2, 9, 9))
    with pytest.raises(ModelMismatchError, match=r"features none; wanted: B02"):
        card().check((), "reflectance")
    with pytest.raises(ModelMismatchError, match=r"'unknown'.*'reflectance'"):
        card().check(card().features, "")


@pytest.mark.parametrize(
    ("trained", "scene", "fits"),
    [
        ("L2A", "L2A", True),
        ("L2A", "SR", True),
        ("L2A", "L1C", False),
        ("L1C", "L2A", False),
        ("TOA", "L1C", True),
        ("SR", "TOA", False),
        ("", "L1C", True),
        ("L2A", "", True),
        ("GRD", "L1C", True),
    ],
)
def test_a_model_of_the_surface_refuses_the_top_of_the_atmosphere(trained: str, scene: str, fits: bool) -> None:
    one = replace(card(), preparation={"level": trained} if trained else {})
    assert one.level == trained
    if fits:
        one.check(one.features, one.units, level=scene)
    else:
        with pytest.raises(
            ModelMismatchError, match=rf"a scene of {scene}, .*wanted: {trained}, .*the {trained} product"
        ):
            one.check(one.features, one.units, level=scene)


def test_a_card_from_before_levels_were_kept_fits_any() -> None:
    old = ModelCard.from_json(card().to_json())
    assert "level" not in old.preparation
    old.check(old.features, old.units, level="L1C")
