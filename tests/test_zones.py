import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.measure import regionprops

from citygrain import zones
from citygrain.errors import InputError
from citygrain.excerpt import Excerpt
from citygrain.zones import add_moments, boxes, centroids, empty_moments, look_up, moments, zone_table
from helpers.lazy_scenes import lazy_twin, patchwork


@given(seed=st.integers(0, 2**32 - 1), strip=st.integers(1, 200), dtype=st.sampled_from(["int32", "uint8", "int64"]))
def test_tables_are_those_of_regionprops_whatever_the_strips(seed: int, strip: int, dtype: str) -> None:
    rng = np.random.default_rng(seed)
    labels = np.unique(rng.integers(0, 9, (11, 13)), return_inverse=True)[1].reshape(11, 13).astype(dtype)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zones, "STRIP", strip)
        table = zone_table(Excerpt(labels, (0, 0), labels.shape))
    regions = regionprops(labels.astype(np.int32))
    assert table.boxes.tolist() == [list(region.bbox) for region in regions]
    assert table.areas.tolist() == [region.area for region in regions]
    middle = np.floor(np.array([region.centroid for region in regions]) + 0.5 + 1e-9)
    assert np.array_equal(table.centres, middle)
    assert np.array_equal(boxes(labels), table.boxes) and np.array_equal(centroids(labels, 8), table.centres)


def test_lazy_labels_have_the_same_table() -> None:
    _, labels = patchwork()
    twin, reader = lazy_twin(labels)
    eager, lazy = (zone_table(Excerpt.of(raster)) for raster in (labels, twin))
    assert all(np.array_equal(getattr(eager, name), getattr(lazy, name)) for name in ("boxes", "areas", "centres"))
    assert len(reader.read) == 1


def test_labels_that_are_no_zones_are_refused() -> None:
    cases = (([[1, 3, 3]], r"without pixels: \[2\]"), ([[0, 0]], "all"), ([[-1, 1]], "-1 to 1"), ([[9, 1]], "0 to 9"))
    for labels, message in cases:
        with pytest.raises(InputError, match=message):
            boxes(np.array(labels))


@given(cuts=st.lists(st.integers(1, 69), max_size=6), chosen=st.permutations(range(1, 61)))
def test_moments_do_not_depend_on_strips_or_order(cuts: list[int], chosen: list[int]) -> None:
    features, labels = (Excerpt.of(raster) for raster in patchwork())
    wanted = np.array(chosen[:20])
    whole, pieces = empty_moments(20, 3), empty_moments(20, 3)
    add_moments(features, labels, wanted, whole)
    for top, bottom in zip([0, *sorted(set(cuts))], [*sorted(set(cuts)), 70], strict=True):
        box = top, 0, bottom, 90
        add_moments(features.cut(box).read(), labels.cut(box).read(), wanted, pieces)
    assert moments(whole).tobytes() == moments(pieces).tobytes()
    for row, label in enumerate(wanted):
        inside = features.values[:, labels.values == label].astype(np.float64)
        inside[~np.isfinite(inside)] = np.nan
        wanted_moments = np.concatenate([np.nanmean(inside, 1), np.nanstd(inside, 1)])
        np.testing.assert_allclose(moments(whole)[row], wanted_moments, rtol=1e-6, atol=1e-7)


def test_deviations_of_nearly_equal_large_values_are_right() -> None:
    values = (1e4 + np.linspace(0, 0.5, 64)).astype(np.float32).reshape(1, 8, 8)
    state = empty_moments(1, 1)
    scene = [Excerpt(part, (0, 0), (8, 8)) for part in (values, np.ones((8, 8), np.int32))]
    add_moments(*scene, np.array([1]), state)
    exact = values.astype(np.float64)
    np.testing.assert_allclose(moments(state)[0], [exact.mean(), exact.std()], rtol=1e-6)


@given(numbers=st.lists(st.integers(-1, 4), min_size=1, max_size=20), first=st.integers(0, 1))
def test_look_up_is_indexing(numbers: list[int], first: int) -> None:
    table = np.arange(10, 16)
    raster = np.array([numbers])
    assert np.array_equal(look_up((raster + first).astype(np.int32), table, first=first), table[raster])
