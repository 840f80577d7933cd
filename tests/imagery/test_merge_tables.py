from pathlib import Path

import pytest

from citygrain.errors import InputError
from citygrain.imagery.merge_tables import (
    chosen_merge,
    merge_csv,
    parse_merge_table,
    product_merge,
    read_merge_table,
)
from citygrain.imagery.references import map_product, map_products
from citygrain.legend import FROM_GLC10, LCZ, URBAN, WORLDCOVER, Legend

PRODUCTS = list(map_products().values())


@pytest.mark.parametrize("product", PRODUCTS, ids=[product.name for product in PRODUCTS])
@pytest.mark.parametrize("name", ["urban", "finer"])
def test_the_printed_table_is_the_ready_merge(product: object, name: str) -> None:
    printed = merge_csv(product, name)  # type: ignore[arg-type]
    ready = product_merge(product, name)  # type: ignore[arg-type]
    assert parse_merge_table(printed, product.legend, file="printed.csv") == ready  # type: ignore[attr-defined]


def test_an_edited_table_is_read(tmp_path: Path) -> None:
    table = tmp_path / "my.csv"
    table.write_text(merge_csv(map_product("worldcover")).replace("30,Grassland,Vegetation", "30,Grassland,Crop"))
    groups = read_merge_table(table, WORLDCOVER)
    assert groups["Crop"] == ["Grassland", "Cropland"]
    assert list(groups) == list(URBAN.names)


def test_other_classes_stand_in_the_order_of_the_table() -> None:
    legend = Legend.from_names({1: "a", 2: "b", 3: "c"})
    assert parse_merge_table("code,name,class\n1,a,Two\n2,b,One\n3,c,Two\n", legend, file="t.csv") == {
        "Two": ["a", "c"],
        "One": ["b"],
    }


def test_spreadsheets_write_semicolons_and_a_mark(tmp_path: Path) -> None:
    table = tmp_path / "my.csv"
    table.write_text("\ufeff" + merge_csv(map_product("worldcover")).replace(",", ";"), encoding="utf-8")
    assert read_merge_table(table, WORLDCOVER) == product_merge(map_product("worldcover"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("code,name\n1,a\n", "no column class"),
        ("code,name,class\n1,a,X\n", "does not say what becomes of b"),
        ("code,name,class\n1,a,X\n1,a,Y\n2,b,\n", "line 3: 'a' stands twice"),
        ("code,name,class\n1,b,X\n2,b,Y\n", "1 is 'b', which custom calls 'a'"),
        ("code,name,class\n7,a,X\n", "code '7' is not in custom"),
        ("code,name,class\n1,a,\n2,b,\n", "keeps no class"),
        ("", "no column code, name, class"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_with_its_line(text: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        parse_merge_table(text, Legend.from_names({1: "a", 2: "b"}), file="t.csv")


def test_a_table_for_another_product_is_refused() -> None:
    with pytest.raises(InputError, match=r"10 is 'Tree cover', which from-glc10 calls 'Cropland'"):
        parse_merge_table(merge_csv(map_product("worldcover")), FROM_GLC10, file="t.csv")


def test_a_merge_by_name() -> None:
    assert chosen_merge("none", LCZ, map_product("lcz-map")) == {}
    assert chosen_merge("finer", WORLDCOVER, None)["Trees"] == ["Tree cover", "Mangroves"]
    with pytest.raises(InputError, match=r"urban, finer, none, or a table ending in \.csv"):
        chosen_merge("urbn", WORLDCOVER, None)
    with pytest.raises(InputError, match="wanted: a table"):
        chosen_merge("urban", URBAN, None)
    with pytest.raises(InputError, match=r"nowhere\.csv cannot be read"):
        chosen_merge("nowhere.csv", WORLDCOVER, None)
