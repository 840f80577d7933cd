import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from citygrain.errors import InputError
from citygrain.excerpt import Excerpt
from citygrain.segments import quality
from citygrain.segments.quality import segment_quality
from citygrain.zones import strips

REFERENCE = np.array([
    [1, 1, 1, 2, 2, 2],
    [1, 1, 1, 2, 2, 2],
    [1, 1, 3, 3, 2, 2],
])  # fmt: skip
SEGMENTS = np.array([
    [1, 1, 2, 2, 3, 3],
    [1, 1, 2, 2, 3, 3],
    [1, 1, 2, 2, 3, 3],
])  # fmt: skip


def test_counts_by_hand():
    """Segment 2 holds 2 of class 1, 2 of class 2 and 2 of class 3; the others are pure."""
    found = segment_quality(SEGMENTS, reference=REFERENCE, tolerance=0)
    assert found.n_segments == 3
    assert found.mean_area == 6
    assert found.purity == pytest.approx((6 + 2 + 6) / 18)
    assert found.undersegmentation_error == pytest.approx((2 + 2 + 2) / 18)
    assert found.explained_variation is None


def test_boundary_recall_by_hand():
    """Reference boundary: (0,2) (1,2) (1,3) (2,1) (2,3); segment boundary: columns 1 and 3, all rows."""
    assert segment_quality(SEGMENTS, reference=REFERENCE, tolerance=0).boundary_recall == pytest.approx(3 / 5)
    assert segment_quality(SEGMENTS, reference=REFERENCE, tolerance=1).boundary_recall == 1


def test_explained_variation_by_hand():
    """Two segments with means 1 and 4 about the mean 2.5; values 0, 2, 3, 5: 9 of 13 explained."""
    features = np.array([[[0.0, 2.0, 3.0, 5.0]]])
    found = segment_quality(np.array([[1, 1, 2, 2]]), features=features)
    assert found.explained_variation == pytest.approx(9 / 13)
    assert (found.boundary_recall, found.purity, found.undersegmentation_error) == (None, None, None)


@given(seed=st.integers(0, 99), strip=st.integers(1, 60), offset=st.sampled_from([0.0, 1e4]))
def test_explained_variation_by_windows_is_that_of_the_whole(seed, strip, offset):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 6, (9, 11)).astype(np.int32)
    features = rng.random((3, 9, 11)) + offset
    features[:, 2:4, 5] = np.nan
    known = (labels > 0) & np.isfinite(features).all(0)
    total = sum(((band[known] - band[known].mean()) ** 2).sum() for band in features)
    between = sum(
        (labels == label)[known].sum() * (band[known & (labels == label)].mean() - band[known].mean()) ** 2
        for band in features
        for label in np.unique(labels[known])
    )
    whole = [Excerpt(part, (0, 0), (9, 11)) for part in (labels, features)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quality, "strips", lambda box: strips(box, pixels=strip))
        assert quality.explained_variation(*whole, 7) == pytest.approx(between / total, rel=1e-6)
    assert segment_quality(labels, features=features).explained_variation == pytest.approx(between / total, rel=1e-6)


def test_unlabelled_and_nodata_are_left_out():
    segments, reference = SEGMENTS.copy(), REFERENCE.copy()
    segments[0], reference[2] = 0, 0
    found = segment_quality(segments, reference=reference, tolerance=0)
    assert found.purity == pytest.approx(5 / 6)
    assert found.undersegmentation_error == pytest.approx(2 / 6)
    features = np.where(segments == 0, np.nan, REFERENCE)[None].astype(float)
    assert segment_quality(segments, features=features).explained_variation is not None


@given(st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_bounds_and_renaming(seed):
    rng = np.random.default_rng(seed)
    segments, reference = rng.integers(0, 9, (12, 15)), rng.integers(0, 4, (12, 15))
    features = rng.normal(size=(3, 12, 15))
    found = segment_quality(xr.DataArray(segments), reference=reference, features=features)
    assert 0 <= found.purity <= 1
    assert 0 <= found.undersegmentation_error <= 2
    assert 0 <= found.boundary_recall <= 1
    assert 0 <= found.explained_variation <= 1
    names = np.concatenate([[0], rng.permutation(np.arange(1, 9)) * 1000])
    renamed = segment_quality(names[segments], reference=reference, features=features)
    assert renamed.purity == found.purity
    assert renamed.undersegmentation_error == found.undersegmentation_error
    assert renamed.boundary_recall == found.boundary_recall
    assert renamed.explained_variation == pytest.approx(found.explained_variation, abs=1e-12)


def test_the_reference_itself_is_perfect():
    found = segment_quality(REFERENCE, reference=REFERENCE, features=REFERENCE[None].astype(float), tolerance=0)
    assert (found.purity, found.undersegmentation_error, found.boundary_recall) == (1, 0, 1)
    assert found.explained_variation == pytest.approx(1)


def test_nothing_to_measure():
    flat = np.ones((3, 6))
    found = segment_quality(SEGMENTS, reference=flat.astype(int), features=flat[None])
    assert found.boundary_recall is None
    assert found.explained_variation is None


def test_wrong_input_is_one_line():
    with pytest.raises(InputError, match="at least one segment"):
        segment_quality(np.zeros((3, 3), int))
    with pytest.raises(InputError, match="the same grid"):
        segment_quality(SEGMENTS, reference=REFERENCE[:2])
    with pytest.raises(InputError, match="the same grid"):
        segment_quality(SEGMENTS, features=REFERENCE)
    with pytest.raises(InputError, match="labelled pixel"):
        segment_quality(SEGMENTS, reference=np.zeros_like(REFERENCE))
    with pytest.raises(InputError, match="tolerance"):
        segment_quality(SEGMENTS, reference=REFERENCE, tolerance=-1)
