"""Statistics of superpixels depend on their own pixels alone, wherever these lie."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from citygrain import segment_rows
from citygrain.segment_rows import Segments
from citygrain.tessellation import SegmentStatistics, raster_like
from citygrain.tiles import tile_grid
from helpers.lazy_scenes import grid, lazy_twin, patchwork

FEATURES, LABELS = patchwork()
SEGMENTS = Segments(LABELS, 9)


@given(side=st.integers(1, 100))
def test_every_superpixel_is_in_the_block_of_its_centre(side: int) -> None:
    found = []
    for tile, units in SEGMENTS.blocks(side):
        rows, columns = tile.slices
        centres = SEGMENTS.table.centres[units]
        assert ((centres >= [rows.start, columns.start]) & (centres < [rows.stop, columns.stop])).all()
        assert (np.diff(units) > 0).all()
        found.append(units)
    assert len(found) == len(tile_grid(LABELS.shape, side))
    assert sorted(np.concatenate(found).tolist()) == list(range(len(SEGMENTS)))


@given(reach=st.integers(1, 200))
def test_wide_superpixels_are_summed_as_the_others_are(reach: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segment_rows, "_REACH", (reach, reach))
        for scene, labels in ((FEATURES, LABELS), (lazy_twin(FEATURES)[0], lazy_twin(LABELS)[0])):
            rows = SegmentStatistics(labels, 9).rows(scene)
            assert rows[:].tobytes() == WHOLE.tobytes()
            assert rows.subset(np.array([60, 2]))[:].tobytes() == WHOLE[[60, 2]].tobytes()


WHOLE = np.asarray(SegmentStatistics(LABELS, 9).gather(FEATURES))


def test_values_of_others_change_nothing() -> None:
    loud = FEATURES.copy(deep=True)
    unit = 20
    far = (abs(np.arange(70)[:, None] - SEGMENTS.table.centres[unit, 0]) > 4) | (
        abs(np.arange(90) - SEGMENTS.table.centres[unit, 1]) > 4
    )
    loud.values[:, far & (LABELS.values != unit + 1)] = 1e6
    assert np.asarray(SegmentStatistics(LABELS, 9).gather(loud))[unit].tobytes() == WHOLE[unit].tobytes()


def test_windows_stay_small_beside_a_wide_superpixel() -> None:
    labels = np.ones((400, 600), np.int32)  # one superpixel around all others
    cells = 2 + np.arange(360)[:, None] // 20 * 28 + np.arange(560) // 20
    labels[20:380, 20:580] = cells
    raster = raster_like(labels, grid(400, 600))
    values = raster_like((labels % 7).astype(np.float32), grid(400, 600)).expand_dims(band=["B02"])
    twin, reader = lazy_twin(values)
    cut = SegmentStatistics(raster, 5)
    rows = cut.rows(twin)
    assert (rows.apart >= 0).tolist() == [True] + [False] * (len(cut) - 1)
    reader.read.clear()
    for _, units in cut.blocks(100):
        rows.subset(units).loaded()
    assert max(max(size) for size in reader.read) <= 100 + 2 * 20
    made = np.asarray(cut.gather(values))
    assert np.array_equal(made[:, 0], np.arange(1, len(cut) + 1) % 7) and not made[:, 1].any()


def test_a_superpixel_without_any_value_has_none() -> None:
    empty = FEATURES.copy(deep=True)
    empty.values[1, LABELS.values == 5] = np.nan
    made = np.asarray(SegmentStatistics(LABELS, 1).gather(empty))
    assert np.isnan(made[4, [1, 4]]).all() and np.isfinite(made[4, [0, 2, 3, 5]]).all()
    assert isinstance(empty, xr.DataArray)
