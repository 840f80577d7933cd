from pathlib import Path

import pytest

from citygrain.errors import OutputError
from citygrain.files import make_folder, whole_file, write_text


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
