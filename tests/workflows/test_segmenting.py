"""Superpixels of a scene of any size: by windows and in memory they are one file with one set of figures."""

from pathlib import Path

import pytest

from citygrain.features.stack import compute_features
from citygrain.scene.codes import read_codes
from citygrain.scene.synthetic import SyntheticCity
from citygrain.segments.quality import segment_quality
from citygrain.workflows.segmenting import segment_scene
from helpers.lazy_scenes import lazy_twin


def test_a_lazy_scene_gives_the_same_file_and_figures(city: SyntheticCity, tmp_path: Path) -> None:
    scene = city.scene.sel(band=["B02", "B04", "B08"]).isel(y=slice(0, 120), x=slice(0, 140))
    lazy, reader = lazy_twin(scene)
    whole = segment_scene(scene, ["NDVI"], tmp_path / "whole.tif", n_segments=60)
    parts = segment_scene(lazy, ["NDVI"], tmp_path / "parts.tif", n_segments=60, memory=2**28, engine=1)
    assert (tmp_path / "whole.tif").read_bytes() == (tmp_path / "parts.tif").read_bytes()
    assert whole == parts and reader.read
    labels, features = read_codes(tmp_path / "whole.tif"), compute_features(scene, ["B02", "B04", "B08", "NDVI"])
    wanted = segment_quality(labels, features=features)
    assert (whole["n_segments"], whole["mean_area"]) == (wanted.n_segments, wanted.mean_area)
    assert whole["explained_variation"] == pytest.approx(wanted.explained_variation, rel=1e-9)
