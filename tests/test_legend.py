import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from citygrain.errors import InputError
from citygrain.legend import (
    CORINE,
    DYNAMIC_WORLD,
    ESRI_LULC,
    FROM_GLC10,
    LCZ,
    URBAN,
    URBAN_ATLAS,
    WORLDCOVER,
    LandClass,
    Legend,
    ready_legends,
)


@pytest.mark.parametrize("legend", ready_legends().values(), ids=list(ready_legends()))
def test_codes_and_columns_are_inverse(legend: Legend) -> None:
    columns = np.arange(-1, len(legend))
    assert legend.columns(legend.codes(columns)).tolist() == columns.tolist()


@given(st.dictionaries(st.integers(1, 255), st.text(min_size=1), min_size=1, max_size=30))
def test_written_legend_is_read_legend(names: dict[int, str]) -> None:
    unique = dict(zip(names, {f"{n}{i}" for i, n in enumerate(names.values())}, strict=True))
    legend = Legend.from_names(unique)
    assert Legend.from_list(legend.scheme, legend.to_list()) == legend


def test_published_colours() -> None:
    assert (LCZ.color_of(1), LCZ.color_of(15), LCZ.name_of(13)) == ("#8c0000", "#000000", "Bush, scrub")
    assert (WORLDCOVER.color_of(50), WORLDCOVER.code_of("Mangroves")) == ("#fa0000", 95)
    assert (FROM_GLC10.color_of(80), FROM_GLC10.code_of("Impervious")) == ("#c500ff", 80)


def test_the_same_number_means_another_class_elsewhere() -> None:
    assert WORLDCOVER.name_of(10) != FROM_GLC10.name_of(10)


@pytest.mark.parametrize("codes", [[5], [-1], [300]])
def test_strange_codes_are_named(codes: list[int]) -> None:
    with pytest.raises(InputError, match=str(codes[0])):
        URBAN.columns(np.array(codes))


def test_merge_takes_each_class_once() -> None:
    with pytest.raises(InputError, match="two groups"):
        WORLDCOVER.merge({"A": ["Built-up"], "B": ["Built-up"]})


@pytest.mark.parametrize("bad", [(0, "#000000"), (256, "#000000"), (1, "black"), (1, "#00000g")])
def test_impossible_classes_are_refused(bad: tuple[int, str]) -> None:
    with pytest.raises(InputError):
        LandClass(bad[0], "x", bad[1])


def test_twice_the_same_code_or_name_is_refused() -> None:
    with pytest.raises(InputError, match="twice"):
        Legend("x", (LandClass(1, "a", "#000000"), LandClass(1, "b", "#000000")))
    with pytest.raises(InputError, match="twice"):
        Legend("x", (LandClass(1, "a", "#000000"), LandClass(2, "a", "#000000")))


def test_the_codes_of_the_products() -> None:
    assert [c.in_files for c in DYNAMIC_WORLD] == [(str(code),) for code in range(9)]
    assert ESRI_LULC.values.tolist() == [1, 2, 4, 5, 7, 8, 9, 10, 11]
    assert [c.in_files[0] for c in CORINE] == [str(code) for code in range(1, 45)]
    assert CORINE.classes[43].in_files == ("44", "523")
    assert len(URBAN_ATLAS) == 27
    assert URBAN_ATLAS.classes[0].in_files == ("11100",)
    assert (DYNAMIC_WORLD.color_of(1), CORINE.color_of(1), URBAN_ATLAS.color_of(1)) == ("#419bdf", "#e6004d", "#800000")


@pytest.mark.parametrize("legend", ready_legends().values(), ids=list(ready_legends()))
def test_no_value_of_a_file_means_two_classes(legend: Legend) -> None:
    values = [value for c in legend for value in c.in_files]
    assert len(set(values)) == len(values)


def test_what_files_hold_is_no_part_of_a_class() -> None:
    assert Legend.from_list("corine", CORINE.to_list()) == CORINE
