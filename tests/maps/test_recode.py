"""LCZ maps written with other codes: the same ground, other numbers, and their own colours and names."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox

from citygrain.errors import InputError
from citygrain.legend import LCZ
from citygrain.maps.recode import recode_map
from citygrain.scene.write import write_cog

GRID = GeoBox((3, 6), Affine(100, 0, 500_000, 0, -100, 6_000_000), "EPSG:32633")
CODES = np.arange(18, dtype=np.uint8).reshape(3, 6)


@pytest.fixture
def lcz(tmp_path: Path) -> Path:
    write_cog(tmp_path / "lcz.tif", CODES, GRID, nodata=0)
    return tmp_path / "lcz.tif"


def test_there_and_back(lcz: Path) -> None:
    for scheme in ("so2sat", "geoclimate"):
        recode_map(lcz, lcz.with_name("there.tif"), to=scheme)
        recode_map(lcz.with_name("there.tif"), lcz.with_name("back.tif"), to="wudapt", source=scheme)
        with rasterio.open(lcz.with_name("back.tif")) as back:
            np.testing.assert_array_equal(back.read(1), CODES)
            assert GeoBox.from_rio(back) == GRID


def test_colours_names_and_no_data_come_along(lcz: Path) -> None:
    counts = recode_map(lcz, lcz.with_name("wrf.tif"), to="wrf51")
    assert counts == {0: 7, **{code + 50: 1 for code in range(1, 12)}}
    recode_map(lcz, lcz.with_name("so2sat.tif"), to="so2sat")
    with rasterio.open(lcz.with_name("wrf.tif")) as wrf, rasterio.open(lcz.with_name("so2sat.tif")) as so2sat:
        assert (wrf.nodata, so2sat.nodata) == (0, 255)
        assert wrf.colormap(1)[61][:3] == so2sat.colormap(1)[14][:3] == LCZ.colormap()[15][:3]
        assert wrf.colormap(1)[0][3] == 0
        assert so2sat.read(1)[0, :3].tolist() == [255, 0, 1]
        assert wrf.tags()["legend"] == "lcz wrf51"
    assert "<Category>Compact high-rise</Category>" in lcz.with_name("wrf.tif.aux.xml").read_text()


def test_another_no_data_and_another_band(tmp_path: Path) -> None:
    two = np.stack([np.full((3, 6), 3, np.int16), np.full((3, 6), 5, np.int16)])
    two[1, 0, 0] = -999
    write_cog(tmp_path / "a.tif", two, GRID, nodata=-999)
    assert recode_map(tmp_path / "a.tif", tmp_path / "b.tif", to="wrf31", band=2) == {0: 1, 35: 17}


def test_what_cannot_be_recoded_leaves_no_file(lcz: Path) -> None:
    out = lcz.with_name("out.tif")
    for options, message in (
        ({"to": "wrf31", "source": "wrf51"}, r"1, 2, .*, \.\.\. in codes of scheme 'wrf51'; wanted: 51"),
        ({"to": "letters"}, "LCZ scheme 'letters' for a raster; wanted: one of wudapt"),
        ({"to": "wrf31", "source": "wrf"}, "LCZ scheme 'wrf'; wanted"),
        ({"to": "wrf31", "band": 2}, "cannot be read"),
    ):
        with pytest.raises(InputError, match=message):
            recode_map(lcz, out, **options)
    assert not out.exists()


def test_maps_of_the_tool_w2w(data: Path, tmp_path: Path) -> None:
    counts = recode_map(data / "lcz/w2w/lcz_zaragoza_europe.tif", tmp_path / "z.tif", to="geoclimate")
    assert sum(counts.values()) == 925_650
    assert counts[104] == 623_573
