import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import cholesky
from scipy.spatial.distance import cdist

from citygrain.errors import InputError
from citygrain.samples.variogram import Variogram, VariogramModel, empirical_variogram, fit_variogram


def simulated(model: VariogramModel, n: int, side: float, fields: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw Gaussian fields whose variogram is known, at random places: (n, 2) places and (n, fields) values."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(0, side, (n, 2))
    covariance = model.nugget + model.sill - model(cdist(points, points))
    np.fill_diagonal(covariance, model.nugget + model.sill + 1e-9)
    return points, cholesky(covariance, lower=True) @ rng.normal(size=(n, fields))


@pytest.mark.parametrize("shape", ["spherical", "exponential"])
@pytest.mark.parametrize("practical_range", [400.0, 900.0])
def test_the_range_of_a_simulated_field_is_found(shape, practical_range: float) -> None:
    scale = practical_range / (3 if shape == "exponential" else 1)
    truth = VariogramModel(shape, 0.2, 0.8, scale, 0.0)
    points, values = simulated(truth, 700, 4000, 12, seed=3)
    fitted = fit_variogram(empirical_variogram(points, values, rng=np.random.default_rng(0)))
    assert fitted.practical_range == pytest.approx(practical_range, rel=0.25)
    assert fitted.nugget / (fitted.nugget + fitted.sill) == pytest.approx(0.2, abs=0.08)
    assert fitted.shape == shape


def test_noise_has_no_range() -> None:
    rng = np.random.default_rng(0)
    found = empirical_variogram(rng.uniform(0, 4000, (1500, 2)), rng.normal(size=(1500, 3)), rng=rng)
    assert found.semivariance == pytest.approx(np.full(len(found.pairs), 3), rel=0.2)  # one for each column
    assert fit_variogram(found).structured < 0.1


def test_of_classes_it_is_the_share_of_pairs_that_differ() -> None:
    points = np.column_stack([np.arange(400.0), np.zeros(400)])
    class_ = (np.arange(400) // 10) % 2  # stripes of ten
    found = empirical_variogram(points, np.eye(2)[class_], rng=np.random.default_rng(0), longest=50)
    nearest, ten = found.semivariance[0], found.semivariance[np.abs(found.distance - 10).argmin()]
    assert nearest == pytest.approx(found.distance[0] / 10, abs=0.05) and ten > 0.9
    assert found.semivariance.min() >= 0 and found.semivariance.max() <= 1


@given(st.floats(0, 2), st.floats(0.1, 5), st.floats(60, 700), st.sampled_from(["spherical", "exponential"]))
def test_a_curve_that_is_given_is_found(nugget: float, sill: float, scale: float, shape) -> None:
    truth, distance = VariogramModel(shape, nugget, sill, scale, 0.0), np.linspace(20, 1500, 40)
    fitted = fit_variogram(Variogram(distance, truth(distance), np.full(40, 500), 1500.0), (shape,))
    assert fitted(distance) == pytest.approx(truth(distance), rel=0.02)


def test_it_is_the_same_each_time_and_survives_json() -> None:
    points, values = simulated(VariogramModel("spherical", 0.1, 1, 500, 0), 300, 3000, 1, seed=1)
    found = [empirical_variogram(points, values, rng=np.random.default_rng(4), most=200) for _ in range(2)]
    assert found[0].to_dict() == found[1].to_dict()
    assert Variogram.from_dict(found[0].to_dict()).to_dict() == found[0].to_dict()
    model = fit_variogram(found[0])
    assert VariogramModel.from_dict(model.to_dict()) == model


def test_too_little_to_see_is_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match="3 places with values"):
        empirical_variogram(rng.uniform(size=(3, 2)), np.ones(3), rng=rng)
    with pytest.raises(InputError, match="apart"):
        empirical_variogram(np.zeros((20, 2)), np.ones(20), rng=rng)
    with pytest.raises(InputError, match="four or more"):
        fit_variogram(Variogram(np.ones(2), np.ones(2), np.ones(2, np.int64), 1.0))
