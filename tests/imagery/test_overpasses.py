from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pystac
import pytest
from hypothesis import given
from hypothesis import strategies as st

from citygrain.imagery.observation import Observation
from citygrain.imagery.overpasses import overpasses, quality_layer, usable

START = datetime(2025, 6, 1, 10, tzinfo=UTC)


def one(name: str, seconds: float = 0, *, assets: str = "B04 SCL", product: str = "sentinel-2") -> Observation:
    time = START + timedelta(seconds=seconds)
    item = pystac.Item(name, None, None, time, {})
    keys = {band: band.lower() for band in assets.split()}
    for key in keys.values():
        item.add_asset(key, pystac.Asset(f"{key}.tif"))
    return Observation(item, product, keys, time, 0.0, "L2A", None, None)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 120)), max_size=20), st.randoms(use_true_random=False))
def test_what_is_taken_within_minutes_is_one_overpass(times: list[tuple[int, int]], random: Any) -> None:
    images = [one(f"i{n}", 3600 * hour + second) for n, (hour, second) in enumerate(times)]
    groups = overpasses(images)
    assert sorted(image.id for group in groups for image in group) == sorted(image.id for image in images)
    assert len(groups) == len({hour for hour, _ in times})
    for group in groups:
        assert group[-1].time - group[0].time < timedelta(minutes=15)
    shuffled = random.sample(images, len(images))
    assert overpasses(shuffled) == groups
    assert [group[0].time for group in groups] == sorted(group[0].time for group in groups)


def test_one_overpass_may_pass_midnight() -> None:
    late = [one("a", 14 * 3600 - 5), one("b", 14 * 3600 + 5)]
    assert {image.time.day for image in late} == {1, 2} and len(overpasses(late)) == 1


def test_products_are_not_mixed() -> None:
    groups = overpasses([one("a", 0), one("b", 10, product="landsat"), one("c", 20)])
    assert [[image.id for image in group] for group in groups] == [["a", "c"], ["b"]]


def test_images_that_lack_something_are_named_and_left_out() -> None:
    images = [one("a"), one("b", assets="B04"), one("c", assets="SCL"), one("d", assets="B08 CLD")]
    kept, left_out = usable(images, ["B04"])
    assert [image.id for image in kept] == ["a"]
    assert left_out == ["b: has no SCL", "c: has no B04", "d: has no B04, SCL"]
    assert [image.id for image in usable(images, ["B04"], masked=False)[0]] == ["a", "b"]


@pytest.mark.parametrize(
    ("product", "assets", "wanted"),
    [
        ("landsat", "B04", ["x: has no QA"]),
        ("hls-s30", "B04", ["x: has no FMASK"]),
        ("landsat", "B04 QA", []),
        ("hls-l30", "B04 FMASK", []),
        ("sentinel-1", "B04", []),  # radar sees through
        ("sentinel-2", "B04 FMASK", []),
    ],
)
def test_each_product_has_its_own_quality_layer(product: str, assets: str, wanted: list[str]) -> None:
    image = one("x", assets=assets, product=product)
    assert usable([image], ["B04"])[1] == wanted
    assert (quality_layer(image) is None) == bool(wanted or product == "sentinel-1")


def test_an_asset_that_is_named_but_not_there_is_missing() -> None:
    image = one("x")
    del image.item.assets["b04"]
    assert usable([image], ["B04"])[1] == ["x: has no B04"]


def test_level_1c_has_no_quality_layer() -> None:
    raw = replace(one("x", assets="B04"), level="L1C")
    assert usable([raw], ["B04"]) == ([raw], [])
