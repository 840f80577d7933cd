import threading
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from citygrain.errors import InputError
from citygrain.legend import URBAN
from citygrain.rows import LazyRows, MappedRows
from citygrain.samples.joined import JoinedRows
from citygrain.samples.samples import Samples
from citygrain.samples.stored import StoredRows, read_ahead, shuffled_blocks

SHAPE = (40, 4, 5, 3)  # (n, h, w, c)


@pytest.fixture(scope="module")
def values() -> npt.NDArray[np.float64]:
    return np.random.default_rng(0).random(SHAPE)


@pytest.fixture(scope="module", params=["contiguous", "chunked"])
def path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, values: npt.NDArray) -> Path:
    path = tmp_path_factory.mktemp("stored") / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("sen2", data=values, chunks=(7, 2, 5, 3) if request.param == "chunked" else None)
        file["single"] = values.astype(np.float32)
        file["numbers"] = (10_000 * values).astype(np.uint16)
    return path


@given(rows=st.lists(st.integers(0, 39), max_size=60))
def test_any_choice_of_rows_is_what_numpy_gives(path: Path, values: npt.NDArray, rows: list[int]) -> None:
    index = np.array(rows, np.int64)
    expected = np.moveaxis(values.astype(np.float32), -1, 1)
    np.testing.assert_array_equal(StoredRows.of(path, "sen2")[index], expected[index])


@given(
    cut=st.slices(40),
    first=st.lists(st.integers(0, 39), min_size=1, max_size=50),
    mask=st.lists(st.booleans(), min_size=40, max_size=40),
)
def test_choices_of_choices_stay_unread_and_right(
    path: Path, values: npt.NDArray, cut: slice, first: list[int], mask: list[bool]
) -> None:
    expected = np.moveaxis(values.astype(np.float32), -1, 1)
    rows = StoredRows.of(path, "sen2")
    np.testing.assert_array_equal(rows[cut], expected[cut])
    np.testing.assert_array_equal(rows[np.array(mask)], expected[np.array(mask)])
    chosen = rows.subset(np.array(first))
    assert isinstance(chosen, LazyRows) and len(chosen) == len(first)
    np.testing.assert_array_equal(chosen[-1], expected[first][-1])
    np.testing.assert_array_equal(chosen[::2], expected[first][::2])


@pytest.mark.parametrize(("name", "scale", "tolerance"), [("single", 1, 0), ("numbers", 10_000, 1e-4)])
def test_other_types_too(path: Path, values: npt.NDArray, name: str, scale: float, tolerance: float) -> None:
    read = StoredRows.of(path, name)[3:9]
    assert read.dtype == np.float32 and read.flags.c_contiguous
    expected = np.moveaxis(values[3:9].astype(np.float32), -1, 1)
    np.testing.assert_allclose(read / np.float32(scale), expected, atol=tolerance, rtol=0)


def test_patches_larger_than_a_piece_are_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("citygrain.samples.stored._PIECE", 1000)  # three rows of 384 bytes do not fit
    values = np.random.default_rng(1).random((20, 4, 4, 3))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = values
    rows = StoredRows.of(tmp_path / "a.h5", "x")
    np.testing.assert_array_equal(
        rows[[0, 1, 2, 7, 8, 19]], np.moveaxis(values, -1, 1)[[0, 1, 2, 7, 8, 19]].astype("f4")
    )


def test_samples_of_stored_rows_stay_on_disk(path: Path, values: npt.NDArray) -> None:
    samples = Samples.of(StoredRows.of(path, "sen2"), np.ones(40), features=("a", "b", "c"), legend=URBAN)
    kept = samples[np.arange(0, 40, 3)].select(("c", "a"))
    assert isinstance(kept.x, LazyRows)
    np.testing.assert_array_equal(
        kept.take(np.array([5, 0, 5])), np.moveaxis(values, -1, 1)[[15, 0, 15]][:, [2, 0]].astype(np.float32)
    )


def test_joined_rows_are_channels_side_by_side(path: Path, values: npt.NDArray) -> None:
    stored = StoredRows.of(path, "sen2")
    doubled = MappedRows(stored, lambda x: 2 * x[:, :1], 1)
    joined = JoinedRows((doubled, stored))
    expected = np.moveaxis(values.astype(np.float32), -1, 1)
    expected = np.concatenate([2 * expected[:, :1], expected], axis=1)
    assert joined.shape == expected.shape and isinstance(joined, LazyRows)
    np.testing.assert_array_equal(joined[4], expected[4])
    np.testing.assert_array_equal(joined.subset(np.array([9, 3]))[:], expected[[9, 3]])
    with pytest.raises(InputError, match="as many patches"):
        JoinedRows((stored, stored.subset(np.arange(3))))


def test_threads_read_what_one_reads(path: Path) -> None:
    rows = StoredRows.of(path, "sen2")
    expected = rows[:]
    wrong = []

    def read(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(30):
            index = rng.integers(0, 40, 7)
            if not np.array_equal(rows[index], expected[index]):
                wrong.append(seed)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_the_file_is_closed_with_its_last_rows(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = np.zeros((3, 2, 2, 1))
    rows = StoredRows.of(tmp_path / "a.h5", "x")
    part = rows.subset(np.array([1]))
    part[:]
    del rows
    with pytest.raises(OSError), h5py.File(tmp_path / "a.h5", "r+"):  # still open: HDF5 refuses a writer
        pass
    part.close()
    assert part[:].shape == (1, 1, 2, 2)  # opened again
    del part
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file["y"] = 1


def test_single_nan_are_no_data_and_empty_patches_are_refused(tmp_path: Path) -> None:
    x = np.ones((30, 4, 4, 2))
    x[3, 0, 0, 0] = np.nan
    x[20] = np.nan
    x[25, 1, 1, 1] = np.inf
    x[27, 0, 0, 0] = -1e300
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = x
    rows = StoredRows.of(tmp_path / "a.h5", "x")
    assert np.isnan(rows[:20]).sum() == 1
    with pytest.raises(InputError, match=r"row 20 of x .* nothing but NaN"):
        rows.subset(np.arange(10, 30))[5:12]
    with pytest.raises(InputError, match=r"row 25 of x .* infinite"):
        rows[[25, 2]]
    with pytest.raises(InputError, match=r"row 27 of x .* infinite"):  # as float32
        rows[27]


def test_what_is_no_patches_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["flat"] = np.zeros((3, 2))
        file["text"] = np.full((2, 2, 2, 2), b"no")
        file.create_group("group")
    for name in ("flat", "text", "group"):
        with pytest.raises(InputError, match="patches of numbers"):
            StoredRows.of(tmp_path / "a.h5", name)


@given(
    n=st.integers(0, 300), block=st.integers(1, 40), mix=st.integers(1, 9), seed=st.integers(0, 2**32)
)  # fmt: skip
def test_blocks_give_each_row_once_in_bounded_turns_of_few_reads(n: int, block: int, mix: int, seed: int) -> None:
    turns = list(shuffled_blocks(n, block=block, mix=mix, rng=np.random.default_rng(seed)))
    again = list(shuffled_blocks(n, block=block, mix=mix, rng=np.random.default_rng(seed)))
    assert all(np.array_equal(one, other) for one, other in zip(turns, again, strict=True))
    assert np.sort(np.concatenate([np.empty(0, np.int64), *turns])).tolist() == list(range(n))
    for turn in turns:
        assert 0 < len(turn) <= block * mix
        assert (np.diff(np.sort(turn)) > 1).sum() < mix  # sequential stretches


def test_blocks_mix_far_rows_and_differ_by_epoch() -> None:
    rng = np.random.default_rng(0)
    first, second = (np.concatenate(list(shuffled_blocks(2000, block=20, mix=10, rng=rng))) for _ in range(2))
    assert not np.array_equal(first, second)
    assert abs(np.corrcoef(first, np.arange(2000))[0, 1]) < 0.3
    with pytest.raises(InputError, match="1 or more"):
        list(shuffled_blocks(5, block=0, mix=1, rng=rng))


def test_reading_ahead_gives_every_row_beside_its_number(path: Path, values: npt.NDArray) -> None:
    rows = StoredRows.of(path, "sen2")
    expected = np.moveaxis(values.astype(np.float32), -1, 1)
    seen = []
    for index, patches in read_ahead(rows, shuffled_blocks(40, block=4, mix=3, rng=np.random.default_rng(2))):
        np.testing.assert_array_equal(patches, expected[index])
        seen += index.tolist()
    assert sorted(seen) == list(range(40))
    assert list(read_ahead(rows, [])) == []


def test_what_goes_wrong_in_the_thread_is_told(tmp_path: Path) -> None:
    x = np.ones((8, 4, 4, 2))
    x[7] = np.nan
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = x
    with pytest.raises(InputError, match="row 7"):
        list(read_ahead(StoredRows.of(tmp_path / "a.h5", "x"), [np.arange(4), np.arange(4, 8)]))
