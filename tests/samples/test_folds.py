from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from citygrain.errors import InputError
from citygrain.legend import LCZ, URBAN
from citygrain.samples.folds import (
    group_folds,
    leave_one_group_out,
    random_folds,
    repeated_folds,
    split_at_random,
    split_groups,
    split_in_order,
)
from citygrain.samples.samples import Samples


def grouped(y: npt.ArrayLike, group: npt.ArrayLike) -> Samples:
    y = np.asarray(y)
    x = np.arange(len(y), dtype=np.float32)[:, None]
    return Samples.of(x, y, features=("row",), legend=URBAN, group=np.asarray(group, np.int64))


@st.composite
def worlds(draw: st.DrawFn) -> Samples:
    """Samples in 5 to 12 groups of 1 to 20 rows, some of them unlabelled."""
    sizes = draw(st.lists(st.integers(1, 20), min_size=5, max_size=12))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    group = rng.permutation(np.repeat(rng.permutation(1000)[: len(sizes)], sizes))
    y = rng.integers(0, 5, len(group))
    y[np.unique(group, return_index=True)[1]] = 1  # each group has a label
    return grouped(y, group)


@given(worlds(), st.integers(2, 5), st.integers(0, 2**32))
def test_no_group_is_on_both_sides_and_each_labelled_row_is_tested_once(
    samples: Samples, folds: int, seed: int
) -> None:
    found = group_folds(samples, folds, rng=np.random.default_rng(seed))
    again = group_folds(samples, folds, rng=np.random.default_rng(seed))
    labelled = np.flatnonzero(samples.y > 0)
    assert len(found) == folds
    for (train, test), (train_again, test_again) in zip(found, again, strict=True):
        assert np.array_equal(train, train_again) and np.array_equal(test, test_again)
        assert len(test) and not np.intersect1d(samples.group[train], samples.group[test]).size
        assert np.array_equal(np.sort(np.concatenate([train, test])), labelled)
    assert np.array_equal(np.sort(np.concatenate([test for _, test in found])), labelled)


@given(worlds(), st.integers(2, 5), st.integers(0, 2**32))
def test_random_folds_test_each_labelled_row_once_and_spread_the_classes(
    samples: Samples, folds: int, seed: int
) -> None:
    found = random_folds(samples, folds, rng=np.random.default_rng(seed))
    assert np.array_equal(np.sort(np.concatenate([test for _, test in found])), np.flatnonzero(samples.y > 0))
    for code in (1, 2, 3, 4):
        held = [int((samples.y[test] == code).sum()) for _, test in found]
        assert max(held) - min(held) <= 1


@given(worlds(), st.floats(0.3, 0.8), st.integers(0, 2**32))
def test_split_groups_keeps_groups_whole(samples: Samples, share: float, seed: int) -> None:
    train, test = split_groups(samples, share, rng=np.random.default_rng(seed))
    again, _ = split_groups(samples, share, rng=np.random.default_rng(seed))
    assert np.array_equal(train.unit, again.unit)
    assert len(train) and len(test) and not np.intersect1d(train.group, test.group).size
    assert len(train) + len(test) == (samples.y > 0).sum()


def test_many_small_groups_meet_the_share_class_by_class() -> None:
    rng = np.random.default_rng(0)
    samples = grouped(rng.choice([1, 2, 3, 4], 3000, p=[0.6, 0.3, 0.08, 0.02]), np.arange(3000) // 10)
    train, _ = split_groups(samples, 0.75, rng=rng)
    for name, count in samples.counts().items():
        assert train.counts()[name] / count == pytest.approx(0.75, abs=0.03), name
    held = np.array([np.bincount(samples.y[test], minlength=5)[1:] for _, test in group_folds(samples, 5, rng=rng)])
    assert (held.max(axis=0) - held.min(axis=0) <= 0.03 * held.sum(axis=0)).all()


@given(worlds(), st.floats(0.2, 0.8), st.integers(0, 2**32))
def test_random_split_takes_the_share_of_each_class(samples: Samples, share: float, seed: int) -> None:
    if (samples.y > 0).sum() < 20:
        return
    train, test = split_at_random(samples, share, rng=np.random.default_rng(seed))
    assert len(np.union1d(train.unit, test.unit)) == len(train) + len(test) == (samples.y > 0).sum()
    for name, count in samples.counts().items():
        assert abs(train.counts()[name] - share * count) <= 0.5 + 1e-9


def test_in_order_is_the_courses_split() -> None:
    samples = grouped(np.ones(2400), np.zeros(2400))
    train, test = split_in_order(samples)
    assert train.unit.tolist() == list(range(1920)) and test.unit.tolist() == list(range(1920, 2400))


def test_deals_differ_and_the_buffer_keeps_training_ground_away() -> None:
    corner = np.column_stack([np.arange(40) % 8, np.arange(40) // 8]) * 10.0
    extent = np.hstack([corner, corner + 30])  # windows of three pixels
    group = np.arange(40) % 8 // 2  # columns of the lattice, two by two
    known = {"group": group, "extent": extent}
    samples = Samples.of(np.zeros((40, 1)), 1 + np.arange(40) % 2, features=("B02",), legend=LCZ, **known)
    deals = repeated_folds(samples, 4, 3, rng=np.random.default_rng(0), buffer=0)
    plain = repeated_folds(samples, 4, 3, rng=np.random.default_rng(0))
    assert len({str([test.tolist() for _, test in deal]) for deal in plain}) > 1
    for deal, whole in zip(deals, plain, strict=True):
        assert sorted(np.concatenate([test for _, test in deal]).tolist()) == list(range(40))
        for (train, test), (before, same) in zip(deal, whole, strict=True):
            assert np.isin(train, before).all() and len(train) < len(before) and (test == same).all()
            gap = np.abs(corner[train][:, None, 0] - corner[test][None, :, 0])
            assert (gap >= 30).all()  # a column between them, as wide as a window
    with pytest.raises(InputError, match="0 rows to train on"):
        repeated_folds(samples, 2, 1, rng=np.random.default_rng(0), buffer=500)
    with pytest.raises(InputError, match="0 deals"):
        repeated_folds(samples, 2, 0, rng=np.random.default_rng(0))


def test_one_group_at_a_time() -> None:
    samples = grouped([1, 2, 0, 1, 4, 4], [5, 5, 5, 2, 2, 9])
    found = leave_one_group_out(samples)
    assert list(found) == [2, 5, 9]
    assert found[5][0].tolist() == [3, 4, 5] and found[5][1].tolist() == [0, 1]


def test_what_cannot_be_split_is_refused() -> None:
    rng = np.random.default_rng(0)
    one = grouped([1, 1, 2], [3, 3, 3])
    lost = grouped([1, 1, 2, 2], [0, 1, 2, -1])
    for wrong in (
        lambda: split_in_order(one, 1.0),
        lambda: split_in_order(one[:1], 0.5),
        lambda: split_at_random(one, 0, rng=rng),
        lambda: split_groups(one, 0.5, rng=rng),
        lambda: group_folds(one, 2, rng=rng),
        lambda: random_folds(one, 4, rng=rng),
        lambda: random_folds(one, 1, rng=rng),
        lambda: leave_one_group_out(one),
    ):
        with pytest.raises(InputError):
            wrong()
    with pytest.raises(InputError, match="1 of 4 labelled samples have no group"):
        group_folds(lost, 2, rng=rng)


def hong_kong(data: Path) -> Samples:
    """36 band values of each reference cell: four Landsat dates at 100 m; the group is the polygon."""
    import geopandas as gpd
    import rasterio
    from rasterio.features import rasterize

    folder = data / "scenes/hong_kong"
    with rasterio.open(folder / "lcz_reference.tif") as file:
        reference, transform = file.read(1), file.transform
    dates = []
    for path in sorted(folder.glob("landsat8_*.tif")):
        with rasterio.open(path) as file:
            dates.append(file.read())
    polygons = gpd.read_file(folder / "lcz_reference_polygons.gpkg")
    shapes = zip(polygons.geometry, polygons["polygon_id"], strict=True)
    owner = rasterize(shapes, reference.shape, transform=transform, dtype="int32")
    known = reference > 0
    features = tuple(f"{date}{band}" for date in "abcd" for band in range(9))
    x = np.concatenate(dates)[:, known].T.astype(np.float32)
    return Samples.of(x, reference[known], features=features, legend=LCZ, group=owner[known].astype(np.int64))


@pytest.mark.slow
def test_the_leak_of_hong_kong(data: Path) -> None:
    from sklearn.ensemble import RandomForestClassifier

    samples = hong_kong(data)
    assert samples.x.shape == (8846, 36) and samples.group.min() > 0  # a polygon owns every cell
    scores = {}
    for name, folds in (
        ("random", random_folds(samples, 5, rng=np.random.default_rng(0))),
        ("grouped", group_folds(samples, 5, rng=np.random.default_rng(0))),
    ):
        right = 0
        for train, test in folds:
            forest = RandomForestClassifier(20, random_state=0).fit(samples.x[train], samples.y[train])
            right += int((forest.predict(samples.x[test]) == samples.y[test]).sum())
        scores[name] = right / len(samples)
    assert 0.90 < scores["random"] < 0.94, scores
    assert 0.64 < scores["grouped"] < 0.75, scores  # 0.66 to 0.73 as the folds fall
