from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from citygrain.errors import InputError
from citygrain.scene.radiometry import (
    Claim,
    Radiometry,
    baseline_claim,
    baseline_in,
    date_claim,
    reflectance,
    settle,
)

NEW, OLD = Claim("processing baseline 05.09", -1000.0), Claim("processing baseline 02.14", 0.0)
offsets = st.sampled_from([0.0, -1000.0, None])


@pytest.mark.parametrize(
    ("baseline", "offset"),
    [("02.14", 0), ("03.01", 0), ("04.00", -1000), ("05.11", -1000), ("5.9", -1000), (" 04.00 ", -1000)],
)
def test_the_baseline_says_what_was_added(baseline: str, offset: float) -> None:
    claim = baseline_claim(baseline)
    assert claim is not None and claim.offset == offset


@pytest.mark.parametrize("baseline", [None, "", "99.99", "unknown", "4", "n/a", "04.00.01"])
def test_a_baseline_that_cannot_be_read_says_nothing(baseline: str | None) -> None:
    assert baseline_claim(baseline) is None


@given(st.integers(0, 98), st.integers(0, 99))
def test_the_name_of_a_product_holds_its_baseline(major: int, minor: int) -> None:
    name = f"S2A_MSIL1C_20180101T101411_N{major:02}{minor:02}_R022_T33UUU_20180101T121411"
    assert baseline_in(name) == f"{major:02}.{minor:02}"


def test_other_names_hold_none() -> None:
    assert baseline_in("S2B_33UXP_20250302_0_L2A") is None and baseline_in("GRAIN1234") is None


def test_an_early_date_says_nothing_since_images_are_processed_again() -> None:
    assert date_claim(datetime(2022, 1, 24, 23, 59, tzinfo=UTC)) is None
    assert date_claim(datetime(2022, 1, 25)) == Claim("taken on 2022-01-25", -1000.0)


@given(offsets, offsets)
def test_both_witnesses_are_recorded_and_contradictions_refused(said: float | None, seen: float | None) -> None:
    claims = [] if said is None else [Claim("the flag", said)]
    if said is None and seen is None:
        with pytest.raises(InputError, match=r"neither .* --offset"):
            settle("image", claims, (seen, "words"), level="L2A")
    elif said is not None and seen is not None and said != seen:
        with pytest.raises(
            InputError, match=rf"image: .*{said:g} \(the flag\).*{seen:g} \(words\).*--offset"
        ) as caught:
            settle("image", claims, (seen, "words"), level="L2A")
        assert "\n" not in str(caught.value)
    else:
        made = settle("image", claims, (seen, "words"), level="L2A")
        assert made.offset == (seen if said is None else said)
        assert (made.by_metadata, made.by_data, made.level) == (said, seen, "L2A")
        assert len(made.evidence) == 2


@given(offsets, offsets, st.sampled_from([0.0, -1000.0]))
def test_the_user_has_the_last_word_and_it_is_recorded(said: float | None, seen: float | None, override: float) -> None:
    claims = [] if said is None else [Claim("the flag", said)]
    made = settle("image", claims, (seen, "words"), level="L1C", override=override)
    assert made.offset == override and made.evidence[0] == f"given: {override:g}" and len(made.evidence) == 3


def test_the_first_claim_speaks_and_the_others_are_kept() -> None:
    made = settle("image", [Claim("the flag is true", 0.0), NEW, OLD], (0.0, "dark"), level="L2A", baseline="05.09")
    assert made.offset == 0
    assert made.evidence == (
        "metadata 0: the flag is true",
        "numbers 0: dark",
        "against it -1000: processing baseline 05.09",
        "also 0: processing baseline 02.14",
    )


def test_silence_of_the_data_is_recorded() -> None:
    made = settle("image", [NEW], (None, "all cloud"), level="L2A")
    assert made.by_data is None and "numbers do not tell: all cloud" in made.evidence


def test_attributes_say_all_that_a_card_is_checked_against() -> None:
    made = settle("image", [NEW], (-1000.0, "dark"), level="L2A", baseline="05.09").attributes()
    assert made["level"] == "L2A" and made["baseline"] == "05.09" and made["number_offset"] == -1000
    assert made["radiometry"] == "(number - 1000) / 10000, by metadata and data"
    assert "processing baseline 05.09" in str(made["evidence"])
    given = Radiometry(1.0, 0.0, "L1C", None, None, None, ("given: 0",)).attributes()
    assert given["radiometry"] == "(number + 0) / 1, as given" and given["baseline"] == ""


@given(st.lists(st.integers(0, 65_535), min_size=1, max_size=30), st.sampled_from([0.0, -1000.0]))
def test_reflectance_is_exact_to_float32_and_keeps_no_data(numbers: list[int], offset: float) -> None:
    for dtype in (np.uint16, np.int32, np.float32):
        values = reflectance(np.array(numbers, dtype), Radiometry(10_000.0, offset, "L2A"))
        wanted = [np.nan if n == 0 else np.float32(n + offset) / np.float32(10_000) for n in numbers]
        assert values.dtype == np.float32
        np.testing.assert_array_equal(values, np.array(wanted, np.float32))


def test_other_no_data_and_none() -> None:
    plain = Radiometry(10_000.0, 0.0, "SR")
    assert np.isnan(reflectance(np.array([-9999, 0], np.int16), plain, nodata=-9999)).tolist() == [True, False]
    assert np.isnan(reflectance(np.array([0, np.nan]), plain, nodata=None)).tolist() == [False, True]
