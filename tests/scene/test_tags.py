"""What a file keeps of where its scene comes from."""

from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from citygrain.scene.read import read_scene
from citygrain.scene.tags import KEPT, scene_tags, tagged_attributes
from citygrain.scene.write import write_cog

GRID = GeoBox((4, 5), Affine(10, 0, 500_000, 0, -10, 6_000_000), "EPSG:32633")


@given(st.dictionaries(st.sampled_from(KEPT), st.text("abc ;,-09", min_size=1, max_size=40)))
def test_what_is_kept_comes_back(attributes: dict[str, str]) -> None:
    kept = {key: value.strip() for key, value in attributes.items() if value.strip()}
    assert tagged_attributes(scene_tags(attributes)) == kept


@pytest.mark.parametrize("tags", [{"CITYGRAIN_LEVEL": "L1C"}, {"level": "L1C"}])
def test_the_level_of_a_file_is_the_scenes(tmp_path: Path, tags: dict[str, str]) -> None:
    write_cog(tmp_path / "s.tif", np.full((1, 4, 5), 2000, np.uint16), GRID, band_names=["B04"], tags=tags)
    assert read_scene(tmp_path / "s.tif").attrs["level"] == "L1C"


def test_values_that_are_reflectance_already_are_not_scaled(tmp_path: Path) -> None:
    values = np.full((1, 4, 5), 0.2, np.float32)
    write_cog(tmp_path / "s.tif", values, GRID, band_names=["B04"], tags={"CITYGRAIN_UNITS": "reflectance"})
    np.testing.assert_allclose(read_scene(tmp_path / "s.tif").values, 0.2)
