import pytest

from citygrain.errors import InputError
from citygrain.imagery.merge_tables import NAMED_MERGES, product_merge
from citygrain.imagery.references import MapProduct, map_product, map_products

PRODUCTS = list(map_products().values())
NAMES = [product.name for product in PRODUCTS]


@pytest.mark.parametrize("product", PRODUCTS, ids=NAMES)
def test_every_product_says_licence_source_and_how_right_it_is(product: MapProduct) -> None:
    assert product.licence
    assert product.attribution
    assert product.citation
    assert product.doi.startswith("10.")
    assert product.how
    assert product.accuracy or product.accuracy_words
    assert all(0.5 < figures.overall < 1 for figures in product.accuracy)
    assert str(product.year) in product.caution
    assert "{" not in product.attribution


@pytest.mark.parametrize("product", PRODUCTS, ids=NAMES)
def test_no_data_is_no_class(product: MapProduct) -> None:
    values = {value for c in product.legend for value in c.in_files}
    assert str(product.nodata) not in values
    assert not values & set(product.ignore)


@pytest.mark.parametrize("product", PRODUCTS, ids=NAMES)
@pytest.mark.parametrize("name", NAMED_MERGES)
def test_every_ready_merge_fits_its_legend(product: MapProduct, name: str) -> None:
    groups = product_merge(product, name)
    legend, recode = product.legend.merge(groups)
    assert set(recode) == set(product.legend.values.tolist())
    if name == "urban":
        assert set(legend.names) <= {"Urban", "Crop", "Vegetation", "Water"}
        assert {"Urban", "Water"} <= set(legend.names)


def test_the_caution_has_the_figure_and_who_says_so() -> None:
    assert "about 77 % right" in map_product("worldcover").caution
    assert "Zanaga et al. 2022" in map_product("worldcover").caution
    assert "at least 85 % right" in map_product("corine").caution
    assert "of unknown accuracy here" in map_product("lcz-map").caution


def test_editions_differ_in_figures_and_tiles() -> None:
    older, newer = map_product("worldcover", 2020), map_product("WorldCover", 2021)
    assert (older.accuracy[0].overall, newer.accuracy[0].overall) == (0.744, 0.767)
    area = (-64.3, -31.5, -64.1, -31.3)
    assert list(older.tile_urls(area).values()) == [
        "https://esa-worldcover.s3.eu-central-1.amazonaws.com/v100/2020/map/ESA_WorldCover_10m_2020_v100_S33W066_Map.tif"
    ]


def test_catalogues_say_collection_and_asset() -> None:
    source = map_product("esri-lulc", 2021).catalogues["planetary-computer"]
    assert (source.collection, source.asset) == ("io-lulc-annual-v02", "data")
    assert map_product("worldcover").catalogues["planetary-computer"].collection == "esa-worldcover"


def test_esri_has_a_file_for_each_zone_and_band() -> None:
    urls = map_product("esri-lulc", 2022).tile_urls((13.2, 52.4, 13.6, 52.6))
    assert list(urls) == ["33U_20220101-20230101"]


def test_what_cannot_be_had_by_address_says_how_else() -> None:
    with pytest.raises(InputError, match=r"Google Earth Engine"):
        map_product("dynamic-world").tile_urls((13.2, 52.4, 13.6, 52.6))
    with pytest.raises(InputError, match=r"one of worldcover"):
        map_product("wordcover")
