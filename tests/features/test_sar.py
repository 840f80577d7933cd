import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from citygrain.errors import InputError
from citygrain.features.sar import coherence, decibels, so2sat_sar
from citygrain.sensors import SAR_FEATURES, SO2SAT_SENTINEL1

amplitudes = hnp.arrays(
    np.complex64,
    hnp.array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=6),
    elements=st.complex_numbers(max_magnitude=100, allow_nan=False, allow_infinity=False, width=64),
)
gains = st.floats(0.1, 30) | st.floats(-30, -0.1)


def defined(a: npt.NDArray[np.complex128], b: npt.NDArray[np.complex128]) -> npt.NDArray[np.float64]:
    """Coherence as it is defined, pixel by pixel; the window goes on in the mirrored patch."""
    height, width = a.shape
    out = np.zeros((height, width))
    for row in range(height):
        for column in range(width):
            near = [
                (min(max(row + i, 0), height - 1), min(max(column + j, 0), width - 1))
                for i in (-1, 0, 1)
                for j in (-1, 0, 1)
            ]
            p, q = (np.array([z[place] for place in near]) for z in (a, b))
            power = np.sqrt((abs(p) ** 2).sum() * (abs(q) ** 2).sum())
            out[row, column] = abs((p * q.conj()).sum()) / power if power else 0
    return out


@given(st.floats(1e-4, 1e3))
def test_ten_times_the_intensity_is_ten_decibels_more(intensity: float) -> None:
    assert decibels(10 * intensity) - decibels(intensity) == pytest.approx(10, abs=1e-3)


def test_decibels_are_bounded_and_keep_no_data() -> None:
    told = decibels([0, -3, 1e-30, 1e30, np.nan, 1])
    assert told[:4].tolist() == [-50, -50, -50, 50] and np.isnan(told[4]) and told[5] == 0
    assert decibels([0, 1e9], lowest=-30, highest=10).tolist() == [-30, 10]


@given(amplitudes, st.integers(0, 2**32))
def test_coherence_is_what_its_definition_says(a: npt.NDArray[np.complex64], seed: int) -> None:
    rng = np.random.default_rng(seed)
    a = np.where(np.abs(a) < 1e-3, 0, a).astype(np.complex64)  # float32 keeps no digits of the square of less
    b = (a * 0.5 + rng.standard_normal(a.shape) + 1j * rng.standard_normal(a.shape)).astype(np.complex64)
    found = coherence(a, b)
    assert found.shape == a.shape and found.dtype == np.float32 and (found >= 0).all() and (found <= 1).all()
    planes = a.reshape(-1, *a.shape[-2:]).astype(complex), b.reshape(-1, *b.shape[-2:]).astype(complex)
    expected = np.stack([defined(*pair) for pair in zip(*planes, strict=True)]).reshape(a.shape)
    np.testing.assert_allclose(found, expected, atol=1e-3)


@given(gains, gains, st.integers(0, 2**32))
def test_no_gain_changes_coherence(first: float, second: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((2, 6, 6)) + 1j * rng.standard_normal((2, 6, 6))
    np.testing.assert_allclose(coherence(first * a, 1j * second * b), coherence(a, b), atol=1e-5)


def test_coherence_at_its_bounds() -> None:
    rng = np.random.default_rng(0)
    a = (rng.standard_normal((8, 8)) + 1j * rng.standard_normal((8, 8))).astype(np.complex64)
    np.testing.assert_allclose(coherence(a, (2 - 1j) * a), 1, atol=1e-6)
    assert (coherence(a, np.zeros_like(a)) == 0).all()
    a[4, 4] = np.nan
    assert np.isnan(coherence(a, a)).sum() == 9


def test_patches_do_not_wrap_round() -> None:
    a = np.ones((1, 6, 6), np.complex64)
    b = a.copy()
    b[:, :, -1] = 1j
    assert coherence(a, b)[0, 2, 0] == pytest.approx(1)  # the far border is no neighbour


def test_the_seven_features_by_hand() -> None:
    x = np.zeros((1, 8, 4, 4), np.float32)
    x[:, 0], x[:, 1] = 3, 4  # |VH|^2 = 25
    x[:, 2], x[:, 3] = 0, 10  # |VV|^2 = 100
    x[:, 4], x[:, 5] = 4, 9
    x[:, 6], x[:, 7] = 1.8, -2.4  # |C| = 3, of at most 6
    told = dict(zip(SAR_FEATURES, so2sat_sar(x)[0, :, 1, 2].tolist(), strict=True))
    expected = {"VH_DB": 13.979, "VV_DB": 20, "COHERENCE": 1, "VH_LEE_DB": 6.0206, "VV_LEE_DB": 9.5424}
    assert told == pytest.approx(expected | {"COHERENCE_LEE": 0.5, "PHASE_COS": 0.6}, abs=1e-3)


@given(
    hnp.arrays(
        np.float32,
        (2, 8, 3, 5),
        elements=st.floats(-13_000, 13_000, width=32),
    )
)
def test_features_stay_in_their_bounds_whatever_the_tails(x: npt.NDArray[np.float32]) -> None:
    made = so2sat_sar(x)
    assert made.shape == (2, 7, 3, 5) and np.isfinite(made).all()
    for name, low, high in zip(SAR_FEATURES, (-50, -50, 0, -50, -50, 0, -1), (50, 50, 1, 50, 50, 1, 1), strict=True):
        values = made[:, SAR_FEATURES.index(name)]
        assert low <= values.min() and values.max() <= high, name


def test_no_data_stays_where_it_is() -> None:
    x = np.ones((1, 8, 8, 8), np.float32)
    x[0, 0, 3, 3] = np.nan
    made = so2sat_sar(x)
    assert (
        np.isnan(made[0, 0]).sum() == 1
        and np.isnan(made[0, 2]).sum() == 9
        and np.isfinite(made[0, [1, 3, 4, 5, 6]]).all()
    )


def test_eight_channels_are_wanted() -> None:
    assert len(SO2SAT_SENTINEL1) == 8 and len(SAR_FEATURES) == 7
    with pytest.raises(InputError, match="8, h, w"):
        so2sat_sar(np.zeros((2, 10, 4, 4), np.float32))
