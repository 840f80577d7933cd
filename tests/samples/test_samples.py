from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from citygrain.errors import InputError
from citygrain.legend import URBAN, WORLDCOVER
from citygrain.samples.samples import Samples, join_samples


def rows(n: int = 6) -> Samples:
    x = np.arange(2 * n, dtype=np.float32).reshape(n, 2)
    return Samples.of(x, np.arange(n) % 5, features=("B04", "B08"), legend=URBAN)


@given(st.lists(st.integers(0, 5), max_size=12))
def test_slicing_keeps_each_row_together(index: list[int]) -> None:
    samples, chosen = rows(), rows()[np.array(index, np.int64)]
    assert np.array_equal(chosen.x, samples.x[index])
    assert chosen.y.tolist() == samples.y[index].tolist() and chosen.unit.tolist() == index


def test_rows_on_disk_come_in_the_order_asked(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        on_disk = Samples.of(file.create_dataset("x", data=rows().x), rows().y, features=("a", "b"), legend=URBAN)
        assert np.array_equal(on_disk[np.array([4, 0, 4])].x, rows().x[[4, 0, 4]])


def test_selected_features_are_those_columns() -> None:
    assert np.array_equal(rows().select(("B08",)).x[:, 0], rows().x[:, 1])
    with pytest.raises(InputError, match="B99"):
        rows().select(("B99",))


def test_joined_rows_follow_each_other() -> None:
    joined = join_samples(rows()[:2], rows()[3:])
    assert joined.unit.tolist() == [0, 1, 3, 4, 5]
    other = Samples.of(np.ones((1, 2)), [10], features=("B04", "B08"), legend=WORLDCOVER)
    with pytest.raises(InputError, match="other features or classes"):
        join_samples(rows(), other)


@pytest.mark.parametrize("wrong", [{"y": [1, 2]}, {"features": ("a",)}, {"x": np.zeros((6, 2, 3))}])
def test_shapes_are_checked(wrong: dict[str, object]) -> None:
    right = {"x": np.zeros((6, 2)), "y": [1] * 6, "features": ("a", "b")}
    with pytest.raises(InputError):
        Samples.of(**(right | wrong), legend=URBAN)  # type: ignore[arg-type]
