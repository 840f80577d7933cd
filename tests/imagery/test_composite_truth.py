"""Composites of nine hazy, cloudy days held against the cloud-free ground that they were made of.

On each day 30 % of the ground lie under cloud and about as much under shadow, and every second day is hazy. The scene
classification overlooks the thin rims of both, as the real one does; growing it by metres is what catches them.
"""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from citygrain.imagery.clouds import clear_mask, cloud_distance
from citygrain.imagery.composite import METHODS, Method, best_pixel_score, composite
from citygrain.imagery.loading import Layers, load_window
from citygrain.imagery.observation import Observation
from citygrain.imagery.radiometry import decide_radiometry
from citygrain.imagery.reading import read_sample
from helpers.observed import observations_of
from helpers.stac_plans import Overpass, WorldSpec
from helpers.stac_world import write_world

pytestmark = pytest.mark.slow

BANDS = ("B02", "B03", "B04", "B08")
DAYS = [f"{date(2025, 5, 20) + timedelta(days=12 * number)}" for number in range(9)]
SPEC = WorldSpec(
    tuple(
        Overpass(day, cloud=0.3, haze=0.1 * (number % 2), offset=0, says_applied=True, says_offset=0.0)
        for number, day in enumerate(DAYS)
    ),
    cloud_probability=True,
    seed=1,
)


@dataclass(frozen=True)
class Case:
    """What was loaded, and the truth (band, y, x)."""

    images: list[Observation]
    layers: Layers
    truth: npt.NDArray[np.float32]

    def made(self, method: Method, dilation: float = 100.0, days: int = 9) -> npt.NDArray[np.float32]:
        stack, skies = self.layers.values[:days], self.layers.sky.values[:days]
        clear = np.stack([clear_mask(sky, resolution_m=10, dilation_m=dilation) for sky in skies])
        far = np.stack([cloud_distance(sky, resolution_m=10, limit_m=1500) for sky in skies])
        times = [one.time for one in self.images[:days]]
        assert self.layers.cloud_percent is not None
        percent = self.layers.cloud_percent.values[:days]
        score = best_pixel_score(far, times, middle=times[days // 2], cloud_percent=percent)
        values: npt.NDArray[np.float32] = composite(stack, clear, method=method, score=score).values.values
        return values

    def scores(self, values: npt.NDArray[Any]) -> tuple[float, float, float]:
        """Root mean square error, share of pixels that are right to 0.01 in every band, share that is filled."""
        there = np.isfinite(values).all(0)
        error = (values - self.truth)[:, there]
        return float(np.sqrt((error**2).mean())), float((abs(error).max(0) <= 0.01).mean()), float(there.mean())


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    world = write_world(Path(tmp_path_factory.mktemp("truth")), SPEC)
    found = observations_of(world)
    images = [replace(one, assets={**one.assets, "CLD": "cloud"}) for one in found]
    grid = world.ground.geobox
    radiometry = {one.id: decide_radiometry(one, read_sample(one, grid)) for one in images}
    layers = load_window(images, grid, BANDS, radiometry=radiometry)
    assert len(layers.sources) == 9 and min(world.clear(one.id).mean() for one in images) < 0.45
    return Case(images, layers, world.truth.sel(band=list(BANDS)).values)


@pytest.mark.parametrize(
    ("method", "error", "right"), [("median", 0.004, 0.98), ("medoid", 0.004, 0.98), ("best", 0.0055, 0.97)]
)
def test_composites_show_the_ground(case: Case, method: Method, error: float, right: float) -> None:
    off, share, filled = case.scores(case.made(method))
    assert off < error and share > right and filled > 0.85


def test_without_masks_they_do_not(case: Case) -> None:
    off, share, _ = case.scores(np.nanmean(case.layers.values.values, axis=0))
    assert off > 0.1 and share < 0.05
    off, share, _ = case.scores(np.nanmedian(case.layers.values.values, axis=0))
    assert off > 0.1 and share < 0.8
    off, share, _ = case.scores(case.layers.values.values[0])
    assert off > 0.2 and share < 0.5


@pytest.mark.parametrize("method", METHODS)
def test_growing_the_clouds_buys_truth_with_gaps(case: Case, method: Method) -> None:
    plain, grown = case.scores(case.made(method, 0)), case.scores(case.made(method, 60))
    assert grown[0] < 0.75 * plain[0] and grown[1] > plain[1] and grown[2] < plain[2]


@pytest.mark.parametrize("method", METHODS)
def test_more_days_leave_fewer_gaps(case: Case, method: Method) -> None:
    few, many = case.scores(case.made(method, days=3)), case.scores(case.made(method))
    assert many[2] > few[2] + 0.2


def test_medians_forgive_what_the_mask_overlooked(case: Case) -> None:
    """With the rims left in, the median of many is nearer to the truth than any single day."""
    assert case.scores(case.made("median", 0))[0] < 0.3 * case.scores(case.made("best", 0))[0]


def test_medoid_and_best_pixel_are_spectra_that_were_seen(case: Case) -> None:
    observed = case.layers.values.values
    for method in ("medoid", "best"):
        made = case.made(method)  # type: ignore[arg-type]
        there = np.isfinite(made).all(0)
        assert ((observed == made).all(1).any(0) == there).all()
    median = case.made("median")
    seen = (observed == median).all(1).any(0)
    assert seen.mean() < 0.5  # mostly of several days
