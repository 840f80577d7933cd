"""Whatever JSON comes as an item: it is one that the search can judge, or one line says why not."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citygrain.errors import InputError
from citygrain.imagery.area import area_from_bbox
from citygrain.imagery.assets import observe
from citygrain.imagery.catalogues import Collection
from citygrain.imagery.query import Query, parse_dates
from citygrain.imagery.searching import fits, newest_only
from citygrain.imagery.stac_items import cloud_of, read_item
from helpers.junk import JUNK, places, with_junk
from helpers.small_catalogue import feature

BANDS = {"B04": {"eo:bands": [{"name": "B04", "common_name": "red"}], "roles": ["data"]}, "SCL": {"type": "image/tiff"}}
TOLD = {
    "s2:processing_baseline": "05.11", "grid:code": "MGRS-33UUU", "created": "2025-06-02T00:00:00Z",
    "platform": "sentinel-2b", "mgrs:utm_zone": 33,
}  # fmt: skip
ITEM = feature("S2B_33UUU_20250601_0_L2A", assets=BANDS, **TOLD)
QUERY = Query(area_from_bbox("13.3,52.45,13.4,52.5"), *parse_dates("2025-05-01", "2025-08-31"), 60.0)
COLLECTION = Collection("sentinel-2", "L2A", "")


@given(st.sampled_from(places(ITEM)), JUNK)
def test_an_item_with_junk_in_it_is_judged_or_refused_in_a_line(place: tuple[Any, ...], junk: Any) -> None:
    try:
        item = read_item(with_junk(ITEM, place, junk), "https://example.org/item.json")
        if fits(item, QUERY):
            observation = observe(item, COLLECTION)
            assert newest_only([observation, observation])[0]
            assert observation.id.isprintable() and (observation.tile or "x").isprintable()
    except InputError as error:
        assert "\n" not in str(error) or place == ("properties", "datetime")


@pytest.mark.parametrize("name", ["", "a\nb", "S2B\x1b[2J", "\u202egpj.exe", "x" * 300, None, 7])
def test_an_id_is_a_name_of_one_line(name: Any) -> None:
    with pytest.raises(InputError, match="its id is no name of one line"):
        read_item(ITEM | {"id": name}, "here")


def test_what_it_may_hold_is_bounded() -> None:
    assets = {f"a{number}": {"href": "./a.tif"} for number in range(2000)}
    with pytest.raises(InputError, match="it has 2000 assets"):
        read_item(ITEM | {"assets": assets}, "here")


@pytest.mark.parametrize(
    ("said", "cloud"), [(12, 12.0), (0.5, 0.5), ("many", None), (True, None), (float("nan"), None)]
)
def test_clouds_are_numbers_or_unknown(said: Any, cloud: float | None) -> None:
    assert cloud_of(read_item(with_junk(ITEM, ("properties", "eo:cloud_cover"), said), "here")) == cloud


def test_an_item_without_outline_may_be_here_and_one_with_a_box_is_where_it_says() -> None:
    unplaced = ITEM | {"geometry": None, "bbox": None}
    assert fits(read_item(unplaced, "here"), QUERY)
    assert fits(read_item(unplaced | {"bbox": [13, 52, 0, 14, 53, 100]}, "here"), QUERY)
    assert not fits(read_item(unplaced | {"bbox": [14, 52, 15, 53]}, "here"), QUERY)
    assert fits(read_item(unplaced | {"bbox": [170, -90, -170, 90]}, "here"), QUERY)  # across the 180th meridian
