import json
from pathlib import Path

import pytest

from citygrain.errors import InputError
from citygrain.imagery.catalogues import known_collections
from citygrain.imagery.references import map_product
from citygrain.imagery.sources import SOURCES, imagery_source, product_source, read_sources, source_of, write_sources


def test_what_is_written_is_read(tmp_path: Path) -> None:
    given = {
        "s2.tif": imagery_source("sentinel-2", [2025]),
        "worldcover.tif": product_source(map_product("worldcover", 2020)),
    }
    write_sources(tmp_path, given)
    assert read_sources(tmp_path) == given
    cover = source_of(tmp_path / "worldcover.tif")
    assert cover is not None
    assert (cover.product, cover.year) == ("worldcover", 2020)


def test_another_file_keeps_its_record(tmp_path: Path) -> None:
    write_sources(tmp_path, {"s2.tif": imagery_source("sentinel-2", [2024])})
    write_sources(tmp_path, {"s1.tif": imagery_source("sentinel-1", [2024])})
    assert set(read_sources(tmp_path)) == {"s1.tif", "s2.tif"}


def test_the_same_sources_are_the_same_bytes(tmp_path: Path) -> None:
    sources = {name: imagery_source("sentinel-2", [2024]) for name in ("b.tif", "a.tif")}
    write_sources(tmp_path / "one", sources)
    write_sources(tmp_path / "two", dict(reversed(sources.items())))
    assert (tmp_path / "one" / SOURCES).read_bytes() == (tmp_path / "two" / SOURCES).read_bytes()


def test_one_line_names_licence_attribution_and_citation() -> None:
    said = str(product_source(map_product("worldcover")))
    assert said.startswith("ESA WorldCover 2021, CC BY 4.0; ")
    assert "ESA WorldCover project 2021" in said
    assert said.endswith("Zanaga et al. 2022, doi:10.5281/zenodo.7254221")


@pytest.mark.parametrize(
    "text", ["{", "[1]", '{"sources": 3}', '{"sources": [3]}', '{"sources": [{"files": ["a.tif"]}]}']
)
def test_a_damaged_record_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / SOURCES).write_text(text)
    with pytest.raises(InputError, match="a record of sources"):
        read_sources(tmp_path)


def test_unknown_imagery_is_refused() -> None:
    with pytest.raises(InputError, match="one of sentinel-2"):
        imagery_source("spot", [2020])


def test_a_record_of_fetch_is_understood_and_kept(tmp_path: Path) -> None:
    row = {"product": "sentinel-2", "level": "L2A", "licence": "free", "licence_url": None, "attribution": "Copernicus"}
    cover = {"product": "worldcover", "licence": "CC BY 4.0", "attribution": "(c) ESA", "doubt": None}
    (tmp_path / SOURCES).write_text(json.dumps({"sources": [row, cover], "radiometry": {"a": 1}}))
    for name in ("s2.tif", "worldcover.tif", "clear.tif"):
        (tmp_path / name).touch()
    known = read_sources(tmp_path)
    assert set(known) == {"s2.tif", "worldcover.tif"}
    assert known["s2.tif"].title == "Copernicus Sentinel-2"
    write_sources(tmp_path, {"lcz.tif": product_source(map_product("lcz-map"))})
    assert json.loads((tmp_path / SOURCES).read_text())["radiometry"] == {"a": 1}
    assert set(read_sources(tmp_path)) == {"s2.tif", "worldcover.tif", "lcz.tif"}


def test_terms_are_the_same_wherever_they_are_read() -> None:
    for product, source in {
        "sentinel-2": imagery_source("sentinel-2", [2025]),
        "sentinel-1": imagery_source("sentinel-1", [2025]),
        "landsat": imagery_source("landsat", [2025]),
        "hls-s30": imagery_source("hls", [2025]),
        "worldcover": product_source(map_product("worldcover", 2021)),
    }.items():
        for collection in known_collections(product):
            said = collection.licence
            assert said is not None
            words = said.attribution.format(years=2025, year=2025)
            assert "2025" in words
            if "Digital Earth" not in words and "Geoscience" not in words:  # they have terms of their own
                assert (said.title, said.url) == (source.licence, source.licence_url)
                assert words.replace("2025", "2021") == source.attribution.replace("2025", "2021")
