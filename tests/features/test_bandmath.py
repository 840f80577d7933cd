"""Formulas: evaluated as Python would evaluate them, and nothing but formulas."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citygrain.errors import InputError
from citygrain.features.bandmath import parse_formula

ATTACKS = [
    "__import__('os').system('true')",
    "().__class__.__bases__[0].__subclasses__()",
    "nir.__class__",
    "nir.data",
    "nir[0]",
    "nir[:]",
    "(lambda: nir)()",
    "lambda: nir",
    "[nir for nir in red]",
    "{nir for nir in red}",
    "{nir: red}",
    "(nir for nir in red)",
    "[nir]",
    "(nir, red)",
    "f'{nir}'",
    "'nir'",
    "b'nir'",
    "(x := nir)",
    "nir if red else blue",
    "nir and red",
    "not nir",
    "~nir",
    "nir == red",
    "nir < red < blue",
    "nir @ red",
    "nir // red",
    "nir % red",
    "nir << 2",
    "nir | red",
    "nir & red",
    "await nir",
    "yield nir",
    "*nir",
    "print(nir)",
    "eval(nir)",
    "open(nir)",
    "getattr(nir, red)",
    "sqrt(nir)(red)",
    "sqrt(x=nir)",
    "sqrt(*nir)",
    "sqrt(nir, red)",
    "max(nir)",
    "nir; red",
    "nir = red",
    "import os",
    "nir\nred",
    "nir # comment\n",
    "nir\x00",
    "\x00",
    "ｎｉｒ",
    "nir\u202e",
    "...",
    "None",
    "True",
    "nir + 1j",
    "nir + 1e400",
    "nir + " + "9" * 400,
    "nir ** 9 ** 9 ** 9",
    "9**9**9",
    "nir ** 1000",
    "nir ** -1000",
    "nir ** (1000 - red)",
    "nir ** (red ** 9)",
    "(" * 60 + "nir" + ")" * 60 + "+" + "-" * 60 + "nir",
    "-" * 60 + "nir",
    "+".join(["nir"] * 100),
    "nir+" * 2000 + "nir",
    "",
    "   ",
    "1 + 1",
    "nir +",
    "(nir",
    "nir)",
    "2nir",
    "nir red",
]


@pytest.mark.parametrize("text", ATTACKS)
def test_anything_but_a_formula_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_formula(text)
    assert "\n" not in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=80))
def test_no_text_does_anything_but_parse_or_be_refused(text: str) -> None:
    try:
        formula = parse_formula(text)
    except InputError:
        return
    values = {name: np.full(3, 0.25, np.float32) for name in formula.names}
    assert formula.evaluate(values).shape == (3,)


NUMBERS = st.floats(0.125, 8, width=32).map(lambda value: f"{value:.4f}")
TERMS = st.recursive(
    st.sampled_from(["a", "b", "b_2"]) | NUMBERS,
    lambda inner: (
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/"]), inner).map(lambda t: f"({t[0]}{t[1]}{t[2]})")
        | inner.map(lambda t: f"(-{t})")
        | inner.map(lambda t: f"({t})**2")
        | st.tuples(st.sampled_from(["sqrt", "log", "exp", "abs"]), inner).map(lambda t: f"{t[0]}({t[1]})")
        | st.tuples(st.sampled_from(["min", "max"]), inner, inner).map(lambda t: f"{t[0]}({t[1]},{t[2]})")
    ),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(TERMS, st.integers(0, 999))
def test_value_is_numpys_in_float32(text: str, seed: int) -> None:
    text = f"a*1.0+{text}"
    values = {name: np.random.default_rng(seed).random(16, np.float32) + 0.1 for name in ("a", "b", "b_2")}
    try:
        formula = parse_formula(text)
    except InputError as error:
        assert "deep" in str(error) or "characters" in str(error) or "exponent" in str(error)
        return
    known = {"sqrt": np.sqrt, "log": np.log, "exp": np.exp, "abs": np.abs, "min": np.minimum, "max": np.maximum}
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            expected = np.asarray(eval(text, {"__builtins__": {}}, {**known, **values}), np.float64)  # noqa: S307
        except (ZeroDivisionError, OverflowError):
            return  # Python's own numbers raise where float32 gives infinity
    result = formula.evaluate(values)
    assert result.dtype == np.float32
    assert np.isfinite(result[~np.isnan(result)]).all()
    both = np.isfinite(expected) & np.isfinite(result)
    # Differences of nearly equal numbers lose digits: only magnitudes can be compared after a subtraction.
    if not set("-") & set(text) and "log" not in text:
        np.testing.assert_allclose(result[both], expected[both], rtol=1e-3)


def test_precedence_and_signs() -> None:
    values = {"a": np.float32(2.0), "b": np.float32(3.0)}
    for text, expected in {
        "a+b*2": 8,
        "(a+b)*2": 10,
        "-a**2": -4,
        "a**-1": 0.5,
        "a-b-1": -2,
        "a/b/2": 2 / 6,
        "+a": 2,
        "max(a,b)-min(a,b)": 1,
        "sqrt(abs(a-b))": 1,
        "log(exp(a))": 2,
        "a**0.5": 2**0.5,
    }.items():
        assert float(parse_formula(text).evaluate(values)) == pytest.approx(expected, rel=1e-6), text


def test_names_come_in_order_of_appearance() -> None:
    assert parse_formula(" sqrt(c)+a-b+a ").names == ("c", "a", "b")


def test_not_finite_is_nan_without_a_warning() -> None:
    values = {"a": np.array([0, 1, -1, np.inf, 1e30], np.float32)}
    for text in ("1/a", "log(a)", "sqrt(a)", "exp(a*a)", "0*a/a", "a**10"):
        result = parse_formula(text).evaluate(values)
        assert not np.isinf(result).any()
    np.testing.assert_array_equal(np.isnan(parse_formula("a/a").evaluate(values)), [True, False, False, True, False])
