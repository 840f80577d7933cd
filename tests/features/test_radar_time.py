from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from citygrain.errors import InputError
from citygrain.features.radar_time import temporal_mean, temporal_median
from citygrain.features.sar import decibels
from citygrain.features.speckle import equivalent_looks


def stack(values: Any) -> xr.DataArray:
    bands = [f"V{n}" for n in range(values.shape[1])]
    return xr.DataArray(
        np.float32(values), {"band": bands}, ("time", "band", "y", "x"), attrs={"units": "linear power"}
    )


@st.composite
def days(draw: st.DrawFn) -> xr.DataArray:
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    values = rng.gamma(2, 0.1, (draw(st.integers(1, 8)), 2, 4, 5))
    values[rng.random(values.shape) < draw(st.sampled_from([0, 0.3, 1]))] = np.nan
    return stack(values)


@given(days(), st.randoms(use_true_random=False))
def test_mean_and_median_are_numpys_in_any_order(power: xr.DataArray, random: Any) -> None:
    order = random.sample(range(len(power)), len(power))
    good = np.isfinite(power.values)
    for made, numpys in ((temporal_mean, np.ma.mean), (temporal_median, np.ma.median)):
        told, count = made(power)
        wanted = np.ma.filled(numpys(np.ma.masked_invalid(power.values.astype(float)), axis=0), np.nan)
        np.testing.assert_allclose(told.values, wanted, rtol=1e-6)
        np.testing.assert_array_equal(count.values, good.sum(0))
        np.testing.assert_array_equal(made(power[order])[0].values, told.values)  # to the last bit
        assert told.dtype == np.float32 and told.attrs["units"] == "linear power"
        assert list(told.band.values) == ["V0", "V1"]


def test_days_are_looks_and_the_median_lies_below() -> None:
    rng = np.random.default_rng(0)
    power = stack(0.1 * rng.gamma(4.4, 1 / 4.4, (9, 1, 150, 150)))
    mean, median = temporal_mean(power)[0], temporal_median(power)[0]
    assert equivalent_looks(mean) == pytest.approx(9 * 4.4, rel=0.05)
    assert float(mean.mean()) == pytest.approx(0.1, rel=0.01)
    assert 0.9 * 0.1 < float(median.mean()) < 0.95 * 0.1
    in_decibels = 10 ** (decibels(power.values).mean(0) / 10)
    assert in_decibels.mean() < 0.92 * 0.1  # why decibels are for showing


def test_decibels_and_wrong_shapes_are_refused() -> None:
    with pytest.raises(InputError, match=r"negative power.*linear"):
        temporal_mean(stack(np.full((2, 1, 2, 2), -12.0)))
    with pytest.raises(InputError, match="shape"):
        temporal_median(stack(np.ones((1, 1, 2, 2)))[0])
