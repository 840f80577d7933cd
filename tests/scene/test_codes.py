"""Rasters of codes: values, and the names that GDAL keeps beside them."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from citygrain.errors import InputError
from citygrain.scene.codes import read_class_names, read_codes
from citygrain.scene.write import write_cog

GRID = GeoBox.from_bbox((0, 0, 80, 60), "EPSG:32633", resolution=10)


@given(names=st.dictionaries(st.integers(1, 255), st.text(st.characters(codec="utf-8"), min_size=1), min_size=1))
def test_names_come_back_as_written(tmp_path_factory: pytest.TempPathFactory, names: dict[int, str]) -> None:
    path = tmp_path_factory.mktemp("named") / "map.tif"
    write_cog(path, np.ones(GRID.shape, np.uint8), GRID, colormap={1: (1, 2, 3, 255)}, names=names)
    said = {code: "".join(c if c.isprintable() else " " for c in name) for code, name in names.items()}
    assert read_class_names(path) == said


@pytest.mark.parametrize(
    "text", ["", "<a>", "<PAMDataset/>", '<!DOCTYPE a [<!ENTITY b "c">]><PAMDataset>&b;</PAMDataset>']
)
def test_a_broken_or_hostile_side_file_names_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "map.tif.aux.xml").write_text(text)
    assert read_class_names(tmp_path / "map.tif") == read_class_names(tmp_path / "none.tif") == {}


def test_what_holds_no_codes(tmp_path: Path) -> None:
    write_cog(tmp_path / "a.tif", np.ones(GRID.shape, np.float32), GRID)
    with pytest.raises(InputError) as refused:
        read_codes(tmp_path / "a.tif")
    assert str(refused.value) == f"{tmp_path / 'a.tif'} holds float32; wanted: integers: labels or class codes"
    with pytest.raises(InputError, match="cannot be read"):
        read_codes(tmp_path / "none.tif")
