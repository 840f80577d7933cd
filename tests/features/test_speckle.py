from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from citygrain.errors import InputError
from citygrain.features.speckle import (
    GRD_LOOKS,
    HALO,
    boxcar,
    equivalent_looks,
    lee,
    refined_lee,
    refined_lee_matrix,
)
from citygrain.tiles import tile_grid

FILTERS = {"boxcar": boxcar, "lee": lee, "refined_lee": refined_lee}
powers = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=14),
    elements=st.floats(0.0009765625, 1, width=32) | st.just(float("nan")),
)


def speckled(ground: npt.NDArray[Any], looks: float, seed: int = 0) -> npt.NDArray[np.float32]:
    return np.float32(ground * np.random.default_rng(seed).gamma(looks, 1 / looks, ground.shape))


def refined_by_the_book(y: npt.NDArray[np.float64], looks: float) -> npt.NDArray[np.float64]:
    """Lee (1981) for pixels whose whole window lies inside, step by step with masks."""
    line = np.arange(7)[:, None] - 3, np.arange(7)[None] - 3
    rows, columns = np.broadcast_arrays(*line)
    halves = {
        "left": columns <= 0, "right": columns >= 0, "up": rows <= 0, "down": rows >= 0,
        "lower left": columns <= rows, "upper right": columns >= rows,
        "upper left": rows + columns <= 0, "lower right": rows + columns >= 0,
    }  # fmt: skip
    out = np.full(y.shape, np.nan)
    for i in range(3, y.shape[0] - 3):
        for j in range(3, y.shape[1] - 3):
            w = y[i - 3 : i + 4, j - 3 : j + 4]
            m = np.array([[w[a : a + 3, b : b + 3].mean() for b in (0, 2, 4)] for a in (0, 2, 4)])
            kernels = {
                ("left", "right"): [[-1, 0, 1]] * 3,
                ("lower left", "upper right"): [[0, 1, 1], [-1, 0, 1], [-1, -1, 0]],
                ("up", "down"): [[1, 1, 1], [0, 0, 0], [-1, -1, -1]],
                ("upper left", "lower right"): [[1, 1, 0], [1, 0, -1], [0, -1, -1]],
            }
            one, other = max(kernels, key=lambda key: abs((m * np.array(kernels[key])).sum()))
            block = {
                "left": m[1, 0], "right": m[1, 2], "up": m[0, 1], "down": m[2, 1], "lower left": m[2, 0],
                "upper right": m[0, 2], "upper left": m[0, 0], "lower right": m[2, 2],
            }  # fmt: skip
            side = one if abs(block[one] - m[1, 1]) < abs(block[other] - m[1, 1]) else other
            near = w[halves[side]]
            assert near.size == 28
            variance = near.var(ddof=1)
            x = max(0, (variance - near.mean() ** 2 / looks) / (1 + 1 / looks))
            out[i, j] = near.mean() + x / variance * (y[i, j] - near.mean())
    return out


@pytest.mark.parametrize("seed", range(3))
def test_the_refined_filter_is_lees(seed: int) -> None:
    ground = np.where(np.hypot(*np.mgrid[-12:12, -15:15]) < 9, 0.3, 0.05)
    power = speckled(ground, 3, seed)
    wanted = refined_by_the_book(power.astype(float), 3)
    inside = np.isfinite(wanted)
    np.testing.assert_allclose(refined_lee(power, looks=3)[inside], wanted[inside], rtol=1e-5)


def test_lee_and_boxcar_are_scipys_inside() -> None:
    power = speckled(np.full((40, 50), 0.2), 4)
    y = power.astype(float)
    mean, square = ndimage.uniform_filter(y, 7), ndimage.uniform_filter(y**2, 7)
    variance = (square - mean**2) * 49 / 48
    gain = np.maximum(0, variance - mean**2 / 4) / (1 + 1 / 4) / variance
    inside = np.s_[3:-3, 3:-3]
    np.testing.assert_allclose(boxcar(power)[inside], mean[inside], rtol=1e-5)
    np.testing.assert_allclose(lee(power, looks=4)[inside], (mean + gain * (y - mean))[inside], rtol=1e-4)


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("looks", [1, GRD_LOOKS])
def test_even_ground_keeps_its_mean_and_gains_looks(name: str, looks: float) -> None:
    power = speckled(np.full((400, 400), 0.08), looks)
    options = {} if name == "boxcar" else {"looks": looks}
    made = FILTERS[name](power, **options)  # type: ignore[operator]
    assert made.mean() == pytest.approx(0.08, rel=0.03)
    assert equivalent_looks(power) == pytest.approx(looks, rel=0.05)
    assert equivalent_looks(made) > {"boxcar": 30, "lee": 6, "refined_lee": 4}[name] * looks


def edge_error(made: npt.NDArray[np.float32], ground: npt.NDArray[np.float64], edge: npt.NDArray[np.bool_]) -> float:
    return float(np.sqrt(np.mean(((made - ground) / ground)[edge] ** 2)))


@pytest.mark.parametrize("angle", [0, 30, 45, 90, 135])
def test_edges_are_kept_better_than_by_the_boxcar(angle: float) -> None:
    y, x = np.mgrid[-80:80, -80:80]
    across = x * np.cos(np.radians(angle)) + y * np.sin(np.radians(angle))
    ground = np.where(across > 0, 0.4, 0.04)
    power = speckled(ground, GRD_LOOKS)
    dark_edge = (across <= 0) & (across > -3) & (np.maximum(abs(x), abs(y)) < 70)
    plain, kept = edge_error(boxcar(power), ground, dark_edge), edge_error(refined_lee(power), ground, dark_edge)
    assert kept < 0.5 * plain
    assert edge_error(lee(power), ground, dark_edge) < plain


@given(powers, st.sampled_from(sorted(FILTERS)), st.integers(1, 9))
def test_windows_with_a_halo_give_what_the_whole_gives(power: Any, name: str, size: int) -> None:
    whole = FILTERS[name](power)  # type: ignore[operator]
    for tile in tile_grid(power.shape, size):
        wide = tile.grown(HALO, power.shape)
        part = FILTERS[name](power[wide.slices])  # type: ignore[operator]
        top, left = tile.row - wide.row, tile.column - wide.column
        inner = part[top : top + tile.height, left : left + tile.width]
        np.testing.assert_array_equal(inner, whole[tile.slices])


@given(powers, st.sampled_from(sorted(FILTERS)))
def test_no_data_stays_where_it_is_and_values_between_the_extremes(power: Any, name: str) -> None:
    made = FILTERS[name](power)  # type: ignore[operator]
    np.testing.assert_array_equal(np.isnan(made), np.isnan(power))
    there = power[np.isfinite(power)]
    if there.size:
        assert np.nanmin(made) >= there.min() * (1 - 1e-5) and np.nanmax(made) <= there.max() * (1 + 1e-5)


@given(powers, st.sampled_from(sorted(FILTERS)), st.sampled_from([0.25, 2.0, 1024.0]))
def test_gain_comes_out_as_gain(power: Any, name: str, gain: float) -> None:
    made = FILTERS[name](power)  # type: ignore[operator]
    np.testing.assert_allclose(FILTERS[name](gain * power), gain * made, rtol=1e-5)  # type: ignore[operator]


@given(powers)
def test_turned_and_mirrored_images_are_filtered_alike(power: Any) -> None:
    for turn in (np.flipud, np.fliplr, np.transpose):
        np.testing.assert_allclose(boxcar(turn(power)), turn(boxcar(power)), rtol=1e-5)
        np.testing.assert_allclose(lee(turn(power)), turn(lee(power)), rtol=1e-3, atol=1e-6)


def test_bands_are_filtered_one_by_one() -> None:
    power = speckled(np.full((2, 20, 20), 0.1), 4)
    np.testing.assert_array_equal(refined_lee(power)[1], refined_lee(power[1]))


def test_a_bright_target_stays() -> None:
    power = speckled(np.full((31, 31), 0.05), GRD_LOOKS)
    power[15, 15] = 50
    assert refined_lee(power)[15, 15] > 35 and boxcar(power)[15, 15] < 2


def test_a_matrix_is_filtered_by_one_window_and_weight() -> None:
    rng = np.random.default_rng(1)
    a, noise = (rng.standard_normal((2, 60, 60)) + 1j * rng.standard_normal((2, 60, 60))) / np.sqrt(2)
    a, b = 0.2 * a, 0.5 * (0.6 * a + 0.8 * noise)
    one, two, cross = refined_lee_matrix(a, b)
    assert one.mean() == pytest.approx(np.mean(np.abs(a) ** 2), rel=0.05)
    assert np.mean(cross) == pytest.approx(np.mean(a * b.conj()), rel=0.1)
    assert (np.abs(cross) <= np.sqrt(one * two) * (1 + 1e-4)).all()  # still a covariance: no coherence above 1
    same = refined_lee_matrix(a, a)
    np.testing.assert_allclose(same[0], same[2].real, rtol=1e-5)
    np.testing.assert_allclose(refined_lee_matrix(a, 1j * b)[2], -1j * cross, rtol=1e-4, atol=1e-7)


def test_what_cannot_be_filtered_is_refused() -> None:
    with pytest.raises(InputError, match="window of 4"):
        boxcar(np.ones((3, 3)), size=4)
    with pytest.raises(InputError, match="0 looks"):
        lee(np.ones((3, 3)), looks=0)
    with pytest.raises(InputError, match="shape"):
        refined_lee(np.ones(3))
    with pytest.raises(InputError, match="shapes"):
        refined_lee_matrix(np.ones((3, 3), complex), np.ones((3, 4), complex))
    assert equivalent_looks([1.0, 1.0]) == float("inf")
