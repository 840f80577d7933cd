"""Bands of any catalogue are found by what it says of them, or refused."""

from collections.abc import Mapping
from typing import Any

import pystac
import pytest

from citygrain.errors import InputError
from citygrain.imagery.assets import asset_keys, observe
from citygrain.imagery.catalogues import Collection, catalogue_named, catalogues
from citygrain.sensors import SENTINEL2
from helpers.small_catalogue import feature


def item(assets: Mapping[str, Mapping[str, Any]], name: str = "S2B_33UUU_20250601_0_L2A", **said: Any) -> pystac.Item:
    return pystac.Item.from_dict(feature(name, assets=assets, **said))


def test_every_name_of_the_table_is_a_band_or_a_layer_of_ours() -> None:
    for catalogue in catalogues():
        assert catalogue.url.startswith("https://")
        for collection in catalogue.collections:
            assert collection.assets and collection.licence
            if collection.product == "sentinel-2":
                assert set(collection.assets) <= {band.name for band in SENTINEL2.bands} | {"SCL", "CLD", "FMASK"}


@pytest.mark.parametrize("name", ["earth-search", "planetary-computer", "cdse"])
def test_the_generic_search_agrees_with_the_table(name: str) -> None:
    collection = catalogue_named(name).collection("sentinel-2")
    found = asset_keys(item({key: {} for key in collection.assets.values()}), "sentinel-2")
    assert found == dict(collection.assets)


def test_bands_are_found_by_their_names_and_common_names() -> None:
    old = item({"a": {"eo:bands": [{"name": "B04"}]}, "b": {"eo:bands": [{"name": "x", "common_name": "nir08"}]}})
    assert asset_keys(old, "sentinel-2") == {"B04": "a", "B8A": "b"}
    new = item({"a": {"bands": [{"name": "B04"}]}, "b": {"bands": [{"name": "x", "eo:common_name": "nir08"}]}})
    assert asset_keys(new, "sentinel-2") == {"B04": "a", "B8A": "b"}


def test_the_finest_resolution_and_geotiff_are_taken() -> None:
    assets = {
        "B04_20m": {}, "B04_10m": {}, "red": {"type": "image/tiff"},
        "visual": {"roles": ["visual"]},
        "nir": {"type": "image/tiff; application=geotiff", "eo:bands": [{"name": "nir"}]},
        "nir-jp2": {"type": "image/jp2", "eo:bands": [{"name": "nir"}]},
    }  # fmt: skip
    assert asset_keys(item(assets), "sentinel-2") == {"B04": "B04_10m", "B08": "nir"}


def test_two_assets_for_one_band_are_refused_and_may_be_said() -> None:
    two = item({"x": {"eo:bands": [{"name": "B04"}]}, "y": {"eo:bands": [{"name": "B04"}]}})
    with pytest.raises(InputError, match="x and y could both be B04; say which: --asset B04=KEY"):
        asset_keys(two, "sentinel-2")
    assert asset_keys(two, "sentinel-2", {"B04": "y"}) == {"B04": "y"}
    with pytest.raises(InputError, match="no asset z"):
        asset_keys(two, "sentinel-2", {"B04": "z"})


def test_the_red_edge_alone_is_not_three_bands() -> None:
    same = {name: {"eo:bands": [{"name": name, "common_name": "rededge"}]} for name in ("p", "q", "r")}
    assert not {"B06", "B07"} & set(asset_keys(item({"p": same["p"]}), "sentinel-2"))


@pytest.mark.parametrize(
    ("said", "baseline", "tile"),
    [
        ({"s2:processing_baseline": "05.09", "s2:mgrs_tile": "33UUU"}, "05.09", "33UUU"),
        ({"processing:version": "05.11", "grid:code": "MGRS-33UVU"}, "05.11", "33UVU"),
        ({"s2:product_uri": "S2A_MSIL2A_20180601T102021_N0208_R065_T32TQM_20180601T130000.SAFE"}, "02.08", "33UUU"),
        ({"mgrs:utm_zone": 5, "mgrs:latitude_band": "Q", "mgrs:grid_square": "AA"}, None, "05QAA"),
        ({}, None, "33UUU"),
    ],
)
def test_baseline_and_tile_are_read_wherever_they_stand(said: dict[str, Any], baseline: str | None, tile: str) -> None:
    seen = observe(item({"B04": {}}, **said), Collection("sentinel-2", "L2A", "x"))
    assert (seen.baseline, seen.tile) == (baseline, tile)
    assert seen.time.utcoffset() is not None


def test_the_level_is_read_where_the_collection_does_not_say_it() -> None:
    somewhere = Collection("sentinel-2", "", "")
    assert observe(item({"B04": {}}), somewhere).level == "L2A"
    assert observe(item({"B04": {}}, "S2B_33UUU_20250601_0_L1C"), somewhere).level == "L1C"
    assert (
        observe(item({"vv": {}}, "S1A", **{"sar:product_type": "GRD"}), Collection("sentinel-1", "", "")).level == "GRD"
    )


def test_an_address_over_https_is_preferred_to_a_store() -> None:
    from citygrain.imagery.searching import _prefer_https

    offered = {"https": {"href": "https://example.org/a.tif"}}
    one = item({"B04": {"href": "s3://eodata/a.jp2", "alternate": offered}, "B08": {"href": "s3://eodata/b.jp2"}})
    _prefer_https(one)
    assert [one.assets[key].href for key in ("B04", "B08")] == ["https://example.org/a.tif", "s3://eodata/b.jp2"]
