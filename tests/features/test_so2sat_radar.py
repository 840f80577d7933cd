from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from citygrain.errors import InputError
from citygrain.features.sar import so2sat_sar
from citygrain.features.so2sat_radar import INTENSITY_CHANNELS, so2sat_channels, so2sat_intensities
from citygrain.features.speckle import refined_lee
from citygrain.sensors import SAR_FEATURES, SO2SAT_SENTINEL1


def amplitudes(seed: int = 0) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    rng = np.random.default_rng(seed)
    vh, other = rng.standard_normal((2, 32, 32)) + 1j * rng.standard_normal((2, 32, 32))
    return (0.1 * vh).astype(np.complex64), (0.3 * (0.5 * vh + other)).astype(np.complex64)


def test_eight_channels_in_the_order_of_the_data_set() -> None:
    vh, vv = amplitudes()
    made = dict(zip(SO2SAT_SENTINEL1, so2sat_channels(vh, vv), strict=True))
    np.testing.assert_array_equal(made["VH_RE"] + 1j * made["VH_IM"], vh)
    np.testing.assert_array_equal(made["VV_RE"] + 1j * made["VV_IM"], vv)
    assert made["VH_LEE"].mean() == pytest.approx((abs(vh) ** 2).mean(), rel=0.1)
    assert made["VV_LEE"].mean() == pytest.approx((abs(vv) ** 2).mean(), rel=0.1)
    covariance = made["COV_RE"] + 1j * made["COV_IM"]
    assert covariance.mean() == pytest.approx((vh * vv.conj()).mean(), abs=0.1 * float(abs(covariance).mean()))
    assert (np.hypot(made["COV_RE"], made["COV_IM"]) <= np.sqrt(made["VH_LEE"] * made["VV_LEE"]) * 1.0001).all()


def test_the_production_networks_features_can_be_made_of_them() -> None:
    told = so2sat_sar(so2sat_channels(*amplitudes())[None])[0]
    values = dict(zip(SAR_FEATURES, told, strict=True))
    assert np.isfinite(told).all() and values["VH_LEE_DB"].std() < values["VH_DB"].std()
    assert 0 < values["COHERENCE_LEE"].mean() < 1


def test_intensities_give_two_of_the_eight() -> None:
    vh, vv = (abs(each) ** 2 for each in amplitudes())
    made = so2sat_intensities(vh, vv, looks=1)
    assert set(INTENSITY_CHANNELS) < set(SO2SAT_SENTINEL1) and made.shape == (2, 32, 32)
    np.testing.assert_array_equal(made[0], refined_lee(vh, looks=1))
    np.testing.assert_array_equal(made[1], refined_lee(vv, looks=1))


def test_intensities_are_no_amplitudes() -> None:
    vh, vv = amplitudes()
    with pytest.raises(InputError, match=r"complex.*so2sat_intensities"):
        so2sat_channels(abs(vh), abs(vv))
    with pytest.raises(InputError, match="one shape"):
        so2sat_channels(vh, vv[:5])
