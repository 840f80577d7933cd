"""Splits of a benchmark: what trains never tests, groups stay whole, and what is wrong is said."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citygrain.errors import InputError
from citygrain.workflows.patches.patch_splits import Given, make_splits
from helpers.patch_worlds import make_patches


@given(groups=st.integers(5, 20), folds=st.sampled_from([0, 2, 5]), name=st.sampled_from(["random", "group"]))
@settings(max_examples=15)
def test_no_test_row_trains_and_folds_test_each_row_once(groups: int, folds: int, name: str) -> None:
    samples = make_patches(100, groups=groups)
    splits, _ = make_splits(samples, name, folds=folds, seed=groups)
    for split in splits:
        for part in split.parts:
            assert not np.isin(part.test.unit, part.train.unit).any()
            if split.name == "group":
                assert not np.isin(part.test.group, part.train.group).any()
        if folds:
            tested = np.sort(np.concatenate([part.test.unit for part in split.parts]))
            assert tested.tolist() == list(range(100))
    assert splits[0].name == name and splits[-1].name == "group"


def test_the_course_tests_the_last_fifth_and_the_honest_split_stands_beside() -> None:
    samples = make_patches(100)
    course, group = make_splits(samples, "course")[0]
    assert course.parts[0].test.unit.tolist() == list(range(80, 100))
    assert "Optimistic" in course.notes[0] and "groups that were trained on" in course.notes[0]
    assert not any("Optimistic" in note for note in group.notes)
    assert [split.name for split in make_splits(samples, "course", grouped=False)[0]] == ["course"]


def test_shared_ground_is_counted() -> None:
    samples = make_patches(100, groups=1)
    extent = samples.extent + np.array([0, 0, 60, 0])  # twice as wide: each overlaps the next
    told = make_splits(replace(samples, extent=extent), "random")[0][0].notes[0]
    assert "share ground" in told
    apart = make_splits(replace(samples, group=np.full(100, -1)), "random")[0][0].notes
    assert not any("share ground" in note for note in apart)  # neighbours that only touch


def test_what_was_not_learned_or_not_tested_is_said() -> None:
    samples = make_patches(100)
    y = samples.y.copy()
    y[:80][y[:80] == 4] = 3  # class 4 is in the last rows alone
    y[80:][y[80:] == 2] = 1
    notes = " ".join(make_splits(replace(samples, y=y), "course")[0][0].notes)
    assert "absent from training" in notes and samples.legend.name_of(4) in notes
    assert f"Never tested: {samples.legend.name_of(2)}" in notes
    assert "Only 20 test rows" in notes
    assert "Fewer than 10 test rows of every class" in " ".join(make_splits(make_patches(20), "course")[0][0].notes)


def test_splits_that_cannot_be_made_are_refused_or_said() -> None:
    samples = make_patches(100)
    alone = replace(samples, y=np.where(samples.group < 4, 1, 2).astype(np.uint8), group=samples.group // 4)
    with pytest.raises(InputError, match="alone to train on"):
        make_splits(alone, "group")
    splits, remarks = make_splits(alone, "random")
    assert [split.name for split in splits] == ["random"] and "alone to train on" in remarks[0]
    unknown = replace(samples, group=np.full(100, -1))
    assert "No groups" in make_splits(unknown, "random")[1][0]
    with pytest.raises(InputError, match="no group"):
        make_splits(unknown, "group")
    with pytest.raises(InputError, match="5 folds of the course split"):
        make_splits(samples, "course", folds=5)
    with pytest.raises(InputError, match="no part"):
        make_splits(samples, "file")


def test_the_split_of_the_data_is_kept() -> None:
    samples = make_patches(100)
    rows = {"train": np.arange(60), "validation": np.arange(60, 80), "test": np.arange(80, 100)}
    part = make_splits(samples, "file", given=Given(rows))[0][0].parts[0]
    assert (len(part.train), len(part.test), part.test.unit[0]) == (60, 20, 80)
    assert part.valid is not None and part.valid.unit.tolist() == list(range(60, 80))
    other = make_patches(30, seed=1)
    splits, _ = make_splits(samples, "file", given=Given(test=other))
    assert len(splits) == 1 and len(splits[0].parts[0].train) == 100 and len(splits[0].parts[0].test) == 30
    with pytest.raises(InputError, match="other channels"):
        make_splits(samples, "file", given=Given(test=other.select(("B02",))))


def test_the_mark_follows_the_rows() -> None:
    samples = make_patches(100)
    marks = [make_splits(samples, "random", seed=seed)[0][0].parts[0].mark for seed in (0, 0, 1)]
    assert marks[0] == marks[1] != marks[2]
