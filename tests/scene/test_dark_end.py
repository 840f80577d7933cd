import csv
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from citygrain.scene.dark_end import dark_end, offset_by_data
from citygrain.scene.synthetic import synthetic_city

DATA = Path(os.environ.get("CITYGRAIN_DATA", "../shared/data"))
EUROSAT = DATA / "eurosat/ms13"
EUROSAT_BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B09", "B10", "B11", "B12", "B8A")


def numbers_of(city: str, added: int) -> dict[str, npt.NDArray[np.int64]]:
    rasterio = pytest.importorskip("rasterio")
    file, factor, bands = {
        "aberystwyth": ("s2_20210527.tif", 10, "B02 B03 B04 B05 B06 B07 B08 B8A B11 B12"),
        "berlin": ("s2_20241024.tif", 1, "B02 B03 B04 B05 B06 B07 B08 B8A B11 B12"),
        "leipzig": ("s2_2021.tif", 1, "B02 B03 B04 B06 B07 B08 B11"),
    }[city]
    path = DATA / "scenes" / city / file
    if not path.exists():
        pytest.skip(f"{path} is not here")
    with rasterio.open(path) as source:
        values = source.read().astype(np.int64) * factor
    return {name: values[i] + added * (values[i] > 0) for i, name in enumerate(bands.split())}


@pytest.mark.parametrize("city", ["aberystwyth", "berlin", "leipzig"])
@pytest.mark.parametrize("added", [0, 1000])
def test_real_cities_tell_whether_1000_was_added(city: str, added: int) -> None:
    assert offset_by_data(numbers_of(city, added))[0] == -added


@pytest.mark.slow
@pytest.mark.parametrize("added", [0, 1000])
def test_small_real_patches_are_told_right_or_not_at_all(added: int) -> None:
    rasterio = pytest.importorskip("rasterio")
    if not (EUROSAT / "index.csv").exists():
        pytest.skip(f"{EUROSAT} is not here")
    told = []
    for path in sorted(EUROSAT.glob("*/*.tif")):
        with rasterio.open(path) as source:
            values = source.read().astype(np.int64)
        bands = {n: values[i] + added for i, n in enumerate(EUROSAT_BANDS) if n not in ("B01", "B09", "B10")}
        told.append(offset_by_data(bands)[0])
    wrong = sum(one not in (-added, None) for one in told)
    assert len(told) == 279 and wrong <= 1  # one meadow of 640 m, dark and without a single black pixel
    assert sum(one == -added for one in told) == {0: 235, 1000: 62}[added]  # the numbers in its docstring


def test_shadows_of_winter_that_were_corrected_too_far_are_not_taken_for_darkness() -> None:
    """Of the October scene 0.45 % are 0 in blue: with 1000 added they would stand below it, nobody knows how far."""
    numbers = numbers_of("berlin", 0)
    black = numbers["B02"] == 0
    assert 0.004 < black.mean() < 0.005
    for depth in (0, 100, 300, 499):
        told = {band: values + 1000 for band, values in numbers.items()}
        told["B02"] = np.where(black, 1000 - depth, told["B02"])
        assert offset_by_data(told)[0] in (-1000, None)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("added", [0, 1000])
def test_a_synthetic_city_tells(seed: int, added: int) -> None:
    city = synthetic_city((256, 256), seed=seed).scene
    numbers = {str(band): np.round(city.sel(band=band).values * 1e4) + added for band in city.band.values}
    assert offset_by_data(numbers)[0] == -added


def test_pictures_without_anything_dark_say_nothing() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 100, (6, 4000))
    names = ("B02", "B03", "B04", "B08", "B11", "B12")
    cloud = np.array([[4500], [4400], [4500], [5000], [3500], [2800]]) + noise
    desert = np.array([[1300], [2000], [3000], [3800], [4800], [4300]]) + noise
    for scene in (cloud, desert, cloud + 1000, desert + 1000):
        offset, words = offset_by_data(dict(zip(names, scene, strict=True)))
        assert offset is None and "nothing dark" in words
    assert offset_by_data({"B02": desert[0] - 150, "B03": desert[0], "B01": desert[0]})[0] is None  # haze looks so, too
    snow = np.array([[9000], [8800], [8600], [8000], [500], [400]]) + noise  # dark in the short-wave infrared
    assert offset_by_data(dict(zip(names, snow, strict=True)))[0] == 0


def test_a_few_broken_pixels_change_nothing() -> None:
    city = synthetic_city((256, 256), seed=1).scene
    numbers = {str(band): np.round(city.sel(band=band).values * 1e4) + 1000 for band in city.band.values}
    broken = {band: values.copy() for band, values in numbers.items()}
    for values in broken.values():
        values[0, :60] = 1  # 0.09 %: a ragged edge of the swath
    assert offset_by_data(broken)[0] == offset_by_data(numbers)[0] == -1000


@given(st.floats(0, 0.9), st.sampled_from([0, 1000]), st.integers(0, 2**32))
def test_no_data_is_not_dark(share: float, added: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    ground = np.clip(rng.gamma(1.5, 600, (2, 20_000)), 30, None) + added
    holes = rng.random(20_000) < share
    full = {"B04": ground[0], "B11": ground[1]}
    holed = {band: np.where(holes, 0, values) for band, values in full.items()}
    assert offset_by_data(holed)[0] == offset_by_data(full)[0] == -added
    as_nan = {band: np.where(holes, np.nan, values) for band, values in full.items()}
    assert offset_by_data(as_nan) == offset_by_data(holed)
    masked = {band: np.where(holes, -9999.0, values) for band, values in full.items()}
    assert offset_by_data(masked, nodata=-9999) == offset_by_data(holed)


def test_too_few_pixels_say_nothing() -> None:
    assert offset_by_data({"B04": np.full(499, 20), "B11": np.zeros(10_000)}) == (None, "fewer than 500 valid pixels")
    assert offset_by_data({}) == (None, "fewer than 500 valid pixels")
    empty = dark_end("B04", np.zeros(5))
    assert empty.valid == 0 and np.isnan(empty.number)


@pytest.mark.skipif(not (EUROSAT / "index.csv").exists(), reason="EuroSAT is not here")
def test_the_index_names_the_patches_that_are_read() -> None:
    with (EUROSAT / "index.csv").open(encoding="utf-8") as file:
        assert sum(1 for _ in csv.DictReader(file)) == 279
