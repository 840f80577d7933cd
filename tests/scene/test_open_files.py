"""Files lent: one to each at a time, opened again where they have changed, never more than a few waiting."""

import gc
import os
import threading
from pathlib import Path

import pytest

from citygrain.errors import InputError
from citygrain.scene import open_files
from citygrain.scene.open_files import close_after, close_files, lent_file


class File:
    """A file that counts who has it."""

    def __init__(self, path: Path) -> None:
        self.text, self.open, self.users = path.read_text(), True, 0

    def close(self) -> None:
        assert self.users == 0
        self.open = False


def file(path: Path, text: str = "text") -> Path:
    path.write_text(text)
    return path


def test_a_file_is_opened_once_and_lent_again(tmp_path: Path) -> None:
    path = file(tmp_path / "a")
    with lent_file(File, path) as first, lent_file(File, path) as second:
        assert first is not second  # two at a time are two files
    with lent_file(File, path) as again:
        assert again in (first, second) and again.open
    close_files([path])
    assert not first.open and not second.open


def test_a_file_that_has_changed_is_opened_anew(tmp_path: Path) -> None:
    path = file(tmp_path / "a")
    with lent_file(File, path) as first:
        pass
    file(path, "other text")
    with lent_file(File, path) as second:
        assert second.text == "other text" and second is not first
    path.unlink()
    with pytest.raises(InputError, match="a is not there"), lent_file(File, path):
        pass


def test_a_file_that_failed_is_not_lent_again(tmp_path: Path) -> None:
    path = file(tmp_path / "a")
    with pytest.raises(ValueError, match="damaged"), lent_file(File, path) as first:
        raise ValueError("damaged")
    assert not first.open
    with lent_file(File, path) as second:
        assert second is not first


def test_few_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_files, "_KEPT", 3)
    files = []
    for number in range(5):
        with lent_file(File, file(tmp_path / str(number))) as lent:
            files.append(lent)
    assert [lent.open for lent in files] == [False, False, True, True, True]


def test_no_two_threads_have_one_file(tmp_path: Path) -> None:
    path, faults = file(tmp_path / "a"), []

    def work() -> None:
        for _ in range(200):
            with lent_file(File, path) as lent:
                lent.users += 1
                if lent.users != 1:
                    faults.append(lent)
                lent.users -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_opens_its_own(tmp_path: Path) -> None:
    path = file(tmp_path / "a")
    with lent_file(File, path) as first:
        pass
    child = os.fork()
    if child == 0:
        with lent_file(File, path) as own:
            os._exit(0 if own is not first else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_a_scene_that_is_gone_keeps_no_file_open(tmp_path: Path) -> None:
    import numpy as np
    from odc.geo.geobox import GeoBox

    from citygrain.scene.codes import open_codes
    from citygrain.scene.write import write_cog

    write_cog(
        tmp_path / "a.tif", np.ones((3, 4), np.uint8), GeoBox.from_bbox((0, 0, 40, 30), "EPSG:32633", resolution=10)
    )
    raster = open_codes(tmp_path / "a.tif")
    assert raster[:2].values.all()
    held = any(key[1] == tmp_path / "a.tif" for key in open_files._waiting.files)
    del raster
    gc.collect()
    assert held and not any(key[1] == tmp_path / "a.tif" for key in open_files._waiting.files)


def test_a_scene_that_goes_while_the_table_is_in_use_waits_for_nobody(tmp_path: Path) -> None:
    path, owner = file(tmp_path / "a"), File(file(tmp_path / "b"))
    with lent_file(File, path) as lent:
        pass
    close_after(owner, [path])
    with open_files._waiting.lock:
        del owner  # Python may collect it just here
    assert lent.open
    close_files([path])
    assert not lent.open
