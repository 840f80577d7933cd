import numpy as np
import pytest
import xarray as xr
from distributed import Client
from hypothesis import given
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from citygrain.errors import InputError
from citygrain.legend import URBAN
from citygrain.samples import draw
from citygrain.samples.draw import draw_samples, majority, unit_counts
from citygrain.tessellation import SegmentPatches, SegmentStatistics, raster_like
from citygrain.zones import strips
from helpers.lazy_scenes import lazy_twin, patchwork

Quilt = tuple[xr.DataArray, xr.DataArray]


@given(st.integers(0, 2**32 - 1))
def test_counts_are_those_of_a_search(seed: int) -> None:
    rng = np.random.default_rng(seed)
    grid = GeoBox.from_bbox((0, 0, 90, 70), "EPSG:32633", resolution=10)
    labels = rng.permutation(np.arange(63) % 9 + 1).astype(np.int32).reshape(7, 9)
    reference = rng.integers(0, 5, (7, 9)).astype(np.uint8)
    cut, truth = SegmentPatches(raster_like(labels, grid), 3), raster_like(reference, grid)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(draw, "strips", lambda box: strips(box, pixels=20))
        counts = unit_counts(cut, truth, URBAN, engine=3)
    assert counts.tobytes() == unit_counts(cut, truth, URBAN, engine=1).tobytes()
    for unit in range(9):
        inside = reference[labels == unit + 1]
        assert counts[unit].tolist() == [(inside == code).sum() for code in (1, 2, 3, 4)]
    codes, purity = majority(counts, URBAN)
    labelled = counts.sum(1)
    assert ((codes == 0) == (labelled == 0)).all()
    assert np.allclose(purity[labelled > 0], counts.max(1)[labelled > 0] / labelled[labelled > 0])


def test_every_superpixel_gives_a_sample(quilt: Quilt) -> None:
    features, labels = quilt
    reference = raster_like(np.full(labels.shape, 3, np.uint8), labels.odc.geobox)
    for cut in (SegmentPatches(labels, 9), SegmentStatistics(labels, 9)):
        samples = draw_samples(features, cut, reference, legend=URBAN)
        assert len(samples) == labels.values.max()
        assert (samples.y == 3).all() and (samples.purity == 1).all()
        assert samples.features == cut.names(["B04", "B08"])


def test_a_window_wholly_without_data_is_unlabelled() -> None:
    grid = GeoBox.from_bbox((0, 0, 90, 90), "EPSG:32633", resolution=10)
    ring = np.ones((9, 9), np.int32)
    ring[2:7, 2:7] = 0  # the centroid of the ring lies in the hole
    values = np.where(ring > 0, 1, np.nan).astype(np.float32)
    features = raster_like(values, grid).expand_dims(band=["B04"])
    reference = raster_like(np.ones((9, 9), np.uint8), grid)
    drawn = draw_samples(features, SegmentPatches(raster_like(ring, grid), 3), reference, legend=URBAN)
    assert drawn.y.tolist() == [0]
    drawn = draw_samples(features, SegmentPatches(raster_like(ring, grid), 7), reference, legend=URBAN)
    assert drawn.y.tolist() == [1]


@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64"])
def test_a_lazy_scene_gives_the_same_samples(dtype: str) -> None:
    features, labels = patchwork()
    codes = np.random.default_rng(0).integers(0, 5, labels.shape).astype(dtype)
    codes[:, :30] = 0  # unlabelled
    reference = raster_like(codes, labels.odc.geobox)
    for cut in (SegmentPatches, SegmentStatistics):
        eager = draw_samples(features, cut(labels, 9), reference, legend=URBAN)
        lazy_features, reader = lazy_twin(features)
        lazy = draw_samples(lazy_features, cut(lazy_twin(labels)[0], 9), lazy_twin(reference)[0], legend=URBAN)
        for name in ("y", "purity", "extent", "unit"):
            assert getattr(lazy, name).tobytes() == getattr(eager, name).tobytes()
        reader.read.clear()
        drawn = lazy[lazy.y == 3]
        assert reader.read == []
        wanted = eager.take(np.arange(len(eager)))[eager.y == 3]
        assert drawn.take(np.arange(len(drawn))).tobytes() == wanted.tobytes()
        assert drawn[:4].take(np.array([3, 0, 3])).tobytes() == wanted[[3, 0, 3]].tobytes()


def test_every_engine_draws_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = patchwork()
    reference = raster_like(np.random.default_rng(0).integers(0, 5, labels.shape), labels.odc.geobox)
    cut = SegmentStatistics(labels, 9)
    whole = draw_samples(features, cut, reference, legend=URBAN, engine=1)
    assert whole.x.tobytes() == cut.gather(features)[:].tobytes()
    monkeypatch.setattr(draw, "_BLOCK", 25)
    with Client(processes=False, dashboard_address="127.0.0.1:0", n_workers=1, threads_per_worker=2) as client:
        for engine in (3, client):
            drawn = draw_samples(features, cut, reference, legend=URBAN, engine=engine)
            for name in ("x", "y", "purity", "extent", "unit"):
                assert getattr(drawn, name).tobytes() == getattr(whole, name).tobytes()


def test_another_grid_or_code_is_refused(quilt: Quilt) -> None:
    features, labels = quilt
    cut = SegmentPatches(labels, 5)
    reference = raster_like(np.full(labels.shape, 9, np.uint8), labels.odc.geobox)
    with pytest.raises(InputError, match="not in legend"):
        draw_samples(features, cut, reference, legend=URBAN)
    with pytest.raises(InputError, match="one grid"):
        draw_samples(features, cut, reference[:10], legend=URBAN)
