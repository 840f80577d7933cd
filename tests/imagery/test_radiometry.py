from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pystac
import pytest

from citygrain.errors import InputError
from citygrain.imagery.observation import Observation
from citygrain.imagery.radiometry import data_offset, decide_radiometry, item_claims, metadata_offset

DARK = {"B04": 200, "B08": 50, "B11": 100}


def observation(
    properties: Mapping[str, Any] | None = None,
    *,
    asset: Mapping[str, Any] | None = None,
    name: str = "S2B_33UXP_20250302_0_L2A",
    time: datetime = datetime(2021, 5, 2, tzinfo=UTC),
    baseline: str | None = None,
    product: str = "sentinel-2",
) -> Observation:
    item = pystac.Item(name, None, None, time, dict(properties or {}))
    item.add_asset("red", pystac.Asset("B04.tif", extra_fields=dict(asset or {})))
    item.add_asset("scl", pystac.Asset("SCL.tif", extra_fields={"raster:bands": [{"offset": 0}]}))
    return Observation(item, product, {"B04": "red", "SCL": "scl"}, time, 3.0, "L2A", baseline, "33UXP")


def sample(added: int) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {band: rng.gamma(1.5, 600, 20_000) + low + added for band, low in DARK.items()}


RASTER_1 = {"raster:bands": [{"nodata": 0, "scale": 0.0001, "offset": -0.1}]}
RASTER_1_NONE = {"raster:bands": [{"nodata": 0, "scale": 0.0001, "offset": 0}]}
RASTER_2 = {"raster:scale": 0.0001, "raster:offset": -0.1}
STAC_1_1 = {"bands": [{"name": "B04", "raster:scale": 0.0001, "raster:offset": -0.1}]}


@pytest.mark.parametrize(
    ("one", "offset"),
    [
        # Earth Search, the older collection: taken off, and the asset's -0.1 left standing (its issue 9)
        (observation({"earthsearch:boa_offset_applied": True, "s2:processing_baseline": "05.11"}, asset=RASTER_1), 0),
        (
            observation({"earthsearch:boa_offset_applied": False, "s2:processing_baseline": "05.11"}, asset=RASTER_1),
            -1e3,
        ),
        (observation({"earthsearch:boa_offset_applied": False, "s2:processing_baseline": "02.09"}), 0),
        (observation({"sentinel:boa_offset_applied": True, "sentinel:processing_baseline": "04.00"}), 0),
        (observation({"s2:processing_baseline": "04.00"}, asset=RASTER_1_NONE), 0),
        # Planetary Computer: the baseline alone
        (observation({"s2:processing_baseline": "05.11"}), -1000),
        (observation({"s2:processing_baseline": "02.12"}), 0),
        # Copernicus Data Space: version and raster fields of the second extension
        (observation({"processing:version": "05.11"}, asset=RASTER_2), -1000),
        (observation({}, asset=STAC_1_1), -1000),
        (observation(name="S2A_MSIL2A_20210502T101411_N0500_R022_T33UUU_20230101T141411"), -1000),
        (observation({"s2:product_uri": "S2A_MSIL2A_20210502T101411_N0300_R022_T33UUU_20210502T141411.SAFE"}), 0),
        (observation(baseline="03.01"), 0),
        (observation(time=datetime(2023, 5, 2, tzinfo=UTC)), -1000),
        (observation(), None),
        (observation({"s2:processing_baseline": "99.99"}), None),
    ],
)
def test_what_catalogues_say(one: Observation, offset: float | None) -> None:
    assert metadata_offset(one)[0] == offset


def test_images_processed_again_are_told_by_their_baseline_not_their_date() -> None:
    again = observation({"s2:processing_baseline": "05.00"}, time=datetime(2018, 5, 2, tzinfo=UTC))
    assert metadata_offset(again) == (-1000, ("processing baseline 05.00 (-1000)",))


def test_all_that_is_said_is_kept_in_order_of_trust() -> None:
    one = observation(
        {"earthsearch:boa_offset_applied": True, "s2:processing_baseline": "05.11"},
        asset=RASTER_1,
        time=datetime(2025, 3, 2, tzinfo=UTC),
    )
    assert [claim.offset for claim in item_claims(one)] == [0, -1000, -1000]


@pytest.mark.parametrize("added", [0, 1000])
def test_metadata_and_data_that_agree(added: int) -> None:
    one = observation({"s2:processing_baseline": "05.11" if added else "02.14"})
    made = decide_radiometry(one, sample(added))
    assert made.offset == made.by_metadata == made.by_data == -added
    assert made.baseline == ("05.11" if added else "02.14") and made.level == "L2A" and made.scale == 10_000


@pytest.mark.parametrize("flag", [True, False])
def test_a_wrong_flag_is_refused_with_both_pieces_of_evidence(flag: bool) -> None:
    one = observation({"earthsearch:boa_offset_applied": flag, "s2:processing_baseline": "05.11"}, asset=RASTER_1)
    with pytest.raises(InputError, match=r"S2B_33UXP_20250302_0_L2A: its metadata .* its numbers .*--offset"):
        decide_radiometry(one, sample(1000 if flag else 0))
    made = decide_radiometry(one, sample(1000 if flag else 0), override=-1000.0 if flag else 0.0)
    assert made.offset == made.by_data != made.by_metadata


def test_cloud_alone_leaves_it_to_the_metadata_and_says_so() -> None:
    one = observation({"s2:processing_baseline": "05.11"})
    cloud = {band: np.full(10_000, 6000.0) for band in DARK}
    made = decide_radiometry(one, cloud)
    assert made.offset == -1000 and made.by_data is None and any("do not tell" in line for line in made.evidence)
    assert decide_radiometry(one, None).offset == -1000


def test_data_decide_where_metadata_are_silent() -> None:
    made = decide_radiometry(observation(), sample(1000))
    assert (made.offset, made.by_metadata) == (-1000, None)


def test_masks_are_no_witnesses() -> None:
    one = observation({"s2:processing_baseline": "05.11"})
    assert decide_radiometry(one, sample(1000) | {"SCL": np.full(10_000, 4), "CLD": np.full(10_000, 1)}).offset == -1000


@pytest.mark.parametrize(
    ("product", "number", "value"), [("landsat", 10_000, 0.075), ("hls", 750, 0.075), ("hls-s30", 750, 0.075)]
)
def test_other_sensors_have_one_scale(product: str, number: int, value: float) -> None:
    from citygrain.scene.radiometry import reflectance

    made = decide_radiometry(observation(product=product), None)
    assert reflectance(np.array([number]), made)[0] == pytest.approx(value, abs=1e-6)


def test_data_offset_is_the_same_function_for_products_on_disk() -> None:
    from citygrain.scene.dark_end import offset_by_data

    assert data_offset(sample(1000)) == offset_by_data(sample(1000))
