"""Files of shapes that are damaged: one short line, whatever the library had to say."""

from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
from shapely.geometry import box

from citygrain.errors import InputError
from citygrain.samples.vector import is_vector, read_vector


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("shapes") / "whole.gpkg"
    shapes = [box(10 * i, 0, 10 * i + 9, 90) for i in range(60)]
    gpd.GeoDataFrame({"kind": [1, 2] * 30}, geometry=shapes, crs="EPSG:32633").to_file(path)
    return path.read_bytes()


def damaged(content: bytes, way: str) -> bytes:
    if way == "half":
        return content[: len(content) // 2]
    if way.startswith("page"):
        first = 4096 * int(way[-1])
        return content[:first] + bytes(4096) + content[first + 4096 :]
    rng, values = np.random.default_rng(int(way[-1])), bytearray(content)
    for place in rng.integers(100, len(values), 400):
        values[place] = rng.integers(256)
    return bytes(values)


@pytest.mark.parametrize("way", ["half", "page1", "page2", "noise0", "noise1", "noise2", "noise7"])
def test_a_damaged_geopackage_is_one_short_line(whole: bytes, tmp_path: Path, way: str) -> None:
    path = tmp_path / "shapes.gpkg"
    path.write_bytes(damaged(whole, way))
    with pytest.raises(InputError) as refused:
        assert is_vector(path)
        read_vector(path, field="kind", layer=None)
    said = str(refused.value)
    assert said.startswith("shapes.gpkg ") and "\n" not in said and len(said) < 180, said
    assert "sqlite3" not in said and "SELECT" not in said and str(tmp_path) not in said


def test_what_is_no_file_of_shapes_is_one_short_line(tmp_path: Path) -> None:
    for name, content in (("a.gpkg", b"no database"), ("a.geojson", b'{"type": "FeatureColl'), ("a.shp", b"\0" * 100)):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError) as refused:
            read_vector(tmp_path / name, field="kind", layer=None)
        assert len(str(refused.value)) < 180 and str(tmp_path) not in str(refused.value), refused.value
