"""LCZ codes between schemes: what can be converted back is, and what a scheme does not have is refused."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from citygrain.errors import InputError
from citygrain.lcz import LCZ_SCHEMES, lcz_code, lcz_no_data, recode_lcz
from citygrain.legend import LCZ, LandClass

CODES = st.lists(st.integers(0, 17), max_size=40)
LOSSLESS = ["wudapt", "so2sat", "geoclimate", "letters"]


@given(CODES, st.sampled_from(LOSSLESS), st.sampled_from(LOSSLESS))
def test_there_and_back_is_where_it_was(codes: list[int], one: str, other: str) -> None:
    first = recode_lcz(codes, to=one)
    there = recode_lcz(first, source=one, to=other)
    np.testing.assert_array_equal(recode_lcz(there, source=other, to="wudapt"), codes)
    np.testing.assert_array_equal(there, recode_lcz(codes, to=other))  # by way of another scheme or straight


@given(CODES, st.sampled_from([("wrf31", 30), ("wrf51", 50)]))
def test_wrf_keeps_built_types_and_paved_ground(codes: list[int], scheme: tuple[str, int]) -> None:
    name, added = scheme
    there = recode_lcz(codes, to=name)
    wanted = [code + added if 1 <= code <= 10 else 11 + added if code == 15 else 0 for code in codes]
    np.testing.assert_array_equal(there, wanted)
    kept = [code if code <= 10 or code == 15 else 0 for code in codes]
    np.testing.assert_array_equal(recode_lcz(there, source=name, to="wudapt"), kept)


@pytest.mark.parametrize("scheme", LCZ_SCHEMES)
def test_codes_of_another_scheme_are_refused(scheme: str) -> None:
    own = {*LCZ_SCHEMES[scheme].values(), lcz_no_data(scheme)}
    for code in set(range(-1, 256)) - own:
        with pytest.raises(InputError, match=rf"{code} in codes of scheme '{scheme}'; wanted: .*; name the scheme"):
            recode_lcz([code], source=scheme, to="wudapt")


def test_schemes_and_letters_are_checked() -> None:
    with pytest.raises(InputError, match="LCZ scheme 'wrf'; wanted: one of wudapt, so2sat"):
        recode_lcz([1], to="wrf")
    with pytest.raises(InputError, match="H, ROI in codes of scheme 'letters'"):
        recode_lcz(["A", "ROI", "h"], source="letters", to="wudapt")
    with pytest.raises(InputError, match="nan in codes"):
        recode_lcz([np.nan], to="so2sat")
    assert recode_lcz(np.zeros((0, 3), int), to="wrf51").shape == (0, 3)


@given(
    st.sampled_from(list(LCZ)),
    st.sampled_from(["{n}", "{n}.0", "LCZ {n}", "lcz{n}", "LCZ-{l}", "{l}", "{name}", "{n} {name}", "LCZ {l}: {name}"]),
    st.sampled_from([str.lower, str.upper, str.title]),
    st.sampled_from(["-", " ", ""]),
)
def test_a_class_is_known_however_it_is_written(
    c: LandClass, form: str, case: Callable[[str], str], hyphen: str
) -> None:
    letter = str(c.code) if c.code <= 10 else "ABCDEFG"[c.code - 11]
    text = form.format(n=c.code, l=letter, name=c.name.replace("-", hyphen))
    assert lcz_code(case(text)) == c.code


@given(st.text(max_size=12))
def test_any_text_is_a_class_or_none(text: str) -> None:
    assert lcz_code(text) in {None, *range(1, 18)}


@pytest.mark.parametrize(
    ("name", "code"),
    [("Bush or scrub", 13), ("101", 11), (107.0, 17), ("B 12", 12), ("5_3", 5), ("Bare soil or sand", 16), ("07", 7)],
)
def test_other_spellings(name: object, code: int) -> None:
    assert lcz_code(name) == code


@pytest.mark.parametrize(
    "name", ["ROI", "0", "18", "2.5", "nan", "inf", "108", "e-mail", "5 water", "Untitled Polygon"]
)
def test_what_is_no_class(name: str) -> None:
    assert lcz_code(name) is None


@pytest.mark.parametrize(("color", "code"), [("#8c0000", 1), ("#656BFA", 17), ("#6d67fd", 17), ("#ff0001", None)])
def test_colours_of_three_palettes(color: str, code: int | None) -> None:
    assert lcz_code(color) == code
