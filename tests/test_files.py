import shutil
from pathlib import Path

import pytest

from citygrain.errors import OutputError
from citygrain.files import make_folder, refuse_full_disk, reserve, sole_use, whole_file, write_text


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    for text in ("one", "two"):
        write_text(tmp_path / "a" / "t.txt", text)
    assert (tmp_path / "a" / "t.txt").read_text() == "two"
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["t.txt"]


@pytest.mark.parametrize("stop", [RuntimeError, KeyboardInterrupt])
def test_what_breaks_off_leaves_the_old_file(tmp_path: Path, stop: type[BaseException]) -> None:
    write_text(tmp_path / "t.txt", "old")
    with pytest.raises(stop), whole_file(tmp_path / "t.txt") as partial:
        partial.write_text("half")
        raise stop
    assert (tmp_path / "t.txt").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["t.txt"]


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="could not be written"):
        write_text(tmp_path / "file" / "t.txt", "x")
    with pytest.raises(OutputError, match="cannot be written"):
        make_folder(tmp_path / "file")


def test_a_folder_is_written_by_one_at_a_time(tmp_path: Path) -> None:
    with sole_use(tmp_path):
        with pytest.raises(OutputError, match="another process is writing into"), sole_use(tmp_path):
            pytest.fail("two at a time")
        with sole_use(tmp_path.parent):
            pass
    with sole_use(tmp_path):
        assert not list(tmp_path.iterdir())


def test_room_that_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    reserve(tmp_path / "a", 1000)
    assert (tmp_path / "a").stat().st_size in (0, 1000)
    with pytest.raises(OutputError, match="a could not be written"), whole_file(tmp_path / "a") as partial:
        reserve(partial, 2**62)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize(("need", "unit"), [(3 * 10**12, "GB"), (5_000_000, "MB"), (2_000, "kB")])
def test_a_full_disk_is_told_in_sizes_that_can_be_read(tmp_path: Path, monkeypatch, need: int, unit: str) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1_500))
    with pytest.raises(OutputError, match=rf"[1-9][0-9.]* {unit} for maps"):
        refuse_full_disk(tmp_path, need, what="maps")
