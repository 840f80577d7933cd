import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from citygrain.excerpt import Excerpt, around, near_each_other, reflected
from helpers.lazy_scenes import lazy_twin, patchwork


@given(scene=st.tuples(st.integers(1, 12), st.integers(1, 12)), size=st.integers(1, 12), data=st.data())
def test_reflected_boxes_are_what_is_touched(scene: tuple[int, int], size: int, data: st.DataObject) -> None:
    size = min(size, *scene)
    corner = [data.draw(st.integers(-(size // 2), side - size + size // 2)) for side in scene]
    box = reflected(np.array([corner]), size, scene)[0]
    for axis, side in enumerate(scene):
        touched = np.pad(np.arange(side), size, mode="reflect" if side > 1 else "edge")
        touched = touched[corner[axis] + size : corner[axis] + 2 * size]
        assert (box[axis], box[axis + 2]) == (touched.min(), touched.max() + 1)


@given(places=st.lists(st.tuples(st.integers(-9, 40), st.integers(-9, 40)), max_size=30), side=st.integers(1, 50))
def test_neighbours_are_together_and_nobody_is_lost(places: list[tuple[int, int]], side: int) -> None:
    table = np.array(places, np.int64).reshape(-1, 2)
    groups = near_each_other(table, side)
    assert sorted(np.concatenate([np.empty(0, int), *groups]).tolist()) == list(range(len(places)))
    squares = [{tuple(row) for row in (table[group] // side).tolist()} for group in groups]
    assert all(len(square) == 1 for square in squares) and len(set.union(set(), *squares)) == len(squares)


def test_a_part_of_a_part_is_read_alone() -> None:
    features, _ = patchwork()
    twin, reader = lazy_twin(features)
    whole, part = Excerpt.of(features), Excerpt.of(twin).cut((10, 20, 40, 60)).cut((15, 25, 20, 35))
    assert part.lazy and reader.read == [] and part.box == (15, 25, 20, 35)
    read = part.read()
    assert not read.lazy and reader.read == [(5, 10)]
    assert np.array_equal(read.values, whole.cut(part.box).values, equal_nan=True)
    assert np.array_equal(read.values, features.values[:, 15:20, 25:35], equal_nan=True)
    assert around(np.array([part.box])) == part.box
