from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from citygrain.errors import InputError
from citygrain.imagery.clouds import (
    Sky,
    clear_mask,
    cloud_distance,
    halo_pixels,
    probable_cloud,
    sky_of_fmask,
    sky_of_qa_pixel,
    sky_of_scl,
)
from citygrain.tiles import tile_grid

skies = hnp.arrays(
    np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=24), elements=st.integers(0, 4)
)
metres = st.sampled_from([0, 5, 10, 15, 20, 30, 50, 73])


def brute_distance(blocking: npt.NDArray[np.bool_], resolution: float) -> npt.NDArray[np.float64]:
    ys, xs = np.nonzero(blocking)
    rows, columns = np.indices(blocking.shape)
    if not ys.size:
        return np.full(blocking.shape, np.inf)
    return resolution * np.sqrt(((rows[..., None] - ys) ** 2 + (columns[..., None] - xs) ** 2).min(-1))


def test_the_scene_classification_class_by_class() -> None:
    clear, cloud, shadow, snow, missing = (2, 4, 5, 6, 7), (8, 9, 10), (3,), (11,), (0, 1)
    words = {Sky.CLEAR: clear, Sky.CLOUD: cloud, Sky.SHADOW: shadow, Sky.SNOW: snow, Sky.MISSING: missing}
    assert sorted(sum(words.values(), ())) == list(range(12))
    for word, classes in words.items():
        assert (sky_of_scl(np.array(classes)) == word).all()
    assert sky_of_scl(np.array([np.nan, 4.0], np.float32)).tolist() == [0, 1]
    assert sky_of_scl(np.zeros((0, 3), np.uint8)).shape == (0, 3)


@pytest.mark.parametrize("strange", [12, 255, -1])
def test_numbers_that_are_no_classes_are_refused(strange: int) -> None:
    with pytest.raises(InputError, match=f"class {strange} .*0 to 11"):
        sky_of_scl(np.array([4, strange], np.int16))


@given(st.integers(0, 254))
def test_fmask_bit_by_bit(number: int) -> None:
    sky = sky_of_fmask(np.array([number], np.uint8))[0]
    if number >> 1 & 1:
        assert sky == Sky.CLOUD
    elif number >> 3 & 1:
        assert sky == Sky.SHADOW
    elif number >> 4 & 1:
        assert sky == Sky.SNOW
    else:
        assert sky == Sky.CLEAR  # water, aerosol, next to a cloud
    assert sky_of_fmask(np.array([255], np.uint8))[0] == Sky.MISSING


@given(st.integers(0, 65_535))
def test_qa_pixel_bit_by_bit(number: int) -> None:
    sky = sky_of_qa_pixel(np.array([number], np.uint16))[0]
    cloud, shadow, snow = number >> 2 & 3, number >> 4 & 1, number >> 5 & 1
    wanted = Sky.CLOUD if cloud else Sky.SHADOW if shadow else Sky.SNOW if snow else Sky.CLEAR
    assert sky == (Sky.MISSING if number & 1 else wanted)


def test_no_numbers_are_missing_ones() -> None:
    for reader in (sky_of_scl, sky_of_fmask, sky_of_qa_pixel):
        assert reader(np.array([np.nan], np.float32))[0] == Sky.MISSING


@given(skies, metres, st.booleans())
def test_clear_is_what_its_definition_says(sky: Any, dilation: float, keep_snow: bool) -> None:
    made = clear_mask(sky, resolution_m=10, dilation_m=dilation, keep_snow=keep_snow)
    seen = (sky == Sky.CLEAR) | (keep_snow & (sky == Sky.SNOW))
    far = brute_distance((sky == Sky.CLOUD) | (sky == Sky.SHADOW), 10) > dilation
    np.testing.assert_array_equal(made, seen & far)


@given(skies, metres)
def test_more_dilation_never_clears_a_pixel(sky: Any, dilation: float) -> None:
    less = clear_mask(sky, resolution_m=10, dilation_m=dilation)
    more = clear_mask(sky, resolution_m=10, dilation_m=dilation + 10)
    assert not (more & ~less).any()
    assert not (less & ~clear_mask(sky, resolution_m=10, dilation_m=dilation, speck_m=10)).any()


@given(skies, st.sampled_from([10.0, 35.0, 60.0]))
def test_distance_is_the_straight_line_up_to_its_limit(sky: Any, limit: float) -> None:
    blocking = (sky == Sky.CLOUD) | (sky == Sky.SHADOW)
    wanted = np.minimum(brute_distance(blocking, 20), limit)
    np.testing.assert_allclose(cloud_distance(sky, resolution_m=20, limit_m=limit), wanted, rtol=1e-6)


@given(skies, st.integers(1, 9), metres, st.sampled_from([0, 10, 20]))
def test_windows_with_their_halo_say_what_the_whole_says(sky: Any, size: int, dilation: float, speck: float) -> None:
    whole = clear_mask(sky, resolution_m=10, dilation_m=dilation, speck_m=speck)
    near = cloud_distance(sky, resolution_m=10, limit_m=dilation, speck_m=speck)
    halo = halo_pixels(dilation, 10, speck_m=speck)
    for tile in tile_grid(sky.shape, size):
        wide = tile.grown(halo, sky.shape)
        inner = np.s_[
            tile.row - wide.row : tile.row - wide.row + tile.height,
            tile.column - wide.column : tile.column - wide.column + tile.width,
        ]
        part = clear_mask(sky[wide.slices], resolution_m=10, dilation_m=dilation, speck_m=speck)
        np.testing.assert_array_equal(part[inner], whole[tile.slices])
        distance = cloud_distance(sky[wide.slices], resolution_m=10, limit_m=dilation, speck_m=speck)
        np.testing.assert_array_equal(distance[inner], near[tile.slices])


def test_single_roofs_are_masked_but_not_grown() -> None:
    sky = np.full((40, 40), Sky.CLEAR, np.uint8)
    sky[5, 5] = sky[6, 5] = Sky.CLOUD
    sky[20:30, 20:30] = Sky.CLOUD
    made = clear_mask(sky, resolution_m=10, dilation_m=30, speck_m=20)
    assert not made[5, 5] and made[5, 7] and not made[18, 25] and not made[25, 31]
    assert (~made[:15, :15]).sum() == 2


def test_probabilities_add_cloud_and_snow_but_no_clearness() -> None:
    sky = np.array([Sky.CLEAR, Sky.CLEAR, Sky.SNOW, Sky.CLOUD, Sky.MISSING, Sky.CLEAR], np.uint8)
    cloud = np.array([49, 50, 90, 0, 100, np.nan])
    made = probable_cloud(sky, cloud=cloud, snow=np.array([0, 0, 0, 0, 99, 80]))
    assert made.tolist() == [Sky.CLEAR, Sky.CLOUD, Sky.CLOUD, Sky.CLOUD, Sky.MISSING, Sky.SNOW]
    assert probable_cloud(sky).tolist() == sky.tolist()
    assert probable_cloud(sky, cloud=cloud, cloud_percent=40)[0] == Sky.CLOUD
    assert sky[1] == Sky.CLEAR  # what is given stays as it is
