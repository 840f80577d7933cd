"""The synthetic city: the same everywhere, realistic enough to be mapped, and its reference as wrong as asked."""

import hashlib
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestClassifier

from citygrain.errors import InputError
from citygrain.legend import URBAN
from citygrain.scene import synthetic
from citygrain.scene.synthetic import synthetic_city


@pytest.fixture(scope="module")
def city():
    return synthetic_city((512, 512), seed=0)


def digest(city):
    parts = (city.scene.values, city.truth.values, city.reference.values)
    return hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest()


def test_the_scene_says_what_it_is(city):
    scene = city.scene
    assert scene.dims == ("band", "y", "x")
    assert scene.band.values.tolist() == ["B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12"]
    assert scene.dtype == np.float32
    assert scene.attrs["units"] == "reflectance"
    assert scene.attrs["sensor"] == "sentinel-2"
    assert (scene.attrs["scale"], scene.attrs["offset"]) == (1.0, 0.0)
    assert scene.attrs["source"] == "synthetic city, seed 0"
    for raster in (scene, city.truth, city.reference):
        assert raster.odc.geobox.crs.epsg == 32633
        assert raster.odc.geobox.shape == (512, 512)
        assert abs(raster.odc.geobox.resolution.x) == 10


def test_reflectance_is_physical(city):
    values = city.scene.values
    assert np.isfinite(values).all()
    assert values.min() > 0
    assert 0.3 < values.max() < 1
    assert np.allclose(values * 10_000, np.rint(values * 10_000), atol=2e-3)  # steps of a Level-2A product


def test_spectra_follow_the_classes(city):
    mean = {name: city.scene.values[:, city.truth.values == URBAN.code_of(name)].mean(1) for name in city.legend.names}
    band = {name: number for number, name in enumerate(city.scene.band.values)}
    ndvi = {name: (m[band["B08"]] - m[band["B04"]]) / (m[band["B08"]] + m[band["B04"]]) for name, m in mean.items()}
    assert ndvi["Vegetation"] > ndvi["Crop"] > ndvi["Urban"] > ndvi["Water"]
    assert mean["Water"][band["B11"]] < 0.08


def test_every_class_is_there(city):
    share = np.bincount(city.truth.values.ravel(), minlength=5) / city.truth.size
    assert share[0] == 0
    assert share[1:].min() > 0.01
    assert share[1:].max() < 0.6


def test_bands_of_20_m_come_in_squares_and_bands_of_10_m_do_not(city):
    for name in city.scene.band.values:
        image = city.scene.sel(band=name).values
        same = (image[0::2, 0::2] == image[1::2, 1::2]).mean()
        assert same == 1 if name not in ("B02", "B03", "B04", "B08") else same < 0.2


def test_no_seam_between_windows(city):
    image = city.scene.sel(band="B08").values
    steps = np.abs(np.diff(image, axis=0)).mean(1)
    seam = synthetic._TILE - 1
    assert steps[seam] < np.percentile(steps, 99)
    assert not np.array_equal(city.truth.values[:, :128], city.truth.values[:, 128:256])


@given(seed=st.integers(0, 2**32), rows=st.integers(16, 150), columns=st.integers(16, 150))
@settings(max_examples=8, deadline=None)
def test_any_shape_and_seed(seed, rows, columns):
    city = synthetic_city((rows, columns), seed=seed)
    assert city.scene.shape == (10, rows, columns)
    assert city.truth.shape == city.reference.shape == (rows, columns)
    assert set(np.unique(city.truth)) | set(np.unique(city.reference)) <= {1, 2, 3, 4}
    assert digest(synthetic_city((rows, columns), seed=seed)) == digest(city)


def test_same_seed_same_city_whatever_the_threads(monkeypatch):
    one = synthetic_city((300, 200), seed=5)
    monkeypatch.setattr(synthetic, "_THREADS", 1)
    assert digest(synthetic_city((300, 200), seed=5)) == digest(one)
    assert digest(synthetic_city((300, 200), seed=6)) != digest(one)


def test_the_reference_is_coarse_and_wrong_in_patches(city):
    truth, reference = city.truth.values, city.reference.values
    blocks = reference[2:509, 2:509].reshape(169, 3, 169, 3)
    assert (blocks == blocks[:, :1, :, :1]).all()
    assert 0.80 < (truth == reference).mean() < 0.95
    wrong = truth != reference
    chance = wrong.mean() ** 2
    assert (wrong[:, :-9] & wrong[:, 9:]).mean() > 1.3 * chance


def test_reference_error_is_the_share_asked_for():
    clean = synthetic_city((300, 300), seed=2, reference_error=0).reference.values
    for share in (0.05, 0.15):
        worse = synthetic_city((300, 300), seed=2, reference_error=share).reference.values
        assert (worse != clean).mean() == pytest.approx(share, abs=0.006)


def test_pixels_alone_do_not_tell_the_classes_apart(city):
    rng = np.random.default_rng(0)
    pixels = city.scene.values.reshape(10, -1).T
    rows = rng.permutation(len(pixels))[:12_000]
    train, test = rows[:8_000], rows[8_000:]
    codes = city.truth.values.ravel()
    forest = RandomForestClassifier(40, random_state=0, min_samples_leaf=2).fit(pixels[train], codes[train])
    assert 0.82 < forest.score(pixels[test], codes[test]) < 0.95


@pytest.mark.parametrize(("shape", "error"), [((15, 64), 0.06), ((64, 64), -0.1), ((64, 64), 0.6)])
def test_what_cannot_be_made_is_refused(shape, error):
    with pytest.raises(InputError, match="wanted"):
        synthetic_city(shape, reference_error=error)


@pytest.mark.slow
@pytest.mark.alone
def test_time_grows_no_faster_than_the_area():
    spent = []
    for side in (256, 1024):
        start = time.perf_counter()
        synthetic_city((side, side), seed=1)
        spent.append(time.perf_counter() - start)
    assert spent[1] < 16 * 2.5 * spent[0]
