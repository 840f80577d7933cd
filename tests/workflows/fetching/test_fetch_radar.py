"""Radar of a fetch: what numpy says over time, and speckle filtered alike in windows of any size."""

from dataclasses import replace

import numpy as np
import pytest

from citygrain.features.speckle import GRD_LOOKS, boxcar, lee, refined_lee
from citygrain.imagery.area import area_from_bbox, grid_for
from citygrain.imagery.windows import radar_stack
from citygrain.workflows.fetching.fetch_radar import RadarRecipe, looks_of, radar_window
from helpers.observed import observations_of

pytestmark = pytest.mark.slow

FILTERS = {
    "none": lambda power, looks: power,
    "boxcar": lambda power, looks: boxcar(power, size=7),
    "lee": lambda power, looks: lee(power, looks=looks, size=7),
    "refined-lee": lambda power, looks: refined_lee(power, looks=looks),
}


@pytest.fixture(scope="module")
def seen(stac_world):
    """Radar images of a world, and a grid at its corner that reaches beyond."""
    world = stac_world("small")
    return observations_of(world, "sentinel-1"), grid_for(area_from_bbox(world.bbox), resolution=10)[:90, :80]


def test_over_time_it_is_what_numpy_says(seen):
    images, grid = seen
    power = radar_stack(images, grid).values
    there = np.isfinite(power).any(0)
    with np.errstate(invalid="ignore"):
        wanted = {"mean": np.nanmean(power[:, there], 0), "median": np.nanmedian(power[:, there], 0)}
    made = {name: radar_window(images, grid, RadarRecipe(name)) for name in wanted}
    for name, values in wanted.items():
        assert np.array_equal(np.isfinite(made[name]), there)
        np.testing.assert_allclose(made[name][there], values, rtol=1e-6)
    assert (made["median"] < made["mean"])[there].mean() > 0.6  # power leans to the right


@pytest.mark.parametrize(
    ("method", "speckle"), [("mean", "none"), ("mean", "boxcar"), ("median", "lee"), ("median", "refined-lee")]
)
def test_each_image_is_filtered_before_and_no_window_matters(seen, method, speckle):
    images, grid = seen
    recipe = RadarRecipe(method, speckle, looks=3.0)
    whole = radar_window(images, grid, recipe)
    parts = np.full_like(whole, np.nan)
    for rows in (slice(0, 37), slice(37, 90)):
        for columns in (slice(0, 64), slice(64, 80)):
            parts[:, rows, columns] = radar_window(images, grid[rows, columns], recipe)
    assert np.isfinite(whole).any()
    assert np.array_equal(whole, parts, equal_nan=True)
    around = radar_stack(images, grid.pad(3)).values
    filtered = np.stack([FILTERS[speckle](power, 3.0) for power in around])[..., 3:-3, 3:-3]
    there = np.isfinite(filtered).any(0)
    over_time = {"mean": np.nanmean, "median": np.nanmedian}[method]
    np.testing.assert_allclose(whole[there], over_time(filtered[:, there], 0), rtol=1e-6)


def test_a_window_that_no_image_touches_is_empty(seen):
    images, grid = seen
    far = grid.translate_pix(100_000, 0)[:20, :30]
    made = radar_window(images, far, RadarRecipe(speckle="lee"))
    assert made.shape == (2, 20, 30) and np.isnan(made).all()


@pytest.mark.parametrize(
    ("said", "looks"),
    [((), GRD_LOOKS), ((10.7,), 10.7), ((4, 5, 9), 5.0), (("4.9", None, -1, 0, True, float("nan")), GRD_LOOKS)],
)
def test_looks_are_what_the_items_say(seen, said, looks):
    images = []
    for number in said:
        item = seen[0][0].item.clone()
        item.properties["sar:looks_equivalent_number"] = number
        images.append(replace(seen[0][0], item=item))
    assert looks_of([*images, *seen[0]]) == looks


def test_tags_say_what_was_done():
    assert RadarRecipe().tags == {"method": "mean", "speckle": "none"}
    assert RadarRecipe("median", "refined-lee", 10.7).tags == {
        "method": "median", "speckle": "refined-lee", "looks": "10.7",
    }  # fmt: skip
